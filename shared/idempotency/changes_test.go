package idempotency_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"joboutputs/shared/jobs"
	"joboutputs/shared/localaws/storetest"
	"joboutputs/shared/outputs"
	"joboutputs/shared/problem"
	"joboutputs/shared/table"
	"joboutputs/shared/uploads"
	"joboutputs/shared/users"
)

// change is an action that changes something, with what there must be before it, and what
// others do after it that a repetition must leave alone.
type change struct {
	name   string
	before func(*world)
	do     func(w *world, s *storetest.Stores, key string) (did string, replayed bool, err error)
	other  func(w *world, s *storetest.Stores, key string) error // the same target and key, another request; nil = there is none
	after  func(*world)
}

// world is the stores of one change: job 1 is free, node 2 works job 2 with the output o and
// the upload u, and node 3 has job 3.
type world struct {
	*storetest.Stores
	t   *testing.T
	ctx context.Context
	o   outputs.Output
	u   uploads.Upload
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{Stores: storetest.New(t), t: t, ctx: storetest.Acting(t)}
	for pk, node := range []int64{0, 2, 3} {
		_, err := w.Jobs.Create(w.ctx, storetest.Tenant, jobs.NewJob{PK: int64(pk) + 1, Node: node, Creator: users.Of(storetest.Alice)})
		w.must(err)
	}
	_, err := w.Jobs.Start(w.ctx, storetest.As(2), 2, "")
	w.must(err)
	w.o = w.Add(t, storetest.Addition(2, "model", "bin", "content"))
	n := storetest.NewUpload("staged", 5)
	n.Job = 2
	w.u = w.Begin(t, n)
	return w
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func didJob(j jobs.Job, err error) (string, bool, error) {
	return fmt.Sprintf("%d %d %s %s %v", j.PK, j.Node, j.StartTime, j.EndTime, j.Outputs), j.Replayed, err
}

func didOutput(o outputs.Output, err error) (string, bool, error) {
	return fmt.Sprintf("%d %s", o.PK, o.DeletionTime), o.Replayed, err
}

func changes() []change {
	text := "it failed"
	destroyed := func(w *world) { _, err := w.Outputs.Destroy(w.ctx, storetest.Alice, w.o.PK, ""); w.must(err) }
	reinstated := func(w *world) { _, err := w.Outputs.Reinstate(w.ctx, storetest.Alice, w.o.PK, ""); w.must(err) }
	named := func(pk int64) jobs.NewJob { return jobs.NewJob{PK: pk, Creator: users.Of(storetest.Alice)} }
	return []change{
		{
			name: "create",
			do: func(w *world, s *storetest.Stores, key string) (string, bool, error) {
				n := named(0)
				n.Key = key
				return didJob(s.Jobs.Create(w.ctx, storetest.Tenant, n))
			},
			other: func(w *world, s *storetest.Stores, key string) error {
				n := named(0)
				n.Key, n.Description = key, "another"
				_, err := s.Jobs.Create(w.ctx, storetest.Tenant, n)
				return err
			},
			after: func(w *world) { _, err := w.Jobs.Acquire(w.ctx, storetest.As(5), 4, ""); w.must(err) },
		},
		{
			name: "create with a pk",
			do: func(w *world, s *storetest.Stores, key string) (string, bool, error) {
				n := named(9)
				n.Key = key
				return didJob(s.Jobs.Create(w.ctx, storetest.Tenant, n))
			},
		},
		{
			name: "acquire",
			do: func(w *world, s *storetest.Stores, key string) (string, bool, error) {
				return didJob(s.Jobs.Acquire(w.ctx, storetest.As(1), 1, key))
			},
			other: func(w *world, s *storetest.Stores, key string) error {
				_, err := s.Jobs.Acquire(w.ctx, storetest.As(5), 1, key)
				return err
			},
			after: func(w *world) { _, err := w.Jobs.Release(w.ctx, storetest.As(1), 1, ""); w.must(err) },
		},
		{
			name: "release",
			do: func(w *world, s *storetest.Stores, key string) (string, bool, error) {
				return didJob(s.Jobs.Release(w.ctx, storetest.As(3), 3, key))
			},
			after: func(w *world) { _, err := w.Jobs.Acquire(w.ctx, storetest.As(3), 3, ""); w.must(err) },
		},
		{
			name: "start",
			do: func(w *world, s *storetest.Stores, key string) (string, bool, error) {
				return didJob(s.Jobs.Start(w.ctx, storetest.As(3), 3, key))
			},
			after: func(w *world) { _, err := w.Jobs.Finish(w.ctx, storetest.As(3), 3, &text, ""); w.must(err) },
		},
		{
			name: "finish",
			do: func(w *world, s *storetest.Stores, key string) (string, bool, error) {
				return didJob(s.Jobs.Finish(w.ctx, storetest.As(2), 2, &text, key))
			},
			other: func(w *world, s *storetest.Stores, key string) error {
				_, err := s.Jobs.Finish(w.ctx, storetest.As(2), 2, nil, key)
				return err
			},
			after: func(w *world) { _, err := w.Jobs.Release(w.ctx, storetest.As(2), 2, ""); w.must(err) },
		},
		{
			name: "destroy",
			do: func(w *world, s *storetest.Stores, key string) (string, bool, error) {
				return didOutput(s.Outputs.Destroy(w.ctx, storetest.Alice, w.o.PK, key))
			},
			after: reinstated,
		},
		{
			name: "destroy what is deleted", before: destroyed,
			do: func(w *world, s *storetest.Stores, key string) (string, bool, error) {
				return didOutput(s.Outputs.Destroy(w.ctx, storetest.Alice, w.o.PK, key))
			},
			after: reinstated,
		},
		{
			name: "destroy by name",
			do: func(w *world, s *storetest.Stores, key string) (string, bool, error) {
				return didOutput(s.Outputs.DestroyByName(w.ctx, storetest.Alice, 2, "model", "bin", key))
			},
			after: reinstated,
		},
		{
			name: "reinstate", before: destroyed,
			do: func(w *world, s *storetest.Stores, key string) (string, bool, error) {
				return didOutput(s.Outputs.Reinstate(w.ctx, storetest.Alice, w.o.PK, key))
			},
			after: destroyed,
		},
		{
			name: "hard delete",
			do: func(w *world, s *storetest.Stores, key string) (string, bool, error) {
				return didOutput(s.Outputs.HardDelete(w.ctx, storetest.Alice, w.o.PK, key))
			},
			after: func(w *world) { w.Add(w.t, storetest.Addition(2, "model", "bin", "other")) },
		},
		{
			name: "abort",
			do: func(w *world, s *storetest.Stores, key string) (string, bool, error) {
				replayed, err := s.Uploads.Abort(w.ctx, storetest.Alice, 2, w.u.ID, key)
				return "", replayed, err
			},
		},
	}
}

// rows is everything the table says of jobs and outputs, as one text.
func (w *world) rows() string {
	w.t.Helper()
	var all string
	for pk := int64(1); pk < 12; pk++ {
		j, err := w.Jobs.WithOutputs(w.ctx, storetest.Tenant, pk)
		if problem.Is(err, problem.NotFound) {
			continue
		}
		w.must(err)
		all += w.json(&j)
		for _, ref := range j.Outputs {
			o, err := w.Outputs.Output(w.ctx, storetest.Tenant, ref.PK)
			w.must(err)
			all += w.json(&o)
		}
	}
	return all
}

func (w *world) json(v any) string {
	w.t.Helper()
	text, err := json.Marshal(v)
	w.must(err)
	return string(text) + "\n"
}

// TestChangeAgain repeats each change with its key, after others have changed the same: the
// repetition returns the first response and changes nothing.
func TestChangeAgain(t *testing.T) {
	t.Parallel()
	for _, c := range changes() {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			if c.before != nil {
				c.before(w)
			}
			want, replayed, err := c.do(w, w.Stores, "key")
			if err != nil || replayed {
				t.Fatalf("%s, replayed %v, %v", want, replayed, err)
			}
			w.Clock.Advance(time.Minute)
			if c.after != nil {
				c.after(w)
			}
			before := w.rows()
			for round := range 2 {
				got, replayed, err := c.do(w, w.Stores, "key")
				if got != want || !replayed || err != nil {
					t.Errorf("round %d: %s, replayed %v, %v; want %s again", round, got, replayed, err, want)
				}
			}
			if c.other != nil {
				storetest.WantProblem(t, c.other(w, w.Stores, "key"), problem.IdempotencyMismatch)
			}
			if after := w.rows(); after != before {
				t.Errorf("the repetition changed\n%s into\n%s", before, after)
			}
			w.Clock.Advance(24 * time.Hour)
			if _, replayed, _ := c.do(w, w.Stores, "key"); replayed {
				t.Error("the key is remembered for more than a day")
			}
		})
	}
}

// TestReplayWithoutTheJob: a node that has given its job back still receives the responses
// that it missed, and may do nothing new.
func TestReplayWithoutTheJob(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	node := storetest.As(2)
	node.Admin = false
	add := storetest.Addition(2, "added", "t", "x")
	add.Key = "key"
	begin := storetest.NewUpload("begun", 5)
	begin.Job, begin.Key = 2, "key"
	done := uploads.Completion{Key: "key"}
	w.Send(t, w.u, []byte("12345"))
	calls := map[string]func(key string) (replayed bool, err error){
		"add": func(key string) (bool, error) {
			add.Key = key
			o, err := w.Outputs.Add(w.ctx, node, add)
			return o.Replayed, err
		},
		"begin": func(key string) (bool, error) {
			begin.Key = key
			u, err := w.Uploads.Begin(w.ctx, node, begin)
			return u.Replayed, err
		},
		"complete": func(key string) (bool, error) {
			done.Key = key
			o, err := w.Uploads.Complete(w.ctx, node, 2, w.u.ID, done)
			return o.Replayed, err
		},
	}
	for name, call := range calls {
		if _, err := call("key"); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	text := "it failed"
	_, err := w.Jobs.Finish(w.ctx, node, 2, &text, "")
	w.must(err)
	_, err = w.Jobs.Release(w.ctx, node, 2, "")
	w.must(err)
	for name, call := range calls {
		if replayed, err := call("key"); err != nil || !replayed {
			t.Errorf("%s again: replayed %v, %v", name, replayed, err)
		}
		_, err := call("another")
		storetest.WantProblem(t, err, problem.PermissionDenied)
	}
}

// TestChangeLost loses the response of the write that does a change. The response says that
// the outcome is unknown. A repetition with the key is recognised, and one of a step without
// a key by the state it led to.
func TestChangeLost(t *testing.T) {
	t.Parallel()
	naturally := map[string]bool{
		"acquire": true, "release": true, "start": true, "finish": true,
		"destroy": true, "destroy by name": true, "reinstate": true, "abort": true,
	}
	for _, c := range changes() {
		for _, key := range []string{"key", ""} {
			if key == "" && !naturally[c.name] {
				continue
			}
			t.Run(c.name+" "+key, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				if c.before != nil {
					c.before(w)
				}
				losing := w.With(func(cfg *table.Config) { cfg.Backoff = time.Millisecond }).
					Hooked(storetest.Lose("TransactWriteItems", storetest.Always), storetest.Lose("PutItem", storetest.Always))
				_, _, err := c.do(w, losing, key)
				storetest.WantProblem(t, err, problem.OutcomeUnknown)
				want := w.rows()
				w.Clock.Advance(time.Minute)
				if _, replayed, err := c.do(w, w.Stores, key); err != nil || replayed != (key != "") {
					t.Errorf("repeated: replayed %v, %v", replayed, err)
				}
				if got := w.rows(); got != want {
					t.Errorf("the repetition changed\n%s into\n%s", want, got)
				}
			})
		}
	}
}
