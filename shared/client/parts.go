package client

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"sync"
)

// transfer is the sending of an upload's parts.
type transfer struct {
	c        *Client
	u        Upload
	id       string
	partSize int64
	parts    int

	mu      sync.Mutex
	arrived map[int]arrived
	urls    map[int]*partURL
}

// learn takes in what the service says of the parts.
func (t *transfer) learn(s *staged) {
	if t.arrived == nil {
		t.arrived, t.urls = map[int]arrived{}, map[int]*partURL{}
	}
	for _, a := range s.Arrived {
		t.arrived[a.Number] = a
	}
	for i := range s.Parts {
		t.urls[s.Parts[i].Number] = &s.Parts[i]
	}
}

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
	queue := make(chan hashedPart)
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
	sums := make([]sum, t.parts)
	for number := 1; number <= t.parts; number++ {
		offset, size := t.extent(number)
		one := sha256.New()
		if err := readPart(ctx, t.u.Source, offset, size, io.MultiWriter(all, one)); err != nil {
			return nil, err
		}
		one.Sum(sums[number-1][:0])
		t.mu.Lock()
		a, ok := t.arrived[number]
		t.mu.Unlock()
		if ok && a.is(size, sums[number-1]) {
			t.u.Progress(size)
			continue
		}
		select {
		case queue <- hashedPart{number, sums[number-1]}:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return sums, nil
}

// url is how to send a part, and whether it has arrived meanwhile. stale is an answer
// that did not work, or nil.
func (t *transfer) url(ctx context.Context, number int, stale *partURL) (*partURL, *arrived, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if p := t.urls[number]; p != nil && p != stale {
		return p, nil, nil
	}
	clear(t.urls) // those at hand are as old as the one that did not work
	s, err := t.c.uploadStatus(ctx, t.u, t.id, number)
	if err != nil {
		return nil, nil, err
	}
	if s.State != "open" {
		return nil, nil, fmt.Errorf("the upload %s is %s: it was ended elsewhere", t.id, s.State)
	}
	t.learn(s)
	if p := t.urls[number]; p != nil {
		return p, nil, nil
	}
	if a, ok := t.arrived[number]; ok {
		return nil, &a, nil
	}
	return nil, nil, fmt.Errorf("the upload %s: the service does not say where to send part %d", t.id, number)
}

// put sends one part until it has arrived.
func (t *transfer) put(ctx context.Context, h hashedPart) error {
	offset, size := t.extent(h.number)
	var stale *partURL
	var body sending
	for attempt := 0; ; attempt++ {
		p, there, err := t.url(ctx, h.number, stale)
		if err != nil {
			return err
		}
		if there != nil {
			body.takeBack()
			if !there.is(size, h.sum) {
				return &VerificationError{fmt.Sprintf("SHA-256 of part %d, as it arrived,", h.number), there.SHA256, hex.EncodeToString(h.sum[:])}
			}
			t.u.Progress(size)
			return nil
		}
		if p.Size != 0 && p.Size != size {
			return fmt.Errorf("the upload %s: part %d has %d bytes there, %d here", t.id, h.number, p.Size, size)
		}
		err = t.try(ctx, p, h, body.from(io.NewSectionReader(t.u.Source, offset, size), t.u.Progress), size)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if refused, ok := errors.AsType[*StoreError](err); ok {
			switch {
			case refused.Status == http.StatusForbidden || refused.Status == http.StatusNotFound:
				stale = p // expired, or the upload is gone: the service knows
			case refused.Status == http.StatusBadRequest:
				if err := t.unchanged(ctx, h); err != nil {
					return err
				}
			case refused.Status != http.StatusTooManyRequests && refused.Status != http.StatusRequestTimeout && refused.Status < 500:
				return fmt.Errorf("send part %d: %w", h.number, err)
			}
		}
		if stop := t.c.pause(ctx, attempt, err); stop != nil {
			return fmt.Errorf("send part %d: %w", h.number, stop)
		}
	}
}

func (t *transfer) try(ctx context.Context, p *partURL, h hashedPart, body io.Reader, size int64) error {
	header := http.Header{"User-Agent": {t.c.cfg.UserAgent}}
	for name, value := range p.Headers {
		if http.CanonicalHeaderKey(name) != "Content-Length" { // which is sent anyway
			header.Set(name, value)
		}
	}
	const checksum = "X-Amz-Checksum-Sha256"
	if header.Get(checksum) == "" {
		header.Set(checksum, base64.StdEncoding.EncodeToString(h.sum[:]))
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
