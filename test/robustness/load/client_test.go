package load

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"

	"joboutputs/test/harness"
)

// clients is how many there are, each with a job of its own, of the same pk.
const clients = 32

// keeps is how many outputs a client has at most.
const keeps = 40

// state is what a client knows of an output of its own.
type state int

const (
	active state = iota
	deleted
	gone
	unknown // a call about it got no answer, or 503
)

// held is an output that a client made.
type held struct {
	pk      int64
	content string
	state   state
	doubted *state // what was acknowledged, and may have been forgotten
}

// client uses the service and knows what its answers must be.
type client struct {
	site   *site
	job    int64
	rnd    *rand.Rand
	tally  *tally
	caller harness.Caller
	since  time.Time // of the token

	own  map[string]*held // by name
	made int

	last    acknowledged
	doubted time.Time // the kill of a forgetful store that was last heeded
}

// acknowledged is a write that was answered well.
type acknowledged struct {
	name string
	h    *held
	at   time.Time
}

func newClient(s *site, job int64, seed uint64) *client {
	return &client{site: s, job: job, rnd: rand.New(rand.NewPCG(seed, uint64(job))), own: map[string]*held{}}
}

// run makes calls until the context ends: of five, four read.
func (c *client) run(ctx context.Context) {
	for ctx.Err() == nil {
		if time.Since(c.since) > time.Minute {
			caller, err := c.site.login(context.WithoutCancel(ctx))
			if err != nil { // the program is away
				time.Sleep(50 * time.Millisecond)
				continue
			}
			c.caller, c.since = caller, time.Now()
		}
		c.doubt()
		if c.rnd.IntN(5) > 0 {
			c.read()
		} else {
			c.write()
		}
	}
}

// moment is how long before it was killed a forgetful store may have acknowledged a write
// that it forgets.
const moment = 200 * time.Millisecond

// doubt takes back what a forgetful store acknowledged just before it was killed: what
// became of it is asked.
func (c *client) doubt() {
	killed := c.site.forgot()
	if killed.Equal(c.doubted) {
		return
	}
	c.doubted = killed
	if h := c.last.h; h != nil && c.last.at.After(killed.Add(-moment)) {
		was := h.state
		h.state, h.doubted = unknown, &was
		c.own[c.last.name] = h // it was taken out, if what may be forgotten is its end
	}
}

// reply is an answer; its status is 0 if none came whole.
type reply struct {
	status int
	body   []byte
}

// call makes a call and counts how it ended.
func (c *client) call(reads bool, method, path, body string, header map[string]string) reply {
	begun := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), 40*time.Second)
	defer cancel()
	response, err := c.caller.Send(ctx, c.site.url, harness.Request{Method: method, Path: path, Body: body, Header: header})
	var text []byte
	if err == nil {
		text, err = io.ReadAll(response.Body)
		response.Body.Close()
	}
	if err != nil {
		c.tally.broken(reads, err)
		time.Sleep(20 * time.Millisecond) // nobody is there
		return reply{}
	}
	c.tally.answered(reads, response, time.Since(begun), method+" "+path, text)
	return reply{response.StatusCode, text}
}

// lost reports whether nothing can be said of what a call did.
func (r reply) lost() bool { return r.status == 0 || r.status >= 500 }

// wrong notes an answer that must not be.
func (c *client) wrong(r reply, format string, args ...any) {
	c.tally.wrong(fmt.Sprintf(format, args...) + fmt.Sprintf(": %d %.300s", r.status, r.body))
}

func (c *client) read() {
	switch c.rnd.IntN(6) {
	case 0:
		pk := 1 + c.rnd.IntN(c.site.stored)
		if r := c.call(true, "GET", fmt.Sprintf("/v1/job-outputs/%d", pk), "", nil); !r.lost() && (r.status != 200 || !strings.HasPrefix(string(r.body), fmt.Sprintf(`{"pk":%d,`, pk))) {
			c.wrong(r, "stored output %d", pk)
		}
	case 1:
		i := c.rnd.IntN(c.site.stored)
		r := c.call(true, "GET", fmt.Sprintf("/v1/jobs/%d/outputs/%s/txt", firstStored+i/perJob, storedName(i)), "", nil)
		if !r.lost() && (r.status != 200 || string(r.body) != storedContent(i)) {
			c.wrong(r, "content of %s", storedName(i))
		}
	case 2:
		c.check(true)
	case 3:
		name, h := c.any()
		r := c.call(true, "GET", c.path(name), "", nil)
		want := 200
		if h == nil || h.state == gone {
			want = 404
		}
		if !r.lost() && (h == nil || h.state != unknown) && (r.status != want || want == 200 && string(r.body) != h.content) {
			c.wrong(r, "content of %s, which is %+v", name, h)
		}
	case 4:
		name, h := c.any()
		r := c.call(true, "GET", c.path(name)+"/info", "", nil)
		if h != nil && h.state != unknown && !r.lost() {
			c.compare(r, name, h)
		}
	case 5:
		r := c.call(true, "POST", "/v1/job-outputs/list", `{"order_by":[{"field":"creation_time","ascending":false}],"limit":25}`, nil)
		var rows []struct{ PK int64 }
		if !r.lost() && (r.status != 200 || json.Unmarshal(r.body, &rows) != nil || len(rows) != 25) {
			c.wrong(r, "the newest 25 of a tenant")
		}
	}
}

func (c *client) compare(r reply, name string, h *held) {
	var row struct {
		PK      int64
		Deleted *string `json:"deletion_time"`
	}
	switch {
	case h.state == gone && r.status == 404:
	case h.state != gone && r.status == 200 && json.Unmarshal(r.body, &row) == nil && row.PK == h.pk && (row.Deleted != nil) == (h.state == deleted):
	default:
		c.wrong(r, "%s, which is %+v", name, *h)
	}
}

// check lists the client's job, strongly consistent, and compares all of it. It reports
// whether an answer came.
func (c *client) check(counts bool) bool {
	body := fmt.Sprintf(`{"expressions":[{"type":"exact","field":"job","value":%d}],"include_inactive":true}`, c.job)
	r := c.call(counts, "POST", "/v1/job-outputs/list", body, nil)
	if r.lost() {
		return false
	}
	var rows []struct {
		PK      int64
		Name    string
		Deleted *string `json:"deletion_time"`
	}
	if r.status != http.StatusOK || json.Unmarshal(r.body, &rows) != nil {
		c.wrong(r, "the list of job %d", c.job)
		return true
	}
	listed := map[string]bool{}
	for _, row := range rows {
		listed[row.Name] = true
		h := c.own[row.Name]
		if h == nil || h.state == gone || h.state != unknown && (h.pk != row.PK || (row.Deleted != nil) != (h.state == deleted)) {
			c.tally.wrong(fmt.Sprintf("job %d lists %+v, which is %+v", c.job, row, h))
		}
	}
	for name, h := range c.own {
		if !listed[name] && (h.state == active || h.state == deleted) {
			c.tally.lose(fmt.Sprintf("job %d does not list %s, which is %+v", c.job, name, *h))
		}
	}
	return true
}

func (c *client) path(name string) string {
	return fmt.Sprintf("/v1/jobs/%d/outputs/%s/txt", c.job, name)
}

// any is one of the client's outputs, or a name it does not have.
func (c *client) any() (string, *held) {
	name := fmt.Sprintf("n%d", 1+c.rnd.IntN(c.made+1))
	return name, c.own[name]
}

func (c *client) write() {
	name, h := c.any()
	switch what := c.rnd.IntN(6); {
	case len(c.own) < keeps && what < 3 || h == nil:
		c.add()
	case h.state == unknown:
		c.settle(name, h)
	case len(c.own) >= keeps || what == 3:
		c.change(name, h, "DELETE", "/hard", gone)
	case what == 4:
		c.change(name, h, "POST", "/reinstate", active)
	default:
		c.change(name, h, "DELETE", "", deleted)
	}
}

func (c *client) add() {
	c.made++
	name := fmt.Sprintf("n%d", c.made)
	h := &held{content: strings.Repeat(name+" of job "+fmt.Sprint(c.job)+"\n", 1+c.rnd.IntN(100)), state: unknown}
	c.own[name] = h
	r := c.call(false, "POST", c.path(name), h.content, map[string]string{"Content-Type": "text/plain"})
	var row struct{ PK int64 }
	switch {
	case r.lost():
	case r.status == http.StatusOK && json.Unmarshal(r.body, &row) == nil:
		h.pk, h.state = row.PK, active
		c.last = acknowledged{name, h, time.Now()}
	default:
		c.wrong(r, "adding %s", name)
	}
}

func (c *client) change(name string, h *held, method, action string, to state) {
	was := h.state
	h.state = unknown
	r := c.call(false, method, fmt.Sprintf("/v1/job-outputs/%d%s", h.pk, action), "", nil)
	switch {
	case r.lost():
	case was == gone && r.status == 404:
		h.state = gone
	case was != gone && (r.status == 200 || r.status == 204):
		h.state = to
		c.last = acknowledged{name, h, time.Now()}
	default:
		c.wrong(r, "%s %s of %s", method, action, name)
	}
	if h.state == gone {
		delete(c.own, name)
	}
}

// settle asks what became of an output of which nothing is known.
func (c *client) settle(name string, h *held) bool {
	r := c.call(true, "GET", c.path(name)+"/info", "", nil)
	var row struct {
		PK      int64
		Deleted *string `json:"deletion_time"`
	}
	switch {
	case r.lost():
		return false
	case r.status == 404:
		h.state = gone
		delete(c.own, name)
	case r.status == 200 && json.Unmarshal(r.body, &row) == nil && (h.pk == 0 || h.pk == row.PK):
		h.pk, h.state = row.PK, active
		if row.Deleted != nil {
			h.state = deleted
		}
	default:
		c.wrong(r, "%s, of which nothing is known", name)
	}
	if h.doubted != nil && *h.doubted != h.state {
		c.tally.forget()
	}
	h.doubted = nil
	return true
}

// verify reads everything the client has, at the end.
func (c *client) verify() {
	caller, err := c.site.login(context.Background())
	if err != nil {
		c.tally.wrong(err.Error())
		return
	}
	c.caller, c.since = caller, time.Now()
	c.doubt()
	if !c.check(true) {
		c.tally.wrong(fmt.Sprintf("the list of job %d does not come", c.job))
	}
	for name, h := range c.own {
		if h.state == unknown {
			if !c.settle(name, h) {
				c.tally.wrong(name + " can't be had")
			}
		}
		if h.state == gone || c.own[name] == nil {
			continue
		}
		if r := c.call(true, "GET", c.path(name), "", nil); r.status != 200 || string(r.body) != h.content {
			c.tally.lose(fmt.Sprintf("%s of job %d: %d, %d bytes of %d", name, c.job, r.status, len(r.body), len(h.content)))
		}
	}
}

// tally counts over all clients.
type tally struct {
	mu                        sync.Mutex
	reads, writes, written    int // the last are writes that were answered well
	unavailable, withoutRetry int // answers 503; of them, without Retry-After
	failed                    int // answers 5xx but 503
	cut                       int // no answer, or not a whole one
	forgotten                 int // writes that a forgetful store acknowledged in its last moment
	wrongs, losses            []string
	took                      []time.Duration
}

func (t *tally) count(reads bool) {
	if reads {
		t.reads++
	} else {
		t.writes++
	}
}

func (t *tally) answered(reads bool, r *http.Response, took time.Duration, what string, body []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.count(reads)
	if len(t.took) < 2_000_000 {
		t.took = append(t.took, took)
	}
	switch {
	case r.StatusCode == http.StatusServiceUnavailable:
		t.unavailable++
		if r.Header.Get("Retry-After") == "" {
			t.withoutRetry++
		}
	case r.StatusCode >= 500:
		t.failed++
		t.wrongs = append(t.wrongs, fmt.Sprintf("%s: %d %.300s", what, r.StatusCode, body))
	case !reads:
		t.written++
	}
}

func (t *tally) broken(reads bool, _ error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.count(reads)
	t.cut++
}

func (t *tally) wrong(text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.wrongs = append(t.wrongs, text)
}

func (t *tally) lose(text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.losses = append(t.losses, text)
}

func (t *tally) forget() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.forgotten++
}
