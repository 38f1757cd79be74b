package jobs

import (
	"context"
	"errors"

	dynamotypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/guregu/dynamo/v2"

	"joboutputs/shared/auth"
	"joboutputs/shared/config"
	"joboutputs/shared/problem"
	"joboutputs/shared/table"
	"joboutputs/shared/users"
)

// Store keeps jobs. Its methods return problems for what a caller may know; any other error
// is internal. Safe for concurrent use.
type Store struct{ t *table.Store }

// New makes a Store over the table.
func New(t *table.Store) *Store { return &Store{t} }

// Open makes the Store of a Lambda, from its environment. It makes no call.
func Open(section config.StorageSection) *Store { return New(table.Open(section)) }

// MaxPKAhead is how far above the job counter, the highest pk that a job was given or
// drew, a given pk may be. It keeps keys for the jobs that are made without one: a single
// pk near auth.MaxPK would leave none of them.
const MaxPKAhead = 1_000_000

// NewJob is a job to be made.
type NewJob struct {
	PK          int64 // 0 = the next free one; at most MaxPKAhead above the counter
	Description string
	Node        int64 // the node that has it from the start; 0 = none
	Creator     users.User
}

// Create makes a job. A given pk lifts the counter to at least it, so that a drawn one
// never meets it. Problems: InvalidRequest if the pk is more than MaxPKAhead above the
// counter, and then nothing is written; Conflict if the pk is taken or none is left,
// PermissionDenied, Unavailable.
func (s *Store) Create(ctx context.Context, tenant string, n NewJob) (Job, error) {
	if n.PK != 0 { // before the directory, which may write
		last, err := s.t.Lift(ctx, tenant, table.JobCounter, n.PK, MaxPKAhead, n.Creator.By())
		if err != nil {
			return Job{}, err
		}
		if last < n.PK {
			return Job{}, problem.New(problem.InvalidRequest, "pk: must be at most %d, %d above the last job's", last+MaxPKAhead, MaxPKAhead)
		}
	}
	creator, err := users.PK(ctx, s.t, tenant, n.Creator)
	if err != nil {
		return Job{}, err
	}
	job := Job{
		PK: n.PK, Description: n.Description, Node: n.Node, Creator: creator,
		CreationTime: s.t.Now(), Outputs: []OutputRef{}, version: 1,
	}
	for range table.MaxAttempts {
		if n.PK == 0 {
			counters, err := s.t.Count(ctx, tenant, table.JobCounter, n.Creator.By())
			if err != nil {
				return Job{}, err
			}
			job.PK = counters.Jobs
		}
		if job.PK > auth.MaxPK { // a caller may have given the last one
			return Job{}, problem.New(problem.Conflict, "There is no primary key left for another job; give one that is free.")
		}
		// A transaction, though of one write: tried again after a lost answer, it is known for
		// the same, where a Put would find the job taken, by itself.
		err = s.t.DB.WriteTx().Put(s.t.Put(job.Row(tenant)).If("attribute_not_exists('PK')")).Run(ctx)
		switch {
		case err == nil:
			return job, nil
		case !dynamo.IsCondCheckFailed(err):
			return Job{}, table.StoreError(err, "create job %d", job.PK)
		case n.PK != 0:
			return Job{}, problem.New(problem.Conflict, "There is a job with the primary key %d already.", n.PK)
		}
	}
	return Job{}, table.Contended()
}

// Acquire gives a free job to a node; again by the same node changes nothing. Problems:
// NotFound, JobAcquired, IllegalTransition if the job has ended, Unavailable.
func (s *Store) Acquire(ctx context.Context, tenant string, pk, node int64) (Job, error) {
	return s.changeJob(ctx, tenant, pk, func(j *Job) (bool, error) {
		switch {
		case j.ended():
			return false, illegal("acquire", "it has ended")
		case j.Node == node:
			return false, nil
		case j.Node != 0:
			return false, problem.New(problem.JobAcquired, "The job has been acquired by another node.")
		}
		j.Node = node
		return true, nil
	})
}

// Release takes a job from its node, before the start or after an error. By a node that
// does not own it, it changes nothing. Problems: NotFound, IllegalTransition, Unavailable.
func (s *Store) Release(ctx context.Context, tenant string, pk, node int64) (Job, error) {
	return s.changeJob(ctx, tenant, pk, func(j *Job) (bool, error) {
		switch {
		case j.Node != node:
			return false, nil
		case j.Finished():
			return false, illegal("release", "it has finished")
		case j.Started() && j.ErrorReason == nil:
			return false, illegal("release", "it is running")
		}
		j.Node = 0
		return true, nil
	})
}

func illegal(action, because string) error {
	return problem.New(problem.IllegalTransition, "The job can't take the action %s: %s.", action, because)
}

// Start begins the work of the caller's node on its job, once; a node works one job at a
// time. Problems: NotFound, PermissionDenied, IllegalTransition, NodeAlreadyWorking,
// Unavailable.
func (s *Store) Start(ctx context.Context, p auth.Principal, pk int64) (Job, error) {
	edit := func(j *Job) error {
		if err := j.Permit(p, auth.JobsStart); err != nil {
			return err
		}
		switch {
		case j.ended():
			return illegal("start", "it has ended")
		case j.Started():
			return illegal("start", "it was started already")
		}
		j.StartTime = s.t.Now()
		return nil
	}
	works := func() *dynamo.Update {
		return s.node(p.Tenant, p.Node).Set("current_job", pk).
			If("attribute_not_exists('current_job') OR 'current_job' = ?", pk)
	}
	return s.changeWork(ctx, p.Tenant, pk, edit, works, problem.New(problem.NodeAlreadyWorking, "The node is working another job."))
}

// Finish ends the work of the caller's node on its job: well, or with the text of an error.
// Problems: NotFound, PermissionDenied, IllegalTransition, Unavailable.
func (s *Store) Finish(ctx context.Context, p auth.Principal, pk int64, errorReason *string) (Job, error) {
	edit := func(j *Job) error {
		if err := j.Permit(p, auth.JobsFinish); err != nil {
			return err
		}
		switch {
		case !j.Started():
			return illegal("finish", "it was never started")
		case j.ended():
			return illegal("finish", "it has ended")
		}
		j.EndTime, j.ErrorReason = s.t.Now(), errorReason
		return nil
	}
	rests := func() *dynamo.Update {
		return s.node(p.Tenant, p.Node).Remove("current_job").If("'current_job' = ?", pk)
	}
	return s.changeWork(ctx, p.Tenant, pk, edit, rests, nil)
}

// changeJob reads a job and writes it back if the edit changed it, on the condition that
// nobody else did in between.
func (s *Store) changeJob(ctx context.Context, tenant string, pk int64, edit func(*Job) (bool, error)) (Job, error) {
	for attempt := range table.MaxAttempts {
		j, err := s.WithOutputs(ctx, tenant, pk)
		if err != nil {
			return Job{}, err
		}
		changed, err := edit(&j)
		if err != nil || !changed {
			return j, err
		}
		err = s.putJob(tenant, &j).Run(ctx)
		if err == nil {
			return j, nil
		}
		if err := s.again(ctx, err, attempt, pk); err != nil {
			return Job{}, err
		}
	}
	return Job{}, table.Contended()
}

// changeWork reads a job and writes it back together with the row of a node, in one
// transaction, on the condition that nobody else changed the job in between. The node is
// not read: the update says which job it must work. If it works another one, that is the
// problem busy; without one the job is written alone, since the node's row does not name it
// and will not again: only a start writes that, and the job was started.
func (s *Store) changeWork(ctx context.Context, tenant string, pk int64, edit func(*Job) error, node func() *dynamo.Update, busy error) (Job, error) {
	alone := false
	for attempt := range table.MaxAttempts {
		j, err := s.WithOutputs(ctx, tenant, pk)
		if err != nil {
			return Job{}, err
		}
		if err := edit(&j); err != nil {
			return Job{}, err
		}
		if alone {
			err = s.putJob(tenant, &j).Run(ctx)
		} else {
			err = s.t.DB.WriteTx().Put(s.putJob(tenant, &j)).Update(node()).Run(ctx)
		}
		switch {
		case err == nil:
			return j, nil
		case !alone && onlyRefused(err, 1):
			if busy != nil {
				return Job{}, busy
			}
			alone = true
			continue
		}
		if err := s.again(ctx, err, attempt, pk); err != nil {
			return Job{}, err
		}
	}
	return Job{}, table.Contended()
}

// onlyRefused reports whether of a transaction's items just this one failed its condition.
func onlyRefused(err error, item int) bool {
	var cancelled *dynamotypes.TransactionCanceledException
	if !errors.As(err, &cancelled) {
		return false
	}
	for i, reason := range cancelled.CancellationReasons {
		if table.ConditionFailed(reason) != (i == item) {
			return false
		}
	}
	return true
}

// putJob writes the job over the version that was read.
func (s *Store) putJob(tenant string, j *Job) *dynamo.Put {
	read := j.version
	j.version++
	return s.t.Put(j.Row(tenant)).If("'v' = ?", read)
}

// node is an update of a node's row, which says which job it works.
func (s *Store) node(tenant string, node int64) *dynamo.Update {
	return s.t.Update(table.NodeKey(tenant, node))
}

// again waits before another attempt if the write lost against another one; any other
// error ends the attempts.
func (s *Store) again(ctx context.Context, err error, attempt int, pk int64) error {
	if dynamo.IsCondCheckFailed(err) {
		err = s.t.Pause(ctx, attempt)
	}
	if err != nil {
		return table.StoreError(err, "change job %d", pk)
	}
	return nil
}
