//go:build ignore

package outputs

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/guregu/dynamo/v2"
	"golang.org/x/sync/errgroup"
)

// The kinds of queue rows.
const (
	intentKind    = "intent"    // bytes are about to be put; without the intent's withdrawal they belong to nobody
	tombstoneKind = "tombstone" // the row is gone, the bytes may not be
	uploadKind    = "upload"    // bytes are being staged; with its completion the row goes
)

// Grace is how old a queue row must be before the cleanup takes it on: longer than any put
// may be in flight (a function's time-out, a presigned link's life, 15 minutes of clock
// and network).
const Grace = time.Hour

// queued makes the queue row of an object; it is due after Grace.
func (s *Store) queued(kind, tenant, object string, now time.Time) queueRow {
	return queueRow{
		PartitionKey: queueKey(object),
		SortKey:      queueSort(now.Add(Grace), tenant, object),
		Kind:         kind,
		Tenant:       tenant,
		Object:       object,
	}
}

// Cleaned counts what a cleanup did.
type Cleaned struct {
	Intents    int `json:"intents"`    // adds that never became visible
	Tombstones int `json:"tombstones"` // hard deletes that stopped half-way
	Uploads    int `json:"uploads"`    // staged uploads that were abandoned, or aborted
	Skipped    int `json:"skipped"`    // became visible, or was finished, while the cleanup looked

	// Oldest is the age in seconds of the oldest row that was due: what is much older than
	// the grace was met before and could not be finished.
	Oldest int64 `json:"oldest_seconds"`
}

// Cleanup finishes what a crash left: it removes the bytes of every intent and tombstone
// that is at least grace old, by reading the queue's partitions for what is due. Running
// twice, also at once, is harmless: an intent is claimed before its bytes go, and a claim
// makes the add's late transaction fail. It stops at the first error; the next run goes
// on where it stopped. It works on behalf of no tenant, by clients of its own.
func (s *Store) Cleanup(ctx context.Context, grace time.Duration) (Cleaned, error) {
	return s.cleaner.cleanup(ctx, grace)
}

func (s *Store) cleanup(ctx context.Context, grace time.Duration) (Cleaned, error) {
	due := FormatTime(s.now().Add(Grace - grace))
	counts := make([]Cleaned, queuePartitions)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(4)
	for i := range queuePartitions {
		group.Go(func() error { return s.cleanPartition(ctx, "W#"+strconv.Itoa(i), due, &counts[i]) })
	}
	err := group.Wait()
	var total Cleaned
	for _, c := range counts {
		total.Intents += c.Intents
		total.Tombstones += c.Tombstones
		total.Uploads += c.Uploads
		total.Skipped += c.Skipped
		total.Oldest = max(total.Oldest, c.Oldest)
	}
	return total, err
}

func (s *Store) cleanPartition(ctx context.Context, partition, due string, counts *Cleaned) error {
	iter := s.table.Get("PK", partition).Range("SK", dynamo.LessOrEqual, due+"#~").Consistent(true).Iter()
	for row := (queueRow{}); iter.Next(ctx, &row); row = (queueRow{}) {
		if text, _, ok := strings.Cut(row.SortKey, "#"); ok && counts.Oldest == 0 { // they come in order
			if at, err := parseTime(text); err == nil {
				counts.Oldest = int64((s.now().Sub(at) + Grace).Seconds())
			}
		}
		if err := s.finish(ctx, row, counts); err != nil {
			return err
		}
	}
	if err := iter.Err(); err != nil {
		return failed(err, "read what is due in %s", partition)
	}
	return nil
}

func (s *Store) finish(ctx context.Context, row queueRow, counts *Cleaned) error {
	if !strings.HasSuffix(row.SortKey, "#"+row.Tenant+"#"+row.Object) {
		return fmt.Errorf("queue row %s does not name its own object", row.SortKey)
	}
	switch row.Kind {
	case intentKind:
		claimed, err := s.claim(ctx, row)
		if err != nil {
			return err
		}
		if !claimed {
			counts.Skipped++
			return nil
		}
		counts.Intents++
	case tombstoneKind:
		counts.Tombstones++
	case uploadKind:
		return s.finishUpload(ctx, row, counts)
	default:
		return fmt.Errorf("queue row %s is of the unknown kind %q", row.SortKey, row.Kind)
	}
	return s.bury(ctx, row)
}

// claim marks an intent, or an upload, so that it can't become visible any more. It
// reports false if its add, or completion, was faster.
func (s *Store) claim(ctx context.Context, row queueRow) (bool, error) {
	err := s.table.Update("PK", row.PartitionKey).Range("SK", row.SortKey).
		Set("claimed", true).
		If("attribute_exists('PK')").
		Run(ctx)
	if dynamo.IsCondCheckFailed(err) {
		return false, nil
	}
	if err != nil {
		return false, failed(err, "claim an intent")
	}
	return true, nil
}

// bury removes an object nothing refers to, then its queue row.
func (s *Store) bury(ctx context.Context, row queueRow) error {
	_, err := s.s3.DeleteObject(ctx, &s3.DeleteObjectInput{
		Bucket: &s.bucket,
		Key:    aws.String(objectKey(row.Tenant, row.Object)),
	})
	if err != nil && !hasCode(err, "NoSuchKey") { // S3 does not mind; VersityGW does, if another cleanup is just ahead
		return failed(err, "delete an object")
	}
	if err := s.table.Delete("PK", row.PartitionKey).Range("SK", row.SortKey).Run(ctx); err != nil {
		return failed(err, "delete a queue row")
	}
	return nil
}
