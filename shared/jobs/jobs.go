package jobs

import (
	"context"

	"github.com/guregu/dynamo/v2"

	"joboutputs/shared/auth"
	"joboutputs/shared/config"
	"joboutputs/shared/idempotency"
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
	Key         string // the caller's idempotency key; "" = none
}

// Create makes a job. A given pk lifts the counter to at least it, so that a drawn one
// never meets it. Problems: InvalidRequest if the pk is more than MaxPKAhead above the
// counter, and then nothing is written; Conflict if the pk is taken or none is left,
// PermissionDenied, IdempotencyMismatch, Unavailable, OutcomeUnknown.
func (s *Store) Create(ctx context.Context, tenant string, n NewJob) (Job, error) {
	call := idempotency.New(s.t, tenant, n.Creator, n.Key, string(auth.JobsCreate), nil, []any{n.PK, n.Description, n.Node})
	return idempotency.Do(ctx, call, created, func() (Job, error) { return s.create(ctx, tenant, n, call) })
}

// created is the response of an earlier call with the same idempotency key.
func created(earlier *table.IdempotencyRow) (Job, error) {
	j, err := kept(earlier)
	j.Outputs = []OutputRef{}
	return j, err
}

func (s *Store) create(ctx context.Context, tenant string, n NewJob, call *idempotency.Call) (Job, error) {
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
		// A transaction, though perhaps of one write: retried after a lost response, it is
		// recognised, where a Put would find the job taken, by itself.
		tx := s.t.DB.WriteTx().Put(s.t.Put(job.Row(tenant)).If("attribute_not_exists('PK')"))
		call.KeepJob(tx, job.Row(tenant))
		err = call.Met(tx.Run(ctx))
		switch {
		case err == nil:
			return job, nil
		case !dynamo.IsCondCheckFailed(err):
			return Job{}, table.CommitError(err, "create job %d", job.PK)
		case n.PK != 0:
			return Job{}, problem.New(problem.Conflict, "There is a job with the primary key %d already.", n.PK)
		}
	}
	return Job{}, table.Contended()
}
