//go:build ignore

package outputs

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/guregu/dynamo/v2"

	"joboutputs/shared/problem"
	"joboutputs/shared/tenantguard"
)

// AbortUpload ends a staged upload and frees what was sent. Again, it changes nothing.
//
//	strong BatchGet {job, upload}
//	transaction {Update upload if open, Delete its queue row, Put one that is due in Grace}
//	AbortMultipartUpload, DeleteObject
//
// The new queue row outlives every link and call that is in flight: what these still
// bring, the cleanup removes. Problems: NotFound, Admit's, UploadNotFound, UploadCompleted,
// Unavailable.
func (s *Store) AbortUpload(ctx context.Context, tenant string, job int64, id string, admit func(Job) error) error {
	for attempt := range maxAttempts {
		row, _, err := s.readUpload(ctx, tenant, job, id, admit)
		switch {
		case err != nil:
			return err
		case row.State == UploadCompleted:
			return problem.New(problem.UploadCompleted, "The upload has been completed: it is output %d.", row.PK).With("pk", row.PK)
		case row.State != UploadOpen:
			return nil
		}
		queue, err := s.queueRow(tenant, &row)
		if err != nil {
			return err
		}
		rest := s.queued(uploadKind, tenant, id, s.now())
		rest.Claimed = true
		err = s.db.WriteTx().
			Update(s.table.Update("PK", row.PartitionKey).Range("SK", row.SortKey).Set("state", UploadAborted).If("'state' = ?", UploadOpen)).
			Delete(s.table.Delete("PK", queue.PartitionKey).Range("SK", queue.SortKey)).
			Put(s.table.Put(rest)).
			Run(ctx)
		if err == nil {
			return s.freeLate(ctx, tenant, &row)
		}
		if !dynamo.IsCondCheckFailed(err) {
			return failed(err, "abort an upload")
		}
		if err := pause(ctx, attempt); err != nil {
			return failed(err, "abort an upload")
		}
	}
	return contended()
}

// freeLate frees the parts and the object of an upload that can't become an output any
// more. What fails the cleanup does again: there is a queue row, or there was one and this is
// what a call brought that was still in flight when it was cleaned up. So only a rejection by
// the tenant guard is an error.
func (s *Store) freeLate(ctx context.Context, tenant string, row *uploadRow) error {
	var aborted error
	if row.Multipart != "" {
		aborted = s.abortMultipart(ctx, objectKey(tenant, row.ID), row.Multipart)
	}
	_, err := s.s3.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &s.bucket, Key: aws.String(objectKey(tenant, row.ID))})
	if breach := tenantguard.Breached(errors.Join(aborted, err)); breach != nil {
		return breach
	}
	return nil
}

func (s *Store) abortMultipart(ctx context.Context, key, id string) error {
	_, err := s.s3.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: &s.bucket, Key: &key, UploadId: &id})
	if err != nil && !hasCode(err, "NoSuchUpload") {
		return failed(err, "abort a multipart upload")
	}
	return nil
}

// finishUpload removes what is left of an upload that was abandoned or aborted. The queue
// does not know S3's id of it, which was made after the row: it is asked for.
func (s *Store) finishUpload(ctx context.Context, row queueRow, counts *Cleaned) error {
	claimed, err := s.claim(ctx, row)
	if err != nil {
		return err
	}
	if !claimed {
		counts.Skipped++
		return nil
	}
	counts.Uploads++
	err = s.table.Update("PK", uploadKey(row.Tenant, row.Object)).Range("SK", uploadSort).
		Set("state", uploadExpired).If("'state' = ?", UploadOpen).Run(ctx)
	if err != nil && !dynamo.IsCondCheckFailed(err) { // it was aborted, or never got that far
		return failed(err, "end an upload")
	}
	key := objectKey(row.Tenant, row.Object)
	pages := s3.NewListMultipartUploadsPaginator(s.s3, &s3.ListMultipartUploadsInput{Bucket: &s.bucket, Prefix: &key})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return failed(err, "list multipart uploads")
		}
		for _, u := range page.Uploads {
			if err := s.abortMultipart(ctx, aws.ToString(u.Key), aws.ToString(u.UploadId)); err != nil {
				return err
			}
		}
	}
	return s.bury(ctx, row)
}
