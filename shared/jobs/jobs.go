//go:build ignore

package outputs

import (
	"context"
	"errors"

	dynamotypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/guregu/dynamo/v2"

	"joboutputs/shared/problem"
)

// NewJob is a job to be made.
type NewJob struct {
	PK          int64 // 0 = the next free one
	Description string
	Node        int64 // the node that has it from the start; 0 = none
	Creator     User
}

// CreateJob makes a job. A given pk lifts the counter to at least it, so that a drawn one
// never meets it. Problems: Conflict if the pk is taken or none is left, PermissionDenied,
// Unavailable.
func (s *Store) CreateJob(ctx context.Context, tenant string, n NewJob) (Job, error) {
	creator, err := s.creator(ctx, tenant, n.Creator)
	if err != nil {
		return Job{}, err
	}
	job := Job{
		PK: n.PK, Description: n.Description, Node: n.Node, Creator: creator,
		CreationTime: s.now(), Outputs: []JobOutput{}, version: 1,
	}
	for range maxAttempts {
		if n.PK != 0 {
			err = s.lift(ctx, tenant, n.PK, n.Creator.mode())
		} else {
			var counters countersRow
			counters, err = s.count(ctx, tenant, "jobs", n.Creator.mode())
			job.PK = counters.Jobs
		}
		if err != nil {
			return Job{}, err
		}
		if job.PK > MaxPK { // a caller may have given the last one
			return Job{}, problem.New(problem.Conflict, "There is no primary key left for another job; give one that is free.")
		}
		// A transaction, though of one write: tried again after a lost answer, it is known for
		// the same, where a Put would find the job taken, by itself.
		err = s.db.WriteTx().Put(s.table.Put(job.item(tenant)).If("attribute_not_exists('PK')")).Run(ctx)
		switch {
		case err == nil:
			return job, nil
		case !dynamo.IsCondCheckFailed(err):
			return Job{}, failed(err, "create job %d", job.PK)
		case n.PK != 0:
			return Job{}, problem.New(problem.Conflict, "There is a job with the primary key %d already.", n.PK)
		}
	}
	return Job{}, contended()
}

// creator is the user's pk, from the token or the directory.
func (s *Store) creator(ctx context.Context, tenant string, u User) (int64, error) {
	if u.PK != 0 {
		return u.PK, nil
	}
	var row userRow
	partition, sort := u.subject(tenant)
	err := s.get(ctx, partition, sort, &row)
	if problem.Is(err, problem.NotFound) {
		return s.register(ctx, tenant, u)
	}
	return row.PK, err
}

// lift raises the job counter to at least pk.
func (s *Store) lift(ctx context.Context, tenant string, pk int64, usersBy string) error {
	err := s.counters(tenant, usersBy).Set("jobs", pk).
		If("attribute_not_exists('jobs') OR 'jobs' < ?", pk).
		If("attribute_not_exists('users_by') OR 'users_by' = ?", usersBy).
		Run(ctx)
	if !dynamo.IsCondCheckFailed(err) {
		return countFailed(err, usersBy, "lift the job counter")
	}
	// Either condition: the counter is high enough, which is what was wanted, or the
	// tenant names its users otherwise.
	return countFailed(s.counters(tenant, usersBy).
		If("attribute_not_exists('users_by') OR 'users_by' = ?", usersBy).Run(ctx), usersBy, "read the job counter")
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

// Start begins the work of a node on its job, once; a node works one job at a time. admit
// is asked with the job that was read. Problems: NotFound, admit's, IllegalTransition,
// NodeAlreadyWorking, Unavailable.
func (s *Store) Start(ctx context.Context, tenant string, pk, node int64, admit func(Job) error) (Job, error) {
	edit := func(j *Job) error {
		if err := admit(*j); err != nil {
			return err
		}
		switch {
		case j.ended():
			return illegal("start", "it has ended")
		case j.Started():
			return illegal("start", "it was started already")
		}
		j.StartTime = s.now()
		return nil
	}
	works := func() *dynamo.Update {
		return s.node(tenant, node).Set("current_job", pk).
			If("attribute_not_exists('current_job') OR 'current_job' = ?", pk)
	}
	return s.changeWork(ctx, tenant, pk, edit, works, problem.New(problem.NodeAlreadyWorking, "The node is working another job."))
}

// Finish ends the work of a node on its job: well, or with the text of an error. admit is
// asked with the job that was read. Problems: NotFound, admit's, IllegalTransition,
// Unavailable.
func (s *Store) Finish(ctx context.Context, tenant string, pk, node int64, errorReason *string, admit func(Job) error) (Job, error) {
	edit := func(j *Job) error {
		if err := admit(*j); err != nil {
			return err
		}
		switch {
		case !j.Started():
			return illegal("finish", "it was never started")
		case j.ended():
			return illegal("finish", "it has ended")
		}
		j.EndTime, j.ErrorReason = s.now(), errorReason
		return nil
	}
	rests := func() *dynamo.Update {
		return s.node(tenant, node).Remove("current_job").If("'current_job' = ?", pk)
	}
	return s.changeWork(ctx, tenant, pk, edit, rests, nil)
}

// changeJob reads a job and writes it back if the edit changed it, on the condition that
// nobody else did in between.
func (s *Store) changeJob(ctx context.Context, tenant string, pk int64, edit func(*Job) (bool, error)) (Job, error) {
	for attempt := range maxAttempts {
		j, err := s.JobWithOutputs(ctx, tenant, pk)
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
	return Job{}, contended()
}

// changeWork reads a job and writes it back together with the row of a node, in one
// transaction, on the condition that nobody else changed the job in between. The node is
// not read: the update says which job it must work. If it works another one, that is the
// problem busy; without one the job is written alone, since the node's row does not name it
// and will not again: only a start writes that, and the job was started.
func (s *Store) changeWork(ctx context.Context, tenant string, pk int64, edit func(*Job) error, node func() *dynamo.Update, busy error) (Job, error) {
	alone := false
	for attempt := range maxAttempts {
		j, err := s.JobWithOutputs(ctx, tenant, pk)
		if err != nil {
			return Job{}, err
		}
		if err := edit(&j); err != nil {
			return Job{}, err
		}
		if alone {
			err = s.putJob(tenant, &j).Run(ctx)
		} else {
			err = s.db.WriteTx().Put(s.putJob(tenant, &j)).Update(node()).Run(ctx)
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
	return Job{}, contended()
}

// onlyRefused reports whether of a transaction's items just this one failed its condition.
func onlyRefused(err error, item int) bool {
	var cancelled *dynamotypes.TransactionCanceledException
	if !errors.As(err, &cancelled) {
		return false
	}
	for i, reason := range cancelled.CancellationReasons {
		if conditionFailed(reason) != (i == item) {
			return false
		}
	}
	return true
}

// putJob writes the job over the version that was read.
func (s *Store) putJob(tenant string, j *Job) *dynamo.Put {
	read := j.version
	j.version++
	return s.table.Put(j.item(tenant)).If("'v' = ?", read)
}

// node is an update of a node's row, which says which job it works.
func (s *Store) node(tenant string, node int64) *dynamo.Update {
	return s.table.Update("PK", nodeKey(tenant, node)).Range("SK", nodeSort)
}

// again waits before another attempt if the write lost against another one; any other
// error ends the attempts.
func (s *Store) again(ctx context.Context, err error, attempt int, pk int64) error {
	if dynamo.IsCondCheckFailed(err) {
		err = pause(ctx, attempt)
	}
	if err != nil {
		return failed(err, "change job %d", pk)
	}
	return nil
}
