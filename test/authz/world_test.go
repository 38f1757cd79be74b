// Package authz proves who may do what: every route, asked by every kind of caller, of what
// exists, was deleted, exists nowhere or is another tenant's. testdata/matrix.txt is the
// specification, to be read and reviewed by people; nothing in it is made from auth.May.
package authz_test

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"joboutputs/infra/local/issuer"
	"joboutputs/shared/auth"
	"joboutputs/shared/jobs"
	"joboutputs/shared/localaws/fixture"
	"joboutputs/shared/outputs"
	"joboutputs/shared/uploads"
	"joboutputs/test/harness"
)

// The two tenants. A request's resource is of A, of B or of nobody.
const (
	tenantA = "tenant-a"
	tenantB = "tenant-b"
)

// world is a service with an issuer of its own and two others that it does not trust.
type world struct {
	*testing.T
	rig            *harness.Rig
	clock          *harness.Clock
	foreign, forge *issuer.Issuer
}

func newClock() *harness.Clock { return harness.NewClock(time.Date(2026, 5, 6, 7, 8, 9, 0, time.UTC)) }

func newWorld(t *testing.T, clock *harness.Clock, ttl time.Duration) *world {
	t.Helper()
	w := &world{T: t, rig: harness.Start(t, harness.Config{Now: clock.Now, TokenTTL: ttl}), clock: clock}
	var err error
	w.foreign, err = issuer.New(issuer.Config{Issuer: "http://joboutputs.local/another-issuer", Now: clock.Now})
	if err == nil { // says that it is ours, and has another key
		w.forge, err = issuer.New(issuer.Config{Now: clock.Now})
	}
	if err == nil {
		err = w.rig.Service.Issuer.AddUser(issuer.User{Tenant: tenantA, PK: 1, Username: "admin", Password: "admin", Admin: true, Active: true})
	}
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// send sends a request, and answers what came back.
func (w *world) send(method, path, body string, c harness.Caller) (status int, answer string) {
	w.Helper()
	a := c.Do(w, w.rig.URL, harness.Request{Method: method, Path: path, Body: body})
	if a.Broken != nil {
		w.Fatalf("%s %s: %v", method, path, a.Broken)
	}
	return a.Status, string(a.Body)
}

// mint signs the claims of a good token, changed as said; nil takes a claim out.
func mint(tb testing.TB, by *issuer.Issuer, now time.Time, change map[string]any) string {
	tb.Helper()
	cfg := by.TokenConfig()
	claims := map[string]any{
		"iss": cfg.Issuer, "aud": cfg.Audience, "sub": "somebody", "iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(5 * time.Minute).Unix(),
		"token_use": issuer.UseAccess, "tenant": tenantA, "upk": 1, "username": "somebody",
	}
	maps.Copy(claims, change)
	maps.DeleteFunc(claims, func(_ string, v any) bool { return v == nil })
	token, err := by.Mint(claims, nil)
	if err != nil {
		tb.Fatal(err)
	}
	return token
}

// principal is a kind of caller. own is the node that owns the resource's job, where it has
// an owner; another is a node of no job.
type principal struct {
	name string
	as   func(w *world, own, another int64) harness.Caller
}

// notProved are how many of the kinds, the first ones, are callers whose token proves nothing.
const notProved = 8

// principals are the kinds there are, from the least to the most powerful.
func principals() []principal {
	good := func(change map[string]any, node func(own, another int64) string) func(*world, int64, int64) harness.Caller {
		return func(w *world, own, another int64) harness.Caller {
			change := maps.Clone(change)
			if grants, ok := change["nodes"].(string); ok {
				change["nodes"] = []int64{map[string]int64{"own": own, "another": another}[grants]}
			}
			c := harness.Caller{Token: mint(w.T, w.rig.Service.Issuer, w.clock.Now(), change)}
			if node != nil {
				c.Node = node(own, another)
			}
			return c
		}
	}
	ownNode := func(own, _ int64) string { return fmt.Sprint(own) }
	anotherNode := func(_, another int64) string { return fmt.Sprint(another) }
	admin := map[string]any{"admin": true}
	with := func(name string, value any) map[string]any {
		all := maps.Clone(admin)
		all[name] = value
		return all
	}
	by := func(of func(*world) *issuer.Issuer) func(*world, int64, int64) harness.Caller {
		return func(w *world, _, _ int64) harness.Caller {
			return harness.Caller{Token: mint(w.T, of(w), w.clock.Now(), admin)}
		}
	}
	return []principal{
		{"nobody", func(*world, int64, int64) harness.Caller { return harness.Caller{} }},
		{"garbage", func(*world, int64, int64) harness.Caller { return harness.Caller{Token: "garbage"} }},
		{"an admin whose token expired", func(w *world, _, _ int64) harness.Caller {
			return harness.Caller{Token: mint(w.T, w.rig.Service.Issuer, w.clock.Now().Add(-time.Hour), admin)}
		}},
		{"an admin of another issuer", by(func(w *world) *issuer.Issuer { return w.foreign })},
		{"an admin with a forged signature", by(func(w *world) *issuer.Issuer { return w.forge })},
		{"an admin's refresh token", good(with("token_use", issuer.UseRefresh), nil)},
		{"an admin who is not active", good(with("active", false), nil)},
		{"an admin of no tenant", good(with("tenant", nil), nil)},
		{"a user", good(nil, nil)},
		{"a user, as what is no node", good(nil, func(int64, int64) string { return "x" })},
		{"a user, as the owning node, not granted", good(nil, ownNode)},
		{"a user, as another node, granted", good(map[string]any{"nodes": "another"}, anotherNode)},
		{"a user, as the owning node, granted", good(map[string]any{"nodes": "own"}, ownNode)},
		{"a user who is granted the owning node and does not say so", good(map[string]any{"nodes": "own"}, nil)},
		{"an admin", good(admin, nil)},
		{"an admin, as another node, granted", good(with("nodes", "another"), anotherNode)},
		{"an admin, as the owning node, not granted", good(admin, ownNode)},
		{"B's user, as a node of the owner's number, granted", good(map[string]any{"tenant": tenantB, "nodes": "own"}, ownNode)},
		{"B's admin", good(with("tenant", tenantB), nil)},
	}
}

// resource is what a request is about: an output, a job with a node and an output, or a
// staged upload of it, all of the same number. It is of a state.
type resource struct {
	number int64 // of output, job and owning node
	id     string
}

// states are what a resource can be, as columns of the table.
var states = []string{"active in A", "deleted in A", "nowhere", "active in B"}

// seeds are rows to be loaded, by tenant.
type seeds map[string]*fixture.Rows

// add makes the rows of a resource for a route: what it needs to succeed.
func (s seeds) add(route string, state int, r *resource, created time.Time) {
	tenant := map[int]string{0: tenantA, 1: tenantA, 3: tenantB}[state]
	if tenant == "" {
		return
	}
	into := s[tenant]
	if into == nil {
		into = &fixture.Rows{}
		s[tenant] = into
	}
	job := jobs.Job{PK: r.number, Node: r.number, Creator: 1, CreationTime: created, StartTime: created}
	node := fixture.Node{PK: r.number, CurrentJob: r.number}
	o := outputs.Output{PK: r.number, Job: r.number, Name: "name", Type: "type", Creator: 1, CreationTime: created}
	if state == 1 {
		o.DeletionTime, job.DeletionTime = created, created
	}
	hasOutput := strings.Contains(route, "outputs")
	switch {
	case strings.HasSuffix(route, "/acquire"):
		job.Node, job.StartTime, node.CurrentJob = 0, time.Time{}, 0
	case strings.HasSuffix(route, "/release"), strings.HasSuffix(route, "/start"):
		job.StartTime, node.CurrentJob = time.Time{}, 0
	case strings.HasPrefix(route, "POST ") && strings.HasSuffix(route, "/outputs/{name}/{type}"):
		hasOutput = false // the name is free
	}
	into.Jobs, into.Nodes = append(into.Jobs, job), append(into.Nodes, node)
	if hasOutput {
		into.Outputs = append(into.Outputs, fixture.Output{Output: o, Content: []byte("content")})
	}
}

func (w *world) load(s seeds) {
	w.Helper()
	for tenant, rows := range s {
		if err := fixture.Load(auth.WithTenant(w.Context(), tenant), w.rig.Service.Table, tenant, *rows); err != nil {
			w.Fatal(err)
		}
	}
}

// stage begins the uploads of resources, and aborts those of deleted ones.
func (w *world) stage(cells []cell) {
	w.Helper()
	var group errgroup.Group
	group.SetLimit(8)
	for _, c := range cells {
		if strings.Contains(c.route.template, "{id}") {
			group.Go(func() error { return w.begin(c.state, c.resource) })
		}
	}
	if err := group.Wait(); err != nil {
		w.Fatal(err)
	}
}

func (w *world) begin(state int, r *resource) error {
	r.id = fmt.Sprintf("01%024d", r.number)
	tenant := map[int]string{0: tenantA, 1: tenantA, 3: tenantB}[state]
	if tenant == "" {
		return nil
	}
	ctx, admin := auth.WithTenant(w.Context(), tenant), auth.Principal{Tenant: tenant, UserPK: 1, Admin: true}
	u, err := w.rig.Service.Deps.Uploads.Begin(ctx, admin, uploads.NewUpload{Job: r.number, Name: "staged", Type: "type", Size: 7})
	if err == nil && state == 1 {
		_, err = w.rig.Service.Deps.Uploads.Abort(ctx, admin, r.number, u.ID, "")
	}
	r.id = u.ID
	return err
}

// target is the path of a resource under a route's template.
func target(template string, r resource) string {
	number := fmt.Sprint(r.number)
	return strings.NewReplacer("{pk}", number, "{name}", "name", "{type}", "type", "{id}", cmp.Or(r.id, "none")).Replace(template)
}

// bodyOf is a body that an action takes; a refresh token is made by what is tested.
func (w *world) bodyOf(route string) string {
	switch route {
	case "POST /v1/jobs/{pk}/uploads":
		return `{"name":"new","type":"type","size":7}`
	case "POST /v1/auth/obtain":
		return `{"username":"admin@` + tenantA + `","password":"admin"}`
	case "POST /v1/auth/refresh", "POST /v1/auth/verify":
		pair, err := w.rig.Service.Issuer.Obtain(context.WithoutCancel(w.Context()), "admin@"+tenantA, "admin")
		if err != nil {
			w.Fatal(err)
		}
		return fmt.Sprintf(`{"refresh":%q,"token":%[1]q}`, pair.Refresh)
	case "POST /v1/jobs/{pk}/outputs/{name}/{type}":
		return "content"
	}
	if strings.HasPrefix(route, http.MethodPost) {
		return "{}"
	}
	return ""
}
