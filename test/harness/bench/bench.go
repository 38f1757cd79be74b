// Package bench is a service on trial, with the model beside it: tests set up a tenant,
// make calls that fail as planned or meet each other, and ask what was wrong.
package bench

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"joboutputs/test/harness/audit"
	"joboutputs/test/harness/servicetest"
	"joboutputs/test/harness/wire"
	"joboutputs/test/robustness/faults"
	"joboutputs/test/robustness/model"
)

// Bench is a service whose calls to AWS can fail, for one case after another.
type Bench struct {
	Rig  *servicetest.Rig
	Wire *wire.Wire // in this process, so that a plan comes along
	name string
	runs int
}

// New makes a Bench, whose tenants' names begin with name.
func New(tb testing.TB, name string, middlewares ...servicetest.Middleware) *Bench {
	tb.Helper()
	rig := servicetest.NewHasty(tb, append(middlewares, faults.Middleware)...)
	return &Bench{Rig: rig, Wire: wire.New(rig.Service, ""), name: name}
}

// Run is one case on its way, in a tenant of its own.
type Run struct {
	*Bench
	Admin, Node model.Caller
	Possible    model.Possible
	Broken      []string // what was wrong; none = nothing

	PK       int64  // of the output there is
	Upload   string // the id of the upload there is
	Content  string // of uploads
	PartSize int64
}

// Node is the node that works the job.
const Node = 7

// Begin begins a case.
func (b *Bench) Begin() *Run {
	b.runs++
	tenant := fmt.Sprintf("%s-%d", b.name, b.runs)
	return &Run{
		Bench: b, Possible: model.Possible{model.New()}, Content: "content",
		Admin: model.Caller{Tenant: tenant, User: 1, Admin: true},
		Node:  model.Caller{Tenant: tenant, User: 2, Nodes: []int64{Node}, Node: Node},
	}
}

// call completes a call: the caller is an admin if none is said.
func (r *Run) call(c model.Call) model.Call {
	if c.Caller.Tenant == "" {
		c.Caller = r.Admin
	}
	if c.At == "" {
		c.At = wire.Time(r.Rig.Clock.Now())
	}
	return c
}

// Do makes a call that must go well; otherwise it panics.
func (r *Run) Do(c model.Call) model.Answer {
	c = r.call(c)
	a := r.Planned(c, faults.NewPlan(nil))
	if a.Unknown || a.Status >= 300 || len(r.Broken) > 0 {
		panic(fmt.Sprintf("%s: %d %s: %s", c, a.Status, a.Code, strings.Join(r.Broken, "\n")))
	}
	return a
}

// Planned makes a call, which faults befall, and holds its answer against the model.
func (r *Run) Planned(c model.Call, p *faults.Plan) model.Answer {
	c = r.call(c)
	a, err := r.Wire.Do(faults.With(context.Background(), p), c)
	if err != nil {
		panic(err)
	}
	if p.Dead() {
		a = model.Answer{Unknown: true}
	}
	next, err := r.Possible.Step(c, a)
	if err != nil {
		r.Broken = append(r.Broken, err.Error())
		return a
	}
	r.Possible = next
	return a
}

// Audit reads everything there is and holds it against what is promised and what the
// model permits.
func (r *Run) Audit(cleaned bool) *audit.Stores {
	stores, err := audit.Read(context.Background(), r.Rig.AWS)
	if err != nil {
		panic(err)
	}
	r.Broken = append(r.Broken, stores.Broken(cleaned)...)
	if diff := r.Possible.Admits(stores.State(r.Admin.Tenant)); diff != "" {
		r.Broken = append(r.Broken, "the rows are in no state the model permits: "+diff)
	}
	return stores
}

// Clear removes everything there is.
func (b *Bench) Clear() error {
	stores, err := audit.Read(context.Background(), b.Rig.AWS)
	if err != nil {
		return err
	}
	return stores.Empty(context.Background())
}

// CrashAt is a plan by which the process dies before a call.
func CrashAt(operation string, nth int) *faults.Plan {
	return faults.NewPlan(map[faults.Call]faults.Kind{{Operation: operation, Nth: nth}: faults.CrashBefore})
}
