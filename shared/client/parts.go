package client

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"sync"
	"time"
)

// transfer is the sending of an upload's parts.
type transfer struct {
	c        *Client
	u        Upload
	id       string
	partSize int64
	parts    int

	arrived map[int]arrived // when the upload was begun or resumed

	asking sync.Mutex // held while links are asked for, by one for all

	mu    sync.Mutex
	sums  []sum // of the parts that were hashed, from the first on
	links map[int]*partURL
	given time.Time // when the oldest of them was
}

const (
	// ahead is how many parts may be hashed that are not yet being sent, and how many links
	// are asked for at once.
	ahead = 16
	// linkLife is how long a link is used, of the 15 minutes that it works.
	linkLife = 10 * time.Minute
)

func (t *transfer) extent(number int) (offset, size int64) {
	offset = int64(number-1) * t.partSize
	return offset, min(t.partSize, t.u.Size-offset)
}

type hashedPart struct {
	number int
	sum    sum
}

// send sends the missing parts and answers the SHA-256 of the whole and of each part.
func (t *transfer) send(ctx context.Context) (whole string, sums []sum, err error) {
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	queue := make(chan hashedPart, min(ahead, t.parts))
	var workers sync.WaitGroup
	parallel := t.u.Parallel
	if parallel < 1 {
		parallel = 4
	}
	for range min(parallel, t.parts) {
		workers.Go(func() {
			for p := range queue {
				if err := t.put(ctx, p); err != nil {
					fail(err)
					return
				}
			}
		})
	}
	all := sha256.New()
	sums, err = t.hash(ctx, all, queue)
	close(queue)
	workers.Wait()
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	return hex.EncodeToString(all.Sum(nil)), sums, err
}

// hash reads the source from start to end and queues what has not arrived.
func (t *transfer) hash(ctx context.Context, all hash.Hash, queue chan<- hashedPart) ([]sum, error) {
	for number := 1; number <= t.parts; number++ {
		offset, size := t.extent(number)
		one := sha256.New()
		if err := readPart(ctx, t.u.Source, offset, size, io.MultiWriter(all, one)); err != nil {
			return nil, err
		}
		s := sum(one.Sum(nil))
		t.mu.Lock()
		t.sums = append(t.sums, s)
		t.mu.Unlock()
		if t.there(number, s) {
			t.u.Progress(size)
			continue
		}
		select {
		case queue <- hashedPart{number, s}:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return t.sums, nil
}

// there is whether the part had arrived already.
func (t *transfer) there(number int, s sum) bool {
	_, size := t.extent(number)
	a, ok := t.arrived[number]
	return ok && a.is(size, s)
}

// link is how to send a part. stale is an answer that did not work, or nil. What has been
// hashed meanwhile is asked for along with it.
func (t *transfer) link(ctx context.Context, number int, stale *partURL) (*partURL, error) {
	t.asking.Lock()
	defer t.asking.Unlock()
	now := t.c.cfg.Clock.Now()
	t.mu.Lock()
	if now.Sub(t.given) > linkLife || stale != nil && t.links[number] == stale {
		clear(t.links) // those at hand are no younger than the one that did not work
	}
	p := t.links[number]
	if len(t.links) == 0 {
		t.given = now
	}
	last := number
	for last < len(t.sums) && last < number+ahead-1 && t.links[last+1] == nil && !t.there(last+1, t.sums[last]) {
		last++
	}
	sums := t.sums[number-1 : last]
	t.mu.Unlock()
	if p != nil {
		return p, nil
	}
	s, err := t.c.uploadStatus(ctx, t.u, t.id, number, sums)
	if err != nil {
		return nil, err
	}
	if s.State != "open" {
		return nil, fmt.Errorf("the upload %s is %s: it was ended elsewhere", t.id, s.State)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range s.Parts {
		if p := &s.Parts[i]; p.URL != "" {
			t.links[p.Number] = p
		}
	}
	if p = t.links[number]; p == nil {
		return nil, fmt.Errorf("the upload %s: the service does not say where to send part %d", t.id, number)
	}
	return p, nil
}

// put sends one part until it has arrived.
func (t *transfer) put(ctx context.Context, h hashedPart) error {
	offset, size := t.extent(h.number)
	var stale *partURL
	var body sending
	for attempt := 0; ; attempt++ {
		p, err := t.link(ctx, h.number, stale)
		if err != nil {
			return err
		}
		if p.Size != 0 && p.Size != size {
			return fmt.Errorf("the upload %s: part %d has %d bytes there, %d here", t.id, h.number, p.Size, size)
		}
		err = t.try(ctx, p, body.from(io.NewSectionReader(t.u.Source, offset, size), t.u.Progress), size)
		if err == nil {
			t.sent(h.number)
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if refused, ok := errors.AsType[*StoreError](err); ok {
			switch {
			case refused.Status == http.StatusPreconditionFailed: // an only part, which is written once: it is there
				body.takeBack()
				t.u.Progress(size)
				return nil
			case refused.Status == http.StatusForbidden:
				stale = p // expired, or the upload was ended: the service knows
			case refused.Status == http.StatusNotFound:
				if err := t.kept(ctx, h.number); err != nil {
					return err
				}
				stale = p
			case refused.Status == http.StatusBadRequest:
				if err := t.unchanged(ctx, h); err != nil {
					return err
				}
			case refused.Status != http.StatusTooManyRequests && refused.Status != http.StatusRequestTimeout && refused.Status != http.StatusConflict && refused.Status < 500:
				return fmt.Errorf("send part %d: %w", h.number, err)
			}
		}
		if stop := t.c.pause(ctx, attempt, err); stop != nil {
			return fmt.Errorf("send part %d: %w", h.number, stop)
		}
	}
}

// kept verifies that the object store, which says that it does not know the upload, still
// has it. The service looks there only when it is asked without checksums. It does not say
// whether the upload was lost or aborted; either way all parts are gone.
func (t *transfer) kept(ctx context.Context, number int) error {
	s, err := t.c.uploadStatus(ctx, t.u, t.id, number, nil)
	if err == nil && s.State == "aborted" {
		err = &Problem{
			Status: http.StatusGone, Title: http.StatusText(http.StatusGone), Code: codeLost,
			Detail: "The object store no longer has the parts of the upload; begin another.",
			Call:   fmt.Sprintf("PUT part %d of upload %s", number, t.id),
		}
	}
	return err
}

// sent forgets a link that was used.
func (t *transfer) sent(number int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.links, number)
}

func (t *transfer) try(ctx context.Context, p *partURL, body io.Reader, size int64) error {
	header := http.Header{"User-Agent": {t.c.cfg.UserAgent}}
	for name, value := range p.Headers {
		if http.CanonicalHeaderKey(name) != "Content-Length" { // which is sent anyway
			header.Set(name, value)
		}
	}
	method := p.Method
	if method == "" {
		method = http.MethodPut
	}
	response, err := t.c.send(ctx, method, p.URL, header, body, size)
	if err != nil {
		return err
	}
	if response.StatusCode >= 300 {
		return storeErrorOf(response, t.c.cfg.Clock.Now())
	}
	_, err = io.Copy(io.Discard, response.Body) // so that the connection can be used again
	response.Body.Close()
	return err
}

// unchanged holds that a part is still what was hashed: the store refused it, which is
// either the way's fault or that of somebody who writes the source.
func (t *transfer) unchanged(ctx context.Context, h hashedPart) error {
	offset, size := t.extent(h.number)
	again := sha256.New()
	if err := readPart(ctx, t.u.Source, offset, size, again); err != nil {
		return err
	}
	if got := again.Sum(nil); !bytes.Equal(got, h.sum[:]) {
		return &VerificationError{fmt.Sprintf("SHA-256 of part %d, read again (was the file written to?),", h.number), hex.EncodeToString(got), hex.EncodeToString(h.sum[:])}
	}
	return nil
}
