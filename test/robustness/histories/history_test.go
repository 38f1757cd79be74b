// Package histories lets clients meet: their calls, with the times of request and answer,
// must be explained by calls that come one at a time, as the model has them. It has tests
// alone.
package histories_test

import (
	"context"
	crand "crypto/rand"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/anishathalye/porcupine"

	"joboutputs/shared/auth"
	"joboutputs/test/harness"
	"joboutputs/test/robustness/faults"
	"joboutputs/test/robustness/model"
)

const (
	clients    = 8
	operations = 25 // of each client
	staged     = 2  // of each name
)

var names = []string{"a", "b", "c"}

// event is a call with its answer, at two ticks of one counter.
type event struct {
	client       int
	call         model.Call
	plan         *faults.Plan // nil = no fault
	answer       model.Answer
	tries        int // by one who has a key
	lost         int // responses that were lost on their way
	begun, ended int64
}

// history is what clients did in a tenant of their own.
type history struct {
	*harness.Run
	wire   *harness.Wire
	faulty bool

	ticks  atomic.Int64
	mu     sync.Mutex
	events []event
	pks    []int64 // that some answer told
	begun  []model.Upload
}

// record sets a tenant up and lets the clients go. Calls go over the socket, but for those
// that faults befall.
func record(trial *harness.Trial, seed uint64, faulty bool) *history {
	h := &history{Run: trial.Begin(), faulty: faulty, wire: harness.NewWire(trial.Rig.Service, trial.Rig.URL)}
	harness.Started(h.Run)
	for _, name := range names {
		for i := range staged {
			c := model.Call{Action: auth.UploadsBegin, Job: 1, Name: name, Type: "bin", Content: fmt.Sprintf("upload %d of %s", i, name)}
			c.Upload = h.Do(c).Upload.ID
			c.Action = model.Send
			h.Do(c)
			h.begun = append(h.begun, h.Possible[0].Uploads[c.Upload])
		}
	}
	if faulty {
		h.Hurry(300*time.Millisecond, 1500*time.Millisecond)
		h.wire = h.Wire
	}
	h.Rig.Clock.Tick(time.Microsecond) // it runs, so that the model says nothing of times
	defer h.Rig.Clock.Tick(0)
	var all sync.WaitGroup
	for client := range clients {
		random := rand.New(rand.NewPCG(seed, uint64(client)+2)) //nolint:gosec // repeatable
		all.Go(func() {
			for i := range operations {
				h.act(client, i, random)
			}
		})
	}
	all.Wait()
	for _, name := range names { // what came of it
		h.do(0, model.Call{Action: auth.JobsGetOutputInfo, Caller: h.Admin, Job: 1, Name: name, Type: "bin"})
	}
	return h
}

// act is one operation of a client.
func (h *history) act(client, i int, random *rand.Rand) {
	c := model.Call{Caller: h.Admin, Job: 1, Name: names[random.IntN(len(names))], Type: "bin"}
	pk := h.pk(random)
	switch n := random.IntN(22); {
	case n < 5 || pk == 0:
		c.Action, c.Content = auth.JobsAddOutput, fmt.Sprintf("content %d of client %d", i, client)
	case n < 7:
		c.Action = auth.JobsGetOutputInfo
	case n < 9:
		c = model.Call{Action: auth.OutputsRetrieve, Caller: h.Admin, PK: pk}
	case n < 11:
		c = model.Call{Action: auth.OutputsDestroy, Caller: h.Admin, PK: pk}
	case n < 13:
		c = model.Call{Action: auth.OutputsReinstate, Caller: h.Admin, PK: pk}
	case n < 16:
		c = model.Call{Action: auth.OutputsHardDelete, Caller: h.Admin, PK: pk}
	case n < 18:
		c = model.Call{Action: auth.OutputsList, Caller: h.Admin, Job: 1, Inactive: random.IntN(2) == 0}
	case n < 19:
		c = model.Call{Action: auth.JobsStart, Caller: h.Node, Job: 1}
	case n < 20:
		c = model.Call{Action: auth.JobsAcquire, Caller: h.Node, Job: 1}
	default:
		u := h.begun[random.IntN(len(h.begun))]
		c = model.Call{Action: auth.UploadsComplete, Caller: h.Admin, Job: 1, Upload: u.ID, Name: u.Name, Type: "bin", Content: u.Content}
	}
	switch last := i == operations-3 && client < 2; {
	case last: // from here on, the job admits nothing, and the other one ends it again
		c = model.Call{Action: auth.JobsFinish, Caller: h.Node, Job: 1}
	case random.IntN(20) == 0: // what is younger than the grace, which is all there is, it lets be
		c = model.Call{Action: auth.Cleanup, Grace: grace}
	}
	try := func(attempt int) *faults.Plan {
		switch {
		case h.faulty && attempt == 0 && random.IntN(6) == 0:
			return faults.NewPlan(map[faults.Call]faults.Kind{
				{Operation: befallen[random.IntN(len(befallen))], Nth: 1}: faults.Kinds[random.IntN(len(faults.Kinds))],
			})
		case random.IntN(8) == 0:
			return faults.Unheard()
		}
		return faults.NewPlan(nil)
	}
	switch n := random.IntN(5); {
	case n < 2 && harness.HasClient(c.Action) && c.Action != auth.UploadsComplete: // whose content is too small for the client
		h.retried(client, c, try)
	case n < 3 && model.Keyed(c.Action):
		h.repeated(client, c, try)
	case h.faulty:
		h.do(client, c, try(0))
	default:
		h.do(client, c)
	}
}

// befallen are the operations that faults befall, the more often the more there is to break.
var befallen = []string{"GetItem", "BatchGetItem", "UpdateItem", "PutItem", "PutObject", "TransactWriteItems", "TransactWriteItems", "DeleteObject", "DeleteObjects", "BatchWriteItem", "HeadObject", "Query"}

func (h *history) pk(random *rand.Rand) int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.pks) == 0 {
		return 0
	}
	return h.pks[len(h.pks)-1-random.IntN(min(len(h.pks), 2*len(names)))] // one of the latest
}

// do makes a call, once.
func (h *history) do(client int, c model.Call, plan ...*faults.Plan) {
	h.record(client, c, func(e *event) (a model.Answer, err error) {
		ctx := context.Background()
		for _, p := range plan {
			ctx = faults.With(ctx, p)
			e.plan = p
			defer p.GivenUp()
		}
		a, err = h.wire.Do(ctx, c)
		if e.plan != nil && e.plan.Dead() {
			a = model.Answer{Unknown: true}
		}
		return a, err
	})
}

// repeated makes a call with a key, and again until its outcome is known.
func (h *history) repeated(client int, c model.Call, try func(attempt int) *faults.Plan) {
	sent := c
	sent.Key = crand.Text()
	h.record(client, c, func(e *event) (a model.Answer, err error) {
		unknown := false
		for e.tries < 3 && err == nil {
			plan := try(e.tries)
			e.note(plan)
			a, err = h.wire.Do(faults.With(context.Background(), plan), sent)
			plan.GivenUp()
			a.Unknown = a.Unknown || plan.Dead()
			if unknown = unknown || a.Unknown; !a.Unknown && a.Status != 503 {
				return a, err // with the key, it settles what came before
			}
		}
		a.Unknown = unknown
		return a, err
	})
}

// retried has the project's client make a call.
func (h *history) retried(client int, c model.Call, try func(attempt int) *faults.Plan) {
	c = harness.ByClient(c, "")
	h.record(client, c, func(e *event) (model.Answer, error) {
		y := harness.Retrying{Wire: func() *harness.Wire { return h.wire }, Clock: sleepless{h.Rig.Clock}, Plan: func(attempt int) *faults.Plan {
			plan := try(attempt)
			e.note(plan)
			return plan
		}}
		return y.Do(context.Background(), c)
	})
}

// sleepless is the clock of a client that retries at once.
type sleepless struct{ *harness.Clock }

func (sleepless) Sleep(context.Context, time.Duration) error { return nil }

// note counts an attempt.
func (e *event) note(plan *faults.Plan) {
	if e.tries++; e.tries == 1 {
		e.plan = plan
	}
	if plan.Dead() {
		e.lost++
	}
}

func (h *history) record(client int, c model.Call, make func(*event) (model.Answer, error)) {
	e := event{client: client, call: c, begun: h.ticks.Add(1)}
	var err error
	e.answer, err = make(&e)
	if e.answer.Unknown { // it says no more than that
		e.answer = model.Answer{Unknown: true}
	}
	e.ended = h.ticks.Add(1)
	h.mu.Lock()
	defer h.mu.Unlock()
	if err != nil {
		h.Broken = append(h.Broken, err.Error())
	}
	h.events = append(h.events, e)
	for _, o := range told(e) {
		if !slices.Contains(h.pks, o.PK) {
			h.pks = append(h.pks, o.PK)
		}
	}
}

// told are the outputs an answer tells of.
func told(e event) []model.Output {
	all := slices.Clone(e.answer.Outputs)
	if e.answer.Output != nil {
		all = append(all, *e.answer.Output)
	}
	if holder := e.answer.Holder; holder != nil {
		all = append(all, model.Output{PK: holder.PK, SHA256: holder.SHA256, DeletionTime: holder.DeletionTime, Job: 1, Name: e.call.Name, Type: "bin"})
	}
	return all
}

// explain checks the history. Every name is by itself: nothing is promised of two names at
// one instant, as a list is no snapshot. So is the job, which admits adds or does not.
func (h *history) explain() (illegal, undecided []string) {
	for _, part := range h.parts() {
		m := porcupine.NondeterministicModel{
			Init: func() []any { return []any{part.init} },
			Step: func(state, input, output any) []any {
				var all []any
				for _, next := range part.step(state.(model.State), input.(model.Call), output.(model.Answer)) {
					all = append(all, next)
				}
				return all
			},
			Equal: func(a, b any) bool { return a.(model.State).Equal(b.(model.State)) },
		}
		switch porcupine.CheckOperationsTimeout(m.ToModel(), part.operations(), patience) {
		case porcupine.Illegal:
			illegal = append(illegal, part.String())
		case porcupine.Unknown:
			undecided = append(undecided, part.String())
		}
	}
	return illegal, undecided
}
