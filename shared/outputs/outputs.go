// Package outputs is the domain: outputs, the jobs they belong to, and the Store that
// keeps their metadata in one DynamoDB table and their bytes in one S3 bucket. keys.go
// draws the table, limits.go says how far it goes; each write has a file of its own that says in which order it happens
// and why a crash between two steps loses nothing.
package outputs

import (
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"joboutputs/shared/filter"
)

// Limits of what a tenant stores.
const (
	MaxName = 200       // characters of an output's name (UFDL: varchar(200))
	MaxType = 2048      // bytes of an output's type
	MaxPK   = 1<<31 - 1 // primary keys are below 2³¹, as UFDL's integer columns are
)

// Output is what is known of one output of a job. A zero nullable field is null.
type Output struct {
	PK              int64 // unique in the tenant, never reused
	Job             int64
	Name, Type      string
	Creator         int64     // the user's pk; 0 = null
	CreatorUsername string    // as it was at creation; "" = null
	CreationTime    time.Time // microseconds, UTC
	DeletionTime    time.Time // of the soft delete; zero = null
	Size            int64     // bytes
	ContentType     string    // as it was declared at upload; "" = null
	SHA256          string    // hex, of the whole content, verified; "" = null
	Checksum        *Checksum // what S3 verified; nil = null

	Replayed bool // answered again: an earlier call with the same idempotency key did it

	object  string // the storage key's last part, a ULID; keys are never reused
	version int64  // of the row: the condition of every change
}

// Checksum is what the store verified of the bytes.
type Checksum struct {
	Algorithm string `json:"algorithm" dynamo:"algorithm"` // "SHA256"
	Type      string `json:"type" dynamo:"type"`           // "full" or "composite"
	Value     string `json:"value" dynamo:"value"`         // base64, as S3 writes it

	// Of a composite one: the bytes of every part but the last, so that whoever has the
	// content can make the checksum of the parts' checksums too.
	PartSize int64 `json:"part_size,omitzero" dynamo:"part_size,omitempty"`
}

// ETag is the strong entity tag of the content: quoted, and new for every upload.
func (o *Output) ETag() string { return `"` + o.object + `"` }

// Active reports whether the output is not soft-deleted.
func (o *Output) Active() bool { return o.DeletionTime.IsZero() }

// TimeFormat is how times look in answers and items: RFC 3339, UTC, always six decimals,
// so that as text they order as in time.
const TimeFormat = "2006-01-02T15:04:05.000000Z"

// FormatTime renders a time, null as the empty text.
func FormatTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(TimeFormat)
}

// MarshalJSONTo writes the output as the API answers it: UFDL's seven fields in UFDL's
// order, then ours.
func (o *Output) MarshalJSONTo(enc *jsontext.Encoder) error {
	return json.MarshalEncode(enc, &struct {
		PK           int64     `json:"pk"`
		Job          int64     `json:"job"`
		Name         string    `json:"name"`
		Type         string    `json:"type"`
		Creator      *int64    `json:"creator"`
		CreationTime string    `json:"creation_time"`
		DeletionTime *string   `json:"deletion_time"`
		Size         int64     `json:"size"`
		ContentType  *string   `json:"content_type"`
		SHA256       *string   `json:"sha256"`
		Checksum     *Checksum `json:"checksum"`
	}{
		o.PK, o.Job, o.Name, o.Type, nullable(o.Creator), FormatTime(o.CreationTime), nullable(FormatTime(o.DeletionTime)),
		o.Size, nullable(o.ContentType), nullable(o.SHA256), o.Checksum,
	})
}

// nullable is null for a zero value.
func nullable[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}

// row is what a filter sees of the output.
func (o *Output) row() filter.Row {
	return filter.Row{
		PK: o.PK, Job: o.Job, Name: o.Name, Type: o.Type, Creator: o.Creator, Username: o.CreatorUsername,
		CreationTime: o.CreationTime, DeletionTime: o.DeletionTime,
		Size: o.Size, ContentType: o.ContentType, SHA256: o.SHA256,
	}
}
