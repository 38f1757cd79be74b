package service_test

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"joboutputs/functions"
)

// TestWalls lets every principal of one tenant try every route, with every method, on what
// exists in another tenant alone: it must look like what exists nowhere.
func TestWalls(t *testing.T) {
	for _, tc := range []struct {
		mine, theirs string
		principals   []string // nil = all
	}{
		{"alpha", "beta", nil},
		{"alpha", "alpha-2", []string{"admin as a node", "alice as a node"}}, // names of which one begins the other
		{"alpha-2", "alpha", []string{"admin as a node", "alice as a node"}},
	} {
		t.Run(tc.mine+" on "+tc.theirs, func(t *testing.T) {
			t.Parallel()
			w := newWalls(t, tc.mine, tc.theirs)
			bucket := w.bucket()
			w.rig.log.take()

			admin, alice, bob := w.rig.login(t, "admin", w.mine), w.rig.login(t, "alice", w.mine), w.rig.login(t, "bob", w.mine)
			principals := map[string]caller{
				"admin": admin, "admin as a node": admin.as("11"), "admin as a node of theirs": admin.as("{node-id}"),
				"alice": alice, "alice as a node": alice.as("11"), "alice as a node busy there": alice.as("505050"),
				"bob": bob, "nobody": {},
			}
			for _, who := range slices.Sorted(maps.Keys(principals)) {
				if tc.principals != nil && !slices.Contains(tc.principals, who) {
					continue
				}
				for _, resource := range slices.Sorted(maps.Keys(resources())) {
					for _, p := range w.probes[resource] {
						methods := p.methods
						if methods == nil {
							methods = everyMethod
						}
						if principals[who].node == "{node-id}" && p.node == "" {
							p.node, p.gaps = "{node-id}", append(slices.Clone(p.gaps), gap{"node-id", "707070", "808080"})
						}
						for _, method := range methods {
							w.check(who, principals[who], p, method)
						}
					}
				}
			}
			t.Logf("%d requests", w.requests)

			w.controls(admin, alice)
			w.quietLog()
			w.seenByTheirOwn()
			w.restore("everything")
			if diff := cmp.Diff(bucket, w.bucket()); diff != "" {
				t.Errorf("the other tenant's objects (-before +after):\n%s", diff)
			}
		})
	}
}

// sight is what a caller can learn from an answer, and what it cost.
type sight struct {
	Status int
	Header http.Header
	Body   string
	Broken bool
	Calls  []string
}

// newUploadID is what a new upload is answered with, drawn at random.
var newUploadID = regexp.MustCompile(`^\{"id":"[0-9A-Z]{26}"`)

var requestID = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}`)

// look sends a filled probe and says what is seen, the caller's own texts taken out.
func (w *walls) look(c caller, p probe, req request, own func(gap) string) sight {
	w.Helper()
	w.requests++
	w.rig.calls.take()
	a := c.do(w, w.rig.url, req)
	var sent []string
	for _, gap := range p.gaps {
		text := own(gap)
		if gap.foreign == gap.missing {
			continue
		}
		sent = append(sent, text, "{"+gap.name+"}", url.PathEscape(text), "{"+gap.name+"}", url.QueryEscape(text), "{"+gap.name+"}")
	}
	clean := strings.NewReplacer(sent...).Replace
	s := sight{Status: a.status, Header: http.Header{}, Body: clean(requestID.ReplaceAllString(string(a.body), "{request_id}")), Broken: a.broken != nil}
	if a.status == http.StatusCreated {
		s.Body = newUploadID.ReplaceAllString(s.Body, `{"id":"{id}"`)
	}
	for name, values := range a.header {
		for _, value := range values {
			s.Header.Add(name, clean(value))
		}
	}
	s.Header.Del("Date")
	for _, call := range w.rig.calls.take() {
		s.Calls = append(s.Calls, call.operation)
		for _, prefix := range []string{"T#" + w.theirs + "#", "t/" + w.theirs + "/", "#" + w.theirs + "#"} {
			if strings.Contains(call.input, prefix) {
				s.Broken = true
				s.Calls = append(s.Calls, "on keys of the other tenant: "+call.input)
			}
		}
	}
	if p.paged {
		s.Calls = slices.Compact(s.Calls)
	}
	return s
}

// leaks are the canaries in a sight.
func (w *walls) leaks(s sight) []string {
	text := fmt.Sprint(s.Status, s.Header, s.Body)
	var found []string
	for _, canary := range w.canaries {
		if strings.Contains(text, canary) {
			found = append(found, canary)
		}
	}
	return found
}

// check sends a probe both ways and complains about every difference and every canary.
func (w *walls) check(who string, c caller, p probe, method string) {
	w.Helper()
	foreign, missing := w.both(c, p, method)
	name := fmt.Sprintf("%s: %s %s%s %s %v", who, method, p.path, p.query, p.body, p.gaps)
	if diff := cmp.Diff(missing, foreign); diff != "" {
		w.Errorf("%s\nwhat exists elsewhere differs from what exists nowhere (-nowhere +elsewhere):\n%s", name, diff)
	}
	for _, s := range []sight{foreign, missing} {
		if found := w.leaks(s); len(found) > 0 {
			w.Errorf("%s\nshows %q of the other tenant: %d %v\n%.1000s", name, found, s.Status, s.Header, s.Body)
		}
		if s.Broken || s.Status >= 500 {
			w.Errorf("%s\nis not answered: %+v", name, s)
		}
	}
}

func (w *walls) both(c caller, p probe, method string) (foreign, missing sight) {
	w.Helper()
	for _, side := range []struct {
		s   *sight
		own func(gap) string
	}{{&foreign, func(g gap) string { return g.foreign }}, {&missing, func(g gap) string { return g.missing }}} {
		*side.s = w.look(c, p, p.filled(side.own, method), side.own)
		if slices.ContainsFunc(side.s.Calls, func(operation string) bool {
			return !strings.HasPrefix(operation, "Get") && operation != "Query" && operation != "BatchGetItem"
		}) {
			w.restore(fmt.Sprintf("%s %s %v", method, p.path, p.gaps))
		}
	}
	return foreign, missing
}

// resources are the templates of every route there is, with the methods served.
func resources() map[string][]string {
	all := map[string][]string{}
	for _, f := range functions.Catalogue() {
		for _, r := range f.Routes {
			all[r.Resource] = append(all[r.Resource], r.Methods...)
		}
	}
	for _, r := range functions.Refused {
		if _, served := all[r.Resource]; !served {
			all[r.Resource] = nil
		}
	}
	return all
}

// controls holds that in its own tenant a caller can do everything: a service that
// answers nothing to anyone would pass the rest.
func (w *walls) controls(admin, alice caller) {
	w.Helper()
	node := alice.as("505050") // works another job, in the other tenant
	pair := func() (refresh string) {
		var pair struct{ Refresh string }
		w.ok(&pair, 200, caller{}, "POST", "/v1/auth/obtain", fmt.Sprintf(`{"username":"alice@%s","password":"alice"}`, w.mine))
		return pair.Refresh
	}
	const named = "/v1/jobs/{pk}/outputs/{name}/{type}"
	const uploads = "/v1/jobs/{pk}/uploads"
	half := w.begin(admin, "2", "half")
	whole := w.begin(admin, "2", "whole")
	w.send(admin, "2", whole, "content of whole")
	tried := map[string]bool{}
	for _, tc := range []struct {
		c                            caller
		method, resource, path, body string
		want                         int
	}{
		{admin, "POST", "/v1/job-outputs/list", "", "", 200},
		{alice, "GET", "/v1/job-outputs/{pk}", "1", "", 200},
		{alice, "HEAD", "/v1/job-outputs/{pk}", "2", "", 200},
		{alice, "POST", "/v1/job-outputs/{pk}/download", "1", "", 200},
		{admin, "DELETE", "/v1/job-outputs/{pk}", "1", "", 204},
		{admin, "DELETE", "/v1/job-outputs/{pk}/reinstate", "1", "", 200},
		{admin, "POST", "/v1/job-outputs/{pk}/reinstate", "2", "", 200},
		{admin, "DELETE", "/v1/job-outputs/{pk}/hard", "3", "", 200},
		{alice, "GET", named, "2,model,bin", "", 200},
		{alice, "HEAD", named, "2,model,bin", "", 200},
		{alice, "GET", named + "/info", "2,model,bin", "", 200},
		{alice, "HEAD", named + "/info", "2,model,bin", "", 200},
		{alice, "GET", "/v1/jobs/{pk}/outputs.zip", "2", "", 200},
		{alice, "HEAD", "/v1/jobs/{pk}/outputs.zip", "2", "", 200},
		{alice.as("11"), "POST", named, "2," + w.foreign[2].Name + "," + w.foreign[2].Type, "mine", 200}, // whose name is taken there
		{admin, "DELETE", named, "2,model,bin", "", 200},
		{alice.as("11"), "POST", uploads, "2", `{"name":"` + w.foreign[3].Name + `","type":"` + w.foreign[3].Type + `","size":1}`, 201}, // whose name is taken there
		{alice.as("11"), "GET", uploads + "/{id}", "2," + whole, "", 200},
		{admin, "HEAD", uploads + "/{id}", "2," + half, "", 200},
		{alice.as("11"), "POST", uploads + "/{id}/complete", "2," + whole, "", 200},
		{admin, "DELETE", uploads + "/{id}", "2," + half, "", 204},
		{admin, "POST", "/v1/jobs/create", "", `{"pk":7020001,"node":707070}`, 201}, // which are taken there
		{alice, "GET", "/v1/jobs/{pk}", "7020001", "", 200},
		{alice, "HEAD", "/v1/jobs/{pk}", "2", "", 200},
		{node, "GET", "/v1/jobs/{pk}/acquire", "1", "", 200},
		{node, "DELETE", "/v1/jobs/{pk}/release", "1", "", 200},
		{node, "POST", "/v1/jobs/{pk}/start", "5151515", "", 200},
		{node, "POST", "/v1/jobs/{pk}/finish", "5151515", "", 200},
		{caller{}, "POST", "/v1/auth/obtain", "", fmt.Sprintf(`{"username":"bob@%s","password":"bob"}`, w.mine), 200},
		{caller{}, "POST", "/v1/auth/refresh", "", `{"refresh":"` + pair() + `"}`, 200},
		{caller{}, "POST", "/v1/auth/verify", "", `{"token":"` + pair() + `"}`, 200},
	} {
		values := strings.Split(tc.path+",,", ",")
		path := strings.NewReplacer("{pk}", values[0], "{name}", values[1], "{id}", values[1], "{type}", values[2]).Replace(tc.resource)
		w.ok(nil, tc.want, tc.c, tc.method, path, tc.body)
		tried[tc.method+" "+tc.resource] = true
	}
	for _, p := range w.probes["/v1/job-outputs/list"] {
		if p.cursor != 0 { // one of theirs is refused, one of mine is good
			req := p.filled(func(g gap) string { return g.foreign }, "POST")
			w.ok(nil, p.cursor, admin, "POST", req.path, req.body)
		}
	}
	for resource, methods := range resources() {
		for _, method := range methods {
			switch {
			case tried[method+" "+resource]:
			case !strings.Contains(resource, "{") && (method == "GET" || method == "HEAD"): // a document
				w.ok(nil, 200, admin, method, resource, "")
			default:
				w.Errorf("no control for %s %s", method, resource)
			}
		}
	}
	for _, r := range functions.Refused {
		for _, method := range r.Methods {
			w.refused(403, "permission_denied", admin, method, strings.Replace(r.Resource, "{pk}", "1", 1), "")
			w.refused(401, "not_authenticated", caller{}, method, strings.Replace(r.Resource, "{pk}", "1", 1), "")
		}
	}
}

// seenByTheirOwn holds that the probes would show the canaries: sent by a user of the
// other tenant they do, every one that an answer can show, and differ from what is missing.
func (w *walls) seenByTheirOwn() {
	w.Helper()
	own := w.rig.login(w.T, canaryUser, w.theirs)
	seen, differ := map[string]bool{}, 0
	for _, tc := range []struct{ method, resource string }{
		{"GET", "/v1/job-outputs/{pk}"}, {"POST", "/v1/job-outputs/{pk}/download"}, {"POST", "/v1/job-outputs/list"},
		{"GET", "/v1/jobs/{pk}"}, {"GET", "/v1/jobs/{pk}/outputs/{name}/{type}"}, {"GET", "/v1/jobs/{pk}/outputs/{name}/{type}/info"}, {"GET", "/v1/jobs/{pk}/outputs.zip"},
	} {
		shown := false
		for _, p := range w.probes[tc.resource] {
			foreign, missing := w.both(own, p, tc.method)
			if foreign.Status != missing.Status || foreign.Body != missing.Body || !maps.EqualFunc(foreign.Header, missing.Header, slices.Equal) {
				differ++
			}
			for _, s := range []sight{foreign, missing} {
				text := fmt.Sprint(s.Status, s.Header, s.Body)
				for _, canary := range w.visible {
					if strings.Contains(text, canary) {
						seen[canary], shown = true, true
					}
				}
			}
		}
		if !shown {
			w.Errorf("%s %s shows nothing to a user of %s", tc.method, tc.resource, w.theirs)
		}
	}
	for _, canary := range w.visible {
		if !seen[canary] {
			w.Errorf("a user of %s does not see %q", w.theirs, canary)
		}
	}
	if differ < 40 {
		w.Errorf("for a user of %s only %d probes differ from what is missing", w.theirs, differ)
	}
	byUsername := `{"expressions":[{"type":"exact","field":"creator.username","value":"` + canaryUser + `"}]}`
	if got := len(w.names(own, byUsername)); got != 4 {
		w.Errorf("a user of %s finds %d outputs by username, want 4", w.theirs, got)
	}
}

// quietLog holds that nothing of the other tenant was logged, whatever was sent.
func (w *walls) quietLog() {
	w.Helper()
	time.Sleep(50 * time.Millisecond) // a streamed answer's line follows the answer
	lines := 0
	for line := range strings.Lines(w.rig.log.take()) {
		lines++
		for _, canary := range append(w.canaries, `"tenant":"`+w.theirs+`"`) {
			if strings.Contains(line, canary) {
				w.Errorf("the log has %q: %s", canary, line)
			}
		}
	}
	if lines < w.requests/2 {
		w.Errorf("%d lines were logged for %d requests", lines, w.requests)
	}
}
