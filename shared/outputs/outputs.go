// Package outputs is the outputs of jobs: adding, reading, listing, changing and removing
// them. Each write has a file of its own, which says in which order it calls the stores and
// why a crash between two steps loses nothing. Package table draws the keys.
package outputs

import (
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"joboutputs/shared/config"
	"joboutputs/shared/filter"
	"joboutputs/shared/table"
)

// Store keeps outputs. Its methods return problems for what a caller may know; any other
// error is internal. Safe for concurrent use.
type Store struct{ t *table.Store }

// New makes a Store over the table and the bucket.
func New(t *table.Store) *Store { return &Store{t} }

// Open makes the Store of a Lambda, from its environment. It makes no call.
func Open(section config.StorageSection) *Store { return New(table.Open(section)) }

// Limits of what a tenant stores.
const (
	MaxName = 200  // characters of an output's name (UFDL: varchar(200))
	MaxType = 2048 // bytes of an output's type
)

// Output is what is known of one output of a job. A zero nullable field is null.
type Output struct {
	PK              int64 // unique in the tenant, never reused
	Job             int64
	Name, Type      string
	Creator         int64           // the user's pk; 0 = null
	CreatorUsername string          // as it was at creation; "" = null
	CreationTime    time.Time       // microseconds, UTC
	DeletionTime    time.Time       // of the soft delete; zero = null
	Size            int64           // bytes
	ContentType     string          // as it was declared at upload; "" = null
	SHA256          string          // hex, of the whole content, verified; "" = null
	Checksum        *table.Checksum // what S3 verified; nil = null

	Replayed bool // the response of an earlier call with the same idempotency key

	object  string // the storage key's last part, a ULID; keys are never reused
	version int64  // of the row: the condition of every change
}

// ETag is the strong entity tag of the content: quoted, and new for every upload.
func (o *Output) ETag() string { return `"` + o.object + `"` }

// Active reports whether the output is not soft-deleted.
func (o *Output) Active() bool { return o.DeletionTime.IsZero() }

// MarshalJSONTo writes the output as the API returns it: UFDL's seven fields in UFDL's
// order, then ours.
func (o *Output) MarshalJSONTo(enc *jsontext.Encoder) error {
	return json.MarshalEncode(enc, &struct {
		PK           int64           `json:"pk"`
		Job          int64           `json:"job"`
		Name         string          `json:"name"`
		Type         string          `json:"type"`
		Creator      *int64          `json:"creator"`
		CreationTime string          `json:"creation_time"`
		DeletionTime *string         `json:"deletion_time"`
		Size         int64           `json:"size"`
		ContentType  *string         `json:"content_type"`
		SHA256       *string         `json:"sha256"`
		Checksum     *table.Checksum `json:"checksum"`
	}{
		o.PK, o.Job, o.Name, o.Type, table.Nullable(o.Creator), table.FormatTime(o.CreationTime), table.Nullable(table.FormatTime(o.DeletionTime)),
		o.Size, table.Nullable(o.ContentType), table.Nullable(o.SHA256), o.Checksum,
	})
}

// Row is the output's row, without its key (table.OutputRow.ByPK, ByName).
func (o *Output) Row() table.OutputRow {
	return table.OutputRow{
		PK: o.PK, Job: o.Job, Name: o.Name, Type: o.Type, Creator: o.Creator, CreatorUsername: o.CreatorUsername,
		CreationTime: table.FormatTime(o.CreationTime), DeletionTime: table.FormatTime(o.DeletionTime),
		Size: o.Size, ContentType: o.ContentType, SHA256: o.SHA256, Checksum: o.Checksum,
		Object: o.object, Version: o.version,
	}
}

// FromRow is the output of a row.
func FromRow(r *table.OutputRow) (Output, error) {
	o := Output{
		PK: r.PK, Job: r.Job, Name: r.Name, Type: r.Type, Creator: r.Creator, CreatorUsername: r.CreatorUsername,
		Size: r.Size, ContentType: r.ContentType, SHA256: r.SHA256, Checksum: r.Checksum,
		object: r.Object, version: r.Version,
	}
	var err error
	if o.CreationTime, err = table.ParseTime(r.CreationTime); err != nil {
		return Output{}, err
	}
	o.DeletionTime, err = table.ParseTime(r.DeletionTime)
	return o, err
}

// filterRow is what a filter sees of the output.
func (o *Output) filterRow() filter.Row {
	return filter.Row{
		PK: o.PK, Job: o.Job, Name: o.Name, Type: o.Type, Creator: o.Creator, Username: o.CreatorUsername,
		CreationTime: o.CreationTime, DeletionTime: o.DeletionTime,
		Size: o.Size, ContentType: o.ContentType, SHA256: o.SHA256,
	}
}
