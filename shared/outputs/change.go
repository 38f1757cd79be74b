package outputs

import (
	"context"
	"time"

	"github.com/guregu/dynamo/v2"

	"joboutputs/shared/table"
	"joboutputs/shared/tenantguard"
)

// Destroy soft-deletes an output: it stays readable, keeps its name, and can be
// reinstated. On a deleted one it changes nothing. Problems: NotFound, Unavailable.
func (s *Store) Destroy(ctx context.Context, tenant string, pk int64) (Output, error) {
	return s.change(ctx, tenant, func() (Output, error) { return s.Output(ctx, tenant, pk) }, s.delete)
}

// DestroyByName is Destroy of a job's output. Problems: NotFound, OutputNotFound, Unavailable.
func (s *Store) DestroyByName(ctx context.Context, tenant string, job int64, name, typ string) (Output, error) {
	return s.change(ctx, tenant, func() (Output, error) { return s.OutputByName(ctx, tenant, job, name, typ) }, s.delete)
}

// Reinstate undoes a soft delete. On an active output it changes nothing. Problems:
// NotFound, Unavailable.
func (s *Store) Reinstate(ctx context.Context, tenant string, pk int64) (Output, error) {
	return s.change(ctx, tenant, func() (Output, error) { return s.Output(ctx, tenant, pk) }, func(o *Output) bool {
		deleted := !o.Active()
		o.DeletionTime = time.Time{}
		return deleted
	})
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
// condition that neither changed in between; nothing to change is no write. Losing
// against another writer, it starts again with what that one left.
func (s *Store) change(ctx context.Context, tenant string, read func() (Output, error), edit func(*Output) bool) (Output, error) {
	for attempt := range table.MaxAttempts {
		o, err := read()
		if err != nil {
			return Output{}, err
		}
		if !edit(&o) {
			return o, nil
		}
		err = s.t.DB.WriteTx().
			Update(s.setDeletion(table.OutputKey(tenant, o.PK), &o)).
			Update(s.setDeletion(table.NameKey(tenant, o.Job, o.Name, o.Type), &o)).
			Run(ctx)
		if err == nil {
			o.version++
			return o, nil
		}
		if !dynamo.IsCondCheckFailed(err) {
			return Output{}, table.StoreError(err, "change output %d", o.PK)
		}
		if err := s.t.Pause(ctx, attempt); err != nil {
			return Output{}, table.StoreError(err, "change output %d", o.PK)
		}
	}
	return Output{}, table.Contended()
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
//	transaction {Delete O, Delete N, Put tombstone}
//	DeleteObject
//
// A row never outlives its content. The tombstone outlives every link and call that could
// still write the object, and cleanup deletes the object again when it is due: what a crash
// left, or a late PUT brought back. Returns the output as it was, with the time of its soft
// delete or else of this one. Problems: NotFound, Unavailable.
func (s *Store) HardDelete(ctx context.Context, tenant string, pk int64) (Output, error) {
	for attempt := range table.MaxAttempts {
		o, err := s.Output(ctx, tenant, pk)
		if err != nil {
			return Output{}, err
		}
		err = s.t.DB.WriteTx().
			Delete(s.t.Delete(table.OutputKey(tenant, pk)).If("'v' = ?", o.version)).
			Delete(s.t.Delete(table.NameKey(tenant, o.Job, o.Name, o.Type)).If("'v' = ?", o.version)).
			Put(s.t.Put(table.Queued(table.TombstoneKind, tenant, o.object, s.t.Now()))).
			Run(ctx)
		if dynamo.IsCondCheckFailed(err) {
			if err := s.t.Pause(ctx, attempt); err != nil {
				return Output{}, table.StoreError(err, "hard-delete output %d", pk)
			}
			continue
		}
		if err != nil {
			return Output{}, table.StoreError(err, "hard-delete output %d", pk)
		}
		s.delete(&o)
		// The output is gone either way, and what fails here the cleanup finishes: only a breach
		// is told, since it would fail again.
		if breach := tenantguard.Breached(s.t.DeleteObject(ctx, tenant, o.object)); breach != nil {
			return Output{}, breach
		}
		return o, nil
	}
	return Output{}, table.Contended()
}
