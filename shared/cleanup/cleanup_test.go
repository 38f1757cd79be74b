package cleanup_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"joboutputs/shared/cleanup"
	"joboutputs/shared/localaws/storetest"
	"joboutputs/shared/problem"
	"joboutputs/shared/table"
)

func TestCrashedAdd(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		at      string // the call at which the process dies
		objects int
	}{
		{"PutObject", 0},
		{"TransactWriteItems", 1},
	} {
		t.Run(tc.at, func(t *testing.T) {
			t.Parallel()
			s := storetest.New(t)
			s.StartedJob(t, 1)
			if _, err := s.Hooked(storetest.Before(tc.at, storetest.Crash)).Outputs.Add(storetest.Acting(t), storetest.Alice, storetest.Addition(1, "n", "t", "x")); !errors.Is(err, storetest.ErrCrash) {
				t.Fatalf("got %v, want a crash", err)
			}
			if got := s.Objects(t); got != tc.objects {
				t.Errorf("%d objects after the crash, want %d", got, tc.objects)
			}
			_, err := s.Outputs.OutputByName(storetest.Acting(t), storetest.Tenant, 1, "n", "t")
			storetest.WantProblem(t, err, problem.OutputNotFound)

			s.Cleaned(t, table.Grace, cleanup.Counts{}) // too young
			s.Clock.Advance(table.Grace)
			if got, err := s.Cleaner.Run(storetest.Acting(t), 2*table.Grace); err != nil || got.Oldest != 0 {
				t.Errorf("nothing is two hours old: %+v, %v", got, err)
			}
			old, err := s.Cleaner.Run(storetest.Acting(t), table.Grace)
			if want := (cleanup.Counts{Intents: 1, Oldest: int64(table.Grace.Seconds())}); err != nil || old != want {
				t.Errorf("cleaned %+v (%v), want %+v", old, err, want)
			}
			s.Cleaned(t, 0, cleanup.Counts{})
			if got := s.Objects(t); got != 0 {
				t.Errorf("%d objects after the cleanup", got)
			}
			s.Add(t, storetest.Addition(1, "n", "t", "again"))
			s.Cleaned(t, 0, cleanup.Counts{}) // nothing is left to do after a whole add
		})
	}
}

// TestCleanupWhileAdding lets a cleanup that has no patience run between the bytes and the
// transaction of an add: the add must fail, not refer to bytes that are gone.
func TestCleanupWhileAdding(t *testing.T) {
	t.Parallel()
	s := storetest.New(t)
	s.StartedJob(t, 1)
	slow := s.Hooked(storetest.Before("TransactWriteItems", func(ctx context.Context) error {
		_, err := s.Cleaner.Run(ctx, 0)
		return err
	}))
	_, err := slow.Outputs.Add(storetest.Acting(t), storetest.Alice, storetest.Addition(1, "n", "t", "x"))
	storetest.WantProblem(t, err, problem.Unavailable)
	_, err = s.Outputs.OutputByName(storetest.Acting(t), storetest.Tenant, 1, "n", "t")
	storetest.WantProblem(t, err, problem.OutputNotFound)
	if got := s.Objects(t); got != 0 {
		t.Errorf("%d objects are left", got)
	}
}

func TestCrashedHardDelete(t *testing.T) {
	t.Parallel()
	s := storetest.New(t)
	s.StartedJob(t, 1)
	o := s.Add(t, storetest.Addition(1, "n", "t", "x"))
	if _, err := s.Hooked(storetest.Before("DeleteObject", storetest.Crash)).Outputs.HardDelete(storetest.Acting(t), storetest.Alice, o.PK, ""); err != nil {
		t.Fatalf("the reference is gone, so the response is success; got %v", err)
	}
	_, err := s.Outputs.Output(storetest.Acting(t), storetest.Tenant, o.PK)
	storetest.WantProblem(t, err, problem.NotFound)
	// Two cleanups at once do no more harm than one.
	for _, grace := range []time.Duration{0, table.Grace} {
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() {
				if _, err := s.Cleaner.Run(context.WithoutCancel(storetest.Acting(t)), grace); err != nil {
					t.Errorf("cleanup: %v", err)
				}
			})
		}
		wg.Wait()
		if got := s.Objects(t); got != 0 {
			t.Errorf("%d objects are left", got)
		}
		s.Clock.Advance(table.Grace)
	}
	s.Cleaned(t, 0, cleanup.Counts{})
}

// TestCleanupMeanwhile: another cleanup deletes the object at the same moment, which VersityGW
// reports as NoSuchKey.
func TestCleanupMeanwhile(t *testing.T) {
	t.Parallel()
	s := storetest.New(t)
	s.StartedJob(t, 1)
	o := s.Add(t, storetest.Addition(1, "n", "t", "x"))
	if _, err := s.Hooked(storetest.Before("DeleteObject", storetest.Crash)).Outputs.HardDelete(storetest.Acting(t), storetest.Alice, o.PK, ""); err != nil {
		t.Fatal(err)
	}
	ahead := func(context.Context) error {
		s.Cleaned(t, 0, cleanup.Counts{Tombstones: 1})
		return nil
	}
	s.Hooked(storetest.Before("DeleteObjects", ahead)).Cleaned(t, 0, cleanup.Counts{Tombstones: 1})
	if got := s.Objects(t); got != 0 {
		t.Errorf("%d objects are left", got)
	}
}
