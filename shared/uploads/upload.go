// Package uploads is content of any size that becomes an output in steps: begin an upload,
// send its parts to S3 by presigned links, complete it. Nothing is visible before it is
// completed.
package uploads

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/oklog/ulid/v2"

	"joboutputs/shared/auth"
	"joboutputs/shared/config"
	"joboutputs/shared/jobs"
	"joboutputs/shared/outputs"
	"joboutputs/shared/problem"
	"joboutputs/shared/table"
)

// Store stages uploads. Its methods return problems for what a caller may know; any other
// error is internal. Safe for concurrent use.
type Store struct {
	t      *table.Store
	limits Limits
}

// New makes a Store over the table and the bucket.
func New(t *table.Store, limits Limits) *Store { return &Store{t, limits.WithDefaults()} }

// Open makes the Store of a Lambda, from its environment. It makes no call.
func Open(section config.StorageSection) *Store {
	return New(table.Open(section), Limits(section.Uploads))
}

// Limits of staged uploads. Those of parts are S3's:
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
const (
	DefaultMaxSize = 50_000_000_000 // bytes
	DefaultLife    = 24 * time.Hour
	MaxParts       = 10_000
	MinPartSize    = 5 << 20  // bytes; the last part may be smaller
	MaxPartSize    = 5 << 30  // bytes
	MaxSinglePart  = 64 << 20 // bytes; content up to this is one part, unless smaller ones are asked for
	PartsAtOnce    = 100      // parts in one answer

	// LinkLife is how long the link of a part works: within the life of the
	// credentials that sign it.
	LinkLife = table.LinkLife

	leastPartSize = 8 << 20 // bytes of a part that nobody chose
	usualParts    = 1_000   // parts that content is cut into at most, if nobody chose
	uploadKept    = 7 * 24 * time.Hour
)

// Limits is what of staged uploads is a matter of configuration.
type Limits struct {
	MaxSize int64         // bytes of the content; 0 = DefaultMaxSize
	Life    time.Duration // from the beginning to the completion; 0 = DefaultLife
}

// WithDefaults is the limits with the defaults filled in.
func (l Limits) WithDefaults() Limits {
	return Limits{MaxSize: cmp.Or(l.MaxSize, DefaultMaxSize), Life: cmp.Or(l.Life, DefaultLife)}
}

// Limits is which staged uploads the store takes.
func (s *Store) Limits() Limits { return s.limits }

// The states of a staged upload. One that expired is aborted.
const (
	StateOpen      = "open"
	StateCompleted = "completed"
	StateAborted   = "aborted"

	stateExpired = "expired" // in the row only: the cleanup took it
	stateLost    = "lost"    // in the row only: S3 no longer has its parts
)

// NewUpload is content to be staged for a job.
type NewUpload struct {
	Job         int64
	Name, Type  string
	ContentType string // as declared; "" = not
	Size        int64  // bytes of all of it
	PartSize    int64  // bytes of every part but the last; 0 = chosen by size
	SHA256      string // base64, of all of it; "" = not known yet
	Key         string // the caller's idempotency key; "" = none
}

// Upload is content on its way: its bytes go to S3 by links, part by part, and nothing of
// it is visible before it is completed.
type Upload struct {
	ID         string
	Job        int64
	Name, Type string
	Size       int64
	PartSize   int64 // bytes of every part but the last
	PartCount  int
	State      string
	Expires    time.Time       // when it can't be completed any more
	Arrived    []ArrivedPart   // by number; nil = it was not looked up
	Parts      []Part          // the first of those that are missing, or those asked for
	Output     *outputs.Output // what it became, as it was then; nil = it did not

	Replayed bool // an earlier call with the same idempotency key began it
}

// ArrivedPart is a part that S3 has.
type ArrivedPart struct {
	Number int     `json:"number"`
	Size   int64   `json:"size"`
	SHA256 *string `json:"sha256"` // base64, as S3 verified it; nil = it did not
}

// Part says how a part is sent: by a link, which signs the part's length and its
// SHA-256, so that S3 takes nothing else. There is none before that checksum was said: S3
// refuses one that is sent and was not signed, and a part without.
type Part struct {
	Number  int               `json:"number"` // from 1
	Offset  int64             `json:"offset"`
	Size    int64             `json:"size"`
	Method  string            `json:"method"`
	URL     *string           `json:"url"`     // nil = the checksum is to be said first
	Headers map[string]string `json:"headers"` // to be sent as they are
}

// MarshalJSONTo writes the upload as the API returns it.
func (u *Upload) MarshalJSONTo(enc *jsontext.Encoder) error {
	var arrived *[]ArrivedPart // json writes a nil slice as []
	if u.Arrived != nil {
		arrived = &u.Arrived
	}
	return json.MarshalEncode(enc, &struct {
		ID        string          `json:"id"`
		Job       int64           `json:"job"`
		Name      string          `json:"name"`
		Type      string          `json:"type"`
		Size      int64           `json:"size"`
		PartSize  int64           `json:"part_size"`
		PartCount int             `json:"part_count"`
		State     string          `json:"state"`
		Expires   string          `json:"expires_at"`
		Arrived   *[]ArrivedPart  `json:"arrived"`
		Parts     []Part          `json:"parts"`
		Output    *outputs.Output `json:"output"`
	}{u.ID, u.Job, u.Name, u.Type, u.Size, u.PartSize, u.PartCount, u.State, table.FormatTime(u.Expires), arrived, u.Parts, u.Output})
}

// partCount is how many parts the content has; an empty one has one.
func partCount(r *table.UploadRow) int {
	if r.Size == 0 {
		return 1
	}
	return int((r.Size + r.PartSize - 1) / r.PartSize)
}

// part is where a part begins and how long it is.
func part(r *table.UploadRow, number int) (offset, size int64) {
	offset = int64(number-1) * r.PartSize
	return offset, min(r.PartSize, r.Size-offset)
}

func uploadOf(r *table.UploadRow) (Upload, error) {
	u := Upload{
		ID: r.ID, Job: r.Job, Name: r.Name, Type: r.Type, Size: r.Size, PartSize: r.PartSize, PartCount: partCount(r),
		State: r.State, Arrived: []ArrivedPart{}, Parts: []Part{},
	}
	var err error
	if u.Expires, err = table.ParseTime(r.ExpiresAt); err != nil {
		return Upload{}, err
	}
	switch r.State {
	case StateCompleted:
		o, err := outputOf(r)
		if err != nil {
			return Upload{}, err
		}
		u.Output = &o
	case stateExpired, stateLost:
		u.State = StateAborted
	}
	return u, nil
}

// outputOf is what the upload became, or will if it has no pk yet.
func outputOf(r *table.UploadRow) (outputs.Output, error) {
	return outputs.FromRow(&table.OutputRow{
		PK: r.PK, Job: r.Job, Name: r.Name, Type: r.Type, Creator: r.Creator, CreatorUsername: r.CreatorUsername,
		CreationTime: r.CreationTime, Size: r.Size, ContentType: r.ContentType, SHA256: r.SHA256, Checksum: r.Checksum,
		Object: r.ID, Version: 1,
	})
}

// ended is why an upload can't go on, nil if it can.
func (s *Store) ended(r *table.UploadRow) error {
	expires, err := table.ParseTime(r.ExpiresAt)
	if err != nil {
		return err
	}
	switch {
	case r.State == stateLost:
		return lost()
	case r.State == StateAborted:
		return problem.New(problem.UploadAborted, "The upload was aborted.")
	case r.State == stateExpired, r.State == StateOpen && !s.t.Now().Before(expires):
		return problem.New(problem.UploadExpired, "The upload expired at %s; begin another.", r.ExpiresAt)
	}
	return nil
}

// read reads an upload and its job, and what else is wanted, in one call, and checks the
// caller's permission. Problems: NotFound, PermissionDenied, UploadNotFound, also for another
// job's.
func (s *Store) read(ctx context.Context, p auth.Principal, action auth.Action, job int64, id string, more ...table.Wanted) (table.UploadRow, jobs.Job, error) {
	if !isUploadID(id) {
		id = "" // the key of none
	}
	var (
		row           table.UploadRow
		owner         table.JobRow
		found, exists bool
	)
	err := s.t.Batch(ctx, append(more,
		table.Wanted{Key: table.JobKey(p.Tenant, job), Row: &owner, Found: &exists},
		table.Wanted{Key: table.UploadKey(p.Tenant, id), Row: &row, Found: &found},
	)...)
	if err != nil {
		return row, jobs.Job{}, err
	}
	if !exists {
		return row, jobs.Job{}, problem.Missing()
	}
	j, err := jobs.FromRow(&owner)
	if err != nil {
		return row, jobs.Job{}, err
	}
	if err := j.Permit(p, action); err != nil {
		return row, jobs.Job{}, err
	}
	if !found || row.Job != job {
		return row, jobs.Job{}, problem.New(problem.UploadNotFound, "The job has no upload of this id.")
	}
	return row, j, nil
}

// isUploadID reports whether an id is written as ours are, which become part of keys: ULIDs.
func isUploadID(id string) bool {
	return len(id) == ulid.EncodedSize && strings.Trim(id, ulid.Encoding) == ""
}

// queueRow is the queue row of an upload.
func (s *Store) queueRow(tenant string, r *table.UploadRow) (table.QueueRow, error) {
	expires, err := table.ParseTime(r.ExpiresAt)
	return table.Queued(table.UploadKind, tenant, r.ID, expires), err
}

// SHA256 reads a checksum in hex or, as S3 writes it, in base64, and answers it in base64.
func SHA256(text string) (inBase64 string, ok bool) {
	decode := hex.DecodeString
	if len(text) == base64.StdEncoding.EncodedLen(sha256.Size) {
		decode = base64.StdEncoding.Strict().DecodeString
	}
	raw, err := decode(text)
	return base64.StdEncoding.EncodeToString(raw), err == nil && len(raw) == sha256.Size
}
