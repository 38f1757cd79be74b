package table

import (
	"context"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/guregu/dynamo/v2"
)

// The kinds of queue rows. A row names an object, and is written before anything that a
// crash could leave of it; package cleanup says what becomes of each kind.
const (
	IntentKind    = "intent"    // content is about to be put; without the intent's withdrawal it belongs to nobody
	TombstoneKind = "tombstone" // the output's rows are gone, and no later write of its content may stay
	UploadKind    = "upload"    // content is being staged; the row goes with its completion
)

// Limits of a write of content that is in flight.
const (
	LinkLife = 15 * time.Minute // of a presigned link, at most
	MaxPut   = time.Hour        // of a PUT that began while its link was valid
	skew     = 15 * time.Minute // of clocks and networks
)

// Grace is how long after the last reason for it a write of an object may still arrive: a
// PUT by a link, a retry that the network delayed, a part of an upload that was aborted. A
// queue row is due that much later, and stays in the queue until then. So what such a write
// brings has a row, also if the content was deleted before.
const Grace = LinkLife + MaxPut + skew

// Queued makes the queue row of an object; it is due after Grace.
func Queued(kind, tenant, object string, now time.Time) QueueRow {
	return QueueRow{
		Key:    QueueKey(now.Add(Grace), tenant, object),
		Kind:   kind,
		Tenant: tenant,
		Object: object,
	}
}

// Due is when no write of the row's object can arrive any more, by its key.
func (k Key) Due() (time.Time, error) {
	text, _, _ := strings.Cut(k.Sort, "#")
	return ParseTime(text)
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

// DeleteObject removes an object that nothing refers to. Its queue row stays for cleanup,
// which looks again when the row is due.
func (s *Store) DeleteObject(ctx context.Context, tenant, object string) error {
	_, err := s.S3.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &s.Bucket, Key: aws.String(ObjectKey(tenant, object))})
	if err != nil && !HasCode(err, "NoSuchKey") { // S3 does not mind; VersityGW does, if another delete is just ahead
		return StoreError(err, "delete an object")
	}
	return nil
}
