//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"joboutputs/infra/local/issuer"
)

// tenant makes a tenant with three users, whose tokens are the own issuer's.
func tenant(t *testing.T, name string) (admin, node, user caller) {
	t.Helper()
	return login(t, issuer.User{Tenant: name, PK: 1, Username: "admin", Admin: true, Active: true}),
		login(t, issuer.User{Tenant: name, PK: 2, Username: "node", Active: true, Nodes: []int64{7, 8}}),
		login(t, issuer.User{Tenant: name, PK: 3, Username: "user", Active: true})
}

func login(t *testing.T, u issuer.User) caller {
	t.Helper()
	u.Password = u.Username
	if err := tokens.AddUser(u); err != nil {
		t.Fatal(err)
	}
	pair, err := tokens.Obtain(t.Context(), u.Username+"@"+u.Tenant, u.Password)
	if err != nil {
		t.Fatal(err)
	}
	return caller{name: u.Username, door: own.door, token: "Bearer " + pair.Access}
}

// caller is who sends requests, and where to.
type caller struct {
	name   string
	door   *door
	token  string // the Authorization header, "" = none
	header map[string]string
}

// with is the caller with one more header on each request.
func (c caller) with(name, value string) caller {
	c.header = maps.Clone(c.header)
	if c.header == nil {
		c.header = map[string]string{}
	}
	c.header[name] = value
	return c
}

// node is the caller in the name of a node.
func (c caller) node(pk string) caller { return c.with("Node-Id", pk) }

// client follows nothing, and has the one connection a request that the door wants.
var client = &http.Client{
	Transport:     &http.Transport{DisableCompression: true, DisableKeepAlives: true},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	Timeout:       time.Minute,
}

type answer struct {
	status int
	header http.Header
	body   []byte
}

// do sends a request. A body that begins with { is JSON, another one bytes.
func (c caller) do(t *testing.T, method, path, body string) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, "http://"+c.door.addr+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	switch {
	case strings.HasPrefix(body, "{"):
		r.Header.Set("Content-Type", "application/json")
	case body != "":
		r.Header.Set("Content-Type", "application/octet-stream")
	}
	r.Header.Set("Accept", "*/*")
	if c.token != "" {
		r.Header.Set("Authorization", c.token)
	}
	for name, value := range c.header {
		r.Header.Set(name, value)
	}
	response, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{response.StatusCode, response.Header, content}
}

var times = regexp.MustCompile(`"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z"`)

// line tells an answer in one line: "200 {…}", with times as "now"; of a problem,
// "404 not_found: Not found."
func (a answer) line() string {
	if a.header.Get("Content-Type") == "application/problem+json" {
		var problem struct{ Code, Detail string }
		_ = json.Unmarshal(a.body, &problem) // the line shows what is missing
		return fmt.Sprintf("%d %s: %s", a.status, problem.Code, problem.Detail)
	}
	return strings.TrimSpace(fmt.Sprintf("%d %s", a.status, times.ReplaceAll(a.body, []byte(`"now"`))))
}

// decode reads an answer's JSON.
func (a answer) decode(t *testing.T, out any) {
	t.Helper()
	if err := json.Unmarshal(a.body, out); err != nil {
		t.Fatalf("%s: %v", a.line(), err)
	}
}

// step is one request of a script and the line of its answer.
type step struct {
	by     caller
	method string
	path   string
	body   string
	want   string
}

// script sends requests one after another.
func script(t *testing.T, steps []step) {
	t.Helper()
	for i, s := range steps {
		got := s.by.do(t, s.method, s.path, s.body)
		if diff := cmp.Diff(s.want, got.line()); diff != "" {
			t.Errorf("%d: %s %s by %s (-want +got):\n%s", i+1, s.method, s.path, s.by.name, diff)
		}
		got.checkHeaders(t, s)
	}
}

// checkHeaders holds what is so of every answer but bytes, wherever it comes from.
func (a answer) checkHeaders(t *testing.T, s step) {
	t.Helper()
	want := map[string]string{}
	if a.status >= http.StatusBadRequest {
		want = map[string]string{
			"Content-Type": "application/problem+json", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Vary": "Origin",
		}
	}
	if a.status == http.StatusUnauthorized {
		want["Www-Authenticate"] = `Bearer realm="api"`
	}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if got := a.header.Get(name); got != want[name] {
			t.Errorf("%s %s by %s: %d with %s %q, want %q", s.method, s.path, s.by.name, a.status, name, got, want[name])
		}
	}
}

// What several answers say.
const (
	unauthenticated = "401 not_authenticated: Authentication credentials were not provided or are not valid."
	forbidden       = "403 permission_denied: You do not have permission to perform this action."
	notFound        = "404 not_found: Not found."
)

// begun makes a job and has node 7 start it.
func begun(t *testing.T, admin, node caller) {
	t.Helper()
	script(t, []step{
		{admin, "POST", "/v1/jobs/create", `{"node":7,"description":"train"}`, `201 {"pk":1,"description":"train","node":7,"creator":1,"creation_time":"now","start_time":null,"end_time":null,"error_reason":null,"deletion_time":null,"is_cancelled":false,"outputs":[]}`},
		{node.node("7"), "POST", "/v1/jobs/1/start", "", `200 {"pk":1,"description":"train","node":7,"creator":1,"creation_time":"now","start_time":"now","end_time":null,"error_reason":null,"deletion_time":null,"is_cancelled":false,"outputs":[]}`},
	})
}
