package client

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// Output is what is known of one output of a job. A nil field is null.
type Output struct {
	PK           int64     `json:"pk"`
	Job          int64     `json:"job"`
	Name         string    `json:"name"`
	Type         string    `json:"type"`
	Creator      *int64    `json:"creator"`
	CreationTime Time      `json:"creation_time"`
	DeletionTime *Time     `json:"deletion_time"` // of the soft delete
	Size         int64     `json:"size"`          // bytes
	ContentType  *string   `json:"content_type"`
	SHA256       *string   `json:"sha256"` // hex; nil where it was not verified over the whole content
	Checksum     *Checksum `json:"checksum"`
}

// Checksum is what the object store verified.
type Checksum struct {
	Algorithm string `json:"algorithm"`           // as S3 names it: "SHA256", "CRC64NVME", …
	Type      string `json:"type"`                // "full" or "composite"
	Value     string `json:"value"`               // base64
	PartSize  int64  `json:"part_size,omitempty"` // of a composite one: bytes of every part but the last
}

// Time is a time as the API writes it: RFC 3339, UTC, six decimals.
type Time struct{ time.Time }

const timeFormat = "2006-01-02T15:04:05.000000Z"

// MarshalJSON writes the time as the API does.
func (t Time) MarshalJSON() ([]byte, error) {
	return []byte(t.UTC().Format(`"` + timeFormat + `"`)), nil
}

// Ref names one output: by its primary key, or by its job, name and type.
type Ref struct {
	PK         int64 // 0 = by the others
	Job        int64
	Name, Type string
}

// path of the output among those of its job. In a path even "." and ".." must come
// through as they are, so dots are escaped where they stand alone.
func (r Ref) path() string {
	return fmt.Sprintf("/v1/jobs/%d/outputs/%s/%s", r.Job, segment(r.Name), segment(r.Type))
}

func segment(text string) string {
	switch text {
	case ".":
		return "%2E"
	case "..":
		return "%2E%2E"
	}
	return url.PathEscape(text)
}

func (r Ref) String() string {
	if r.PK != 0 {
		return fmt.Sprint(r.PK)
	}
	return fmt.Sprintf("%d/%s/%s", r.Job, r.Name, r.Type)
}

// Info is what is known of an output, soft-deleted or not.
func (c *Client) Info(ctx context.Context, r Ref) (o Output, err error) {
	path := r.path() + "/info"
	if r.PK != 0 {
		path = fmt.Sprintf("/v1/job-outputs/%d", r.PK)
	}
	err = c.into(ctx, call{method: http.MethodGet, path: path}, &o)
	return o, err
}

// Delete marks an output as deleted; it keeps its name and can be restored. Again, it
// changes nothing.
func (c *Client) Delete(ctx context.Context, r Ref) error {
	path := r.path()
	if r.PK != 0 {
		path = fmt.Sprintf("/v1/job-outputs/%d", r.PK)
	}
	return c.into(ctx, call{method: http.MethodDelete, path: path}.changes(), nil)
}

// Restore takes a soft delete back. On an active output it changes nothing.
func (c *Client) Restore(ctx context.Context, pk int64) (o Output, err error) {
	err = c.into(ctx, call{method: http.MethodPost, path: fmt.Sprintf("/v1/job-outputs/%d/reinstate", pk)}.changes(), &o)
	return o, err
}

// Purge deletes an output and its bytes for good.
func (c *Client) Purge(ctx context.Context, pk int64) (o Output, err error) {
	err = c.into(ctx, call{method: http.MethodDelete, path: fmt.Sprintf("/v1/job-outputs/%d/hard", pk)}.changes(), &o)
	return o, err
}
