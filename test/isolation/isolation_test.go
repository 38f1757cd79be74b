package isolation_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"joboutputs/functions"
	"joboutputs/infra/local/issuer"
	"joboutputs/test/harness"
	"joboutputs/test/report"
)

// TestIsolation lets every principal of one tenant try every route, with every method, on what
// exists in another tenant alone: it must look like what exists nowhere.
func TestIsolation(t *testing.T) {
	pairs := []struct{ mine, theirs string }{
		{"alpha", "beta"},
		{"alpha", "alpha-2"}, // names of which one begins the other
		{"alpha-2", "alpha"},
	}
	const asked = 20_000
	check := report.Begin(t, "isolation", report.Seed())
	var (
		all    tally
		adding sync.Mutex
	)
	t.Run("pairs", func(t *testing.T) {
		for _, tc := range pairs {
			t.Run(tc.mine+" on "+tc.theirs, func(t *testing.T) {
				t.Parallel()
				w := newTenants(t, tc.mine, tc.theirs)
				defer func() {
					adding.Lock()
					defer adding.Unlock()
					all.add(w.tally)
				}()
				bucket := w.bucket()
				w.Rig.Log.Take()

				attempts := w.attempts(w.principals())
				wanted := report.Count(1_500, asked)/len(pairs) + 1
				for _, a := range attempts[:min(wanted, len(attempts))] {
					w.check(a)
				}
				w.quietLog() // before a user of theirs asks for what is theirs

				w.controls(w.Rig.Login(t, "admin", w.mine), w.Rig.Login(t, "alice", w.mine))
				w.quietLog()
				w.seenByTheirOwn()
				w.restore("everything")
				if diff := cmp.Diff(bucket, w.bucket()); diff != "" {
					w.changed++
					t.Errorf("the other tenant's objects (-before +after):\n%s", diff)
				}
				t.Logf("%d attempts of the %d there are, %d canaries", w.tried, len(attempts), len(w.canaries))
			})
		}
	})
	check.AtLeast("attempts on another tenant, over every route and principal", all.tried, report.Count(1_500, asked))
	check.Equal("answers and log lines that show one of the other tenant's canaries", all.shown, 0)
	check.Equal("answers that differ from those for what exists nowhere, by a byte or by a store call", all.differ, 0)
	check.Equal("attempts that changed a row or an object of the other tenant", all.changed, 0)
	check.Equal("attempts that were answered 5xx, or cut off", all.broken, 0)
	check.Equal("calls that only the tenant guard stopped", all.stopped, 0)
}

// tally is what was counted.
type tally struct {
	tried, shown, differ, changed, broken, stopped int
}

func (t *tally) add(other tally) {
	t.tried += other.tried
	t.shown += other.shown
	t.differ += other.differ
	t.changed += other.changed
	t.broken += other.broken
	t.stopped += other.stopped
}

// attempt is a probe sent by somebody.
type attempt struct {
	who    string
	c      harness.Caller
	method string
	probe  probe
}

// principals are who tries: of this tenant all kinds there are, and some who are nobody.
func (w *tenants) principals() map[string]harness.Caller {
	w.Helper()
	admin, alice, bob := w.Rig.Login(w.T, "admin", w.mine), w.Rig.Login(w.T, "alice", w.mine), w.Rig.Login(w.T, "bob", w.mine)
	return map[string]harness.Caller{
		"admin": admin, "admin as a node": admin.As("11"), "admin as a node of theirs": admin.As("{node-id}"), "admin as a node that does not exist": admin.As("0"),
		"alice": alice, "alice as a node": alice.As("11"), "alice as a node busy there": alice.As("505050"), "alice as what is no node": alice.As("x"),
		"bob": bob, "nobody": {},
		// Who says in claims that nobody reads that the other tenant is his.
		"somebody else by other claims": w.minted("admin", map[string]any{
			"Tenant": w.theirs, "TENANT": w.theirs, "tenants": []string{w.theirs}, "custom:tenant": w.theirs, "username": canaryUser,
		}),
		// Whose token names the same user, by pk and name, in this tenant.
		"a namesake as a node":       w.minted("admin", map[string]any{"username": canaryUser, "nodes": []int{11, 707070, 808080}}).As("707070"),
		"an admin who is not active": w.minted("admin", map[string]any{"active": false}),
		"an admin of no tenant":      w.minted("admin", map[string]any{"tenant": nil}),
	}
}

// minted is a caller whose token is good but for the claims that are changed; nil takes one out.
func (w *tenants) minted(name string, change map[string]any) harness.Caller {
	w.Helper()
	claims, err := w.Rig.Service.Issuer.Claims(w.mine, name, issuer.UseAccess)
	if err != nil {
		w.Fatal(err)
	}
	maps.Copy(claims, change)
	maps.DeleteFunc(claims, func(_ string, v any) bool { return v == nil })
	token, err := w.Rig.Service.Issuer.Mint(claims, nil)
	if err != nil {
		w.Fatal(err)
	}
	return harness.Caller{Token: token}
}

// attempts are all there are, shuffled, in an order of which the first thousand already
// have every route tried by everybody.
func (w *tenants) attempts(principals map[string]harness.Caller) []attempt {
	random := rand.New(rand.NewPCG(report.Seed(), uint64(len(w.mine)))) //nolint:gosec // repeatable, not secret
	var groups [][]attempt
	for _, who := range slices.Sorted(maps.Keys(principals)) {
		for _, resource := range slices.Sorted(maps.Keys(resources())) {
			var group []attempt
			for _, p := range w.probes[resource] {
				methods := p.methods
				if methods == nil {
					methods = functions.Methods()
				}
				if principals[who].Node == "{node-id}" && p.node == "" {
					p.node, p.gaps = "{node-id}", append(slices.Clone(p.gaps), gap{"node-id", "707070", "808080"})
				}
				for _, method := range methods {
					group = append(group, attempt{who, principals[who], method, p})
				}
			}
			random.Shuffle(len(group), func(i, j int) { group[i], group[j] = group[j], group[i] })
			groups = append(groups, group)
		}
	}
	var all []attempt
	for round, more := 0, true; more; round++ {
		more = false
		for _, group := range groups {
			if round < len(group) {
				all, more = append(all, group[round]), true
			}
		}
	}
	return all
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
func (w *tenants) look(c harness.Caller, p probe, req harness.Request, own func(gap) string) sight {
	w.Helper()
	w.requests++
	w.calls.take()
	a := c.Do(w, w.Rig.URL, req)
	var sent []string
	for _, gap := range p.gaps {
		text := own(gap)
		if gap.foreign == gap.missing {
			continue
		}
		sent = append(sent, text, "{"+gap.name+"}", url.PathEscape(text), "{"+gap.name+"}", url.QueryEscape(text), "{"+gap.name+"}")
	}
	clean := strings.NewReplacer(sent...).Replace
	s := sight{Status: a.Status, Header: http.Header{}, Body: clean(requestID.ReplaceAllString(string(a.Body), "{request_id}")), Broken: a.Broken != nil}
	if a.Status == http.StatusCreated {
		s.Body = newUploadID.ReplaceAllString(s.Body, `{"id":"{id}"`)
	}
	for name, values := range a.Header {
		for _, value := range values {
			s.Header.Add(name, clean(value))
		}
	}
	s.Header.Del("Date")
	for _, call := range w.calls.take() {
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
func (w *tenants) leaks(s sight) []string {
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
func (w *tenants) check(a attempt) {
	w.Helper()
	p := a.probe
	foreign, missing := w.both(a.c, p, a.method)
	w.tried++
	name := fmt.Sprintf("%s: %s %s%s %s %v", a.who, a.method, p.path, p.query, p.body, p.gaps)
	if diff := cmp.Diff(missing, foreign); diff != "" {
		w.differ++
		w.Errorf("%s\nwhat exists elsewhere differs from what exists nowhere (-nowhere +elsewhere):\n%s", name, diff)
	}
	for _, s := range []sight{foreign, missing} {
		if found := w.leaks(s); len(found) > 0 {
			w.shown++
			w.Errorf("%s\nshows %q of the other tenant: %d %v\n%.1000s", name, found, s.Status, s.Header, s.Body)
		}
		if s.Broken || s.Status >= 500 {
			w.broken++
			w.Errorf("%s\nis not answered: %+v", name, s)
		}
	}
}

func (w *tenants) both(c harness.Caller, p probe, method string) (foreign, missing sight) {
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
func (w *tenants) controls(admin, alice harness.Caller) {
	w.Helper()
	node := alice.As("505050") // works another job, in the other tenant
	pair := func() (refresh string) {
		var pair struct{ Refresh string }
		w.OK(&pair, 200, harness.Caller{}, "POST", "/v1/auth/obtain", fmt.Sprintf(`{"username":"alice@%s","password":"alice"}`, w.mine))
		return pair.Refresh
	}
	const named = "/v1/jobs/{pk}/outputs/{name}/{type}"
	const uploads = "/v1/jobs/{pk}/uploads"
	half := w.begin(admin, "2", "half")
	whole := w.begin(admin, "2", "whole")
	w.send(admin, "2", whole, "content of whole")
	tried := map[string]bool{}
	for _, tc := range []struct {
		c                            harness.Caller
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
		{alice.As("11"), "POST", named, "2," + w.foreign[2].Name + "," + w.foreign[2].Type, "mine", 200}, // whose name is taken there
		{admin, "DELETE", named, "2,model,bin", "", 200},
		{alice.As("11"), "POST", uploads, "2", `{"name":"` + w.foreign[3].Name + `","type":"` + w.foreign[3].Type + `","size":1}`, 201}, // whose name is taken there
		{alice.As("11"), "GET", uploads + "/{id}", "2," + whole, "", 200},
		{admin, "HEAD", uploads + "/{id}", "2," + half, "", 200},
		{alice.As("11"), "POST", uploads + "/{id}/complete", "2," + whole, "", 200},
		{admin, "DELETE", uploads + "/{id}", "2," + half, "", 204},
		{admin, "POST", "/v1/jobs/create", "", `{"pk":7020001,"node":707070}`, 201}, // which are taken there
		{alice, "GET", "/v1/jobs/{pk}", "7020001", "", 200},
		{alice, "HEAD", "/v1/jobs/{pk}", "2", "", 200},
		{node, "GET", "/v1/jobs/{pk}/acquire", "1", "", 200},
		{node, "DELETE", "/v1/jobs/{pk}/release", "1", "", 200},
		{node, "POST", "/v1/jobs/{pk}/start", "5151515", "", 200},
		{node, "POST", "/v1/jobs/{pk}/finish", "5151515", "", 200},
		{harness.Caller{}, "POST", "/v1/auth/obtain", "", fmt.Sprintf(`{"username":"bob@%s","password":"bob"}`, w.mine), 200},
		{harness.Caller{}, "POST", "/v1/auth/refresh", "", `{"refresh":"` + pair() + `"}`, 200},
		{harness.Caller{}, "POST", "/v1/auth/verify", "", `{"token":"` + pair() + `"}`, 200},
	} {
		values := strings.Split(tc.path+",,", ",")
		path := strings.NewReplacer("{pk}", values[0], "{name}", values[1], "{id}", values[1], "{type}", values[2]).Replace(tc.resource)
		w.OK(nil, tc.want, tc.c, tc.method, path, tc.body)
		tried[tc.method+" "+tc.resource] = true
	}
	for _, p := range w.probes["/v1/job-outputs/list"] {
		if p.cursor != 0 { // one of theirs is refused, one of mine is good
			req := p.filled(func(g gap) string { return g.foreign }, "POST")
			w.OK(nil, p.cursor, admin, "POST", req.Path, req.Body)
		}
	}
	for resource, methods := range resources() {
		for _, method := range methods {
			switch {
			case tried[method+" "+resource]:
			case !strings.Contains(resource, "{") && (method == "GET" || method == "HEAD"): // a document
				w.OK(nil, 200, admin, method, resource, "")
			default:
				w.Errorf("no control for %s %s", method, resource)
			}
		}
	}
	for _, r := range functions.Refused {
		for _, method := range r.Methods {
			w.Refused(403, "permission_denied", admin, method, strings.Replace(r.Resource, "{pk}", "1", 1), "")
			w.Refused(401, "not_authenticated", harness.Caller{}, method, strings.Replace(r.Resource, "{pk}", "1", 1), "")
		}
	}
}

// seenByTheirOwn holds that the probes would show the canaries: sent by a user of the
// other tenant they do, every one that an answer can show, and differ from what is missing.
func (w *tenants) seenByTheirOwn() {
	w.Helper()
	own := w.Rig.Login(w.T, canaryUser, w.theirs)
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
	if got := len(w.Names(own, byUsername)); got != 4 {
		w.Errorf("a user of %s finds %d outputs by username, want 4", w.theirs, got)
	}
}

// quietLog holds that nothing of the other tenant was logged, whatever was sent.
func (w *tenants) quietLog() {
	w.Helper()
	time.Sleep(50 * time.Millisecond) // a streamed answer's line follows the answer
	lines := 0
	for line := range strings.Lines(w.Rig.Log.Take()) {
		lines++
		_, line, _ = strings.Cut(line, `","`) // without its time, in whose digits any number may turn up
		for _, canary := range append(w.canaries, `"tenant":"`+w.theirs+`"`) {
			if strings.Contains(line, canary) {
				w.shown++
				w.Errorf("the log has %q: %s", canary, line)
			}
		}
		if strings.Contains(line, `"tenantguard: `) {
			w.stopped++
			w.Errorf("a call outside the tenant was only stopped by the guard: %s", line)
		}
	}
	if lines < w.requests/2 {
		w.Errorf("%d lines were logged for %d requests", lines, w.requests)
	}
	w.requests = 0
}
