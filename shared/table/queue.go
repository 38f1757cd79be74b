package table

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/guregu/dynamo/v2"
)

// The kinds of queue rows. A row names an object, and is written before anything that a
// crash could leave of it; package cleanup says what becomes of each kind.
const (
	IntentKind    = "intent"    // content is about to be put; without the intent's withdrawal it belongs to nobody
	TombstoneKind = "tombstone" // the output's rows are gone, the content may not be
	UploadKind    = "upload"    // content is being staged; the row goes with its completion
)

// Grace is how old a queue row must be before cleanup takes it on: longer than any put may
// be in flight (a function's time-out, the life of a presigned link, 15 minutes of clock
// and network).
const Grace = time.Hour

// Queued makes the queue row of an object; it is due after Grace.
func Queued(kind, tenant, object string, now time.Time) QueueRow {
	return QueueRow{
		Key:    QueueKey(now.Add(Grace), tenant, object),
		Kind:   kind,
		Tenant: tenant,
		Object: object,
	}
}

// QueuePartitions are the partitions of the queue.
func QueuePartitions() []string {
	all := make([]string, queuePartitions)
	for i := range all {
		all[i] = queuePartition(i)
	}
	return all
}

// Claim marks an intent or an upload, so that it cannot become visible any more. It reports
// false if its add or completion was faster.
func (s *Store) Claim(ctx context.Context, row QueueRow) (bool, error) {
	err := s.Update(row.Key).Set("claimed", true).If("attribute_exists('PK')").Run(ctx)
	if dynamo.IsCondCheckFailed(err) {
		return false, nil
	}
	if err != nil {
		return false, StoreError(err, "claim an intent")
	}
	return true, nil
}

// DeleteObject removes an object that nothing refers to, then its queue row.
func (s *Store) DeleteObject(ctx context.Context, row QueueRow) error {
	_, err := s.S3.DeleteObject(ctx, &s3.DeleteObjectInput{
		Bucket: &s.Bucket,
		Key:    aws.String(ObjectKey(row.Tenant, row.Object)),
	})
	if err != nil && !HasCode(err, "NoSuchKey") { // S3 does not mind; VersityGW does, if another cleanup is just ahead
		return StoreError(err, "delete an object")
	}
	if err := s.Delete(row.Key).Run(ctx); err != nil {
		return StoreError(err, "delete a queue row")
	}
	return nil
}
