package jobs

import (
	"context"
	"errors"

	dynamotypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/guregu/dynamo/v2"

	"joboutputs/shared/auth"
	"joboutputs/shared/idempotency"
	"joboutputs/shared/problem"
	"joboutputs/shared/table"
	"joboutputs/shared/users"
)

// A step takes a job from one state to another. The job's row alone decides whether it may
// be taken, and a node that takes a step again, perhaps because it got no response, is told
// the state that the step led to. A key is the caller's idempotency key; "" = none.
type step struct {
	action  auth.Action
	request []any // what decides the step, besides job and node: for the idempotency key

	// edit changes the job, or refuses to. It reports false if there is nothing to change.
	edit func(*Job) (bool, error)

	// works is the change of the node's row, which says which job the node works; nil = none.
	works func() *dynamo.Update
	// busy is the problem of a node whose row does not allow the change; nil = the job is
	// changed without it.
	busy error
}

// Acquire gives a free job to the caller's node; again by the same node changes nothing.
// Problems: NotFound, JobAcquired, IllegalTransition if the job has ended,
// IdempotencyMismatch, Unavailable, OutcomeUnknown.
func (s *Store) Acquire(ctx context.Context, p auth.Principal, pk int64, key string) (Job, error) {
	return s.take(ctx, p, pk, key, step{action: auth.JobsAcquire, edit: func(j *Job) (bool, error) {
		switch {
		case j.ended():
			return false, illegal("acquire", "it has ended")
		case j.Node == p.Node:
			return false, nil
		case j.Node != 0:
			return false, problem.New(problem.JobAcquired, "The job has been acquired by another node.")
		}
		j.Node = p.Node
		return true, nil
	}})
}

// Release takes a job from the caller's node, before the start or after an error. By a node
// that does not own it, it changes nothing. Problems: NotFound, IllegalTransition,
// IdempotencyMismatch, Unavailable, OutcomeUnknown.
func (s *Store) Release(ctx context.Context, p auth.Principal, pk int64, key string) (Job, error) {
	return s.take(ctx, p, pk, key, step{action: auth.JobsRelease, edit: func(j *Job) (bool, error) {
		switch {
		case j.Node != p.Node:
			return false, nil
		case j.Finished():
			return false, illegal("release", "it has finished")
		case j.Started() && j.ErrorReason == nil:
			return false, illegal("release", "it is running")
		}
		j.Node = 0
		return true, nil
	}})
}

func illegal(action, because string) error {
	return problem.New(problem.IllegalTransition, "The job can't take the action %s: %s.", action, because)
}

// Start begins the work of the caller's node on its job; a node works one job at a time.
// Again by the same node, while the job runs, it changes nothing. Problems: NotFound,
// PermissionDenied, IllegalTransition, NodeAlreadyWorking, IdempotencyMismatch, Unavailable,
// OutcomeUnknown.
func (s *Store) Start(ctx context.Context, p auth.Principal, pk int64, key string) (Job, error) {
	return s.take(ctx, p, pk, key, step{
		action: auth.JobsStart,
		edit: func(j *Job) (bool, error) {
			if err := j.Permit(p, auth.JobsStart); err != nil {
				return false, err
			}
			switch {
			case j.ended():
				return false, illegal("start", "it has ended")
			case j.Started():
				return false, nil
			}
			j.StartTime = s.t.Now()
			return true, nil
		},
		works: func() *dynamo.Update {
			return s.node(p).Set("current_job", pk).If("attribute_not_exists('current_job') OR 'current_job' = ?", pk)
		},
		busy: problem.New(problem.NodeAlreadyWorking, "The node is working another job."),
	})
}

// Finish ends the work of the caller's node on its job: well, or with the text of an error.
// Again by the same node with the same end, it changes nothing. Problems: NotFound,
// PermissionDenied, IllegalTransition, IdempotencyMismatch, Unavailable, OutcomeUnknown.
func (s *Store) Finish(ctx context.Context, p auth.Principal, pk int64, errorReason *string, key string) (Job, error) {
	request := []any{errorReason == nil}
	if errorReason != nil {
		request = append(request, *errorReason)
	}
	return s.take(ctx, p, pk, key, step{
		action: auth.JobsFinish, request: request,
		edit: func(j *Job) (bool, error) {
			if err := j.Permit(p, auth.JobsFinish); err != nil {
				return false, err
			}
			switch {
			case !j.Started():
				return false, illegal("finish", "it was never started")
			case !j.EndTime.IsZero() && equal(j.ErrorReason, errorReason):
				return false, nil
			case j.ended():
				return false, illegal("finish", "it has ended")
			}
			j.EndTime, j.ErrorReason = s.t.Now(), errorReason
			return true, nil
		},
		works: func() *dynamo.Update { return s.node(p).Remove("current_job").If("'current_job' = ?", pk) },
	})
}

func equal(a, b *string) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
}

// node is an update of the row of the caller's node.
func (s *Store) node(p auth.Principal) *dynamo.Update {
	return s.t.Update(table.NodeKey(p.Tenant, p.Node))
}

// take reads a job and takes a step, on the condition that nobody else changed the job in
// between. Nothing is written that did not change, but a key that has to be kept. The
// outputs of the response are read before the write: nothing fails after it.
func (s *Store) take(ctx context.Context, p auth.Principal, pk int64, key string, st step) (Job, error) {
	call := idempotency.New(s.t, p.Tenant, users.Of(p), key, string(st.action), []any{pk}, append([]any{p.Node}, st.request...))
	replay := func(earlier *table.IdempotencyRow) (Job, error) {
		j, err := kept(earlier)
		if err != nil {
			return Job{}, err
		}
		now, err := s.WithOutputs(ctx, p.Tenant, pk)
		j.Outputs, j.Truncated = now.Outputs, now.Truncated
		return j, err
	}
	return idempotency.Do(ctx, call, replay, func() (Job, error) {
		// A node's row that names another job, or none, is left alone by a finish: it does not
		// name this job and will not again, since only a start writes that, and the job was started.
		withNode := st.works != nil
		for attempt := range table.MaxAttempts {
			j, err := s.WithOutputs(ctx, p.Tenant, pk)
			if err != nil {
				return Job{}, err
			}
			changed, err := st.edit(&j)
			if err != nil || !changed && call == nil {
				return j, err
			}
			err = call.Met(s.write(ctx, p.Tenant, &j, changed, withNode, st, call))
			switch {
			case err == nil:
				return j, nil
			case changed && withNode && onlyRefused(err, nodeWrite):
				if st.busy != nil {
					return Job{}, st.busy
				}
				withNode = false
				continue
			}
			if err := s.t.Again(ctx, err, attempt, "change job %d", pk); err != nil {
				return Job{}, err
			}
		}
		return Job{}, table.Contended()
	})
}

// nodeWrite is where the node's row stands in a step's transaction, after the job.
const nodeWrite = 1

// write writes the job over the version that was read, and what goes with it: in one
// transaction, unless the job is all there is.
func (s *Store) write(ctx context.Context, tenant string, j *Job, changed, withNode bool, st step, call *idempotency.Call) error {
	tx := s.t.DB.WriteTx()
	if changed {
		read := j.version
		j.version++
		put := s.t.Put(j.Row(tenant)).If("'v' = ?", read)
		if st.works == nil && call == nil {
			return put.Run(ctx)
		}
		tx.Put(put)
		if withNode {
			tx.Update(st.works())
		}
	}
	call.KeepJob(tx, j.Row(tenant))
	return tx.Run(ctx)
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

// kept is the job as an earlier call with the same idempotency key left it.
func kept(earlier *table.IdempotencyRow) (Job, error) {
	if earlier.Job == nil {
		return Job{}, errors.New("an idempotency key has no job")
	}
	j, err := FromRow(earlier.Job)
	j.Replayed = true
	return j, err
}
