package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Content is the bytes of an output, to be read from anywhere. The link to them is asked
// for when it is needed, shared by all who read, and renewed when it expires. It is safe
// for concurrent use.
type Content struct {
	c  *Client
	pk int64
	o  Output

	mu   sync.Mutex
	link *link
}

// link is the API's DownloadLink.
type link struct {
	URL       string            `json:"url"`
	Method    string            `json:"method"`
	Headers   map[string]string `json:"headers"`
	ExpiresAt Time              `json:"expires_at"`
	Size      int64             `json:"size"`
}

// Content is the bytes of an output as Info, List or an upload answered it.
func (c *Client) Content(o Output) *Content { return &Content{c: c, pk: o.PK, o: o} }

// Download writes the whole content to w and verifies it. What is in w is not to be
// trusted before Download returns nil: its last byte may be what is wrong. It answers
// what proves the content, as Verifier.Check does.
func (c *Client) Download(ctx context.Context, o Output, w io.Writer) (proof string, err error) {
	r := c.Content(o).Open(ctx, 0, o.Size)
	defer r.Close()
	v := NewVerifier(o)
	if _, err := io.Copy(io.MultiWriter(w, v), r); err != nil {
		return "", err
	}
	return v.Check()
}

// Open reads the bytes from one offset up to another (exclusive). The reader goes on where
// it was when a connection breaks or a link expires, and gives exactly to-from bytes or
// an error.
func (k *Content) Open(ctx context.Context, from, to int64) io.ReadCloser {
	return &contentReader{ctx: ctx, k: k, pos: from, to: to}
}

type contentReader struct {
	ctx      context.Context
	k        *Content
	pos, to  int64
	body     io.ReadCloser
	used     *link // that the body came by; nil = by the API
	failures int   // since the last byte came
	done     error
}

func (r *contentReader) Read(p []byte) (int, error) {
	for {
		if r.done != nil {
			return 0, r.done
		}
		if r.pos >= r.to {
			r.done = io.EOF
			return 0, io.EOF
		}
		if len(p) == 0 {
			return 0, nil
		}
		err := r.connect()
		if err == nil {
			var n int
			n, err = r.body.Read(p[:min(int64(len(p)), r.to-r.pos)])
			if n > 0 {
				r.pos, r.failures = r.pos+int64(n), 0
				return n, nil // an error comes again
			}
			if err == nil {
				continue
			}
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
		}
		_ = r.Close()
		if err := r.ctx.Err(); err != nil {
			r.done = err
			return 0, err
		}
		if !transient(err) {
			r.done = err
			return 0, err
		}
		if stop := r.k.c.pause(r.ctx, r.failures, err); stop != nil {
			r.done = fmt.Errorf("read output %d from byte %d: %w", r.k.pk, r.pos, stop)
			return 0, r.done
		}
		r.failures++
	}
}

// Close ends the reading. It can be called more than once.
func (r *contentReader) Close() error {
	if r.body == nil {
		return nil
	}
	err := r.body.Close()
	r.body = nil
	return err
}

// transient is an error of the way that the bytes come by, not of the call for the link,
// which has been repeated already, nor of the bytes.
func transient(err error) bool {
	if s, ok := errors.AsType[*StoreError](err); ok {
		return s.Status == http.StatusForbidden || s.Status == http.StatusNotFound || s.Status == http.StatusTooManyRequests ||
			s.Status == http.StatusRequestTimeout || s.Status >= 500
	}
	_, refused := errors.AsType[*Problem](err)
	_, wrong := errors.AsType[*VerificationError](err)
	_, unreachable := errors.AsType[*ConnectionError](err)
	return !refused && !wrong && !unreachable
}

func (r *contentReader) connect() error {
	if r.body != nil {
		return nil
	}
	if r.pos == 0 && r.to == r.k.o.Size && r.to <= maxInline {
		return r.inline()
	}
	l, err := r.k.linkOtherThan(r.ctx, r.used, r.failures > 0)
	if err != nil {
		return err
	}
	r.used = l
	header := http.Header{"User-Agent": {r.k.c.cfg.UserAgent}, "Range": {fmt.Sprintf("bytes=%d-%d", r.pos, r.to-1)}}
	for name, value := range l.Headers {
		header.Set(name, value)
	}
	response, err := r.k.c.send(r.ctx, l.Method, l.URL, header, nil, 0)
	if err != nil {
		return err
	}
	whole := r.pos == 0 && response.StatusCode == http.StatusOK // of which the start is read
	if response.StatusCode != http.StatusPartialContent && !whole {
		return storeErrorOf(response, r.k.c.cfg.Clock.Now())
	}
	if got, want := response.Header.Get("Content-Range"), fmt.Sprintf("bytes %d-%d/%d", r.pos, r.to-1, r.k.o.Size); !whole && !strings.EqualFold(got, want) {
		response.Body.Close()
		return &VerificationError{"range of the answer", got, want}
	}
	if whole && response.ContentLength >= 0 && response.ContentLength != r.k.o.Size {
		response.Body.Close()
		return &VerificationError{"size", fmt.Sprint(response.ContentLength), fmt.Sprint(r.k.o.Size)}
	}
	r.body = response.Body
	return nil
}

// inline asks for a small content in the answer, which saves a request.
func (r *contentReader) inline() error {
	k := call{method: http.MethodPost, path: fmt.Sprintf("/v1/job-outputs/%d/download", r.k.pk)}
	response, err := r.k.c.do(r.ctx, k.withJSON(map[string]string{"delivery": "bytes"}))
	if err != nil {
		return err
	}
	if response.ContentLength >= 0 && response.ContentLength != r.to {
		response.Body.Close()
		return &VerificationError{"size", fmt.Sprint(response.ContentLength), fmt.Sprint(r.to)}
	}
	r.body = response.Body
	return nil
}

// linkOtherThan is a link that still works: the one at hand, or a new one if that is
// about to expire or is the one that has just failed.
func (k *Content) linkOtherThan(ctx context.Context, used *link, failed bool) (*link, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if l := k.link; l != nil && !(failed && l == used) && k.c.cfg.Clock.Now().Add(10*time.Second).Before(l.ExpiresAt.Time) {
		return l, nil
	}
	var l link
	ask := call{method: http.MethodPost, path: fmt.Sprintf("/v1/job-outputs/%d/download", k.pk)}
	if err := k.c.into(ctx, ask.withJSON(map[string]string{"delivery": "url"}), &l); err != nil {
		return nil, err
	}
	if l.Size != k.o.Size {
		return nil, &VerificationError{"size", fmt.Sprint(l.Size), fmt.Sprint(k.o.Size)}
	}
	k.link = &l
	return k.link, nil
}
