package faults_test

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"joboutputs/shared/auth"
	"joboutputs/test/harness"
	"joboutputs/test/robustness/faults"
	"joboutputs/test/robustness/model"
)

// mode is who repeats a request.
type mode string

const (
	plain    mode = "as it is" // the case itself, so many times
	keyed    mode = "with a key"
	byClient mode = "by the client" // the project's client, as often as it likes
)

// point is a call of one of a case's requests: of the action, of its repetitions, or of
// the cleanup after them.
type point struct {
	request int // 0 = the action, 1 and more its repetitions, cleanupRequest the cleanup
	call    faults.Call
}

const cleanupRequest = 9

// faultCase is one case: which calls fail how, how often the request is repeated, and how
// many cleanups run at once afterwards.
type faultCase struct {
	scenario scenario
	mode     mode
	faults   map[point]faults.Kind
	always   bool // what befalls the action befalls all of its repetitions
	unheard  bool // the response to the first request is lost on its way
	retries  int  // by the client: at most
	cleanups int
	patience time.Duration // more time for the function
	clean    run           // of the same scenario and mode, without a fault
}

// run is what became of a case.
type run struct {
	broken        []string
	calls         []faults.Call // of the first request
	lost          bool          // a call of the first one was carried out, and its response lost
	answer        model.Answer  // to the last one, or what the client said
	attempts      int           // that were made
	before, after int           // effects there were, before the action and after it
}

func (r run) effects() int { return r.after - r.before }

func (c faultCase) String() string {
	var all []string
	for p, kind := range c.faults {
		all = append(all, fmt.Sprintf("request %d, %s: %s", p.request, p.call, kind))
	}
	if c.unheard {
		all = append(all, "request 0: its response is lost")
	}
	return fmt.Sprintf("%s %s; %s (always: %v); %d retries, %d cleanups", c.scenario.name, c.mode, strings.Join(all, "; "), c.always, c.retries, c.cleanups)
}

func (c faultCase) plan(request int) *faults.Plan {
	if c.unheard && request == 0 {
		return faults.Unheard()
	}
	kinds := map[faults.Call]faults.Kind{}
	for p, kind := range c.faults {
		if p.request == request || c.always && p.request == 0 && request != cleanupRequest {
			kinds[p.call] = kind
		}
	}
	return faults.NewPlan(kinds)
}

// hidden reports whether the client must not notice a fault of a request.
func (c faultCase) hidden(request int) bool {
	for p, kind := range c.faults {
		if p.request == request && !kind.Hidden() {
			return false
		}
	}
	return true
}

// conflicts reports whether S3 refuses, in a request, to assemble an upload's parts. Then the
// upload is over, and the client begins another.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html
func (c faultCase) conflicts(request int) bool {
	for p, kind := range c.faults {
		if p.request == request && p.call.Operation == "CompleteMultipartUpload" && kind == faults.Conflict {
			return true
		}
	}
	return false
}

// How soon a service gives up that waits for what never comes. An attempt that a retry has to
// make good has more time: on a busy machine, the retries need it.
const (
	functionTime = 700 * time.Millisecond
	attemptTime  = functionTime / 3
	retriedTime  = time.Second
)

// limits are how soon the service gives up a request; 0 = as in the cloud.
func (c faultCase) limits(request int) (attempt, function time.Duration) {
	for p, kind := range c.faults {
		if p.request != request && !c.always {
			continue
		}
		if kind.Slow() {
			attempt = retriedTime
		}
		if kind.Ends() {
			function = functionTime + c.patience
		}
	}
	if function != 0 {
		attempt = min(attempt, attemptTime)
	}
	return attempt, function
}

// try runs a case and says what was wrong with it.
func try(trial *harness.Trial, c faultCase) (got run, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("%v", v)
		}
	}()
	r := trial.Begin()
	if c.mode == byClient {
		r.Large()
	}
	c.scenario.setup(r)
	call := c.scenario.call(r)
	if c.clean.calls == nil {
		stores, err := harness.ReadStores(context.Background(), r.Rig.AWS)
		if err != nil {
			return run{}, err
		}
		got.before = stores.Effects(r.Admin.Tenant, call.Action)
	} else {
		got.before = c.clean.before
	}
	if c.mode == byClient {
		c.client(r, call, &got)
	} else {
		c.repeat(r, call, &got)
	}
	got.after = r.Audit(false).Effects(r.Admin.Tenant, call.Action)
	r.Broken = append(r.Broken, c.doubled(got)...)

	trial.Rig.Clock.Advance(harness.AllDue) // what was abandoned is due
	c.cleanUp(r)
	trial.Rig.Clock.Advance(time.Hour) // what a fault stopped is due again
	r.Wire = trial.Wire
	r.Planned(model.Call{Action: auth.Cleanup}, faults.NewPlan(nil))
	err = r.Audit(true).Empty(context.Background())
	got.broken = r.Broken
	return got, err
}

// repeat makes the call and its repetitions.
func (c faultCase) repeat(r *harness.Run, call model.Call, got *run) {
	if c.mode == keyed {
		call.Key = "a key"
	}
	for request := range c.retries + 1 {
		plan := c.plan(request)
		r.Hurry(c.limits(request))
		call.Conflicts = c.conflicts(request)
		got.answer = r.Planned(call, plan)
		got.attempts++
		if c.hidden(request) && got.answer.Status == 503 {
			r.Broken = append(r.Broken, fmt.Sprintf("request %d: a fault that retries hide was answered %d %s", request, got.answer.Status, got.answer.Code))
		}
		if request == 0 {
			got.calls = plan.Calls()
		}
		if plan.Over() { // the client hears nothing before the gateway gives up, after 29 s
			r.Rig.Clock.Advance(30 * time.Second)
		}
	}
}

// client has the client make the call. What befalls its first attempt alone, a retry hides.
func (c faultCase) client(r *harness.Run, call model.Call, got *run) {
	var first *faults.Plan
	got.answer, got.attempts = r.Retried(call, c.retries, func(attempt int) *faults.Plan {
		plan := c.plan(attempt)
		r.Hurry(c.limits(attempt))
		if attempt == 0 {
			first = plan
		}
		return plan
	})
	got.calls, got.lost = first.Calls(), first.Done()
	later := c.always
	for p := range c.faults {
		later = later || p.request != 0 && p.request != cleanupRequest
	}
	if !later && c.retries > 0 && !got.answer.Well() {
		r.Broken = append(r.Broken, fmt.Sprintf("after %d attempts, of which one failed, the client says %+v", got.attempts, got.answer))
	}
}

// doubled says what is wrong with how often a call took effect that has a key.
func (c faultCase) doubled(got run) (broken []string) {
	if c.mode == plain || c.clean.calls == nil {
		return nil
	}
	want := c.clean.effects()
	if got.effects() > want {
		broken = append(broken, fmt.Sprintf("%d effects of one call", got.effects()))
	}
	if got.answer.Well() && got.effects() != want {
		broken = append(broken, fmt.Sprintf("%d effects of a call that went well, want %d", got.effects(), want))
	}
	if c.mode == byClient && !got.answer.Well() && !got.answer.Unknown && got.effects() != 0 {
		broken = append(broken, fmt.Sprintf("%d effects of a call of which the client says %s", got.effects(), got.answer.Code))
	}
	return broken
}

// cleanUp runs the case's cleanups, all at once.
func (c faultCase) cleanUp(r *harness.Run) {
	plan := c.plan(cleanupRequest)
	attempt, function := c.limits(cleanupRequest)
	r.Hurry(attempt, function)
	ctx, cancel := context.WithTimeout(faults.With(context.Background(), plan), cmp.Or(function, time.Minute))
	defer cancel()
	var all sync.WaitGroup
	for range c.cleanups {
		all.Go(func() { _, _ = r.Service.Deps.Cleanup.Run(ctx, 0) })
	}
	all.Wait()
}
