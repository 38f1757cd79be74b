//go:build ignore

package outputs

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/guregu/dynamo/v2"
	"github.com/oklog/ulid/v2"

	"joboutputs/shared/problem"
)

// Limits of staged uploads. Those of parts are S3's:
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
const (
	DefaultMaxUpload  = 50_000_000_000 // bytes
	DefaultUploadLife = 24 * time.Hour
	MaxParts          = 10_000
	MinPartSize       = 5 << 20  // bytes; the last part may be smaller
	MaxPartSize       = 5 << 30  // bytes
	MaxSinglePart     = 64 << 20 // bytes; content up to this is one part, unless smaller ones are asked for
	PartsAtOnce       = 100      // parts in one answer

	// PartLinkLife is how long the link of a part works: within the life of the
	// credentials that sign it.
	PartLinkLife = 15 * time.Minute

	leastPartSize = 8 << 20 // bytes of a part that nobody chose
	usualParts    = 1_000   // parts that content is cut into at most, if nobody chose
	uploadKept    = 7 * 24 * time.Hour
)

// UploadLimits is what of staged uploads is a matter of configuration.
type UploadLimits struct {
	MaxSize int64         // bytes of the content; 0 = DefaultMaxUpload
	Life    time.Duration // from the beginning to the completion; 0 = DefaultUploadLife
}

// Limits is the limits with the defaults filled in.
func (l UploadLimits) Limits() UploadLimits {
	return UploadLimits{MaxSize: cmp.Or(l.MaxSize, DefaultMaxUpload), Life: cmp.Or(l.Life, DefaultUploadLife)}
}

// Limits is which staged uploads the store takes.
func (s *Store) Limits() UploadLimits { return s.uploads }

// The states of a staged upload. One that expired is aborted.
const (
	UploadOpen      = "open"
	UploadCompleted = "completed"
	UploadAborted   = "aborted"

	uploadExpired = "expired" // in the row alone: the cleanup took it
)

// NewUpload is content to be staged for a job.
type NewUpload struct {
	Job         int64
	Name, Type  string
	ContentType string // as declared; "" = not
	Size        int64  // bytes of all of it
	PartSize    int64  // bytes of every part but the last; 0 = chosen by size
	SHA256      string // base64, of all of it; "" = not known yet
	Creator     User
	Key         string          // the caller's idempotency key; "" = none
	Admit       func(Job) error // the caller's permission on the job, asked when it was read
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
	Expires    time.Time     // when it can't be completed any more
	Arrived    []ArrivedPart // by number; nil = it was not looked up
	Parts      []UploadPart  // the first of those that are missing, or those asked for
	Output     *Output       // what it became, as it was then; nil = it did not

	Replayed bool // answered again: an earlier call with the same idempotency key began it
}

// ArrivedPart is a part that S3 has.
type ArrivedPart struct {
	Number int     `json:"number"`
	Size   int64   `json:"size"`
	SHA256 *string `json:"sha256"` // base64, as S3 verified it; nil = it did not
}

// UploadPart says how a part is sent: by a link, which signs the part's length and its
// SHA-256, so that S3 takes nothing else. There is none before that checksum was said: S3
// refuses one that is sent and was not signed, and a part without.
type UploadPart struct {
	Number  int               `json:"number"` // from 1
	Offset  int64             `json:"offset"`
	Size    int64             `json:"size"`
	Method  string            `json:"method"`
	URL     *string           `json:"url"`     // nil = the checksum is to be said first
	Headers map[string]string `json:"headers"` // to be sent as they are
}

// MarshalJSONTo writes the upload as the API answers it.
func (u *Upload) MarshalJSONTo(enc *jsontext.Encoder) error {
	var arrived *[]ArrivedPart // json writes a nil slice as []
	if u.Arrived != nil {
		arrived = &u.Arrived
	}
	return json.MarshalEncode(enc, &struct {
		ID        string         `json:"id"`
		Job       int64          `json:"job"`
		Name      string         `json:"name"`
		Type      string         `json:"type"`
		Size      int64          `json:"size"`
		PartSize  int64          `json:"part_size"`
		PartCount int            `json:"part_count"`
		State     string         `json:"state"`
		Expires   string         `json:"expires_at"`
		Arrived   *[]ArrivedPart `json:"arrived"`
		Parts     []UploadPart   `json:"parts"`
		Output    *Output        `json:"output"`
	}{u.ID, u.Job, u.Name, u.Type, u.Size, u.PartSize, u.PartCount, u.State, FormatTime(u.Expires), arrived, u.Parts, u.Output})
}

// BeginUpload starts a staged upload. It refuses what Add would refuse; the name is not
// reserved, so completing it may yet meet another output of that name.
//
//	strong BatchGet {job, name, key}   begun already, or refuse
//	Put queue row                      due after the upload has expired: a crash from here on leaves something to clean up
//	CreateMultipartUpload              if there are several parts
//	Put upload                         with a key: transaction {Put upload, Put key}
//
// Problems: as Add's, InvalidRequest (part size), PayloadTooLarge.
func (s *Store) BeginUpload(ctx context.Context, tenant string, n NewUpload) (Upload, error) {
	if err := checkName(n.Name, n.Type); err != nil {
		return Upload{}, err
	}
	if n.Size > s.uploads.MaxSize {
		return Upload{}, problem.New(problem.PayloadTooLarge, "The content is %d bytes; at most %d can be uploaded.", n.Size, s.uploads.MaxSize)
	}
	partSize, single, err := partSize(n.Size, n.PartSize)
	if err != nil {
		return Upload{}, err
	}
	call := s.newKeyed(tenant, n.Creator, n.Key, "begin", []any{n.Job}, []any{n.Name, n.Type, n.ContentType, n.Size, n.PartSize, n.SHA256})
	creator, earlier, err := s.admit(ctx, tenant, &Addition{Job: n.Job, Name: n.Name, Type: n.Type, Creator: n.Creator, Admit: n.Admit}, call)
	if err != nil {
		return Upload{}, err
	}
	if earlier != nil {
		return s.begunBefore(ctx, tenant, earlier)
	}

	expires := s.now().Add(s.uploads.Life)
	row := uploadRow{
		ID: s.newID(), Job: n.Job, Name: n.Name, Type: n.Type, ContentType: n.ContentType,
		Size: n.Size, PartSize: partSize, Claimed: n.SHA256,
		State: UploadOpen, ExpiresAt: FormatTime(expires), TTL: expires.Add(uploadKept).Unix(),
		Creator: creator, CreatorUsername: n.Creator.Username,
	}
	row.PartitionKey, row.SortKey = uploadKey(tenant, row.ID), uploadSort
	if err := s.table.Put(s.queued(uploadKind, tenant, row.ID, expires)).Run(ctx); err != nil {
		return Upload{}, failed(err, "put the queue row of an upload")
	}
	if !single {
		made, err := s.s3.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{
			Bucket:            &s.bucket,
			Key:               aws.String(objectKey(tenant, row.ID)),
			ContentType:       aws.String("application/octet-stream"),
			ChecksumAlgorithm: s3types.ChecksumAlgorithmSha256,
			ChecksumType:      s3types.ChecksumTypeComposite,
		})
		if err != nil {
			return Upload{}, failed(err, "create a multipart upload")
		}
		row.Multipart = aws.ToString(made.UploadId)
	}
	put := s.table.Put(row).If("attribute_not_exists('PK')")
	if call == nil {
		if err = put.Run(ctx); dynamo.IsCondCheckFailed(err) {
			err = nil // met its own first attempt, whose answer was lost
		}
	} else {
		call.row.Upload = &row
		tx := s.db.WriteTx().Put(put)
		s.keep(tx, call)
		err = tx.Run(ctx)
	}
	if cancellation(err) != nil { // another call with the key was faster; this one's is cleaned up
		if earlier, err := s.lookAgain(ctx, call); err != nil {
			return Upload{}, err
		} else if earlier != nil {
			return s.begunBefore(ctx, tenant, earlier)
		}
	}
	if err != nil {
		return Upload{}, failed(err, "put an upload")
	}
	u, err := row.upload()
	if err != nil {
		return Upload{}, err
	}
	return u, s.listMissing(ctx, tenant, &row, &u, 1)
}

// partSize says how content is cut, and whether it is sent by a single PUT.
func partSize(size, asked int64) (partSize int64, single bool, err error) {
	switch {
	case asked != 0 && (asked < MinPartSize || asked > MaxPartSize):
		return 0, false, problem.New(problem.InvalidRequest, "part_size: must be from %d to %d", MinPartSize, int64(MaxPartSize))
	case asked != 0 && (size+asked-1)/asked > MaxParts:
		return 0, false, problem.New(problem.InvalidRequest, "part_size: must be at least %d, for at most %d parts", (size+MaxParts-1)/MaxParts, MaxParts)
	case size <= MaxSinglePart && (asked == 0 || asked >= size):
		return size, true, nil
	case asked != 0:
		return asked, false, nil
	}
	partSize = leastPartSize
	for partSize < MaxPartSize/2 && (size+partSize-1)/partSize > usualParts {
		partSize *= 2
	}
	return partSize, false, nil
}

// uploadRow is an X row.
type uploadRow struct {
	PartitionKey string `dynamo:"PK"`
	SortKey      string `dynamo:"SK"`

	ID              string `dynamo:"id"`
	Job             int64  `dynamo:"job"`
	Name            string `dynamo:"name"`
	Type            string `dynamo:"type,omitempty"`
	ContentType     string `dynamo:"content_type,omitempty"`
	Size            int64  `dynamo:"size"`
	PartSize        int64  `dynamo:"part_size"`
	Claimed         string `dynamo:"claimed_sha256,omitempty"` // base64, as the client said at the beginning
	Multipart       string `dynamo:"multipart,omitempty"`      // S3's id; none = a single PUT
	State           string `dynamo:"state"`
	Refused         int64  `dynamo:"refused,omitempty"` // completions, for their name
	ExpiresAt       string `dynamo:"expires_at"`
	TTL             int64  `dynamo:"expires"`
	Creator         int64  `dynamo:"creator,omitempty"`
	CreatorUsername string `dynamo:"creator_username,omitempty"`

	// What it became, for the answer to be given again.
	PK           int64     `dynamo:"pk,omitempty"`
	CreationTime string    `dynamo:"creation_time,omitempty"`
	SHA256       string    `dynamo:"sha256,omitempty"`
	Checksum     *Checksum `dynamo:"checksum,omitempty"`
}

func (r *uploadRow) parts() int {
	if r.Size == 0 {
		return 1
	}
	return int((r.Size + r.PartSize - 1) / r.PartSize)
}

// part is where a part begins and how long it is.
func (r *uploadRow) part(number int) (offset, size int64) {
	offset = int64(number-1) * r.PartSize
	return offset, min(r.PartSize, r.Size-offset)
}

func (r *uploadRow) upload() (Upload, error) {
	u := Upload{
		ID: r.ID, Job: r.Job, Name: r.Name, Type: r.Type, Size: r.Size, PartSize: r.PartSize, PartCount: r.parts(),
		State: r.State, Arrived: []ArrivedPart{}, Parts: []UploadPart{},
	}
	var err error
	if u.Expires, err = parseTime(r.ExpiresAt); err != nil {
		return Upload{}, err
	}
	switch r.State {
	case UploadCompleted:
		o, err := r.output()
		if err != nil {
			return Upload{}, err
		}
		u.Output = &o
	case uploadExpired:
		u.State = UploadAborted
	}
	return u, nil
}

// output is what the upload became, or will if it has no pk yet.
func (r *uploadRow) output() (Output, error) {
	created, err := parseTime(r.CreationTime)
	return Output{
		PK: r.PK, Job: r.Job, Name: r.Name, Type: r.Type, Creator: r.Creator, CreatorUsername: r.CreatorUsername,
		CreationTime: created, Size: r.Size, ContentType: r.ContentType, SHA256: r.SHA256, Checksum: r.Checksum,
		object: r.ID, version: 1,
	}, err
}

// ended is why an upload can't go on, nil if it can.
func (s *Store) ended(r *uploadRow) error {
	expires, err := parseTime(r.ExpiresAt)
	if err != nil {
		return err
	}
	switch {
	case r.State == UploadAborted:
		return problem.New(problem.UploadAborted, "The upload was aborted.")
	case r.State == uploadExpired, r.State == UploadOpen && !s.now().Before(expires):
		return problem.New(problem.UploadExpired, "The upload expired at %s; begin another.", r.ExpiresAt)
	}
	return nil
}

// readUpload reads an upload and its job, and what else is wanted, in one call, and asks
// whether the caller is admitted. Problems: NotFound, Admit's, UploadNotFound, also for another job's.
func (s *Store) readUpload(ctx context.Context, tenant string, job int64, id string, admit func(Job) error, more ...wantedRow) (uploadRow, Job, error) {
	if !isUploadID(id) {
		id = "" // the key of none
	}
	var (
		row           uploadRow
		owner         jobRow
		found, exists bool
	)
	err := s.batch(ctx, append(more,
		wantedRow{jobKey(tenant, job), jobSort, &owner, &exists},
		wantedRow{uploadKey(tenant, id), uploadSort, &row, &found},
	)...)
	if err != nil {
		return row, Job{}, err
	}
	if !exists {
		return row, Job{}, notFound()
	}
	j, err := owner.job()
	if err != nil {
		return row, Job{}, err
	}
	if err := admit(j); err != nil {
		return row, Job{}, err
	}
	if !found || row.Job != job {
		return row, Job{}, problem.New(problem.UploadNotFound, "The job has no upload of this id.")
	}
	return row, j, nil
}

// isUploadID reports whether an id is written as ours are, which become part of keys: ULIDs.
func isUploadID(id string) bool {
	return len(id) == ulid.EncodedSize && strings.Trim(id, ulid.Encoding) == ""
}

// queueRow is the queue's row of an upload.
func (s *Store) queueRow(tenant string, r *uploadRow) (queueRow, error) {
	expires, err := parseTime(r.ExpiresAt)
	return s.queued(uploadKind, tenant, r.ID, expires), err
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
