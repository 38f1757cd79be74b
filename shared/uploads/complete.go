package uploads

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/guregu/dynamo/v2"

	"joboutputs/shared/auth"
	"joboutputs/shared/idempotency"
	"joboutputs/shared/outputs"
	"joboutputs/shared/problem"
	"joboutputs/shared/table"
	"joboutputs/shared/users"
)

// Completion is what a client says of the content it has sent. All of it is optional.
type Completion struct {
	SHA256 string         // base64, of all of it
	Parts  map[int]string // base64 SHA-256 by number
	Key    string         // the caller's idempotency key; "" = none
}

// completeAttempts bounds how often an upload is looked at that another call is just
// completing: about 12 seconds, within which S3 has put most contents together.
const completeAttempts = 80

// Complete makes a staged upload an output, once: repeated, or called several times at once,
// it returns the same output and the same response. The creator is who began the upload.
//
//	strong BatchGet {job, upload, key}   respond as before, or refuse
//
// of one part:
//
//	strong Get name, HeadObject          refuse a taken name; length and checksum
//
// of several:
//
//	ListParts                            each part: there, its length, its checksum
//	Update upload                        a lease: no other call has S3 assemble the parts meanwhile
//	CompleteMultipartUpload
//
// then:
//
//	draw a pk
//	transaction {Update upload if open, Put O, Put N, Delete queue row if not claimed, Put key}
//
// Of an upload of several parts, the transaction refuses a taken name; the upload stays open.
// A crash after any call leaves an open upload, which another call completes from where it
// stands once the lease is over, or which cleanup removes.
//
// Problems: as outputs.Add's, UploadNotFound, UploadIncomplete (with missing and wrong part
// numbers), UploadAborted, UploadExpired, UploadLost.
func (s *Store) Complete(ctx context.Context, p auth.Principal, job int64, id string, c Completion) (outputs.Output, error) {
	call := idempotency.New(s.t, p.Tenant, users.Of(p), c.Key, "complete", []any{job, id}, c.request())
	for attempt := range completeAttempts {
		o, err := s.complete(ctx, p, job, id, &c, call)
		if !errors.Is(err, errAgain) {
			return o, err
		}
		if err := s.t.Pause(ctx, attempt); err != nil {
			return outputs.Output{}, table.StoreError(err, "complete an upload")
		}
	}
	return outputs.Output{}, problem.New(problem.Unavailable, "The upload is being completed by another call.").After(table.RetryAfter)
}

// errAgain: another call moves the same upload on; where it got to is to be looked at anew.
var errAgain = errors.New("look again")

// request is what decides a completion, besides the upload.
func (c *Completion) request() []any {
	all := []any{c.SHA256}
	for _, number := range slices.Sorted(maps.Keys(c.Parts)) {
		all = append(all, number, c.Parts[number])
	}
	return all
}

func (s *Store) complete(ctx context.Context, p auth.Principal, job int64, id string, c *Completion, call *idempotency.Call) (outputs.Output, error) {
	tenant := p.Tenant
	row, j, err := s.read(ctx, p, auth.UploadsComplete, job, id, call.Wanted()...)
	earlier, mismatch := call.Earlier()
	if earlier != nil { // whatever has become of the job and its node since
		return outputs.Replay(earlier)
	}
	if err := cmp.Or(err, mismatch); err != nil {
		return outputs.Output{}, err
	}
	if row.State == StateCompleted { // by a call with this key, perhaps, which the batch did not see
		if earlier, err := call.LookAgain(ctx); err != nil {
			return outputs.Output{}, err
		} else if earlier != nil {
			return outputs.Replay(earlier)
		}
		return outputOf(&row)
	}
	if err := s.ended(&row); err != nil {
		if row.State != StateOpen { // for good: an earlier call, or this one, may have come too late to be cleaned up
			err = cmp.Or(s.freeLate(ctx, tenant, &row), err)
		}
		return outputs.Output{}, err
	}
	if err := j.TakesOutputs(); err != nil {
		return outputs.Output{}, err
	}
	if row.Multipart == "" {
		if err = s.free(ctx, tenant, &row); err == nil {
			err = s.verifySingle(ctx, tenant, &row, c)
		}
	} else {
		err = s.assemble(ctx, tenant, &row, c)
	}
	if problem.Is(err, problem.UploadIncomplete) { // or another call has moved it on since it was read
		if err := s.t.Get(ctx, row.Key, &row); err != nil || row.State != StateOpen || s.leased(&row) {
			return outputs.Output{}, cmp.Or(err, errAgain)
		}
	}
	if err != nil {
		return outputs.Output{}, err
	}
	o, err := s.finish(ctx, p, &row, call)
	if err != nil {
		s.release(ctx, &row)
	}
	return o, err
}

// free checks that no other output has the upload's name. Problem: DuplicateOutput.
func (s *Store) free(ctx context.Context, tenant string, row *table.UploadRow) error {
	var holder table.OutputRow
	err := s.t.Get(ctx, table.NameKey(tenant, row.Job, row.Name, row.Type), &holder)
	switch {
	case err == nil && holder.Object == row.ID:
		return errAgain // it has just been completed
	case err == nil:
		return outputs.Duplicate(&holder)
	case problem.Is(err, problem.NotFound):
		return nil
	}
	return err
}

// finish draws a pk and publishes an upload whose content was verified.
func (s *Store) finish(ctx context.Context, p auth.Principal, row *table.UploadRow, call *idempotency.Call) (outputs.Output, error) {
	tenant := p.Tenant
	counters, err := s.t.Count(ctx, tenant, table.OutputCounter, users.Of(p).By())
	if err != nil {
		return outputs.Output{}, err
	}
	if counters.Outputs > auth.MaxPK {
		return outputs.Output{}, fmt.Errorf("tenant %s has used all %d primary keys", tenant, auth.MaxPK)
	}
	row.PK, row.CreationTime = counters.Outputs, table.FormatTime(s.t.Now())
	return s.publish(ctx, tenant, row, call)
}

// The writes of a completion's transaction, in their order.
const (
	endUpload  = iota // the upload, if it is open
	_                 // the O row
	writeName         // the N row
	takeQueued        // the queue row, unless the cleanup has claimed it
	keepKey           // the idempotency key, if there is one
)

// publish makes the upload an output, if nobody else has ended it.
func (s *Store) publish(ctx context.Context, tenant string, row *table.UploadRow, call *idempotency.Call) (outputs.Output, error) {
	o, err := outputOf(row)
	if err != nil {
		return outputs.Output{}, err
	}
	queue, err := s.queueRow(tenant, row)
	if err != nil {
		return outputs.Output{}, err
	}
	update := s.t.Update(row.Key).
		Set("state", StateCompleted).Set("pk", row.PK).Set("creation_time", row.CreationTime).Set("checksum", row.Checksum)
	asRead(row, update)
	if row.SHA256 != "" {
		update.Set("sha256", row.SHA256)
	}
	tx := s.t.DB.WriteTx().Update(update)
	o.Publish(tx, s.t, tenant)
	tx.Delete(s.t.Delete(queue.Key).If("attribute_exists('PK') AND attribute_not_exists('claimed')")).
		IncludeAllItemsInCondCheckFail(true)
	call.KeepOutput(tx, o.Row())
	err = tx.Run(ctx)
	if reasons := table.Cancellation(err); reasons != nil {
		switch {
		case table.ConditionFailed(reasons[endUpload]), call != nil && table.ConditionFailed(reasons[keepKey]):
			return outputs.Output{}, errAgain // it has ended: the row says how, or the key's
		case table.ConditionFailed(reasons[takeQueued]): // the cleanup has it
			if err := s.freeLate(ctx, tenant, row); err != nil {
				return outputs.Output{}, err
			}
			return outputs.Output{}, problem.New(problem.UploadExpired, "The upload expired at %s; begin another.", row.ExpiresAt).Because(err)
		case table.ConditionFailed(reasons[writeName]):
			var holder table.OutputRow
			if err := dynamo.UnmarshalItem(reasons[writeName].Item, &holder); err != nil {
				return outputs.Output{}, fmt.Errorf("decode the holder of a name: %w", err)
			}
			refused := s.refuse(ctx, row, &holder)
			if problem.Is(refused, problem.Unavailable) && table.MayBeDone(err) { // or may be yet, once the name is free
				return outputs.Output{}, table.CommitError(err, "publish output %d", o.PK)
			}
			return outputs.Output{}, refused
		}
	}
	if err != nil {
		return outputs.Output{}, table.CommitError(err, "publish output %d", o.PK)
	}
	return o, nil
}

// refuse ends a completion whose name another output has. The upload stays open, but no
// delivery of the completion's transaction that is still under way completes it (see outputs.Store.Add).
func (s *Store) refuse(ctx context.Context, row *table.UploadRow, holder *table.OutputRow) error {
	err := asRead(row, s.t.Update(row.Key).Add("refused", 1).Remove("completing")).Run(ctx)
	if dynamo.IsCondCheckFailed(err) {
		return errAgain
	}
	if err != nil {
		return table.StoreError(err, "refuse a completion")
	}
	row.Completing = "" // released
	return outputs.Duplicate(holder)
}

// asRead has an update demand that the upload is open, and that no completion was refused
// since the row was read.
func asRead(r *table.UploadRow, u *dynamo.Update) *dynamo.Update {
	u.If("'state' = ?", StateOpen)
	if r.Refused == 0 {
		return u.If("attribute_not_exists('refused')")
	}
	return u.If("'refused' = ?", r.Refused)
}
