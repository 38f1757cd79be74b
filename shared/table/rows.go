package table

import (
	"fmt"
	"strconv"
	"time"

	dynamotypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/guregu/dynamo/v2"
)

// OutputRow is an O or an N row. Times are text of fixed width; null is absent.
type OutputRow struct {
	Key
	TimelineKey  string `dynamo:"TLPK,omitempty"` // on O rows only
	TimelineSort string `dynamo:"TLSK,omitempty"`

	PK              int64     `dynamo:"pk"`
	Job             int64     `dynamo:"job"`
	Name            string    `dynamo:"name"`
	Type            string    `dynamo:"type,omitempty"`
	Creator         int64     `dynamo:"creator,omitempty"`
	CreatorUsername string    `dynamo:"creator_username,omitempty"`
	CreationTime    string    `dynamo:"creation_time"`
	DeletionTime    string    `dynamo:"deletion_time,omitempty"`
	Size            int64     `dynamo:"size"`
	ContentType     string    `dynamo:"content_type,omitempty"`
	SHA256          string    `dynamo:"sha256,omitempty"`
	Checksum        *Checksum `dynamo:"checksum,omitempty"`
	Object          string    `dynamo:"object"`
	Version         int64     `dynamo:"v"`
}

// Checksum is the digest of an object's content as S3 verified it.
type Checksum struct {
	Algorithm string `json:"algorithm" dynamo:"algorithm"` // "SHA256"
	Type      string `json:"type" dynamo:"type"`           // "full" or "composite"
	Value     string `json:"value" dynamo:"value"`         // base64, as S3 writes it

	// The size in bytes of every part but the last, for a composite checksum: it allows
	// anyone with the content to compute the checksum of the parts' checksums.
	PartSize int64 `json:"part_size,omitzero" dynamo:"part_size,omitempty"`
}

// ByPK is the O row: the one by primary key, which is also listed in the timeline.
func (r OutputRow) ByPK(tenant string, shards int) OutputRow {
	r.Key = OutputKey(tenant, r.PK)
	r.TimelineKey = ShardPartition(tenant, int(r.PK%int64(shards)))
	r.TimelineSort = timelineSort(r.CreationTime, r.PK)
	return r
}

// ByName is the N row: the one by job, name and type.
func (r OutputRow) ByName(tenant string) OutputRow {
	r.Key = NameKey(tenant, r.Job, r.Name, r.Type)
	return r
}

// UnmarshalDynamoItem decodes an item as the tags above say. Output rows are read by the
// thousand, and reflection took as long as everything else together.
func (r *OutputRow) UnmarshalDynamoItem(item dynamo.Item) error {
	*r = OutputRow{}
	texts := [...]text{
		{"PK", &r.Partition}, {"SK", &r.Sort}, {"TLPK", &r.TimelineKey}, {"TLSK", &r.TimelineSort},
		{"name", &r.Name}, {"type", &r.Type}, {"creator_username", &r.CreatorUsername},
		{"creation_time", &r.CreationTime}, {"deletion_time", &r.DeletionTime},
		{"content_type", &r.ContentType}, {"sha256", &r.SHA256}, {"object", &r.Object},
	}
	for _, text := range texts {
		text.from(item)
	}
	for _, n := range [...]number{{"pk", &r.PK}, {"job", &r.Job}, {"creator", &r.Creator}, {"size", &r.Size}, {"v", &r.Version}} {
		if err := n.from(item); err != nil {
			return err
		}
	}
	m, ok := item["checksum"].(*dynamotypes.AttributeValueMemberM)
	if !ok {
		return nil
	}
	r.Checksum = &Checksum{}
	for _, text := range [...]text{{"algorithm", &r.Checksum.Algorithm}, {"type", &r.Checksum.Type}, {"value", &r.Checksum.Value}} {
		text.from(m.Value)
	}
	return number{"part_size", &r.Checksum.PartSize}.from(m.Value)
}

// text is a text attribute of an item, and where it goes.
type text struct {
	name  string
	value *string
}

func (t text) from(item map[string]dynamotypes.AttributeValue) {
	if v, ok := item[t.name].(*dynamotypes.AttributeValueMemberS); ok {
		*t.value = v.Value
	}
}

// number is a whole number of an item, and where it goes.
type number struct {
	name  string
	value *int64
}

func (n number) from(item map[string]dynamotypes.AttributeValue) (err error) {
	if v, ok := item[n.name].(*dynamotypes.AttributeValueMemberN); ok {
		if *n.value, err = strconv.ParseInt(v.Value, 10, 64); err != nil {
			return fmt.Errorf("attribute %s: %w", n.name, err)
		}
	}
	return nil
}

// JobRow is a JOB row.
type JobRow struct {
	Key

	PK           int64   `dynamo:"pk"`
	Description  string  `dynamo:"description,omitempty"`
	Node         int64   `dynamo:"node,omitempty"`
	Creator      int64   `dynamo:"creator,omitempty"`
	CreationTime string  `dynamo:"creation_time"`
	StartTime    string  `dynamo:"start_time,omitempty"`
	EndTime      string  `dynamo:"end_time,omitempty"`
	ErrorReason  *string `dynamo:"error_reason,allowempty"`
	DeletionTime string  `dynamo:"deletion_time,omitempty"`
	Cancelled    bool    `dynamo:"is_cancelled,omitempty"`
	Version      int64   `dynamo:"v"`
}

// JobAttributes are the attributes of a JOB row and, of the N rows beside it, those that a
// job mentions.
var JobAttributes = []string{
	"PK", "SK", "pk", "name", "type",
	"description", "node", "creator", "creation_time", "start_time", "end_time", "error_reason", "deletion_time", "is_cancelled", "v",
}

// NodeRow is a D row.
type NodeRow struct {
	Key
	CurrentJob int64 `dynamo:"current_job,omitempty"`
}

// CountersRow is a tenant's C row.
type CountersRow struct {
	Outputs int64 `dynamo:"outputs"`
	Jobs    int64 `dynamo:"jobs"`
	Users   int64 `dynamo:"users"`
}

// UserRow is a row of the directory.
type UserRow struct {
	Key
	PK       int64  `dynamo:"pk"`
	Username string `dynamo:"username,omitempty"`
}

// UploadRow is an X row.
type UploadRow struct {
	Key

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
	Refused         int64  `dynamo:"refused,omitempty"`    // completions, for their name
	Completing      string `dynamo:"completing,omitempty"` // a lease: <until>#<holder>, see package uploads
	ExpiresAt       string `dynamo:"expires_at"`
	TTL             int64  `dynamo:"expires"` // Unix seconds
	Creator         int64  `dynamo:"creator,omitempty"`
	CreatorUsername string `dynamo:"creator_username,omitempty"`

	// What it became, so that the response can be given again.
	PK           int64     `dynamo:"pk,omitempty"`
	CreationTime string    `dynamo:"creation_time,omitempty"`
	SHA256       string    `dynamo:"sha256,omitempty"`
	Checksum     *Checksum `dynamo:"checksum,omitempty"`
}

// IdempotencyRow is an I row. It keeps what the response is made of and not its text: a
// link in it would be a secret, and expired before the row is.
type IdempotencyRow struct {
	Key

	Fingerprint string     `dynamo:"fingerprint"` // of the request
	Expires     int64      `dynamo:"expires"`     // Unix seconds
	Output      *OutputRow `dynamo:"output,omitempty"`
	Upload      *UploadRow `dynamo:"upload,omitempty"`
	Job         *JobRow    `dynamo:"job,omitempty"`
}

// QueueRow is a W row.
type QueueRow struct {
	Key
	Kind    string `dynamo:"kind"`
	Tenant  string `dynamo:"tenant"`
	Object  string `dynamo:"object"`
	Claimed bool   `dynamo:"claimed,omitempty"`

	Multipart string `dynamo:"multipart,omitempty"` // S3's id of an aborted upload, to be aborted again
	Looked    bool   `dynamo:"looked,omitempty"`    // cleanup has been here before the row was due
	Attempts  int64  `dynamo:"attempts,omitempty"`  // of cleanup, that failed
}

// TimeFormat is how times look in responses and rows: RFC 3339, UTC, always six decimals,
// so that text orders as time does.
const TimeFormat = "2006-01-02T15:04:05.000000Z"

// FormatTime renders a time, and the zero time, which stands for null, as the empty text.
func FormatTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(TimeFormat)
}

// ParseTime reads what FormatTime rendered.
func ParseTime(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(TimeFormat, text)
	if err != nil {
		return time.Time{}, fmt.Errorf("a stored time: %w", err)
	}
	return t, nil
}

// Nullable is null for a zero value, as the API's documents have it.
func Nullable[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}
