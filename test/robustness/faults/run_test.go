package faults_test

import (
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

// point is a call of one of a case's requests: of the action, of its repetitions, or of
// the cleanup after them.
type point struct {
	request int // 0 = the action, 1 and 2 its repetitions, cleanupRequest the cleanup
	call    faults.Call
}

const cleanupRequest = 9

// faultCase is one case: which calls fail how, how often the client repeats its request, and
// how many cleanups run at once afterwards.
type faultCase struct {
	scenario scenario
	faults   map[point]faults.Kind
	retries  int
	cleanups int
}

func (c faultCase) String() string {
	var all []string
	for p, kind := range c.faults {
		all = append(all, fmt.Sprintf("request %d, %s: %s", p.request, p.call, kind))
	}
	return fmt.Sprintf("%s; %s; %d retries, %d cleanups", c.scenario.name, strings.Join(all, "; "), c.retries, c.cleanups)
}

func (c faultCase) plan(request int) *faults.Plan {
	kinds := map[faults.Call]faults.Kind{}
	for p, kind := range c.faults {
		if p.request == request {
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

// try runs a case and says what was wrong with it, and which calls its action made.
func try(trial *harness.Trial, c faultCase) (broken []string, calls []faults.Call, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("%v", v)
		}
	}()
	ctx := context.Background()
	r := trial.Begin()
	c.scenario.setup(r)
	call := c.scenario.call(r)
	for request := range c.retries + 1 {
		plan := c.plan(request)
		call.Conflicts = c.conflicts(request)
		if a := r.Planned(call, plan); c.hidden(request) && a.Unknown {
			r.Broken = append(r.Broken, fmt.Sprintf("request %d: a fault that retries hide was answered %d", request, a.Status))
		}
		if request == 0 {
			calls = plan.Calls()
		}
		if plan.Over() { // the client hears nothing before the gateway gives up, after 29 s
			trial.Rig.Clock.Advance(30 * time.Second)
		}
	}
	r.Audit(false)
	trial.Rig.Clock.Advance(harness.AllDue) // what was abandoned is due
	plan := c.plan(cleanupRequest)
	var all sync.WaitGroup
	for range c.cleanups {
		all.Go(func() { _, _ = trial.Rig.Service.Deps.Cleanup.Run(faults.With(ctx, plan), 0) })
	}
	all.Wait()
	trial.Rig.Clock.Advance(time.Hour) // what a fault stopped is due again
	r.Planned(model.Call{Action: auth.Cleanup}, faults.NewPlan(nil))
	return r.Broken, calls, r.Audit(true).Empty(ctx)
}
