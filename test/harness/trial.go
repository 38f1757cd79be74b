package harness

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"joboutputs/shared/table"
	"joboutputs/shared/uploads"
	"joboutputs/test/robustness/faults"
	"joboutputs/test/robustness/model"
)

// Trial is a service whose calls to AWS can fail as a test plans, with the model beside it.
// It runs one case after another: a test sets up a tenant, makes calls, and reads in Broken
// what was wrong.
type Trial struct {
	Rig  *Rig
	Wire *Wire // in this process, so that a plan comes along
	name string
	runs int
}

// NewTrial makes a Trial, whose tenants' names begin with name.
func NewTrial(tb testing.TB, name string, middlewares ...Middleware) *Trial {
	tb.Helper()
	rig := NewHasty(tb, append(middlewares, faults.Middleware)...)
	return &Trial{Rig: rig, Wire: NewWire(rig.Service, ""), name: name}
}

// Run is one case on its way, in a tenant of its own.
type Run struct {
	*Trial
	Admin, Node model.Caller
	Possible    model.Possible
	Broken      []string // what was wrong; none = nothing

	PK       int64  // of the output there is
	Upload   string // the id of the upload there is
	Content  string // of uploads
	PartSize int64
}

// TrialNode is the node that works the job of a Run.
const TrialNode = 7

// AllDue is a time after which everything that may be left has no more reason to wait: an
// upload's life and cleanup's grace.
const AllDue = uploads.DefaultLife + table.Grace

// Begin begins a case.
func (t *Trial) Begin() *Run {
	t.runs++
	tenant := fmt.Sprintf("%s-%d", t.name, t.runs)
	return &Run{
		Trial: t, Possible: model.Possible{model.New()}, Content: "content",
		Admin: model.Caller{Tenant: tenant, User: 1, Admin: true},
		Node:  model.Caller{Tenant: tenant, User: 2, Nodes: []int64{TrialNode}, Node: TrialNode},
	}
}

// call completes a call: the caller is an admin if none is said.
func (r *Run) call(c model.Call) model.Call {
	if c.Caller.Tenant == "" {
		c.Caller = r.Admin
	}
	if c.At == "" {
		c.At = ModelTime(r.Rig.Clock.Now())
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
func (r *Run) Audit(cleaned bool) *Stores {
	stores, err := ReadStores(context.Background(), r.Rig.AWS)
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
func (t *Trial) Clear() error {
	stores, err := ReadStores(context.Background(), t.Rig.AWS)
	if err != nil {
		return err
	}
	return stores.Empty(context.Background())
}

// CrashAt is a plan by which the process dies before a call.
func CrashAt(operation string, nth int) *faults.Plan {
	return faults.NewPlan(map[faults.Call]faults.Kind{{Operation: operation, Nth: nth}: faults.CrashBefore})
}
