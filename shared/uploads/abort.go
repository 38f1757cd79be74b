package uploads

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/guregu/dynamo/v2"

	"joboutputs/shared/auth"
	"joboutputs/shared/idempotency"
	"joboutputs/shared/problem"
	"joboutputs/shared/table"
	"joboutputs/shared/tenantguard"
	"joboutputs/shared/users"
)

// Abort ends a staged upload and frees what was sent. Repeated, it changes nothing. key is the
// caller's idempotency key, "" = none; replayed reports whether it was used for this before.
//
//	strong BatchGet {job, upload}
//	transaction {Update upload if open, Delete its queue row, Put one that is due in Grace, Put key}
//	AbortMultipartUpload, DeleteObject
//
// The new queue row outlives every link and call that is in flight: what these still bring,
// cleanup removes. Problems: NotFound, PermissionDenied, UploadNotFound, UploadCompleted,
// IdempotencyMismatch, Unavailable, OutcomeUnknown.
func (s *Store) Abort(ctx context.Context, p auth.Principal, job int64, id, key string) (replayed bool, err error) {
	call := idempotency.New(s.t, p.Tenant, users.Of(p), key, string(auth.UploadsAbort), []any{job, id}, nil)
	replay := func(*table.IdempotencyRow) (bool, error) { return true, nil }
	return idempotency.Do(ctx, call, replay, func() (bool, error) { return false, s.abort(ctx, p, job, id, call) })
}

func (s *Store) abort(ctx context.Context, p auth.Principal, job int64, id string, call *idempotency.Call) error {
	for attempt := range table.MaxAttempts {
		row, _, err := s.read(ctx, p, auth.UploadsAbort, job, id)
		tx := s.t.DB.WriteTx()
		switch {
		case err != nil:
			return err
		case row.State == StateCompleted:
			return problem.New(problem.UploadCompleted, "The upload has been completed: it is output %d.", row.PK).With("pk", row.PK)
		case row.State != StateOpen && call == nil:
			return nil
		case row.State == StateOpen:
			if err := s.end(tx, p.Tenant, &row, StateAborted); err != nil {
				return err
			}
		}
		call.KeepDone(tx)
		err = call.Met(tx.Run(ctx))
		if err == nil && row.State == StateOpen {
			return s.freeLate(ctx, p.Tenant, &row)
		}
		if err == nil {
			return nil
		}
		if err := s.t.Again(ctx, err, attempt, "abort an upload"); err != nil {
			return err
		}
	}
	return table.Contended()
}

// end adds to a transaction what moves an open upload to a state in which it can't become an
// output, and its queue row to when no write of its object can arrive any more.
func (s *Store) end(tx *dynamo.WriteTx, tenant string, row *table.UploadRow, state string) error {
	queue, err := s.queueRow(tenant, row)
	if err != nil {
		return err
	}
	rest := table.Queued(table.UploadKind, tenant, row.ID, s.t.Now())
	rest.Claimed, rest.Multipart = true, row.Multipart
	tx.Update(s.t.Update(row.Key).Set("state", state).If("'state' = ?", StateOpen)).
		Put(s.t.Put(rest))
	if queue.Key != rest.Key { // at the very moment of the expiry it is the same row
		tx.Delete(s.t.Delete(queue.Key))
	}
	return nil
}

// freeLate frees the parts and the object of an upload that can't become an output any
// more. What fails the cleanup does again: there is a queue row, or there was one and this is
// what a call brought that was still in flight when it was cleaned up. So only a rejection by
// the tenant guard is an error.
func (s *Store) freeLate(ctx context.Context, tenant string, row *table.UploadRow) error {
	var aborted error
	if row.Multipart != "" {
		aborted = abortMultipart(ctx, s.t, table.ObjectKey(tenant, row.ID), row.Multipart)
	}
	err := s.t.DeleteObject(ctx, tenant, row.ID)
	if breach := tenantguard.Breached(errors.Join(aborted, err)); breach != nil {
		return breach
	}
	return nil
}

// noMultipart is put in place of S3's id in the row of an upload of one part that expired.
const noMultipart = "none"

func abortMultipart(ctx context.Context, t *table.Store, key, id string) error {
	_, err := t.S3.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: &t.Bucket, Key: &key, UploadId: &id})
	if err != nil && !table.HasCode(err, "NoSuchUpload") {
		return table.StoreError(err, "abort a multipart upload")
	}
	return nil
}

// CleanUp ends an upload that was abandoned or aborted, and frees its parts, but not yet its
// object; t is cleanup's Store. S3's id of the upload comes from the queue row of an aborted
// one and from the row of an abandoned one: S3 frees parts that were in flight during an abort
// only if it is repeated, and may not list such an upload
// (https://docs.aws.amazon.com/AmazonS3/latest/API/API_AbortMultipartUpload.html). S3 is asked
// for those that no row names: a crash came before the row, or the answer of
// CreateMultipartUpload was lost and the SDK repeated the call. It reports false if the upload
// was completed in the meantime.
func CleanUp(ctx context.Context, t *table.Store, row table.QueueRow) (bool, error) {
	claimed, err := t.Claim(ctx, row)
	if !claimed || err != nil {
		return false, err
	}
	var ended struct {
		Multipart string `dynamo:"multipart"`
	}
	err = t.Update(table.UploadKey(row.Tenant, row.Object)).
		Set("state", stateExpired).SetIfNotExists("multipart", noMultipart).
		If("'state' = ? OR 'state' = ?", StateOpen, stateExpired). // or a run that died had done so
		OnlyUpdatedOldValue(ctx, &ended)
	rowless := dynamo.IsCondCheckFailed(err) // it was aborted, or a crash came before its row
	if err != nil && !rowless {
		return true, table.StoreError(err, "end an upload")
	}
	key := table.ObjectKey(row.Tenant, row.Object)
	for _, id := range []string{row.Multipart, ended.Multipart} {
		if id == "" || id == noMultipart {
			continue
		}
		if err := abortMultipart(ctx, t, key, id); err != nil {
			return true, err
		}
	}
	if !rowless && (ended.Multipart == "" || ended.Multipart == noMultipart) { // of one part
		return true, nil
	}
	pages := s3.NewListMultipartUploadsPaginator(t.S3, &s3.ListMultipartUploadsInput{Bucket: &t.Bucket, Prefix: &key})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return true, table.StoreError(err, "list multipart uploads")
		}
		for _, u := range page.Uploads {
			if err := abortMultipart(ctx, t, aws.ToString(u.Key), aws.ToString(u.UploadId)); err != nil {
				return true, err
			}
		}
	}
	return true, nil
}
