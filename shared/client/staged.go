package client

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
)

// maxListed is how many parts are named when an upload is completed. The service has
// verified each by its checksum when it came; more would not fit a JSON body.
const maxListed = 2000

// staged is an upload as the service answers it.
type staged struct {
	ID        string    `json:"id"`
	Job       int64     `json:"job"`
	Name      string    `json:"name"`
	Type      string    `json:"type"`
	Size      int64     `json:"size"`
	PartSize  int64     `json:"part_size"`
	PartCount int       `json:"part_count"`
	State     string    `json:"state"` // "open", "completed" or "aborted"
	Parts     []partURL `json:"parts"` // those whose links were asked for
	Arrived   []arrived `json:"arrived"`
	Output    *Output   `json:"output"` // when completed
}

// partURL is how a part is sent, as it was signed: with its length, its checksum, and
// these headers alone. The URL is a secret.
type partURL struct {
	Number  int               `json:"number"`
	Size    int64             `json:"size"`
	Method  string            `json:"method"`
	URL     string            `json:"url"` // "" = the checksum was not said
	Headers map[string]string `json:"headers"`
}

type arrived struct {
	Number int    `json:"number"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"` // hex or base64; "" = not known
}

// sum is a part's SHA-256.
type sum = [sha256.Size]byte

// is reports whether the part that arrived is the one that we have.
func (a arrived) is(size int64, s sum) bool {
	return a.Size == size && (a.SHA256 == "" || a.SHA256 == hex.EncodeToString(s[:]) || a.SHA256 == base64.StdEncoding.EncodeToString(s[:]))
}

// The codes of a staged upload that somebody changed at the object store.
const (
	codeLost       = "upload_lost"       // it was aborted there, or given up: nothing of it can be used
	codeIncomplete = "upload_incomplete" // parts that had arrived are gone, or are others
)

// stage uploads by parts. If the object store loses the upload, it begins another, and if it
// loses parts, it sends those again, each once.
func (c *Client) stage(ctx context.Context, u Upload) (Added, error) {
	lost, incomplete := false, false
	for {
		report := tally{report: u.Progress}
		try, begun := u, ""
		try.Progress = report.add
		try.Begun = func(id string) {
			if begun = id; u.Begun != nil {
				u.Begun(id)
			}
		}
		added, err := c.stageOnce(ctx, try)
		switch {
		case HasCode(err, codeLost) && !lost:
			lost, u.Resume = true, ""
		case HasCode(err, codeIncomplete) && !incomplete:
			incomplete, u.Resume = true, begun
		default:
			return added, err
		}
		report.takeBack()
	}
}

// stageOnce uploads by parts: one goroutine reads the source once and hashes it, whole and
// part by part; others send the parts that have not arrived. Memory is constant.
func (c *Client) stageOnce(ctx context.Context, u Upload) (Added, error) {
	s, err := c.resume(ctx, u)
	if err == nil && s == nil {
		s, err = c.begin(ctx, u)
	}
	if err != nil {
		return c.existing(ctx, u, err, func() (string, error) { return hashOf(ctx, u) })
	}
	u.Begun(s.ID)
	if s.State == "completed" && s.Output != nil {
		v := NewVerifier(*s.Output)
		if err := readPart(ctx, u.Source, 0, u.Size, v); err != nil {
			return Added{}, err
		}
		if _, err := v.Check(); err != nil {
			return Added{}, err
		}
		u.Progress(u.Size)
		return Added{Output: *s.Output}, nil
	}

	t := &transfer{c: c, u: u, id: s.ID, partSize: s.PartSize, parts: s.PartCount, arrived: map[int]arrived{}, links: map[int]*partURL{}}
	for _, a := range s.Arrived {
		t.arrived[a.Number] = a
	}
	whole, sums, err := t.send(ctx)
	if err != nil {
		return Added{}, err
	}
	type verified struct {
		Number int    `json:"number"`
		SHA256 string `json:"sha256"`
	}
	body := struct {
		SHA256 string     `json:"sha256"`
		Parts  []verified `json:"parts,omitempty"`
	}{SHA256: whole}
	for i, sum := range sums {
		if len(sums) <= maxListed {
			body.Parts = append(body.Parts, verified{i + 1, hex.EncodeToString(sum[:])})
		}
	}
	var o Output
	k := call{method: http.MethodPost, path: u.uploads() + "/" + segment(s.ID) + "/complete"}
	if err := c.into(ctx, k.withJSON(body).changes(), &o); err != nil {
		if HasCode(err, "duplicate_output") {
			_ = c.AbortUpload(ctx, u.Job, s.ID) // a courtesy: it would be cleaned up
		}
		return c.existing(ctx, u, err, func() (string, error) { return whole, nil })
	}
	return Added{Output: o}, u.same(o, whole, sums)
}

func (u Upload) uploads() string { return fmt.Sprintf("/v1/jobs/%d/uploads", u.Job) }

// begin asks for a new upload.
func (c *Client) begin(ctx context.Context, u Upload) (*staged, error) {
	k := call{method: http.MethodPost, path: u.uploads()}
	var s staged
	err := c.into(ctx, k.withJSON(struct {
		Name        string `json:"name"`
		Type        string `json:"type"`
		Size        int64  `json:"size"`
		ContentType string `json:"content_type"`
		PartSize    int64  `json:"part_size,omitempty"`
	}{u.Name, u.Type, u.Size, u.contentType(), u.PartSize}).changes(), &s)
	if err != nil {
		return nil, err
	}
	return &s, s.check(u)
}

// resume looks for the upload that broke off; nil = it is no use any more.
func (c *Client) resume(ctx context.Context, u Upload) (*staged, error) {
	if u.Resume == "" {
		return nil, nil
	}
	s, err := c.uploadStatus(ctx, u, u.Resume, 1, nil)
	switch {
	case HasCode(err, "upload_not_found"):
		return nil, nil
	case err != nil:
		return nil, err
	case s.State == "aborted" || s.State == "completed" && s.Output == nil || s.check(u) != nil:
		return nil, nil
	}
	return s, nil
}

// uploadStatus says what arrived or, where the checksums of parts are given, from the one
// of a number on, how to send these.
func (c *Client) uploadStatus(ctx context.Context, u Upload, id string, from int, sums []sum) (*staged, error) {
	var s staged
	k := call{method: http.MethodGet, path: fmt.Sprintf("%s/%s?from=%d", u.uploads(), segment(id), from)}
	for i, s := range sums {
		k.path += [2]string{"&sha256=", ","}[min(i, 1)] + hex.EncodeToString(s[:])
	}
	if err := c.into(ctx, k, &s); err != nil {
		return nil, err
	}
	return &s, nil
}

// AbortUpload ends a staged upload and frees what it holds. One that is gone already is
// no error.
func (c *Client) AbortUpload(ctx context.Context, job int64, id string) error {
	k := call{method: http.MethodDelete, path: Upload{Job: job}.uploads() + "/" + segment(id)}.changes()
	if err := c.into(ctx, k, nil); err != nil && !HasCode(err, "not_found", "upload_not_found") {
		return err
	}
	return nil
}

// check holds that the upload is for this content and that its parts make it up.
func (s *staged) check(u Upload) error {
	if s.ID == "" || s.Job != u.Job || s.Name != u.Name || s.Type != u.Type || s.Size != u.Size {
		return fmt.Errorf("begin an upload of %s: the service answered one of %d/%s/%s, %d bytes", u.ref(), s.Job, s.Name, s.Type, s.Size)
	}
	if s.PartSize < 1 || s.PartCount < 1 || int64(s.PartCount) != (s.Size+s.PartSize-1)/s.PartSize {
		return fmt.Errorf("begin an upload of %s: %d parts of %d bytes do not make %d", u.ref(), s.PartCount, s.PartSize, s.Size)
	}
	return nil
}
