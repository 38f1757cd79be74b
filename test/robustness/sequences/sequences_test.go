package sequences_test

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go/middleware"
	"pgregory.net/rapid"

	"joboutputs/shared/auth"
	"joboutputs/test/harness"
	"joboutputs/test/report"
	"joboutputs/test/robustness/model"
)

// steps is how many calls a sequence has, on average.
const steps = 50

// TestSequences plays games. One that fails is shrunk, and printed call by call.
func TestSequences(t *testing.T) {
	want := report.Count(40, 2000)
	for name, value := range map[string]string{
		"rapid.checks": strconv.Itoa(want), "rapid.steps": strconv.Itoa(2 * steps), // about half of which are drawn
		"rapid.seed": strconv.FormatUint(report.Seed(), 10), "rapid.nofailfile": "true",
	} {
		if err := flag.Set(name, value); err != nil {
			t.Fatal(err)
		}
	}
	check := report.Begin(t, "sequences", report.Seed())
	table := newTable(t)
	kinds := map[auth.Action]map[int]int{} // answers by status
	rapid.Check(t, func(t *rapid.T) {
		check.Tell(table.games, want)
		play(t, table.begin(), kinds)
	})
	check.AtLeast("sequences of calls, in two tenants, held against the model", table.games, want)
	check.AtLeast("calls in them", table.calls, want*steps*8/10)
	dull := 0
	for action, statuses := range kinds {
		good := 0
		for status, n := range statuses {
			if status < 300 {
				good += n
			}
		}
		if good == 0 {
			dull++
			t.Errorf("%s never went well: %v", action, statuses)
		}
	}
	check.Equal("actions that never went well in them", dull, 0)
}

// play is one game.
func play(t *rapid.T, g *game, kinds map[auth.Action]map[int]int) {
	do := func(c model.Call) {
		a, err := g.do(c)
		t.Logf("%s → %d %s", c, a.Status, a.Code)
		if err != nil {
			t.Fatal(err)
		}
		if kinds[c.Action] == nil {
			kinds[c.Action] = map[int]int{}
		}
		kinds[c.Action][a.Status]++
	}
	for _, tenant := range g.tenants {
		admin, worker := people(tenant)[0], people(tenant)[1]
		do(model.Call{Action: auth.JobsCreate, Caller: admin, PK: 1, Node: 1})
		do(model.Call{Action: auth.JobsStart, Caller: worker, Job: 1})
		do(model.Call{Action: auth.JobsCreate, Caller: admin, Node: 2})
	}
	contents := 0
	tenant := func() string {
		return rapid.SampledFrom(append(g.tenants[:], g.tenants[0], g.tenants[0])).Draw(t, "tenant")
	}
	job := func() int64 { return rapid.SampledFrom([]int64{1, 1, 2, 3}).Draw(t, "job") }
	anybody := func(action auth.Action) model.Call {
		return model.Call{Action: action, Caller: rapid.SampledFrom(people(tenant())).Draw(t, "caller")}
	}
	onJob := func(action auth.Action) func(*rapid.T) {
		return func(*rapid.T) { c := anybody(action); c.Job = job(); do(c) }
	}
	named := func(action auth.Action) func(*rapid.T) {
		return func(*rapid.T) {
			c := anybody(action)
			c.Job = job()
			c.Name, c.Type = rapid.SampledFrom([]string{"a", "b", "ä % b"}).Draw(t, "name"), rapid.SampledFrom([]string{"x", "y"}).Draw(t, "type")
			switch action {
			case auth.JobsAddOutput, auth.UploadsBegin:
				contents++
				c.Content = strings.Repeat(fmt.Sprintf("content %d of %s;", contents, c.Caller.Tenant), rapid.IntRange(0, 3).Draw(t, "size"))
				c.ContentType = rapid.SampledFrom([]string{"", "text/plain"}).Draw(t, "content type")
			}
			do(c)
		}
	}
	pks := func(s model.State) (all []int64) {
		for _, o := range s.Outputs {
			all = append(all, o.PK)
		}
		slices.Sort(all)
		return all
	}
	onOutput := func(action auth.Action) func(*rapid.T) {
		return func(*rapid.T) {
			c := anybody(action)
			c.PK = rapid.Int64Range(1, 8).Draw(t, "pk")
			if known := pks(g.state(c.Caller.Tenant)); len(known) > 0 && rapid.IntRange(0, 3).Draw(t, "known") > 0 {
				c.PK = rapid.SampledFrom(known).Draw(t, "pk")
			}
			do(c)
		}
	}
	onUpload := func(action auth.Action) func(*rapid.T) {
		return func(t *rapid.T) {
			c := anybody(action)
			of := c.Caller.Tenant // or another's
			if rapid.IntRange(0, 7).Draw(t, "foreign") == 0 {
				of = tenant()
			}
			uploads := slices.SortedFunc(maps.Values(g.state(of).Uploads), func(a, b model.Upload) int { return strings.Compare(a.Expires+a.ID, b.Expires+b.ID) })
			if len(uploads) == 0 {
				t.Skip("there is no upload")
			}
			u := uploads[rapid.IntRange(0, len(uploads)-1).Draw(t, "upload")]
			c.Job, c.Upload, c.Content = u.Job, u.ID, u.Content
			if action == model.Send {
				c.Caller = people(of)[0]
				if u.State != "open" || u.Sent || u.Expires <= harness.ModelTime(g.rig.Clock.Now()) {
					t.Skip("nothing is to be sent")
				}
			} else if rapid.IntRange(0, 7).Draw(t, "other job") == 0 {
				c.Job = job()
			}
			do(c)
		}
	}
	actions := map[string]func(*rapid.T){
		"create": func(*rapid.T) {
			c := anybody(auth.JobsCreate)
			highest := g.state(c.Caller.Tenant).HighestPK()
			c.PK = rapid.SampledFrom([]int64{0, 0, 1, 2, 3, 4, highest, highest + 1, auth.MaxPK}).Draw(t, "pk")
			c.Node = rapid.Int64Range(0, 2).Draw(t, "node")
			do(c)
		},
		"finish": func(*rapid.T) {
			c := anybody(auth.JobsFinish)
			c.Job = job()
			if rapid.Bool().Draw(t, "failed") {
				text := rapid.SampledFrom([]string{"", "it failed"}).Draw(t, "error")
				c.Error = &text
			}
			do(c)
		},
		"list": func(*rapid.T) {
			c := anybody(auth.OutputsList)
			c.Job = rapid.Int64Range(0, 3).Draw(t, "of job")
			do(c)
		},
		"wait": func(*rapid.T) {
			d := rapid.SampledFrom([]time.Duration{time.Second, 30 * time.Minute, 12 * time.Hour}).Draw(t, "wait")
			t.Logf("%s later", d)
			g.rig.Clock.Advance(d)
		},
		"cleanup": func(*rapid.T) {
			do(model.Call{Action: auth.Cleanup, Grace: rapid.SampledFrom([]time.Duration{0, time.Hour}).Draw(t, "grace")})
		},
		"add 2": named(auth.JobsAddOutput), "send 2": onUpload(model.Send), "complete 2": onUpload(auth.UploadsComplete), // more often
	}
	for _, action := range []auth.Action{auth.JobsRetrieve, auth.JobsAcquire, auth.JobsRelease, auth.JobsStart} {
		actions[string(action)] = onJob(action)
	}
	for _, action := range []auth.Action{auth.JobsAddOutput, auth.JobsGetOutput, auth.JobsGetOutputInfo, auth.JobsDeleteOutput, auth.UploadsBegin} {
		actions[string(action)] = named(action)
	}
	for _, action := range []auth.Action{auth.OutputsRetrieve, auth.OutputsDownload, auth.OutputsDestroy, auth.OutputsReinstate, auth.OutputsHardDelete} {
		actions[string(action)] = onOutput(action)
	}
	for _, action := range []auth.Action{model.Send, auth.UploadsStatus, auth.UploadsComplete, auth.UploadsAbort} {
		actions[string(action)] = onUpload(action)
	}
	t.Repeat(actions)
	if err := g.end(); err != nil {
		t.Fatal(err)
	}
}

// TestPlanted takes the condition from every guard of a name, on its way to DynamoDB: a
// game notices.
func TestPlanted(t *testing.T) {
	t.Parallel()
	unguarded := func(stack *middleware.Stack) error {
		return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("unguarded", func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
			switch in := in.Parameters.(type) {
			case *dynamodb.TransactWriteItemsInput:
				for _, item := range in.TransactItems {
					if item.Put != nil && len(item.Put.ExpressionAttributeValues) == 0 {
						item.Put.ConditionExpression, item.Put.ExpressionAttributeNames = nil, nil
					}
				}
			case *dynamodb.BatchGetItemInput: // the name is free, it seems
				for _, keys := range in.RequestItems {
					keys.Keys[1]["SK"] = &types.AttributeValueMemberS{Value: "N#none"}
				}
			}
			return next.HandleInitialize(ctx, in)
		}), middleware.Before)
	}
	for _, tc := range []struct {
		name        string
		middlewares []func(*middleware.Stack) error
		noticed     bool
	}{{"as it is", nil, false}, {"without guards", []func(*middleware.Stack) error{unguarded}, true}} {
		g := newTable(t, tc.middlewares...).begin()
		admin, worker := people(g.tenants[0])[0], people(g.tenants[0])[1]
		var noticed error
		for _, c := range []model.Call{
			{Action: auth.JobsCreate, Caller: admin, PK: 1, Node: 1},
			{Action: auth.JobsStart, Caller: worker, Job: 1},
			{Action: auth.JobsAddOutput, Caller: worker, Job: 1, Name: "a", Type: "x", Content: "first"},
			{Action: auth.JobsAddOutput, Caller: worker, Job: 1, Name: "a", Type: "x", Content: "second"},
		} {
			if _, err := g.do(c); err != nil {
				noticed = err
				break
			}
		}
		if (noticed != nil) != tc.noticed {
			t.Errorf("%s: %v", tc.name, noticed)
		}
		if err := g.end(); (err != nil) != tc.noticed { // two outputs of one name
			t.Errorf("%s, at the end: %v", tc.name, err)
		}
	}
}
