//go:build ignore

package outputs_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"joboutputs/shared/auth"
	"joboutputs/shared/outputs"
	"joboutputs/shared/problem"
)

func TestCreateJob(t *testing.T) {
	t.Parallel()
	s, _, _ := newStore(t)
	ctx := acting(t)
	for _, tc := range []struct{ given, want int64 }{{0, 1}, {5, 5}, {0, 6}, {3, 3}, {0, 7}} {
		j, err := s.CreateJob(ctx, tenant, outputs.NewJob{PK: tc.given, Description: "d", Creator: alice})
		if err != nil || j.PK != tc.want {
			t.Errorf("create with pk %d: %d, %v; want %d", tc.given, j.PK, err, tc.want)
		}
	}
	_, err := s.CreateJob(ctx, tenant, outputs.NewJob{PK: 5, Creator: alice})
	wantProblem(t, err, problem.Conflict)

	got, err := s.JobWithOutputs(ctx, tenant, 5)
	if err != nil {
		t.Fatal(err)
	}
	want := outputs.Job{PK: 5, Description: "d", Creator: 2, CreationTime: epoch, Outputs: []outputs.JobOutput{}}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(outputs.Job{})); diff != "" {
		t.Errorf("read (-want +got):\n%s", diff)
	}
	_, err = s.JobWithOutputs(auth.WithTenant(ctx, "other"), "other", 5)
	wantProblem(t, err, problem.NotFound)

	// The last key there is can be given, and then none can be drawn.
	if _, err := s.CreateJob(ctx, tenant, outputs.NewJob{PK: outputs.MaxPK, Creator: alice}); err != nil {
		t.Fatal(err)
	}
	_, err = s.CreateJob(ctx, tenant, outputs.NewJob{Creator: alice})
	wantProblem(t, err, problem.Conflict)
	if _, err := s.CreateJob(ctx, tenant, outputs.NewJob{PK: 8, Creator: alice}); err != nil {
		t.Fatal(err)
	}
}

// TestJobSteps walks jobs through their states. A step is what a node does; want is the
// problem, "" for success.
func TestJobSteps(t *testing.T) {
	t.Parallel()
	s, _, c := newStore(t)
	ctx := acting(t)
	boom := "boom"
	owned := func(node int64) func(outputs.Job) error {
		return func(j outputs.Job) error {
			if j.Node != node {
				return problem.New(problem.PermissionDenied, "not yours")
			}
			return nil
		}
	}
	acquire := func(job, node int64) (outputs.Job, error) { return s.Acquire(ctx, tenant, job, node) }
	release := func(job, node int64) (outputs.Job, error) { return s.Release(ctx, tenant, job, node) }
	start := func(job, node int64) (outputs.Job, error) { return s.Start(ctx, tenant, job, node, owned(node)) }
	finish := func(job, node int64) (outputs.Job, error) {
		return s.Finish(ctx, tenant, job, node, nil, owned(node))
	}
	fail := func(job, node int64) (outputs.Job, error) {
		return s.Finish(ctx, tenant, job, node, &boom, owned(node))
	}
	for _, pk := range []int64{1, 2} {
		if _, err := s.CreateJob(ctx, tenant, outputs.NewJob{PK: pk, Creator: alice}); err != nil {
			t.Fatal(err)
		}
	}
	type state struct {
		Node                     int64
		Started, Ended, Finished bool
	}
	for i, step := range []struct {
		name string
		do   func(job, node int64) (outputs.Job, error)
		job  int64
		node int64
		want problem.Kind
		then state
	}{
		{"start without owning", start, 1, 1, problem.PermissionDenied, state{}},
		{"acquire", acquire, 1, 1, "", state{Node: 1}},
		{"acquire again", acquire, 1, 1, "", state{Node: 1}},
		{"acquire another's", acquire, 1, 2, problem.JobAcquired, state{}},
		{"release another's", release, 1, 2, "", state{Node: 1}},
		{"finish before the start", finish, 1, 1, problem.IllegalTransition, state{}},
		{"release", release, 1, 1, "", state{}},
		{"acquire by the other", acquire, 1, 2, "", state{Node: 2}},
		{"release by the other", release, 1, 2, "", state{}},
		{"acquire once more", acquire, 1, 1, "", state{Node: 1}},
		{"start", start, 1, 1, "", state{Node: 1, Started: true}},
		{"start again", start, 1, 1, problem.IllegalTransition, state{}},
		{"release while running", release, 1, 1, problem.IllegalTransition, state{}},
		{"acquire a second", acquire, 2, 1, "", state{Node: 1}},
		{"start a second", start, 2, 1, problem.NodeAlreadyWorking, state{}},
		{"finish another's", finish, 1, 2, problem.PermissionDenied, state{}},
		{"finish", finish, 1, 1, "", state{Node: 1, Started: true, Ended: true, Finished: true}},
		{"finish again", finish, 1, 1, problem.IllegalTransition, state{}},
		{"acquire when finished", acquire, 1, 2, problem.IllegalTransition, state{}},
		{"release when finished", release, 1, 1, problem.IllegalTransition, state{}},
		{"start the second", start, 2, 1, "", state{Node: 1, Started: true}},
		{"fail the second", fail, 2, 1, "", state{Node: 1, Started: true, Ended: true}},
		{"release when errored", release, 2, 1, "", state{Started: true, Ended: true}},
		{"missing job", acquire, 9, 1, problem.NotFound, state{}},
	} {
		c.advance(time.Second)
		j, err := step.do(step.job, step.node)
		if step.want != "" {
			if !problem.Is(err, step.want) {
				t.Fatalf("step %d, %s: got %v, want %s", i, step.name, err, step.want)
			}
			continue
		}
		if err != nil {
			t.Fatalf("step %d, %s: %v", i, step.name, err)
		}
		got := state{j.Node, j.Started(), !j.EndTime.IsZero(), j.Finished()}
		if diff := cmp.Diff(step.then, got); diff != "" {
			t.Fatalf("step %d, %s (-want +got):\n%s", i, step.name, diff)
		}
		read, err := s.JobWithOutputs(ctx, tenant, step.job)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(j, read, cmpopts.IgnoreUnexported(outputs.Job{})); diff != "" {
			t.Errorf("step %d, %s: answered and read differ (-answered +read):\n%s", i, step.name, diff)
		}
	}
}

// TestFinishElsewhere finishes a job that its node is not said to work: it works another,
// or none, and stays as it is.
func TestFinishElsewhere(t *testing.T) {
	t.Parallel()
	s, _, _ := newStore(t)
	ctx := acting(t)
	err := s.Import(ctx, tenant, outputs.Import{
		Jobs: []outputs.Job{
			{PK: 1, Node: 1, CreationTime: epoch, StartTime: epoch},
			{PK: 2, Node: 1, CreationTime: epoch, StartTime: epoch},
			{PK: 3, Node: 1, CreationTime: epoch},
			{PK: 4, Node: 2, CreationTime: epoch, StartTime: epoch},
		},
		Nodes: []outputs.Node{{PK: 1, CurrentJob: 2}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for job, node := range map[int64]int64{1: 1, 4: 2} {
		if j, err := s.Finish(ctx, tenant, job, node, nil, anyone); err != nil || !j.Finished() {
			t.Errorf("finish job %d: %+v, %v", job, j, err)
		}
	}
	_, err = s.Start(ctx, tenant, 3, 1, anyone)
	wantProblem(t, err, problem.NodeAlreadyWorking) // still job 2
	if _, err := s.Finish(ctx, tenant, 2, 1, nil, anyone); err != nil {
		t.Error(err)
	}
	if _, err := s.Start(ctx, tenant, 3, 1, anyone); err != nil {
		t.Errorf("start when the node is free: %v", err)
	}
}

// TestActiveOutputs: those of one job, whole and by pk, or none if there are more than asked for.
func TestActiveOutputs(t *testing.T) {
	t.Parallel()
	s, _, _ := newStore(t)
	ctx := acting(t)
	startedJob(t, s, 1)
	var want []outputs.Output
	for _, name := range []string{"c", "a", "b"} {
		want = append(want, mustAdd(t, s, addition(1, name, "t", "content of "+name)))
	}
	gone := mustAdd(t, s, addition(1, "gone", "t", "x"))
	if _, err := s.Destroy(ctx, tenant, gone.PK); err != nil {
		t.Fatal(err)
	}
	got, err := s.ActiveOutputs(ctx, tenant, 1, len(want))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(outputs.Output{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if text := content(t, s, got[1]); text != "content of a" {
		t.Errorf("the content of the second is %q", text)
	}
	_, err = s.ActiveOutputs(ctx, tenant, 1, len(want)-1)
	wantProblem(t, err, problem.ResultTooLarge)
	_, err = s.ActiveOutputs(ctx, tenant, 2, 10)
	wantProblem(t, err, problem.NotFound)
	_, err = s.ActiveOutputs(auth.WithTenant(t.Context(), "other"), "other", 1, 10)
	wantProblem(t, err, problem.NotFound)
}

func TestImportTwice(t *testing.T) {
	t.Parallel()
	s, _, _ := newStore(t)
	ctx := acting(t)
	in := func() outputs.Import {
		return outputs.Import{
			Jobs:  []outputs.Job{{PK: 3, Description: "d", Node: 1, StartTime: epoch, CreationTime: epoch}},
			Nodes: []outputs.Node{{PK: 1, CurrentJob: 3}},
			Outputs: []outputs.ImportedOutput{{
				Output:  outputs.Output{PK: 10, Job: 3, Name: "n", Type: "t", Creator: 2, CreationTime: epoch},
				Content: []byte("bytes"),
			}},
			LastOutputPK: 20,
		}
	}
	for range 2 {
		if err := s.Import(ctx, tenant, in()); err != nil {
			t.Fatal(err)
		}
	}
	if o := mustAdd(t, s, addition(3, "new", "t", "x")); o.PK != 21 {
		t.Errorf("the next output has pk %d, want 21", o.PK)
	}
	if _, err := s.Destroy(ctx, tenant, 10); err != nil {
		t.Fatal(err)
	}
	if err := s.Import(ctx, tenant, in()); err != nil {
		t.Errorf("after a deletion by the API: %v", err)
	}
	if o, err := s.Output(ctx, tenant, 10); err != nil || o.Active() || content(t, s, o) != "bytes" {
		t.Errorf("loading again changed the row: %+v, %v", o, err)
	}
	for want, edit := range map[string]func(*outputs.Import){
		"output 10 is there already with another name":             func(i *outputs.Import) { i.Outputs[0].Name = "m" },
		"output 10 is there already with another content":          func(i *outputs.Import) { i.Outputs[0].Content = nil },
		"job 3 is there already with another description":          func(i *outputs.Import) { i.Jobs[0].Description = "" },
		"job 3 is there already with another start_time":           func(i *outputs.Import) { i.Jobs[0].StartTime = epoch.Add(1000) },
		"output 11: output 10 of job 3 has the same name and type": func(i *outputs.Import) { i.Outputs[0].PK = 11 },
	} {
		other := in()
		edit(&other)
		if err := s.Import(ctx, tenant, other); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
