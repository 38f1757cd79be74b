package client

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"sync"
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
	// repeat: a second time changes nothing, so that the call is made again also when
	// nobody knows whether the first one was done. Others are only made again when they
	// were not: 429, 503 and connections that never were.
	repeat bool
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

// keyed makes the call one that is done once however often it is made, within a day: all
// its attempts have one idempotency key.
func (k call) keyed() call {
	k.header = k.header.Clone()
	k.header.Set("Idempotency-Key", rand.Text())
	k.repeat = true
	return k
}

// do makes the call, again where that is safe, and answers a success (2xx). A refusal is
// a *Problem.
func (c *Client) do(ctx context.Context, k call) (*http.Response, error) {
	renewed := false
	for attempt := 0; ; attempt++ {
		token := ""
		if !k.open {
			var err error
			if token, err = c.access(ctx); err != nil {
				return nil, err
			}
		}
		response, err := c.once(ctx, k, token)
		if err == nil && response.StatusCode < 300 {
			return response, nil
		}
		again := err != nil && (k.repeat || neverSent(err))
		if err == nil {
			p := problemOf(response, c.cfg.Clock.Now())
			p.Call = k.method + " " + k.path
			if p.Status == http.StatusUnauthorized && !k.open && !renewed {
				renewed = true
				switch renewal := c.renew(ctx, token); {
				case renewal == nil:
					attempt--
					continue
				case !isRefusal(renewal):
					return nil, renewal
				}
			}
			again = p.Status == http.StatusTooManyRequests || p.Status == http.StatusServiceUnavailable ||
				k.repeat && p.Status >= 500 && p.Code != "bytes_missing"
			err = p
		}
		if !again {
			return nil, c.named(ctx, k, err)
		}
		if stop := c.pause(ctx, attempt, err); stop != nil {
			return nil, c.named(ctx, k, stop)
		}
	}
}

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
		case !k.repeat: // it was done, and what was answered is lost
			return c.named(ctx, k, err)
		}
		if stop := c.pause(ctx, attempt, err); stop != nil {
			return c.named(ctx, k, stop)
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
	request, err := http.NewRequestWithContext(ctx, method, target, body)
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
		return nil, withoutURL(err)
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

// neverSent is a request that found nobody to take it.
func neverSent(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "dial"
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
