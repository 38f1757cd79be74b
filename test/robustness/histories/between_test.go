package histories_test

import (
	"context"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"joboutputs/shared/auth"
	"joboutputs/test/harness"
	"joboutputs/test/robustness/faults"
	"joboutputs/test/robustness/model"
)

// TestBetween stops a cleanup before one of its calls, and lets an add or a completion take
// its last step there: it becomes visible, with its bytes, or it is refused.
func TestBetween(t *testing.T) {
	t.Parallel()
	trial := harness.NewTrial(t, "between")
	cleaner := ahead(trial)
	add := model.Call{Action: auth.JobsAddOutput, Job: 1, Name: "model", Type: "bin", Content: "content"}
	for _, tc := range []struct {
		name    string
		setup   func(*harness.Run)
		call    func(*harness.Run) model.Call
		stopped faults.Call // of the cleanup
		visible bool        // whether the output must be; otherwise it must not
	}{
		{"add before the claim", harness.Started, func(*harness.Run) model.Call { return add }, faults.Call{Operation: "UpdateItem", Nth: 1}, true},
		{"add after the claim", harness.Started, func(*harness.Run) model.Call { return add }, faults.Call{Operation: "DeleteObjects", Nth: 1}, false},
		{"add after the bytes", harness.Started, func(*harness.Run) model.Call { return add }, faults.Call{Operation: "BatchWriteItem", Nth: 1}, false},
		{"complete before the claim", harness.Sent, func(r *harness.Run) model.Call { return r.OfUpload(auth.UploadsComplete) }, faults.Call{Operation: "UpdateItem", Nth: 1}, true},
		{"complete after the claim", harness.Sent, func(r *harness.Run) model.Call { return r.OfUpload(auth.UploadsComplete) }, faults.Call{Operation: "UpdateItem", Nth: 2}, false},
		{"complete after the end", harness.Sent, func(r *harness.Run) model.Call { return r.OfUpload(auth.UploadsComplete) }, faults.Call{Operation: "DeleteObjects", Nth: 1}, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := trial.Begin()
			tc.setup(r)
			ready, resume, done := make(chan struct{}), make(chan struct{}), make(chan model.Answer, 1)
			adding := faults.NewPlan(nil)
			adding.Before = func(c faults.Call) {
				if c == (faults.Call{Operation: "TransactWriteItems", Nth: 1}) {
					close(ready)
					<-resume
				}
			}
			c := tc.call(r)
			c.Caller, c.At = r.Admin, harness.ModelTime(trial.Rig.Clock.Now())
			go func() {
				a, err := r.Wire.Do(faults.With(context.Background(), adding), c)
				if err != nil {
					t.Error(err)
				}
				done <- a
			}()
			<-ready
			met := false
			cleaning := faults.NewPlan(nil)
			cleaning.Before = func(c faults.Call) {
				if c == tc.stopped {
					met = true
					close(resume)
					done <- <-done // it has ended
				}
			}
			if _, err := cleaner.Run(faults.With(t.Context(), cleaning), 0); err != nil {
				t.Fatal(err)
			}
			if !met {
				t.Fatalf("the cleanup made no call %s", tc.stopped)
			}
			a := <-done
			if visible := a.Status == 200; visible != tc.visible {
				t.Errorf("answered %+v, want visible: %v", a, tc.visible)
			}
			stores := r.Audit(false)
			r.Broken = nil // the model saw nothing of this: only the promises are asked
			for _, what := range stores.Broken(tc.visible) {
				t.Error(what)
			}
			if n := len(stores.State(r.Admin.Tenant).Outputs); (n == 1) != tc.visible {
				t.Errorf("%d outputs are visible, want %v", n, tc.visible)
			}
			if err := trial.Clear(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// TestCounterSetBack: should a counter ever fall back, as after a restore from a backup, no
// output is written over.
func TestCounterSetBack(t *testing.T) {
	t.Parallel()
	trial := harness.NewTrial(t, "counter")
	for _, tc := range []struct {
		name  string
		setup func(*harness.Run)
		call  func(*harness.Run) model.Call
	}{
		{"add", func(*harness.Run) {}, func(*harness.Run) model.Call {
			return model.Call{Action: auth.JobsAddOutput, Job: 1, Name: "other", Type: "bin", Content: "other"}
		}},
		{"complete", func(r *harness.Run) {
			r.Upload = r.Do(r.OfUpload(auth.UploadsBegin)).Upload.ID
			r.Do(r.OfUpload(model.Send))
		}, func(r *harness.Run) model.Call { return r.OfUpload(auth.UploadsComplete) }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := trial.Begin()
			harness.Added(r)
			tc.setup(r)
			_, err := trial.Rig.AWS.DynamoDB.UpdateItem(t.Context(), &dynamodb.UpdateItemInput{
				TableName: &trial.Rig.AWS.Table,
				Key: map[string]types.AttributeValue{
					"PK": &types.AttributeValueMemberS{Value: "T#" + r.Admin.Tenant + "#C"}, "SK": &types.AttributeValueMemberS{Value: "C"},
				},
				UpdateExpression:          aws.String("SET outputs = :zero"),
				ExpressionAttributeValues: map[string]types.AttributeValue{":zero": &types.AttributeValueMemberN{Value: "0"}},
			})
			if err != nil {
				t.Fatal(err)
			}
			first := r.Planned(tc.call(r), faults.NewPlan(nil))
			if first.Code != "unavailable" {
				t.Errorf("with the pk of another output it was answered %+v", first)
			}
			r.Do(tc.call(r)) // the next one is free
			trial.Rig.Clock.Advance(harness.AllDue)
			r.Do(model.Call{Action: auth.Cleanup})
			r.Audit(true)
			for _, what := range r.Broken {
				t.Error(what)
			}
			if err := trial.Clear(); err != nil {
				t.Fatal(err)
			}
		})
	}
}
