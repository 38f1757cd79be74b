package jobs_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"joboutputs/shared/auth"
	"joboutputs/shared/jobs"
	"joboutputs/shared/localaws/fixture"
	"joboutputs/shared/localaws/storetest"
	"joboutputs/shared/problem"
	"joboutputs/shared/users"
)

func TestCreateJob(t *testing.T) {
	t.Parallel()
	s := storetest.New(t)
	ctx := storetest.Acting(t)
	for _, tc := range []struct{ given, want int64 }{{0, 1}, {5, 5}, {0, 6}, {3, 3}, {0, 7}} {
		j, err := s.Jobs.Create(ctx, storetest.Tenant, jobs.NewJob{PK: tc.given, Description: "d", Creator: users.Of(storetest.Alice)})
		if err != nil || j.PK != tc.want {
			t.Errorf("create with pk %d: %d, %v; want %d", tc.given, j.PK, err, tc.want)
		}
	}
	_, err := s.Jobs.Create(ctx, storetest.Tenant, jobs.NewJob{PK: 5, Creator: users.Of(storetest.Alice)})
	storetest.WantProblem(t, err, problem.Conflict)

	got, err := s.Jobs.WithOutputs(ctx, storetest.Tenant, 5)
	if err != nil {
		t.Fatal(err)
	}
	want := jobs.Job{PK: 5, Description: "d", Creator: 2, CreationTime: storetest.Epoch, Outputs: []jobs.OutputRef{}}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(jobs.Job{})); diff != "" {
		t.Errorf("read (-want +got):\n%s", diff)
	}
	_, err = s.Jobs.WithOutputs(auth.WithTenant(ctx, "other"), "other", 5)
	storetest.WantProblem(t, err, problem.NotFound)

	// The last key there is can be given, and then none can be drawn.
	if _, err := s.Jobs.Create(ctx, storetest.Tenant, jobs.NewJob{PK: auth.MaxPK, Creator: users.Of(storetest.Alice)}); err != nil {
		t.Fatal(err)
	}
	_, err = s.Jobs.Create(ctx, storetest.Tenant, jobs.NewJob{Creator: users.Of(storetest.Alice)})
	storetest.WantProblem(t, err, problem.Conflict)
	if _, err := s.Jobs.Create(ctx, storetest.Tenant, jobs.NewJob{PK: 8, Creator: users.Of(storetest.Alice)}); err != nil {
		t.Fatal(err)
	}
}

// TestJobSteps walks jobs through their states. A step is what a node does; want is the
// problem, "" for success.
func TestJobSteps(t *testing.T) {
	t.Parallel()
	s := storetest.New(t)
	ctx := storetest.Acting(t)
	boom := "boom"
	acquire := func(job, node int64) (jobs.Job, error) { return s.Jobs.Acquire(ctx, storetest.Tenant, job, node) }
	release := func(job, node int64) (jobs.Job, error) { return s.Jobs.Release(ctx, storetest.Tenant, job, node) }
	start := func(job, node int64) (jobs.Job, error) { return s.Jobs.Start(ctx, storetest.As(node), job) }
	finish := func(job, node int64) (jobs.Job, error) {
		return s.Jobs.Finish(ctx, storetest.As(node), job, nil)
	}
	fail := func(job, node int64) (jobs.Job, error) {
		return s.Jobs.Finish(ctx, storetest.As(node), job, &boom)
	}
	for _, pk := range []int64{1, 2} {
		if _, err := s.Jobs.Create(ctx, storetest.Tenant, jobs.NewJob{PK: pk, Creator: users.Of(storetest.Alice)}); err != nil {
			t.Fatal(err)
		}
	}
	type state struct {
		Node                     int64
		Started, Ended, Finished bool
	}
	for i, step := range []struct {
		name string
		do   func(job, node int64) (jobs.Job, error)
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
		s.Clock.Advance(time.Second)
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
		read, err := s.Jobs.WithOutputs(ctx, storetest.Tenant, step.job)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(j, read, cmpopts.IgnoreUnexported(jobs.Job{})); diff != "" {
			t.Errorf("step %d, %s: answered and read differ (-answered +read):\n%s", i, step.name, diff)
		}
	}
}

// TestFinishElsewhere finishes a job that its node is not said to work: it works another,
// or none, and stays as it is.
func TestFinishElsewhere(t *testing.T) {
	t.Parallel()
	s := storetest.New(t)
	ctx := storetest.Acting(t)
	err := fixture.Load(ctx, s.Table, storetest.Tenant, fixture.Rows{
		Jobs: []jobs.Job{
			{PK: 1, Node: 1, CreationTime: storetest.Epoch, StartTime: storetest.Epoch},
			{PK: 2, Node: 1, CreationTime: storetest.Epoch, StartTime: storetest.Epoch},
			{PK: 3, Node: 1, CreationTime: storetest.Epoch},
			{PK: 4, Node: 2, CreationTime: storetest.Epoch, StartTime: storetest.Epoch},
		},
		Nodes: []fixture.Node{{PK: 1, CurrentJob: 2}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for job, node := range map[int64]int64{1: 1, 4: 2} {
		if j, err := s.Jobs.Finish(ctx, storetest.As(node), job, nil); err != nil || !j.Finished() {
			t.Errorf("finish job %d: %+v, %v", job, j, err)
		}
	}
	_, err = s.Jobs.Start(ctx, storetest.As(1), 3)
	storetest.WantProblem(t, err, problem.NodeAlreadyWorking) // still job 2
	if _, err := s.Jobs.Finish(ctx, storetest.As(1), 2, nil); err != nil {
		t.Error(err)
	}
	if _, err := s.Jobs.Start(ctx, storetest.As(1), 3); err != nil {
		t.Errorf("start when the node is free: %v", err)
	}
}
