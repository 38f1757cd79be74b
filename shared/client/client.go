// Package client calls the HTTP API of job-outputs: typed requests and answers, tokens
// that renew themselves, retries, and transfers of any size that verify what they move.
// The command joboutputs is built on it. The module path joboutputs cannot be fetched, so a
// program outside this repository imports the package from a checkout, by a replace
// directive in its go.mod:
//
//	require joboutputs v0.0.0
//	replace joboutputs => ../job-outputs
//
//	c, err := client.New(client.Config{Server: "https://…", Username: "alice", Password: "…"})
//	…
//	for o, err := range c.List(ctx, client.Spec{Expressions: []client.Expression{client.Exact("job", 42)}}) {
//
// A call that the service refuses fails with a *Problem, bytes that are not what they
// should be with a *VerificationError. Every write carries an Idempotency-Key, so that its
// retries are carried out once; one whose outcome stays unknown fails with an
// *UnknownOutcomeError. The package imports the standard library and, for
// the making of zips, archive, which does the same; it reads neither files nor the
// environment. Package files below it moves files.
package client

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// MaxAdd is the largest content that one add takes, in bytes (the API's limit for a
// request through a Lambda). Upload stages what is larger.
const MaxAdd = 4_400_000

// maxInline is the largest content that is asked for in the answer; above, by a link.
const maxInline = 4 << 20

// Config is what a Client is made from. Server alone is required.
type Config struct {
	Server string // base URL, http or https; a path in it is kept

	// HTTP makes the requests; nil = one with time-outs. Redirects are never followed, and
	// the object store is asked without the token.
	HTTP *http.Client

	// Tokens are used until they are refused with 401; then the refresh token gets another,
	// and if there is none or it is refused too, Username and Password do.
	Tokens             Tokens
	Username, Password string
	OnTokens           func(Tokens) // told of every new pair, one call at a time; nil = nobody

	Node      int64 // Node-Id sent with each call; 0 = none
	UserAgent string

	// Retries is how often a call, or a part of a transfer, is made again after 429, 5xx and
	// broken connections; 0 = 8, below 0 = never. The wait before a retry is Retry-After, or 0
	// if there is none, plus a random time: up to 0.2 s before the first retry, doubling up to
	// 10 s. By default these random times are 16 s together on average, and at most 33 s. A
	// call whose Retry-After is above a minute fails at once.
	//
	// The calls of a Client share a budget of 256 retries: a retry takes one, each successful
	// request gives one back. When the budget is empty, calls fail without a retry, so that
	// parallel calls do not multiply the load on a service that is overloaded. If Retries is
	// above 256, so is the budget: a call that is alone can use all of its retries.
	Retries int
	// Jitter draws a wait from [0, limit]; nil = uniformly at random.
	Jitter func(limit time.Duration) time.Duration
	// Waiting is told why and how long a call waits before it is made again; nil = nobody.
	Waiting func(cause error, d time.Duration)
	// Stall is how long a transfer may rest before its connection is taken for broken;
	// 0 = 1 minute.
	Stall time.Duration
	Clock Clock // nil = the system's
}

// Clock is time as the client sees it.
type Clock interface {
	Now() time.Time
	// Sleep returns when d is over or with ctx's error when that ends first.
	Sleep(ctx context.Context, d time.Duration) error
}

// Client calls the API. It is safe for concurrent use.
type Client struct {
	cfg    Config
	base   string // without a trailing slash
	http   *http.Client
	tokens keeper
	budget *budget
}

// New makes a Client. It makes no call.
func New(cfg Config) (*Client, error) {
	base, err := url.Parse(cfg.Server)
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" || base.RawQuery != "" || base.User != nil {
		return nil, fmt.Errorf("server %q: want a URL such as https://jobs.example.org", redactUser(cfg.Server))
	}
	if cfg.Node < 0 {
		return nil, fmt.Errorf("node %d: want a primary key, from 1", cfg.Node)
	}
	cfg.Retries = cmp.Or(cfg.Retries, retries)
	if cfg.Jitter == nil {
		cfg.Jitter = func(limit time.Duration) time.Duration { return rand.N(limit + 1) }
	}
	cfg.Stall = cmp.Or(cfg.Stall, time.Minute)
	cfg.UserAgent = cmp.Or(cfg.UserAgent, "joboutputs-go")
	if cfg.Clock == nil {
		cfg.Clock = systemClock{}
	}
	if cfg.HTTP == nil {
		cfg.HTTP = &http.Client{Transport: transport()}
	}
	own := *cfg.HTTP
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	budget := newBudget(max(retryBudget, cfg.Retries))
	own.Transport = refunding{cmp.Or(own.Transport, http.DefaultTransport), budget}
	c := &Client{cfg: cfg, base: strings.TrimRight(base.String(), "/"), http: &own, budget: budget}
	c.tokens.pair = cfg.Tokens
	return c, nil
}

// redactUser is a server as an error may repeat it: without a password in it.
func redactUser(server string) string {
	if i := strings.LastIndexByte(server, '@'); i >= 0 {
		return "…" + server[i:]
	}
	return server
}

// transport has time-outs for all but the bodies, which a guard watches, and keeps as
// many connections as a transfer of many files uses. Answers are not unpacked: sizes and
// checksums are of the bytes as they come.
func transport() *http.Transport {
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		ForceAttemptHTTP2:     true,
		MaxIdleConns:          128,
		MaxIdleConnsPerHost:   64,
		IdleConnTimeout:       90 * time.Second,
		TLSHandshakeTimeout:   10 * time.Second,
		ResponseHeaderTimeout: time.Minute,
		DisableCompression:    true,
		WriteBufferSize:       256 << 10,
		ReadBufferSize:        256 << 10,
	}
}

type systemClock struct{}

func (systemClock) Now() time.Time { return time.Now() }

func (systemClock) Sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// The numbers of a Client's retries. test/robustness/storm simulates what follows from them.
const (
	retries     = 8   // of a call
	retryBudget = 256 // of all calls together, beyond the successes: those of 32 calls at once

	firstWait = 200 * time.Millisecond // limit of the random wait before the first retry
	longest   = 10 * time.Second       // and before any other
	patience  = time.Minute            // the longest Retry-After that is waited for
)

// pause waits before the attempt-th retry, from 0: full jitter that grows, on top of
// Retry-After. It fails with cause when the retries of the call or the budget of the Client
// are used up, or Retry-After is too long.
func (c *Client) pause(ctx context.Context, attempt int, cause error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var after time.Duration
	if p, ok := errors.AsType[*Problem](cause); ok {
		after = p.RetryAfter
	} else if s, ok := errors.AsType[*StoreError](cause); ok {
		after = s.RetryAfter
	}
	if attempt >= c.cfg.Retries || after > patience || !c.budget.take() {
		return cause
	}
	wait := after + c.cfg.Jitter(min(firstWait<<min(attempt, 10), longest))
	if c.cfg.Waiting != nil {
		c.cfg.Waiting(cause, wait)
	}
	return c.cfg.Clock.Sleep(ctx, wait)
}
