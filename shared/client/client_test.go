package client_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"joboutputs/shared/client"
	"joboutputs/shared/client/clienttest"
)

// TestDeps: what imports the client gets the standard library with it, and of ours what makes a zip.
func TestDeps(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", ".", "./files").Output()
	if err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Fields(string(out)), []string{"joboutputs/shared/archive", "joboutputs/shared/client", "joboutputs/shared/client/files"}; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("packages %v, want %v", got, want)
	}
}

func TestServer(t *testing.T) {
	for server, ok := range map[string]bool{
		"http://127.0.0.1:8080": true, "https://x.example/stage/": true,
		"": false, "x.example": false, "ftp://x": false, "http://": false, "http://u:secret@x": false, "http://x?a=b": false,
	} {
		_, err := client.New(client.Config{Server: server})
		if (err == nil) != ok {
			t.Errorf("%q: %v", server, err)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: the error repeats the password: %v", server, err)
		}
	}
}

// TestRetries: what is made again, how often, and after how long, if each random wait is as
// long as it can be.
func TestRetries(t *testing.T) {
	read := func(ctx context.Context, c *client.Client) error { _, err := c.Job(ctx, 1); return err }
	start := func(ctx context.Context, c *client.Client) error { _, err := c.Start(ctx, 1); return err }
	ms := func(all ...time.Duration) (waits []time.Duration) {
		for _, n := range all {
			waits = append(waits, n*time.Millisecond)
		}
		return waits
	}
	for _, tc := range []struct {
		name      string
		do        func(context.Context, *client.Client) error
		retries   int
		responses string // status or "cut", and :Retry-After; then 200
		waits     []time.Duration
		ok        bool
	}{
		{name: "nothing wrong", do: read, ok: true},
		{name: "throttled", do: read, responses: "429", waits: ms(200), ok: true},
		{name: "throttled, seconds", do: read, responses: "429:7", waits: ms(7200), ok: true},
		{name: "throttled, for too long", do: read, responses: "429:61"},
		{name: "throttled, again and again", do: read, responses: "429:1 429:1 429:60 429 429:1", waits: ms(1200, 1400, 60_800, 1600, 4200), ok: true},
		{name: "broken off", do: read, responses: "cut cut", waits: ms(200, 400), ok: true},
		{name: "a defect", do: read, responses: "500 502 503:1 504", waits: ms(200, 400, 1800, 1600), ok: true},
		{name: "down", do: read, responses: "503 503 503 503 503 503 503 503 503", waits: ms(200, 400, 800, 1600, 3200, 6400, 10_000, 10_000)},
		{name: "down, few retries", do: read, retries: 3, responses: "503 503 503 503", waits: ms(200, 400, 800)},
		{name: "down, no retries", do: read, retries: -1, responses: "503"},
		{name: "refused", do: read, responses: "400"},
		{name: "missing", do: read, responses: "404"},
		{name: "a write, unavailable", do: start, responses: "503:2", waits: ms(2200), ok: true},
		{name: "a write, throttled", do: start, responses: "429", waits: ms(200), ok: true},
		{name: "a write that may have been done", do: start, responses: "500", waits: ms(200), ok: true},
		{name: "a write, broken off", do: start, responses: "cut", waits: ms(200), ok: true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			responses := strings.Fields(tc.responses)
			var calls atomic.Int64
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				n := int(calls.Add(1))
				if n > len(responses) {
					fmt.Fprint(w, `{"pk":1}`)
					return
				}
				status, after, _ := strings.Cut(responses[n-1], ":")
				if status == "cut" {
					panic(http.ErrAbortHandler)
				}
				if after != "" {
					w.Header().Set("Retry-After", after)
				}
				var code int
				fmt.Sscan(status, &code)
				w.WriteHeader(code)
			}))
			defer server.Close()
			clock := &clock{}
			c, err := client.New(client.Config{
				Server: server.URL, Clock: clock, Retries: tc.retries, Tokens: client.Tokens{Access: "t"},
				Jitter: func(limit time.Duration) time.Duration { return limit },
			})
			if err != nil {
				t.Fatal(err)
			}
			if err := tc.do(t.Context(), c); (err == nil) != tc.ok {
				t.Errorf("%v, want success: %v", err, tc.ok)
			}
			if got, want := int(calls.Load()), len(tc.waits)+1; got != want {
				t.Errorf("%d requests, want %d", got, want)
			}
			if diff := cmp.Diff(tc.waits, clock.slept); diff != "" {
				t.Errorf("waits (-want +got):\n%s", diff)
			}
		})
	}
}

// TestJitter: clients that are throttled at the same time come back spread over the whole
// wait, and none before Retry-After.
func TestJitter(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(http.StatusTooManyRequests)
	}))
	defer server.Close()
	clock := &clock{}
	for range 200 {
		c, err := client.New(client.Config{Server: server.URL, Clock: clock, Retries: 1})
		if err != nil {
			t.Fatal(err)
		}
		_, _ = c.Job(t.Context(), 1)
	}
	least, most := slices.Min(clock.slept), slices.Max(clock.slept)
	if least < time.Second || least > 1050*time.Millisecond || most < 1150*time.Millisecond || most > 1200*time.Millisecond {
		t.Errorf("%d waits from %v to %v, want them spread from 1 s to 1.2 s", len(clock.slept), least, most)
	}
}

// TestRetryBudget: the calls of a Client make 256 retries, and one for each success.
func TestRetryBudget(t *testing.T) {
	var requests atomic.Int64
	var down atomic.Bool
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		if down.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		fmt.Fprint(w, `{"pk":1}`)
	}))
	defer server.Close()
	made := func(t *testing.T, c *client.Client, calls int, isDown bool) int {
		t.Helper()
		requests.Store(0)
		down.Store(isDown)
		for range calls {
			if _, err := c.Job(t.Context(), 1); (err != nil) != isDown {
				t.Errorf("%v from a service that is down: %v", err, isDown)
			}
		}
		return int(requests.Load())
	}
	newClient := func(t *testing.T, retries int) *client.Client {
		t.Helper()
		c, err := client.New(client.Config{Server: server.URL, Clock: &clock{}, Retries: retries})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	t.Run("many calls", func(t *testing.T) {
		c := newClient(t, 0)
		for _, step := range []struct {
			calls    int
			down     bool
			requests int
		}{
			{300, false, 300}, // a budget that is full stays as it is
			{50, true, 50 + 256},
			{10, true, 10},
			{5, false, 5},
			{10, true, 10 + 5},
			{1, true, 1},
		} {
			if got := made(t, c, step.calls, step.down); got != step.requests {
				t.Errorf("%d calls of a service that is down (%v): %d requests, want %d", step.calls, step.down, got, step.requests)
			}
		}
	})
	t.Run("one call", func(t *testing.T) {
		if got, want := made(t, newClient(t, 300), 1, true), 301; got != want {
			t.Errorf("%d requests, want %d", got, want)
		}
	})
}

// TestStall: a connection on which nothing moves is given up.
func TestStall(t *testing.T) {
	var calls atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if calls.Add(1) == 1 {
			fmt.Fprint(w, `{"pk":`)
			w.(http.Flusher).Flush()
			<-r.Context().Done()
			return
		}
		fmt.Fprint(w, `{"pk":1}`)
	}))
	defer server.Close()
	c, err := client.New(client.Config{Server: server.URL, Stall: 50 * time.Millisecond, Clock: &clock{}})
	if err != nil {
		t.Fatal(err)
	}
	if j, err := c.Job(t.Context(), 1); err != nil || j.PK != 1 || calls.Load() != 2 {
		t.Errorf("job %d after %d calls: %v", j.PK, calls.Load(), err)
	}
}

// TestRefresh: many calls that find the token expired renew it once.
func TestRefresh(t *testing.T) {
	s := clienttest.New(t)
	s.Add("a", "b", []byte("x"))
	var mu sync.Mutex
	var told []client.Tokens
	c, _ := newClient(t, s, func(cfg *client.Config) {
		cfg.OnTokens = func(pair client.Tokens) { mu.Lock(); told = append(told, pair); mu.Unlock() }
	})
	s.ExpireToken()
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if _, err := c.Info(t.Context(), client.Ref{PK: 1}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := count(s.Take(), "POST /v1/auth/refresh"); n != 1 {
		t.Errorf("%d refreshes, want 1", n)
	}
	if len(told) != 1 || told[0] != (client.Tokens{Access: s.Token(), Refresh: "refresh"}) {
		t.Errorf("told of %v", told)
	}
}

func TestLogins(t *testing.T) {
	for _, tc := range []struct {
		name     string
		edit     func(*client.Config)
		requests string
		ok       bool
	}{
		{"refreshed", func(*client.Config) {}, "refresh", true},
		{"logged in again", func(c *client.Config) { c.Tokens.Refresh, c.Username, c.Password = "old", "alice", "secret" }, "refresh obtain", true},
		{"logged in at first", func(c *client.Config) { c.Tokens, c.Username, c.Password = client.Tokens{}, "alice", "secret" }, "obtain", true},
		{"refresh refused", func(c *client.Config) { c.Tokens.Refresh = "old" }, "refresh", false},
		{"nothing to renew with", func(c *client.Config) { c.Tokens.Refresh = "" }, "", false},
		{"wrong password", func(c *client.Config) { c.Tokens, c.Username = client.Tokens{}, "alice" }, "obtain", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := clienttest.New(t)
			s.Add("a", "b", []byte("x"))
			c, _ := newClient(t, s, func(cfg *client.Config) { cfg.Tokens.Access = "expired"; tc.edit(cfg) })
			_, err := c.Info(t.Context(), client.Ref{PK: 1})
			if p, refused := errors.AsType[*client.Problem](err); (err == nil) != tc.ok || err != nil && (!refused || p.Status != 401) {
				t.Errorf("%v", err)
			}
			var asked []string
			for _, request := range s.Take() {
				if step, ok := strings.CutPrefix(request, "POST /v1/auth/"); ok {
					asked = append(asked, step)
				}
			}
			if got := strings.Join(asked, " "); got != tc.requests {
				t.Errorf("asked for %q, want %q", got, tc.requests)
			}
		})
	}
}

// TestList: pages follow each other, a page that breaks off is asked for again, and a
// list does not end early without an error.
func TestList(t *testing.T) {
	var bodies []string
	fail := ""
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := new(strings.Builder)
		_, _ = fmt.Fprint(body, r.Header.Get("Node-Id"), " ")
		buffer := make([]byte, 1000)
		n, _ := r.Body.Read(buffer)
		body.Write(buffer[:n])
		bodies = append(bodies, body.String())
		switch {
		case !strings.Contains(body.String(), "cursor"):
			w.Header().Set("X-Next-Cursor", "second")
			fmt.Fprint(w, `[{"pk":1},{"pk":2}]`)
		case fail == "broken":
			fail = ""
			fmt.Fprint(w, `[{"pk":3`)
			panic(http.ErrAbortHandler)
		case fail == "refused":
			w.WriteHeader(400)
		default:
			fmt.Fprint(w, `[{"pk":3}]`)
		}
	}))
	defer server.Close()
	c, err := client.New(client.Config{Server: server.URL, Clock: &clock{}, Node: 7})
	if err != nil {
		t.Fatal(err)
	}
	list := func() (pks []int64, err error) {
		spec := client.Spec{Expressions: []client.Expression{client.Exact("job", 0)}, Limit: 2}
		for o, err := range c.List(t.Context(), spec) {
			if err != nil {
				return pks, err
			}
			pks = append(pks, o.PK)
		}
		return pks, nil
	}
	for _, fail = range []string{"", "broken"} {
		if pks, err := list(); err != nil || fmt.Sprint(pks) != "[1 2 3]" {
			t.Errorf("%v, %v", pks, err)
		}
	}
	fail = "refused"
	if pks, err := list(); err == nil {
		t.Errorf("a list that was refused in its middle gave %v and no error", pks)
	}
	if want := `7 {"expressions":[{"type":"exact","field":"job","value":0}],"limit":2}`; bodies[0] != want {
		t.Errorf("asked %s, want %s", bodies[0], want)
	}
	if !strings.Contains(bodies[1], `"cursor":"second"`) || !strings.Contains(bodies[1], `"limit":2`) {
		t.Errorf("the second page was asked for by %s", bodies[1])
	}
	bodies, fail = nil, ""
	n := 0
	for _, err := range c.ListRaw(t.Context(), []byte(`{"order_by":[{"field":"pk"}]}`)) {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	if n != 3 || bodies[0] != `7 {"limit":1000,"order_by":[{"field":"pk"}]}` {
		t.Errorf("%d rows of %s", n, bodies)
	}
}
