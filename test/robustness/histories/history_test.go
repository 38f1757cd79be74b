// Package histories lets clients meet: their calls, with the times of request and answer,
// must be explained by calls that come one at a time, as the model has them. It has tests
// alone.
package histories_test

import (
	"context"
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
	h := &history{Run: trial.Begin(), faulty: faulty}
	h.wire = trial.Wire
	if !faulty {
		h.wire = harness.NewWire(trial.Rig.Service, trial.Rig.URL)
	}
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
		h.do(0, model.Call{Action: auth.JobsGetOutputInfo, Caller: h.Admin, Job: 1, Name: name, Type: "bin"}, nil)
	}
	return h
}

// act is one operation of a client.
func (h *history) act(client, i int, random *rand.Rand) {
	c := model.Call{Caller: h.Admin, Job: 1, Name: names[random.IntN(len(names))], Type: "bin"}
	pk := h.pk(random)
	switch n := random.IntN(20); {
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
	default:
		u := h.begun[random.IntN(len(h.begun))]
		c = model.Call{Action: auth.UploadsComplete, Caller: h.Admin, Job: 1, Upload: u.ID, Name: u.Name, Type: "bin", Content: u.Content}
	}
	switch last := i == operations-3 && client == 0; {
	case last: // from here on, the job admits nothing
		c = model.Call{Action: auth.JobsFinish, Caller: h.Node, Job: 1}
	case random.IntN(20) == 0: // what is younger than the grace, which is all there is, it lets be
		c = model.Call{Action: auth.Cleanup, Grace: grace}
	}
	var plan *faults.Plan
	if h.faulty && random.IntN(6) == 0 {
		plan = faults.NewPlan(map[faults.Call]faults.Kind{
			{Operation: befallen[random.IntN(len(befallen))], Nth: 1}: faults.Kinds[random.IntN(len(faults.Kinds))],
		})
	}
	h.do(client, c, plan)
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

func (h *history) do(client int, c model.Call, plan *faults.Plan) {
	ctx := context.Background()
	if plan != nil {
		ctx = faults.With(ctx, plan)
	}
	e := event{client: client, call: c, plan: plan, begun: h.ticks.Add(1)}
	var err error
	e.answer, err = h.wire.Do(ctx, c)
	if plan != nil && plan.Dead() {
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
