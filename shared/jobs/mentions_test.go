package jobs_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"

	"joboutputs/shared/api"
	"joboutputs/shared/jobs"
	"joboutputs/shared/localaws/fixture"
	"joboutputs/shared/localaws/storetest"
	"joboutputs/shared/outputs"
	"joboutputs/shared/problem"
)

// TestMentions: a job mentions its outputs up to a number and a size, and says when there are
// more. Its steps are taken either way, in as many calls, and their responses fit.
func TestMentions(t *testing.T) {
	t.Parallel()
	s := storetest.New(t)
	ctx := storetest.Acting(t)
	long, error64K := strings.Repeat("\x01", outputs.MaxType), strings.Repeat("\x01", 64<<10)
	all := []struct {
		outputs   int
		typ       string
		mentioned int
		truncated bool
	}{
		{0, "t", 0, false},
		{jobs.MaxOutputs, "t", jobs.MaxOutputs, false},
		{jobs.MaxOutputs + 1, "t", jobs.MaxOutputs, true},
		{250, long, 250, false},
		{260, long, 255, true}, // of 12,290 bytes each, and the name's
	}
	rows := fixture.Rows{}
	for i, tc := range all {
		job := int64(i + 1)
		rows.Jobs = append(rows.Jobs, jobs.Job{PK: job, Node: job, Description: strings.Repeat("\x01", 10_000), CreationTime: storetest.Epoch})
		for n := range tc.outputs {
			rows.Outputs = append(rows.Outputs, fixture.Output{Output: outputs.Output{
				PK: job*10_000 + int64(n), Job: job, Name: fmt.Sprint(n), Type: tc.typ, CreationTime: storetest.Epoch,
			}})
		}
	}
	if err := fixture.Load(ctx, s.Table, storetest.Tenant, rows); err != nil {
		t.Fatal(err)
	}
	queries := 0
	counted := s.Hooked(storetest.Before("Query", func(context.Context) error { queries++; return nil }))
	for i, tc := range all {
		job := int64(i + 1)
		for name, step := range map[string]func() (jobs.Job, error){
			"read":  func() (jobs.Job, error) { return counted.Jobs.WithOutputs(ctx, storetest.Tenant, job) },
			"start": func() (jobs.Job, error) { return counted.Jobs.Start(ctx, storetest.As(job), job, "") },
		} {
			queries = 0
			j, err := step()
			if err != nil {
				t.Fatalf("job %d, %s: %v", job, name, err)
			}
			if len(j.Outputs) != tc.mentioned || j.Truncated != tc.truncated {
				t.Errorf("job %d, %s: %d outputs, truncated %v; want %d, %v", job, name, len(j.Outputs), j.Truncated, tc.mentioned, tc.truncated)
			}
			if most := map[bool]int{true: 2, false: 1}[tc.typ == long]; queries > most {
				t.Errorf("job %d, %s: %d queries, want at most %d", job, name, queries, most)
			}
		}
		j, err := counted.Jobs.Finish(ctx, storetest.As(job), job, &error64K, "")
		if err != nil {
			t.Fatal(err)
		}
		body, err := json.Marshal(&j)
		if err != nil || len(body) > api.MaxResponse {
			t.Errorf("job %d: a response of %d bytes (%v), more than %d", job, len(body), err, api.MaxResponse)
		}
		if has := strings.Contains(string(body), `,"outputs_truncated":true}`); has != tc.truncated {
			t.Errorf("job %d: the response says it is truncated: %v, want %v", job, has, tc.truncated)
		}
	}
	_, err := counted.Jobs.WithOutputs(ctx, storetest.Tenant, 99)
	storetest.WantProblem(t, err, problem.NotFound)
}
