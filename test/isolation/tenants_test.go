package isolation_test

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"joboutputs/infra/local/issuer"
	"joboutputs/shared/auth"
	"joboutputs/shared/localaws/fixture"
	"joboutputs/shared/uploads"
	"joboutputs/test/harness"
)

// seed is what both tenants have alike. Node 505050 is idle in it, as is 606060.
const seed = `{
 "tenant": "{tenant}",
 "users": [
  {"pk": 1, "username": "admin", "password": "admin", "is_staff": true, "nodes": [11, 505050, 606060]},
  {"pk": 2, "username": "alice", "password": "alice", "nodes": [11, 505050, 606060]},
  {"pk": 3, "username": "bob", "password": "bob"}
 ],
 "nodes": [{"pk": 11, "current_job": 2}, {"pk": 505050}, {"pk": 606060}],
 "jobs": [
  {"pk": 1, "description": "free", "creator": 1, "creation_time": "2026-01-01T00:00:00Z"},
  {"pk": 2, "description": "running", "node": 11, "creator": 1, "creation_time": "2026-01-01T00:00:00Z", "start_time": "2026-01-02T00:00:00Z"},
  {"pk": 3, "description": "finished", "node": 11, "creator": 1, "creation_time": "2026-01-01T00:00:00Z", "start_time": "2026-01-02T00:00:00Z", "end_time": "2026-01-03T00:00:00Z"},
  {"pk": 4, "description": "errored", "node": 11, "creator": 1, "creation_time": "2026-01-01T00:00:00Z", "start_time": "2026-01-02T00:00:00Z", "end_time": "2026-01-03T00:00:00Z", "error_reason": "disk full"},
  {"pk": 5151515, "description": "waiting", "node": 505050, "creator": 1, "creation_time": "2026-01-01T00:00:00Z"},
  {"pk": 6161616, "description": "waiting", "node": 606060, "creator": 1, "creation_time": "2026-01-01T00:00:00Z"}
 ],
 "job_outputs": [
  {"pk": 1, "job": 2, "name": "model", "type": "bin", "creator": 2, "creation_time": "2026-01-02T01:00:00Z", "data_b64": "bW9kZWw=", "data_sha256": "9372c470eeadd5ecd9c3c74c2b3cb633f8e2f2fad799250a0f70d652b6b825e4"},
  {"pk": 2, "job": 2, "name": "log", "type": "txt", "creator": 2, "creation_time": "2026-01-02T02:00:00Z", "deletion_time": "2026-01-02T03:00:00Z", "data_b64": "", "data_sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
  {"pk": 3, "job": 4, "name": "log", "type": "txt", "creator": 1, "creation_time": "2026-01-02T04:00:00Z", "data_b64": "", "data_sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}
 ]
}`

// tenants is two tenants: one that tries everything, one that has what nobody else may see.
type tenants struct {
	harness.Script
	calls        recorder
	mine, theirs string
	tally

	keyed    string           // theirs: an upload on a job both have, made and completed by calls with keys
	staged   []staged         // theirs: an open upload, a completed one, an aborted one, an open one of a job both have
	foreign  []harness.Output // theirs, beyond the seed; the jobs beyond it are 7020001 to 7020005
	canaries []string         // texts of theirs that are nowhere in mine
	visible  []string         // those of them that an answer of the API can show
	base     map[string]row
	probes   map[string][]probe // by resource template
	requests int
}

const canaryUser = "canary-user"

func newTenants(t *testing.T, mine, theirs string) *tenants {
	w := &tenants{mine: mine, theirs: theirs}
	r := harness.New(t, w.calls.add)
	w.Script = r.Script(t)
	r.Load(t, seed, mine)
	r.Load(t, seed, theirs)
	r.Clock.Tick(1234 * time.Microsecond) // no two times of theirs are the same
	w.furnish()
	r.Clock.Tick(time.Second)
	r.Clock.Now()
	r.Clock.Tick(0)
	w.base = w.dump()
	w.findCanaries()
	w.probes = map[string][]probe{}
	for resource := range resources() {
		w.probes[resource] = append(w.probe(resource), w.keyedProbes(resource)...)
	}
	return w
}

// furnish gives the other tenant what exists there alone, with a canary in every field.
func (w *tenants) furnish() {
	w.Helper()
	u := issuer.User{
		Tenant: w.theirs, PK: 7030001, Username: canaryUser, Password: canaryUser,
		Admin: true, Active: true, Nodes: []int64{11, 505050, 606060, 707070},
	}
	if err := w.Rig.Service.Issuer.AddUser(u); err != nil {
		w.Fatal(err)
	}
	if err := fixture.Load(auth.WithTenant(w.Context(), w.theirs), w.Rig.Service.Table, w.theirs, fixture.Rows{LastOutputPK: 7010000}); err != nil {
		w.Fatal(err)
	}
	user := w.Rig.Login(w.T, canaryUser, w.theirs)
	for _, job := range []struct{ pk, node, finish string }{
		{"7020001", "707070", ""}, {"7020002", "", ""}, {"7020003", "606060", "{}"},
		{"7020004", "606060", `{"error":"canary error"}`}, {"7020005", "505050", ""},
	} {
		path, node := "/v1/jobs/"+job.pk, user.As(job.node)
		w.OK(nil, 201, user, "POST", "/v1/jobs/create", `{"pk":`+job.pk+`,"description":"canary description `+job.pk+`"}`)
		if job.node == "" {
			continue
		}
		w.OK(nil, 200, node, "GET", path+"/acquire", "")
		w.OK(nil, 200, node, "POST", path+"/start", "")
		if job.finish != "" {
			w.OK(nil, 200, node, "POST", path+"/finish", job.finish)
		}
	}
	for i, job := range []string{"7020001", "7020001", "2", "2", "7020004", "7020001"} {
		var o harness.Output
		content := fmt.Sprintf("canary content %d%s", i, strings.Repeat(".", 7700+i))
		w.OK(&o, 200, user, "POST", fmt.Sprintf("/v1/jobs/%s/outputs/canary-name-%d/canary-type-%d", job, i, i), content,
			"Content-Type", fmt.Sprintf("application/x-canary-%d", i))
		w.foreign = append(w.foreign, o)
	}
	for i, job := range []string{"7020001", "7020001", "7020001", "2"} {
		w.staged = append(w.staged, staged{job, w.begin(user, job, fmt.Sprintf("canary-upload-%d", i))})
	}
	w.send(user, "7020001", w.staged[0].id, "content of canary-upload-0")
	w.send(user, "7020001", w.staged[1].id, "content of canary-upload-1")
	w.OK(nil, 200, user, "POST", "/v1/jobs/7020001/uploads/"+w.staged[1].id+"/complete", "")
	w.OK(nil, 204, user, "DELETE", "/v1/jobs/7020001/uploads/"+w.staged[2].id, "")
	w.furnishKeyed(w.Rig.Login(w.T, "admin", w.theirs).As("11"))
	for _, i := range []int{1, 3} {
		w.OK(nil, 204, user, "DELETE", fmt.Sprintf("/v1/job-outputs/%d", w.foreign[i].PK), "")
	}
	w.OK(nil, 200, user, "DELETE", fmt.Sprintf("/v1/job-outputs/%d/hard", w.foreign[5].PK), "")
}

// furnishKeyed makes calls with idempotency keys, as a user whose pk, name and node there
// are in mine too, on a job that both have: but for the tenant, a call of mine is the same.
func (w *tenants) furnishKeyed(admin harness.Caller) {
	w.Helper()
	key := func(of string) []string { return []string{"Idempotency-Key", "canary-key-" + of} }
	w.OK(nil, 200, admin, "POST", "/v1/jobs/2/outputs/canary-keyed/bin", "", key("add")...)
	var upload struct{ ID string }
	w.OK(&upload, 201, admin, "POST", "/v1/jobs/2/uploads", `{"name":"canary-keyed","type":"tar","size":9}`, key("begin")...)
	w.send(admin, "2", upload.ID, "nine byte")
	w.OK(nil, 200, admin, "POST", "/v1/jobs/2/uploads/"+upload.ID+"/complete", "", key("complete")...)
	w.keyed = upload.ID
}

// keyedProbes are those calls, made again in mine.
func (w *tenants) keyedProbes(resource string) []probe {
	key := func(of string) (map[string]string, gap) {
		return map[string]string{"Idempotency-Key": "{key}"}, gap{"key", "canary-key-" + of, "absent-key-" + of}
	}
	name := gap{"name", "canary-keyed", "absent-keyed"}
	p := probe{methods: []string{http.MethodPost}}
	switch resource {
	case "/v1/jobs/{pk}/outputs/{name}/{type}":
		header, gap := key("add")
		p.path, p.header, p.gaps = "/v1/jobs/2/outputs/{name}/bin", header, append(p.gaps, name, gap)
	case "/v1/jobs/{pk}/uploads":
		header, gap := key("begin")
		p.path, p.header, p.gaps = "/v1/jobs/2/uploads", header, append(p.gaps, name, gap)
		p.body = `{"name":"{name}","type":"tar","size":9}`
	case "/v1/jobs/{pk}/uploads/{id}/complete":
		header, key := key("complete")
		p.path, p.header, p.gaps = "/v1/jobs/2/uploads/{id}/complete", header, append(p.gaps, key, gap{"id", w.keyed, "01" + strings.Repeat("0", 24)})
	default:
		return nil
	}
	return []probe{p}
}

// staged is an upload.
type staged struct{ job, id string }

// begin begins an upload of content that names it.
func (w *tenants) begin(c harness.Caller, job, name string) (id string) {
	w.Helper()
	var upload struct{ ID string }
	w.OK(&upload, 201, c, "POST", "/v1/jobs/"+job+"/uploads", fmt.Sprintf(`{"name":%q,"type":"bin","size":%d}`, name, len("content of "+name)))
	return upload.ID
}

// send sends the content of an upload of one part.
func (w *tenants) send(c harness.Caller, job, id, content string) {
	w.Helper()
	var upload struct{ Parts []uploads.Part }
	w.OK(&upload, 200, c, "GET", fmt.Sprintf("/v1/jobs/%s/uploads/%s?sha256=%x", job, id, sha256.Sum256([]byte(content))), "")
	for _, p := range upload.Parts {
		r := harness.Request{Method: p.Method, Body: content[p.Offset : p.Offset+p.Size], Header: p.Headers}
		harness.Caller{}.Do(w, *p.URL, r).Want(w, 200)
	}
}

// row is an item of the table.
type row struct {
	item  item
	owner string
	text  string
}

// findCanaries collects every value stored for the other tenant and not for this one.
func (w *tenants) findCanaries() {
	w.Helper()
	own := map[string]bool{"upload": true, "completed": true, "aborted": true} // our own words
	var theirs []string
	for _, row := range w.base {
		for _, text := range texts(row.item) {
			if row.owner == w.theirs {
				theirs = append(theirs, text)
			} else {
				own[text] = true
			}
		}
	}
	for _, text := range theirs {
		if len(text) >= 6 && !own[text] {
			w.canaries = append(w.canaries, text)
		}
	}
	w.canaries = append(w.canaries, "canary content", "T#"+w.theirs+"#", "t/"+w.theirs+"/")
	slices.Sort(w.canaries)
	w.canaries = slices.Compact(w.canaries)
	w.visible = []string{"canary content", "canary description", "canary error"}
	for i, o := range w.foreign[:5] {
		w.visible = append(w.visible, o.Name, o.Type, *o.ContentType, *o.SHA256, o.CreationTime, fmt.Sprint(o.PK), fmt.Sprintf("canary content %d", i), w.etag(o))
	}
	for _, canary := range []string{"canary description 7020002", "canary error", "canary-name-1", "canary-type-1", "application/x-canary-1", canaryUser, *w.foreign[0].SHA256, w.foreign[1].CreationTime, "7010001", "7020004", "canary-upload-0", w.staged[3].id} {
		if !slices.Contains(w.canaries, canary) {
			w.Fatalf("%q is not stored where it should be: %q", canary, w.canaries)
		}
	}
}

// etag is the entity tag of an output of theirs, which is its storage key, without quotes.
func (w *tenants) etag(o harness.Output) string {
	for _, row := range w.base {
		if row.owner == w.theirs && row.number("pk") == fmt.Sprint(o.PK) && row.string("object") != "" {
			return row.string("object")
		}
	}
	w.Fatalf("output %d has no row", o.PK)
	return ""
}

// restore puts the table back to what it was, and complains if anything changed that is
// not this tenant's.
func (w *tenants) restore(after string) {
	w.Helper()
	now := w.dump()
	for _, key := range slices.Sorted(maps.Keys(now)) {
		was, known := w.base[key]
		if known && was.text == now[key].text {
			continue
		}
		if now[key].owner != w.mine {
			w.changed++
			w.Fatalf("%s wrote a row of %q: %s", after, now[key].owner, now[key].text)
		}
		if !known {
			w.remove(now[key].item)
		}
	}
	for key, was := range w.base {
		if now[key].text == was.text {
			continue
		}
		if was.owner != w.mine {
			w.changed++
			w.Fatalf("%s removed or changed a row of %q: %s", after, was.owner, was.text)
		}
		w.put(was.item)
	}
}
