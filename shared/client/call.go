package client

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// call is one request to the API.
type call struct {
	method string
	path   string // escaped, from /v1 on
	header http.Header
	body   func() io.Reader // a new one for each attempt; nil = none
	length int64            // of the body
	open   bool             // needs no token
	// write: the call changes something. It is made with one idempotency key, however often it
	// is made, so that every call may be retried; and of one that fails it is said whether it
	// may have been carried out.
	write bool
}

// withJSON gives the call a body.
func (k call) withJSON(v any) call {
	text, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("client: %s %s: %v", k.method, k.path, err)) // our own types
	}
	k.header = http.Header{"Content-Type": {"application/json"}}
	k.body, k.length = func() io.Reader { return bytes.NewReader(text) }, int64(len(text))
	return k
}

// changes makes the call a write: all its attempts have one idempotency key, by which the
// service recognises them for a day.
func (k call) changes() call {
	k.header = k.header.Clone()
	if k.header == nil {
		k.header = http.Header{}
	}
	k.header.Set("Idempotency-Key", rand.Text())
	k.write = true
	return k
}

func (k call) String() string { return k.method + " " + k.path }

// do makes the call, with retries, and returns a success (2xx). A refusal is a *Problem. A
// write that fails and may have been carried out is an *UnknownOutcomeError.
func (c *Client) do(ctx context.Context, k call) (*http.Response, error) {
	renewed, lost := false, false
	for attempt := 0; ; attempt++ {
		token := ""
		if !k.open {
			var err error
			if token, err = c.access(ctx); err != nil {
				return nil, c.outcome(k, lost, err)
			}
		}
		response, err := c.once(ctx, k, token)
		if err == nil && response.StatusCode < 300 {
			return response, nil
		}
		again := true
		if err != nil {
			lost = lost || !neverSent(err)
		} else {
			p := problemOf(response, c.cfg.Clock.Now())
			p.Call = k.String()
			if p.Status == http.StatusUnauthorized && !k.open && !renewed {
				renewed = true
				switch renewal := c.renew(ctx, token); {
				case renewal == nil:
					attempt--
					continue
				case !isRefusal(renewal):
					return nil, c.outcome(k, lost, renewal)
				}
			}
			again = p.Status == http.StatusTooManyRequests || p.Status >= 500 && p.Code != "bytes_missing"
			lost = lost && !p.settles() || p.mayBeDone()
			err = p
		}
		if !again {
			return nil, c.outcome(k, lost, c.named(ctx, k, err))
		}
		if stop := c.pause(ctx, attempt, err); stop != nil {
			return nil, c.outcome(k, lost, c.named(ctx, k, stop))
		}
	}
}

// mayBeDone reports whether the problem leaves it open what became of a write: it is said so,
// or it comes from something in between, or it is a defect.
func (p *Problem) mayBeDone() bool {
	return p.Status >= 500 && p.Code != "unavailable" && p.Code != "bytes_missing"
}

// settles reports whether a refusal says that no attempt with the same key was carried out:
// the service looks for the key before it refuses so.
func (p *Problem) settles() bool {
	switch p.Status {
	case http.StatusNotFound, http.StatusConflict, http.StatusGone, http.StatusUnprocessableEntity:
		return true
	}
	return false
}

// outcome says of a write that failed whether it may have been carried out.
func (c *Client) outcome(k call, lost bool, err error) error {
	if !k.write || !lost {
		return err
	}
	return &UnknownOutcomeError{Call: k.String(), Err: err}
}

// UnknownOutcomeError is a write that may have been carried out, or may yet be: the last of
// its retries failed with Err.
type UnknownOutcomeError struct {
	Call string // method and path
	Err  error
}

func (e *UnknownOutcomeError) Error() string {
	return fmt.Sprintf("the outcome of %s is unknown: it may have been carried out (%v)", e.Call, e.Err)
}
func (e *UnknownOutcomeError) Unwrap() error { return e.Err }

// named says which call failed, but for what the service itself said.
func (c *Client) named(ctx context.Context, k call, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if _, ok := errors.AsType[*Problem](err); ok {
		return err
	}
	return &ConnectionError{Server: c.base, Err: fmt.Errorf("%s %s: %w", k.method, k.path, err)}
}

// ConnectionError is a call that got no answer.
type ConnectionError struct {
	Server string
	Err    error
}

func (e *ConnectionError) Error() string {
	return fmt.Sprintf("no answer from %s: %v", e.Server, e.Err)
}
func (e *ConnectionError) Unwrap() error { return e.Err }

// into makes the call and decodes its answer into v; nil = there is none to read.
func (c *Client) into(ctx context.Context, k call, v any) error {
	for attempt := 0; ; attempt++ {
		response, err := c.do(ctx, k)
		if err != nil {
			return err
		}
		body, err := io.ReadAll(response.Body)
		response.Body.Close()
		switch {
		case err == nil && v == nil:
			return nil
		case err == nil:
			if err := json.Unmarshal(body, v); err != nil {
				return fmt.Errorf("%s %s: the answer is not what this client knows: %w", k.method, k.path, err)
			}
			return nil
		}
		if stop := c.pause(ctx, attempt, err); stop != nil {
			return c.outcome(k, true, c.named(ctx, k, stop))
		}
	}
}

func (c *Client) once(ctx context.Context, k call, token string) (*http.Response, error) {
	header := http.Header{"User-Agent": {c.cfg.UserAgent}}
	for name, values := range k.header {
		header[name] = values
	}
	if token != "" {
		header.Set("Authorization", "Bearer "+token)
	}
	if c.cfg.Node != 0 && !k.open {
		header.Set("Node-Id", strconv.FormatInt(c.cfg.Node, 10))
	}
	var body io.Reader
	if k.body != nil {
		body = k.body()
	}
	return c.send(ctx, k.method, c.base+k.path, header, body, k.length)
}

// send makes one request. Its connection is given up when nothing moves for a while; the
// answer's body must be closed. Errors do not repeat the URL.
func (c *Client) send(ctx context.Context, method, target string, header http.Header, body io.Reader, length int64) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	guard := &guard{limit: c.cfg.Stall, timer: time.AfterFunc(c.cfg.Stall+time.Minute, func() { cancel(errStalled) })}
	end := func() { guard.timer.Stop(); cancel(nil) }
	if body != nil {
		body = guarded{body, guard}
	}
	var asked, got atomic.Bool // for a connection
	traced := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn: func(string) { asked.Store(true) },
		GotConn: func(httptrace.GotConnInfo) { got.Store(true) },
	})
	request, err := http.NewRequestWithContext(traced, method, target, body)
	if err != nil {
		end()
		return nil, withoutURL(err)
	}
	request.ContentLength = length
	if length == 0 {
		request.Body = http.NoBody
	}
	for name, values := range header {
		if http.CanonicalHeaderKey(name) == "Host" {
			request.Host = values[0]
			continue
		}
		request.Header[name] = values
	}
	response, err := c.http.Do(request)
	if err != nil {
		if cause := context.Cause(ctx); errors.Is(cause, errStalled) {
			err = cause
		}
		end()
		if err = withoutURL(err); asked.Load() && !got.Load() {
			err = unsentError{err}
		}
		return nil, err
	}
	guard.touch()
	response.Body = answerBody{guarded{response.Body, guard}, response.Body, end, ctx}
	return response, nil
}

var errStalled = errors.New("the connection stalled")

// withoutURL keeps a link out of logs and screens.
func withoutURL(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}

// unsentError is a request for which there was no connection: no name, nobody who listens, no
// agreement on TLS.
type unsentError struct{ error }

func (e unsentError) Unwrap() error { return e.error }

func neverSent(err error) bool {
	_, ok := errors.AsType[unsentError](err)
	return ok
}

// guard ends a connection on which nothing moves.
type guard struct {
	limit time.Duration
	mu    sync.Mutex
	timer *time.Timer
}

func (g *guard) touch() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.timer.Stop() { // else it has fired
		g.timer.Reset(g.limit)
	}
}

type guarded struct {
	io.Reader
	guard *guard
}

func (r guarded) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if n > 0 {
		r.guard.touch()
	}
	return n, err
}

type answerBody struct {
	guarded
	closer io.Closer
	end    func()
	ctx    context.Context
}

func (b answerBody) Read(p []byte) (int, error) {
	n, err := b.guarded.Read(p)
	if err != nil && errors.Is(context.Cause(b.ctx), errStalled) {
		err = errStalled
	}
	return n, err
}

func (b answerBody) Close() error {
	err := b.closer.Close()
	b.end()
	return err
}
