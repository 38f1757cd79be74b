package outputs

import (
	"context"
	"time"

	"github.com/guregu/dynamo/v2"

	"joboutputs/shared/auth"
	"joboutputs/shared/idempotency"
	"joboutputs/shared/table"
	"joboutputs/shared/tenantguard"
	"joboutputs/shared/users"
)

// Destroy soft-deletes an output: it stays readable, keeps its name, and can be
// reinstated. On a deleted one it changes nothing. key is the caller's idempotency key; "" =
// none. Problems: NotFound, IdempotencyMismatch, Unavailable, OutcomeUnknown.
func (s *Store) Destroy(ctx context.Context, p auth.Principal, pk int64, key string) (Output, error) {
	return s.change(ctx, p.Tenant, s.call(p, key, auth.OutputsDestroy, pk), s.byPK(ctx, p, pk), s.delete)
}

// DestroyByName is Destroy of a job's output. Problems: also OutputNotFound.
func (s *Store) DestroyByName(ctx context.Context, p auth.Principal, job int64, name, typ, key string) (Output, error) {
	read := func() (Output, error) { return s.OutputByName(ctx, p.Tenant, job, name, typ) }
	return s.change(ctx, p.Tenant, s.call(p, key, auth.JobsDeleteOutput, job, name, typ), read, s.delete)
}

// Reinstate undoes a soft delete. On an active output it changes nothing. Problems: as
// Destroy.
func (s *Store) Reinstate(ctx context.Context, p auth.Principal, pk int64, key string) (Output, error) {
	return s.change(ctx, p.Tenant, s.call(p, key, auth.OutputsReinstate, pk), s.byPK(ctx, p, pk), func(o *Output) bool {
		deleted := !o.Active()
		o.DeletionTime = time.Time{}
		return deleted
	})
}

func (s *Store) call(p auth.Principal, key string, action auth.Action, target ...any) *idempotency.Call {
	return idempotency.New(s.t, p.Tenant, users.Of(p), key, string(action), target, nil)
}

func (s *Store) byPK(ctx context.Context, p auth.Principal, pk int64) func() (Output, error) {
	return func() (Output, error) { return s.Output(ctx, p.Tenant, pk) }
}

// delete marks an output deleted, and reports whether it was not before.
func (s *Store) delete(o *Output) bool {
	if !o.Active() {
		return false
	}
	o.DeletionTime = s.t.Now()
	return true
}

// change reads an output and writes its deletion time to both of its rows, on the
// condition that neither changed in between; nothing to change is no write, unless a key
// has to be kept. Losing against another writer, it starts again with what that one left.
func (s *Store) change(ctx context.Context, tenant string, call *idempotency.Call, read func() (Output, error), edit func(*Output) bool) (Output, error) {
	return idempotency.Do(ctx, call, Replay, func() (Output, error) {
		for attempt := range table.MaxAttempts {
			o, err := read()
			if err != nil {
				return Output{}, err
			}
			changed := edit(&o)
			if !changed && call == nil {
				return o, nil
			}
			tx := s.t.DB.WriteTx()
			if changed {
				tx.Update(s.setDeletion(table.OutputKey(tenant, o.PK), &o)).
					Update(s.setDeletion(table.NameKey(tenant, o.Job, o.Name, o.Type), &o))
				o.version++
			}
			call.KeepOutput(tx, o.Row())
			if err = call.Met(tx.Run(ctx)); err == nil {
				return o, nil
			}
			if err := s.t.Again(ctx, err, attempt, "change output %d", o.PK); err != nil {
				return Output{}, err
			}
		}
		return Output{}, table.Contended()
	})
}

func (s *Store) setDeletion(key table.Key, o *Output) *dynamo.Update {
	update := s.t.Update(key).
		Set("v", o.version+1).
		If("'v' = ?", o.version)
	if o.Active() {
		return update.Remove("deletion_time")
	}
	return update.Set("deletion_time", table.FormatTime(o.DeletionTime))
}

// HardDelete removes an output for good and frees its name:
//
//	strong Get
//	transaction {Delete O, Delete N, Put tombstone, Put key}
//	DeleteObject
//
// A row never outlives its content. The tombstone outlives every link and call that could
// still write the object, and cleanup deletes the object again when it is due: what a crash
// left, or a late PUT brought back. Returns the output as it was, with the time of its soft
// delete or else of this one. Problems: as Destroy.
func (s *Store) HardDelete(ctx context.Context, p auth.Principal, pk int64, key string) (Output, error) {
	call := s.call(p, key, auth.OutputsHardDelete, pk)
	return idempotency.Do(ctx, call, Replay, func() (Output, error) {
		for attempt := range table.MaxAttempts {
			o, err := s.Output(ctx, p.Tenant, pk)
			if err != nil {
				return Output{}, err
			}
			tx := s.t.DB.WriteTx().
				Delete(s.t.Delete(table.OutputKey(p.Tenant, pk)).If("'v' = ?", o.version)).
				Delete(s.t.Delete(table.NameKey(p.Tenant, o.Job, o.Name, o.Type)).If("'v' = ?", o.version)).
				Put(s.t.Put(table.Queued(table.TombstoneKind, p.Tenant, o.object, s.t.Now())))
			s.delete(&o)
			call.KeepOutput(tx, o.Row())
			if err := call.Met(tx.Run(ctx)); err != nil {
				if table.MayBeDone(err) { // the next look could not tell this call's work from another's
					return Output{}, table.CommitError(err, "hard-delete output %d", pk)
				}
				if err := s.t.Again(ctx, err, attempt, "hard-delete output %d", pk); err != nil {
					return Output{}, err
				}
				continue
			}
			// The output is gone either way, and what fails here the cleanup finishes: only a breach
			// is told, since it would fail again.
			if breach := tenantguard.Breached(s.t.DeleteObject(ctx, p.Tenant, o.object)); breach != nil {
				return Output{}, breach
			}
			return o, nil
		}
		return Output{}, table.Contended()
	})
}
