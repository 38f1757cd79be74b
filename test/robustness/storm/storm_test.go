// Package storm simulates retry storms: real clients (package client) call a gateway that
// throttles, on a virtual clock. What the clients draw and how long the network takes comes
// from a seed, so that a run repeats itself.
package storm

import (
	"context"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"joboutputs/shared/client"
	"joboutputs/test/report"
)

// The gateway's throttle, as infra/api.go sets it up.
const (
	rate  = 200 // requests a second
	burst = 400
)

// gateway serves the requests that its token bucket has a token for, and throttles the others:
// 429 and Retry-After: 1. While it is down, it responds 503 without Retry-After to all.
type gateway struct {
	down time.Time // until then

	mu           sync.Mutex
	tokens       float64
	last         time.Time
	sent, served int
}

func newGateway() *gateway { return &gateway{tokens: burst, last: time.Now()} }

func (g *gateway) respond() (status int, retryAfter string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	g.tokens = min(burst, g.tokens+rate*now.Sub(g.last).Seconds())
	g.last = now
	g.sent++
	switch {
	case now.Before(g.down):
		return http.StatusServiceUnavailable, ""
	case g.tokens < 1:
		return http.StatusTooManyRequests, "1"
	}
	g.tokens--
	g.served++
	return http.StatusOK, ""
}

// counts are the requests so far, and those that were served.
func (g *gateway) counts() (sent, served int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.sent, g.served
}

// random is a source of its own, so that who draws first does not depend on the scheduler.
type random struct {
	mu sync.Mutex
	of *rand.Rand
}

func newRandom(number int) *random {
	return &random{of: rand.New(rand.NewPCG(report.Seed(), uint64(number)))} //nolint:gosec // repeatable, not secret
}

// upTo draws from [0, limit].
func (r *random) upTo(limit time.Duration) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return time.Duration(r.of.Int64N(int64(limit) + 1))
}

// network is one process's way to the gateway.
type network struct {
	gateway *gateway
	*random
}

// RoundTrip takes 20 to 120 ms, so that no two requests arrive at the same time.
func (n *network) RoundTrip(request *http.Request) (*http.Response, error) {
	time.Sleep(20*time.Millisecond + n.upTo(100*time.Millisecond))
	status, after := n.gateway.respond()
	response := &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(`{"pk":1}`)), Request: request}
	if after != "" {
		response.Header.Set("Retry-After", after)
	}
	return response, nil
}

// newProcess is a Client with default retries, as each process has one.
func newProcess(t *testing.T, g *gateway, number int) *client.Client {
	n := &network{g, newRandom(number)}
	c, err := client.New(client.Config{
		Server: "http://gateway.example", HTTP: &http.Client{Transport: n}, Jitter: n.upTo, Tokens: client.Tokens{Access: "token"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// outcome is what became of a call.
type outcome struct {
	begun, took time.Duration
	failed      bool
}

// calls are the calls of all processes.
type calls struct {
	begun time.Time
	all   sync.WaitGroup
	mu    sync.Mutex
	done  []outcome
}

// Go makes a call.
func (c *calls) Go(ctx context.Context, p *client.Client) {
	c.all.Go(func() {
		at := time.Now()
		_, err := p.Job(ctx, 1)
		c.mu.Lock()
		defer c.mu.Unlock()
		c.done = append(c.done, outcome{at.Sub(c.begun), time.Since(at), err != nil})
	})
}

// count counts outcomes, when all calls are over.
func (c *calls) count(of func(outcome) bool) int {
	c.all.Wait()
	n := 0
	for _, o := range c.done {
		if of(o) {
			n++
		}
	}
	return n
}

func failed(o outcome) bool { return o.failed }

// TestCrowd lets 4,000 processes make a call each at the same time: 20 s of what the gateway
// can do.
func TestCrowd(t *testing.T) {
	check := report.Begin(t, "storm", report.Seed())
	synctest.Test(t, func(t *testing.T) {
		const processes = 4000
		g := newGateway()
		calls := &calls{begun: time.Now()}
		for i := range processes {
			calls.Go(t.Context(), newProcess(t, g, i))
		}
		gaveUp := calls.count(failed)
		sent, served := g.counts()
		check.AtMost("of 4,000 clients that call at once, at 200 requests a second: gave up", gaveUp, processes/100)
		check.AtMost("requests for 100 that were served", 100*sent/served, 600)
	})
}

// TestOverload lets 40 processes make, all together, 400 calls a second for a minute, twice
// what the gateway can do, and 100 a second for another minute.
func TestOverload(t *testing.T) {
	check := report.Begin(t, "storm", report.Seed())
	synctest.Test(t, func(t *testing.T) {
		const processes, phase = 40, time.Minute
		g := newGateway()
		calls := &calls{begun: time.Now()}
		for i := range processes {
			p, arrivals := newProcess(t, g, i), newRandom(processes+i)
			calls.all.Go(func() {
				for time.Since(calls.begun) < 2*phase {
					pause := processes * time.Second / 400
					if time.Since(calls.begun) > phase {
						pause = processes * time.Second / 100
					}
					time.Sleep(arrivals.upTo(2 * pause))
					calls.Go(t.Context(), p)
				}
			})
		}
		time.Sleep(phase)
		sent, served := g.counts()
		overloaded := calls.count(func(o outcome) bool { return o.begun < phase })
		gaveUp := calls.count(failed)
		slowly := calls.count(func(o outcome) bool { return o.failed && o.took > 5*time.Second })
		check.AtLeast("at twice the load for a minute: served a second", served/60, rate*95/100)
		check.AtMost("requests for 100 calls", 100*sent/overloaded, 200)
		check.AtMost("of 100 calls that gave up, after more than 5 s", 100*slowly/gaveUp, 20)

		recovered := func(o outcome) bool { return o.begun > phase+5*time.Second }
		check.AtLeast("calls from 5 s after the overload", calls.count(recovered), 5000)
		check.Equal("of these served by a retry, or not at all", calls.count(func(o outcome) bool {
			return recovered(o) && (o.failed || o.took > 150*time.Millisecond)
		}), 0)
	})
}

// TestOutage lets a process that makes 32 calls at once, as the command does at most, meet a
// gateway that is down for 5 s.
func TestOutage(t *testing.T) {
	check := report.Begin(t, "storm", report.Seed())
	synctest.Test(t, func(t *testing.T) {
		const outages, parallel = 100, 32
		calls := &calls{begun: time.Now()}
		for i := range outages {
			g := newGateway()
			g.down = time.Now().Add(5 * time.Second)
			p := newProcess(t, g, i)
			for range parallel {
				calls.Go(t.Context(), p)
			}
		}
		check.AtMost("of 3,200 calls, 32 at once in a process, to a service that is down for 5 s: gave up", calls.count(failed), outages*parallel/100)
	})
}
