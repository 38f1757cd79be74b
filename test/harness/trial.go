package harness

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"joboutputs/infra/local/service"
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
	Service     *service.Service
	Wire        *Wire // to it
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
		Trial: t, Service: t.Rig.Service, Wire: t.Wire, Possible: model.Possible{model.New()}, Content: "content",
		Admin: model.Caller{Tenant: tenant, User: 1, Admin: true},
		Node:  model.Caller{Tenant: tenant, User: 2, Nodes: []int64{TrialNode}, Node: TrialNode},
	}
}

// Hurry replaces the service of the Run with one that gives up sooner (Rig.Hurried). Like the
// first it has nothing but the stores.
func (r *Run) Hurry(attempt, function time.Duration) {
	r.Service = r.Rig.Hurried(attempt, function)
	r.Wire = r.Trial.Wire.to(r.Service, function)
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
	if !a.Well() || len(r.Broken) > 0 {
		panic(fmt.Sprintf("%s: %d %s: %s", c, a.Status, a.Code, strings.Join(r.Broken, "\n")))
	}
	return a
}

// Planned makes a call, which faults befall, and holds its answer against the model.
func (r *Run) Planned(c model.Call, p *faults.Plan) model.Answer {
	c = r.call(c)
	a, err := r.Wire.Do(faults.With(context.Background(), p), c)
	p.GivenUp()
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

// Retried makes a call with the project's client, whose attempts meet what the plans say (a
// plan may Hurry the service for its attempt), and holds what the client says of it against the model: as one call, made when one of its
// attempts was. It returns how many there were, too.
func (r *Run) Retried(c model.Call, retries int, plan func(attempt int) *faults.Plan) (a model.Answer, attempts int) {
	c = r.call(ByClient(c, "the client's"))
	var times []string
	y := &Retrying{Wire: func() *Wire { return r.Wire }, Retries: retries, Clock: moving{r.Rig.Clock}, Plan: func(attempt int) *faults.Plan {
		if now := ModelTime(r.Rig.Clock.Now()); !slices.Contains(times, now) {
			times = append(times, now)
		}
		attempts++
		return plan(attempt)
	}}
	a, err := y.Do(context.Background(), c)
	if err != nil {
		panic(err)
	}
	var next model.Possible
	for _, c.At = range times {
		after, err := r.Possible.Step(c, a)
		if err != nil {
			continue
		}
		next = append(next, after...)
	}
	if len(next) == 0 {
		r.Broken = append(r.Broken, fmt.Sprintf("%s, by the client, in %d attempts: no permitted answer: %+v", c, attempts, a))
		return a, attempts
	}
	r.Possible = next
	return a, attempts
}

// moving is the service's clock as the client's: it moves on when the client sleeps.
type moving struct{ *Clock }

func (m moving) Sleep(_ context.Context, d time.Duration) error {
	m.Advance(d)
	return nil
}
