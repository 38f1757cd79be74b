package outputs

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"unicode/utf8"

	"joboutputs/shared/auth"
	"joboutputs/shared/idempotency"
	"joboutputs/shared/jobs"
	"joboutputs/shared/problem"
	"joboutputs/shared/table"
	"joboutputs/shared/users"
)

// Named is the place an output takes: a name and type in a job.
type Named struct {
	Job        int64
	Name, Type string
}

// CheckName refuses what cannot be an output's name and type. Problem: InvalidName.
func CheckName(name, typ string) error {
	switch {
	case name == "":
		return problem.New(problem.InvalidName, "The output's name is empty.")
	case utf8.RuneCountInString(name) > MaxName:
		return problem.New(problem.InvalidName, "The output's name is longer than %d characters.", MaxName)
	case len(typ) > MaxType:
		return problem.New(problem.InvalidName, "The output's type is longer than %d bytes.", MaxType)
	case strings.Contains(name+typ, "/"):
		return problem.New(problem.InvalidName, "The output's name or type holds a slash, with which no path could name it.")
	case strings.ContainsRune(name+typ, 0):
		return problem.New(problem.InvalidName, "The output's name or type holds a NUL character.")
	}
	return nil
}

// Admit decides whether the caller may put an output at a place, in one read of everything
// that depends on. It returns what an earlier call with the same idempotency key has left,
// whatever has become of the job, its node and the name since; else it refuses, or returns the pk of
// the creator, who is the caller. It reserves nothing.
//
// Problems: NotFound, PermissionDenied, IdempotencyMismatch, JobNotStarted, JobFinished,
// DuplicateOutput, Unavailable.
func Admit(ctx context.Context, t *table.Store, p auth.Principal, action auth.Action, at Named, call *idempotency.Call) (creator int64, earlier *table.IdempotencyRow, err error) {
	var (
		jobRow                     table.JobRow
		holder                     table.OutputRow
		user                       table.UserRow
		jobFound, taken, userFound bool
	)
	caller := users.Of(p)
	wanted := append(call.Wanted(),
		table.Wanted{Key: table.JobKey(p.Tenant, at.Job), Row: &jobRow, Found: &jobFound},
		table.Wanted{Key: table.NameKey(p.Tenant, at.Job, at.Name, at.Type), Row: &holder, Found: &taken},
	)
	wanted = append(wanted, caller.Wanted(p.Tenant, &user, &userFound)...)
	if err := t.Batch(ctx, wanted...); err != nil {
		return 0, nil, err
	}
	if !jobFound {
		return 0, nil, problem.Missing()
	}
	job, err := jobs.FromRow(&jobRow)
	if err != nil {
		return 0, nil, err
	}
	earlier, mismatch := call.Earlier()
	if earlier != nil {
		return 0, earlier, nil
	}
	if err := cmp.Or(job.Permit(p, action), mismatch); err != nil {
		return 0, nil, err
	}
	if err := job.TakesOutputs(); err != nil {
		return 0, nil, err
	}
	if taken { // perhaps by a call with this key, just now
		if earlier, err := call.LookAgain(ctx); earlier != nil || err != nil {
			return 0, earlier, err
		}
		return 0, nil, Duplicate(&holder)
	}
	switch {
	case caller.PK != 0:
		return caller.PK, nil, nil
	case userFound:
		return user.PK, nil, nil
	}
	creator, err = users.Register(ctx, t, p.Tenant, caller)
	return creator, nil, err
}

// Duplicate is the problem of a name that another output holds.
func Duplicate(holder *table.OutputRow) error {
	return problem.New(problem.DuplicateOutput, "Bad name '%s': Job already has an output by this name/type (%s/%s)", holder.Name, holder.Name, holder.Type).
		With("pk", holder.PK).
		With("sha256", table.Nullable(holder.SHA256)).
		With("deletion_time", table.Nullable(holder.DeletionTime))
}

// Replay is the output in the response of an earlier call with the same idempotency key.
func Replay(earlier *table.IdempotencyRow) (Output, error) {
	if earlier.Output == nil {
		return Output{}, errors.New("an idempotency key has no output")
	}
	o, err := FromRow(earlier.Output)
	o.Replayed = true
	return o, err
}
