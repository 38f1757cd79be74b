// Package sequences plays random sequences of calls against the service, over HTTP, and
// holds every answer, and what is stored at the end, against the model. It has tests alone.
package sequences_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"joboutputs/test/harness"
	"joboutputs/test/robustness/model"
)

// table is a service on which one game is played after another.
type table struct {
	rig   *harness.Rig
	wire  *harness.Wire
	games int
	calls int
}

func newTable(tb testing.TB, middlewares ...harness.Middleware) *table {
	rig := harness.New(tb, middlewares...)
	return &table{rig: rig, wire: harness.NewWire(rig.Service, rig.URL)}
}

// game is a sequence in two tenants of its own, of which each has what the model says.
type game struct {
	*table
	tenants [2]string
	states  map[string]model.Possible
}

func (t *table) begin() *game {
	t.games++
	g := &game{table: t, states: map[string]model.Possible{}}
	for i := range g.tenants {
		g.tenants[i] = fmt.Sprintf("game-%d-%c", t.games, 'a'+i)
		g.states[g.tenants[i]] = model.Possible{model.New()}
	}
	return g
}

// people are who calls: admins, users with nodes who speak for one, or for one that is
// not theirs, or for none, and users without anything.
func people(tenant string) []model.Caller {
	worker := model.Caller{Tenant: tenant, User: 2, Nodes: []int64{1, 2}}
	as := func(c model.Caller, node int64) model.Caller { c.Node = node; return c }
	admin := model.Caller{Tenant: tenant, User: 1, Admin: true, Nodes: []int64{1}}
	return []model.Caller{
		admin, as(worker, 1), admin, as(worker, 2), admin, as(worker, 1), as(admin, 1), admin, as(worker, 1), as(worker, 2),
		worker, as(worker, 3), as(admin, 2), {Tenant: tenant, User: 3},
	}
}

// state is what the model says of a tenant: without faults, one thing.
func (g *game) state(tenant string) model.State { return g.states[tenant][0] }

// do makes a call and holds its answer against the model.
func (g *game) do(c model.Call) (model.Answer, error) {
	g.calls++
	g.rig.Clock.Advance(time.Microsecond)
	c.At = harness.ModelTime(g.rig.Clock.Now())
	a, err := g.wire.Do(context.Background(), c)
	if err != nil {
		return a, err
	}
	if a.Unknown {
		return a, fmt.Errorf("%s: no answer (%d)", c, a.Status)
	}
	tenant := c.Caller.Tenant
	if tenant == "" { // a cleanup is everybody's
		for _, tenant := range g.tenants {
			if g.states[tenant], err = g.states[tenant].Step(c, a); err != nil {
				return a, err
			}
		}
		return a, nil
	}
	next, err := g.states[tenant].Step(c, a)
	if err != nil {
		return a, err
	}
	g.states[tenant] = next
	return a, nil
}

// end compares what is stored with the model and with what is promised, and clears the
// table.
func (g *game) end() error {
	ctx := context.Background()
	stores, err := harness.ReadStores(ctx, g.rig.AWS)
	if err != nil {
		return err
	}
	for _, what := range stores.Broken(false) {
		return fmt.Errorf("at the end: %s", what)
	}
	for _, tenant := range g.tenants {
		if diff := g.states[tenant].Admits(stores.State(tenant)); diff != "" {
			return fmt.Errorf("at the end %s has other rows than the model: %s", tenant, diff)
		}
	}
	return stores.Empty(ctx)
}
