package jobs_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/sync/errgroup"

	"joboutputs/shared/auth"
	"joboutputs/shared/jobs"
	"joboutputs/shared/localaws/fixture"
	"joboutputs/shared/localaws/storetest"
	"joboutputs/shared/problem"
	"joboutputs/shared/table"
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
}

// TestExplicitKeyAhead gives keys above the last one: the highest that may be given, and
// the next, which is refused and moves nothing.
func TestExplicitKeyAhead(t *testing.T) {
	t.Parallel()
	s := storetest.New(t)
	ctx := storetest.Acting(t)
	create := func(pk int64) (jobs.Job, error) {
		return s.Jobs.Create(ctx, storetest.Tenant, jobs.NewJob{PK: pk, Creator: users.Of(storetest.Alice)})
	}
	for _, step := range []struct{ given, want, highest int64 }{ // highest = it is refused, and what may be given is told
		{1_000_001, 0, 1_000_000}, // the tenant has no counters yet
		{auth.MaxPK, 0, 1_000_000},
		{0, 1, 0},
		{1_000_002, 0, 1_000_001},
		{0, 2, 0},
		{1_000_002, 1_000_002, 0},
		{0, 1_000_003, 0},
		{auth.MaxPK, 0, 2_000_003},
		{7, 7, 0},
		{2_000_004, 0, 2_000_003},
		{2_000_003, 2_000_003, 0},
		{0, 2_000_004, 0},
	} {
		j, err := create(step.given)
		if step.highest != 0 {
			want := fmt.Sprintf("pk: must be at most %d, 1000000 above the last job's", step.highest)
			if p, ok := problem.As(err); !ok || p.Kind != problem.InvalidRequest || p.Message != want {
				t.Errorf("create with pk %d: %d, %v; want invalid_request: %s", step.given, j.PK, err, want)
			}
		} else if err != nil || j.PK != step.want {
			t.Errorf("create with pk %d: %d, %v; want %d", step.given, j.PK, err, step.want)
		}
	}
}

// TestLastKey gives the last key there is, after which none can be drawn.
func TestLastKey(t *testing.T) {
	t.Parallel()
	s := storetest.New(t)
	ctx := storetest.Acting(t)
	if _, err := s.Table.Lift(ctx, storetest.Tenant, table.JobCounter, auth.MaxPK-jobs.MaxPKAhead, auth.MaxPK, table.ByClaim); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		given int64
		want  problem.Kind
	}{{auth.MaxPK, ""}, {0, problem.Conflict}, {auth.MaxPK, problem.Conflict}, {8, ""}, {auth.MaxPK - 1, ""}} {
		_, err := s.Jobs.Create(ctx, storetest.Tenant, jobs.NewJob{PK: step.given, Creator: users.Of(storetest.Alice)})
		if step.want != "" {
			storetest.WantProblem(t, err, step.want)
		} else if err != nil {
			t.Errorf("create with pk %d: %v", step.given, err)
		}
	}
}

// TestExplicitKeyRefused refuses a pk to users whom a directory names: they are not
// registered, and one call is made. Who is of the other kind is told that alone.
func TestExplicitKeyRefused(t *testing.T) {
	t.Parallel()
	s := storetest.New(t)
	ctx := storetest.Acting(t)
	calls := 0
	counted := s.Hooked(storetest.Before("UpdateItem", func(context.Context) error { calls++; return nil }))
	anna := users.User{Issuer: "https://issuer.test", Subject: "anna", Username: "anna"}
	create := func(pk int64, by users.User) error {
		_, err := counted.Jobs.Create(ctx, storetest.Tenant, jobs.NewJob{PK: pk, Creator: by})
		return err
	}
	storetest.WantProblem(t, create(1_000_001, anna), problem.InvalidRequest)
	var row table.CountersRow
	err := s.Table.Get(ctx, table.CountersKey(storetest.Tenant), &row)
	storetest.WantProblem(t, err, problem.NotFound)
	storetest.WantProblem(t, create(1_000_001, users.Of(storetest.Alice)), problem.InvalidRequest) // nobody has fixed whose pks count
	if err := create(1_000_000, anna); err != nil {
		t.Fatal(err)
	}
	calls = 0
	for _, pk := range []int64{1_000_000, 1_000_001, 2_000_001} {
		storetest.WantProblem(t, create(pk, users.Of(storetest.Alice)), problem.PermissionDenied)
	}
	storetest.WantProblem(t, create(2_000_001, anna), problem.InvalidRequest)
	storetest.WantProblem(t, create(1_000_000, anna), problem.Conflict)
	if calls != 5 {
		t.Errorf("%d calls of UpdateItem for 5 refused jobs", calls)
	}
}

// TestExplicitKeysAtOnce races pks that are given and drawn, in tenants that have none:
// none is further above the next lower one than it may be, whatever came first.
func TestExplicitKeysAtOnce(t *testing.T) {
	t.Parallel()
	s := storetest.New(t)
	for round := range storetest.Rounds(t) {
		tenant := fmt.Sprintf("race-%d", round)
		ctx := auth.WithTenant(t.Context(), tenant)
		given := []int64{1_000_000, 2_000_000, 3_000_000, 1_000_001, 0, 0}
		made := make([]int64, len(given))
		var group errgroup.Group
		for i, pk := range given {
			group.Go(func() error {
				j, err := s.Jobs.Create(ctx, tenant, jobs.NewJob{PK: pk, Creator: users.Of(storetest.Alice)})
				if problem.Is(err, problem.InvalidRequest) && pk > jobs.MaxPKAhead || problem.Is(err, problem.Conflict) && pk == 1_000_001 { // which may have been drawn
					return nil
				}
				made[i] = j.PK
				return err
			})
		}
		if err := group.Wait(); err != nil {
			t.Fatal(err)
		}
		slices.Sort(made)
		last := int64(0)
		for _, pk := range made {
			if pk > last+jobs.MaxPKAhead {
				t.Errorf("round %d: job %d above %d: %d", round, pk, last, made)
			}
			last = pk
		}
		next, err := s.Jobs.Create(ctx, tenant, jobs.NewJob{Creator: users.Of(storetest.Alice)})
		if err != nil || next.PK != last+1 {
			t.Errorf("round %d: the next job is %d, %v; want %d", round, next.PK, err, last+1)
		}
	}
}

// TestJobSteps walks jobs through their states. A step is what a node does; want is the
// problem, "" for success.
func TestJobSteps(t *testing.T) {
	t.Parallel()
	s := storetest.New(t)
	ctx := storetest.Acting(t)
	boom := "boom"
	acquire := func(job, node int64) (jobs.Job, error) { return s.Jobs.Acquire(ctx, storetest.As(node), job, "") }
	release := func(job, node int64) (jobs.Job, error) { return s.Jobs.Release(ctx, storetest.As(node), job, "") }
	start := func(job, node int64) (jobs.Job, error) { return s.Jobs.Start(ctx, storetest.As(node), job, "") }
	finish := func(job, node int64) (jobs.Job, error) {
		return s.Jobs.Finish(ctx, storetest.As(node), job, nil, "")
	}
	fail := func(job, node int64) (jobs.Job, error) {
		return s.Jobs.Finish(ctx, storetest.As(node), job, &boom, "")
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
		{"start again", start, 1, 1, "", state{Node: 1, Started: true}},
		{"release while running", release, 1, 1, problem.IllegalTransition, state{}},
		{"acquire a second", acquire, 2, 1, "", state{Node: 1}},
		{"start a second", start, 2, 1, problem.NodeAlreadyWorking, state{}},
		{"finish another's", finish, 1, 2, problem.PermissionDenied, state{}},
		{"finish", finish, 1, 1, "", state{Node: 1, Started: true, Ended: true, Finished: true}},
		{"finish again", finish, 1, 1, "", state{Node: 1, Started: true, Ended: true, Finished: true}},
		{"fail when finished", fail, 1, 1, problem.IllegalTransition, state{}},
		{"start when finished", start, 1, 1, problem.IllegalTransition, state{}},
		{"acquire when finished", acquire, 1, 2, problem.IllegalTransition, state{}},
		{"release when finished", release, 1, 1, problem.IllegalTransition, state{}},
		{"start the second", start, 2, 1, "", state{Node: 1, Started: true}},
		{"fail the second", fail, 2, 1, "", state{Node: 1, Started: true, Ended: true}},
		{"fail it again", fail, 2, 1, "", state{Node: 1, Started: true, Ended: true}},
		{"finish when failed", finish, 2, 1, problem.IllegalTransition, state{}},
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
		if j, err := s.Jobs.Finish(ctx, storetest.As(node), job, nil, ""); err != nil || !j.Finished() {
			t.Errorf("finish job %d: %+v, %v", job, j, err)
		}
	}
	_, err = s.Jobs.Start(ctx, storetest.As(1), 3, "")
	storetest.WantProblem(t, err, problem.NodeAlreadyWorking) // still job 2
	if _, err := s.Jobs.Finish(ctx, storetest.As(1), 2, nil, ""); err != nil {
		t.Error(err)
	}
	if _, err := s.Jobs.Start(ctx, storetest.As(1), 3, ""); err != nil {
		t.Errorf("start when the node is free: %v", err)
	}
}
