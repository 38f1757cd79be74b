package histories_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"joboutputs/shared/auth"
	domain "joboutputs/shared/cleanup"
	"joboutputs/shared/localaws"
	"joboutputs/shared/table"
	"joboutputs/shared/uploads"
	"joboutputs/test/harness"
	"joboutputs/test/report"
	"joboutputs/test/robustness/faults"
	"joboutputs/test/robustness/model"
)

// race is two calls that meet, again and again; of the full scale, so many times.
type race struct {
	name  string
	often int
	setup func(*harness.Run)
	calls func(*harness.Run) [2]model.Call
}

func races() []race {
	add := func(content string) model.Call {
		return model.Call{Action: auth.JobsAddOutput, Job: 1, Name: "model", Type: "bin", Content: content}
	}
	cleanup := model.Call{Action: auth.Cleanup, At: late}
	const often, seldom = 1000, 250
	return []race{
		{"reinstate ∥ hard delete", often, func(r *harness.Run) { harness.Destroyed(r); r.Rig.Clock.Advance(time.Second) }, func(r *harness.Run) [2]model.Call {
			return [2]model.Call{{Action: auth.OutputsReinstate, PK: r.PK}, {Action: auth.OutputsHardDelete, PK: r.PK}}
		}},
		{"destroy ∥ hard delete", seldom, harness.Added, func(r *harness.Run) [2]model.Call {
			return [2]model.Call{{Action: auth.OutputsDestroy, PK: r.PK}, {Action: auth.OutputsHardDelete, PK: r.PK}}
		}},
		{"add ∥ add", often, harness.Started, func(*harness.Run) [2]model.Call { return [2]model.Call{add("first"), add("second")} }},
		{"add ∥ add of another name", seldom, harness.Started, func(*harness.Run) [2]model.Call {
			other := add("second")
			other.Name = "other"
			return [2]model.Call{add("first"), other}
		}},
		{"add ∥ complete", seldom, harness.Sent, func(r *harness.Run) [2]model.Call {
			c := add("first")
			c.Name = "staged"
			return [2]model.Call{c, r.OfUpload(auth.UploadsComplete)}
		}},
		{"add ∥ cleanup in its grace", seldom, harness.Started, func(*harness.Run) [2]model.Call {
			return [2]model.Call{add("content"), {Action: auth.Cleanup, Grace: grace}}
		}},
		{"complete ∥ complete", seldom, harness.Sent, func(r *harness.Run) [2]model.Call {
			return [2]model.Call{r.OfUpload(auth.UploadsComplete), r.OfUpload(auth.UploadsComplete)}
		}},
		{"complete ∥ cleanup", often, harness.Sent, func(r *harness.Run) [2]model.Call {
			return [2]model.Call{r.OfUpload(auth.UploadsComplete), cleanup}
		}},
		{"cleanup ∥ cleanup", often, harness.LeftSingle, func(*harness.Run) [2]model.Call { return [2]model.Call{cleanup, cleanup} }},
	}
}

// ahead is a cleaner of the same table and bucket for which what is there is due.
func ahead(trial *harness.Trial) *domain.Cleaner {
	return domain.New(table.Config{
		DynamoDB: localaws.DynamoDB(trial.Rig.AWS.DynamoDBEndpoint, func(o *dynamodb.Options) { o.APIOptions = append(o.APIOptions, faults.Middleware) }),
		S3:       localaws.S3(trial.Rig.AWS.S3Endpoint, func(o *s3.Options) { o.APIOptions = append(o.APIOptions, faults.Middleware) }),
		Table:    trial.Rig.AWS.Table, Bucket: trial.Rig.AWS.Bucket,
		Backoff: time.Millisecond, Now: func() time.Time { return trial.Rig.Clock.Now().Add(uploads.DefaultLife) },
	})
}

// late marks a cleanup whose clock is ahead, so that what is there is due to it alone.
const late = "late"

// TestRaces runs each race many times.
func TestRaces(t *testing.T) {
	t.Parallel()
	for _, tc := range races() {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			check := report.Begin(t, "races", report.Seed())
			random := rand.New(rand.NewPCG(report.Seed(), 3)) //nolint:gosec // repeatable
			trial := harness.NewTrial(t, "race")
			ahead := ahead(trial)
			want, wrong := report.Count(15, tc.often), 0
			orders := map[string]int{}
			for round := range want {
				check.Tell(round, want)
				r := trial.Begin()
				tc.setup(r)
				order := meet(r, ahead, tc.calls(r), time.Millisecond/4<<random.IntN(8), round%2)
				orders[order]++
				r.Audit(false)
				trial.Rig.Clock.Advance(harness.AllDue)
				r.Planned(model.Call{Action: auth.Cleanup}, faults.NewPlan(nil))
				if err := r.Audit(true).Empty(t.Context()); err != nil {
					t.Fatal(err)
				}
				if len(r.Broken) > 0 {
					if wrong++; wrong <= 5 {
						t.Errorf("round %d: %s", round, strings.Join(r.Broken, "\n"))
					}
				}
			}
			t.Logf("explained by %v", orders)
			check.AtLeast("rounds of "+tc.name, want, report.Count(15, tc.often))
			check.Equal("of these outside the model, or with a promise broken", wrong, 0)
		})
	}
}

// meet makes two calls at once, one of them a little later, and finds the order that
// explains both answers.
func meet(r *harness.Run, ahead *domain.Cleaner, calls [2]model.Call, delay time.Duration, delayed int) (order string) {
	var (
		answers [2]model.Answer
		errs    [2]error
		all     sync.WaitGroup
	)
	for i := range calls {
		c := &calls[i]
		if c.Caller.Tenant == "" {
			c.Caller = r.Admin
		}
		cleaned := c.At == late
		c.At = harness.ModelTime(r.Rig.Clock.Now())
		if cleaned {
			c.At = harness.ModelTime(r.Rig.Clock.Now().Add(uploads.DefaultLife))
		}
		all.Go(func() {
			if i == delayed {
				time.Sleep(delay)
			}
			if cleaned {
				_, errs[i] = ahead.Run(context.Background(), 0)
				answers[i].Status = 200
				return
			}
			answers[i], errs[i] = r.Wire.Do(context.Background(), *c)
		})
	}
	all.Wait()
	for i, err := range errs {
		if err != nil || answers[i].Unknown {
			r.Broken = append(r.Broken, fmt.Sprintf("%s: %d, %v", calls[i], answers[i].Status, err))
		}
	}
	for first := range calls {
		between, err := r.Possible.Step(calls[first], answers[first])
		if err != nil {
			continue
		}
		if after, err := between.Step(calls[1-first], answers[1-first]); err == nil {
			r.Possible = after
			return string(calls[first].Action) + " first"
		}
	}
	r.Broken = append(r.Broken, fmt.Sprintf("no order explains %+v and %+v", answers[0], answers[1]))
	return "none"
}
