package client

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
)

// Upload is an output to be added.
type Upload struct {
	Job         int64
	Name, Type  string
	ContentType string // "" = application/octet-stream
	Source      io.ReaderAt
	Size        int64 // bytes of Source; they must not change while they are sent

	// Progress is told how many bytes more have arrived, or fewer when some must be sent
	// again. It is called from several goroutines; nil = not called.
	Progress func(n int64)

	// The rest is for staged uploads.
	Parallel int    // parts under way at once; 0 = 4
	PartSize int64  // to ask for, in bytes; 0 = the service's choice
	Resume   string // id of an upload that broke off; "" = a new one. If it is gone, a new one is begun
	// Begun is told the upload's id before the first part is sent, so that it can be
	// resumed, and another id when the upload was lost and begun again; nil = not called.
	Begun func(id string)
}

// Added is what came of an upload.
type Added struct {
	Output
	// Existed: the job had this very content under the name and type already.
	Existed bool
}

// Upload adds an output, in one request up to MaxAdd bytes and staged above, and verifies
// that the service has what was sent. That the name is taken by an active output with the
// same checksum is success: it was uploaded before. If the object store loses a staged
// upload, Upload begins another, once, and sends everything again.
func (c *Client) Upload(ctx context.Context, u Upload) (Added, error) {
	if u.Progress == nil {
		u.Progress = func(int64) {}
	}
	if u.Size > MaxAdd {
		return c.stage(ctx, u)
	}
	return c.add(ctx, u)
}

// add sends the content in one request. It may be repeated: with one key it is done once.
func (c *Client) add(ctx context.Context, u Upload) (Added, error) {
	sum, err := hashOf(ctx, u)
	if err != nil {
		return Added{}, err
	}
	k := call{method: http.MethodPost, path: u.ref().path(), header: http.Header{"Content-Type": {u.contentType()}}, length: u.Size}.changes()
	var sent sending
	k.body = func() io.Reader { return sent.from(io.NewSectionReader(u.Source, 0, u.Size), u.Progress) }
	var o Output
	if err := c.into(ctx, k, &o); err != nil {
		sent.takeBack()
		return c.existing(ctx, u, err, func() (string, error) { return sum, nil })
	}
	return Added{Output: o}, u.same(o, sum, nil)
}

func (u Upload) ref() Ref { return Ref{Job: u.Job, Name: u.Name, Type: u.Type} }

func (u Upload) contentType() string {
	if u.ContentType == "" {
		return "application/octet-stream"
	}
	return u.ContentType
}

// same holds that the output is what was sent; parts are the checksums of its parts, if it
// was sent in such.
func (u Upload) same(o Output, whole string, parts []sum) error {
	if o.Size != u.Size {
		return &VerificationError{"size", fmt.Sprint(o.Size), fmt.Sprint(u.Size)}
	}
	switch {
	case o.SHA256 != nil && *o.SHA256 != whole:
		return &VerificationError{"SHA-256", *o.SHA256, whole}
	case o.SHA256 != nil || parts == nil:
		return nil
	case !o.Checksum.ofParts():
		return &VerificationError{ofParts, "not told", compositeOf(parts)}
	case o.Checksum.Value != compositeOf(parts):
		return &VerificationError{ofParts, o.Checksum.Value, compositeOf(parts)}
	}
	return nil
}

// existing turns "the name is taken" into success if it is taken by the same content.
func (c *Client) existing(ctx context.Context, u Upload, refusal error, sum func() (string, error)) (Added, error) {
	p, ok := errors.AsType[*Problem](refusal)
	if !ok || p.Code != "duplicate_output" || p.DeletionTime != nil {
		return Added{}, refusal
	}
	if p.SHA256 == "" {
		return c.existingParts(ctx, u, refusal, p.PK)
	}
	ours, err := sum()
	if err != nil {
		return Added{}, err
	}
	if p.SHA256 != ours {
		return Added{}, refusal
	}
	o, err := c.Info(ctx, Ref{PK: p.PK})
	if err != nil {
		return Added{}, err
	}
	return Added{Output: o, Existed: true}, u.same(o, ours, nil)
}

// existingParts is existing for an output that was sent in parts.
func (c *Client) existingParts(ctx context.Context, u Upload, refusal error, pk int64) (Added, error) {
	o, err := c.Info(ctx, Ref{PK: pk})
	if err != nil {
		return Added{}, err
	}
	if o.Size != u.Size {
		return Added{}, refusal
	}
	v := NewVerifier(o)
	if err := readPart(ctx, u.Source, 0, u.Size, v); err != nil {
		return Added{}, err
	}
	if proof, err := v.Check(); err != nil || proof == "size" {
		return Added{}, refusal
	}
	return Added{Output: o, Existed: true}, nil
}

// hashOf reads the source once.
func hashOf(ctx context.Context, u Upload) (string, error) {
	h := sha256.New()
	if err := readPart(ctx, u.Source, 0, u.Size, h); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// readPart copies a part of the source, as long as the context lasts.
func readPart(ctx context.Context, source io.ReaderAt, offset, size int64, w io.Writer) error {
	buffer := make([]byte, 256<<10)
	for end := offset + size; offset < end; {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := source.ReadAt(buffer[:min(int64(len(buffer)), end-offset)], offset)
		_, _ = w.Write(buffer[:n]) // hashes and pipes to them
		offset += int64(n)
		if err != nil && offset < end {
			if errors.Is(err, io.EOF) {
				err = &VerificationError{"size", fmt.Sprint(offset), fmt.Sprint(end)}
			}
			return fmt.Errorf("read what is to be sent: %w", err)
		}
	}
	return nil
}

// sending is a body that may have to be sent more than once. What its readers read is
// reported, and taken back when the body is sent again: net/http may still read the body
// of a request that has failed.
type sending struct{ last *counted }

func (s *sending) from(r io.Reader, report func(int64)) io.Reader {
	s.takeBack()
	s.last = &counted{Reader: r, tally: tally{report: report}}
	return s.last
}

func (s *sending) takeBack() {
	if s.last != nil {
		s.last.takeBack()
	}
}

type counted struct {
	io.Reader
	tally
}

func (r *counted) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	r.add(int64(n))
	return n, err
}

// tally passes on what is reported until it is taken back, all of it at once.
type tally struct {
	report func(int64)

	mu   sync.Mutex
	sum  int64
	over bool
}

func (t *tally) add(n int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.over {
		t.sum += n
		t.report(n)
	}
}

func (t *tally) takeBack() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.report(-t.sum)
	t.sum, t.over = 0, true
}
