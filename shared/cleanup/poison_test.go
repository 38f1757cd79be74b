package cleanup_test

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	dynamotypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
	"github.com/guregu/dynamo/v2"

	"joboutputs/shared/cleanup"
	"joboutputs/shared/localaws"
	"joboutputs/shared/localaws/storetest"
	"joboutputs/shared/table"
)

// queue is the queue as an operator sees it, past the tenant guard.
type queue struct {
	*storetest.Stores
	t     *testing.T
	table dynamo.Table
}

func newQueue(t *testing.T) queue {
	t.Helper()
	s := storetest.New(t)
	return queue{s, t, dynamo.NewFromIface(s.AWS.DynamoDB).Table(s.AWS.Table)}
}

func (q queue) put(rows ...any) {
	q.t.Helper()
	if _, err := q.table.Batch().Write().Put(rows...).Run(q.t.Context()); err != nil {
		q.t.Fatal(err)
	}
}

// tombstones puts rows whose objects exist, as hard deletes that crashed leave them.
func (q queue) tombstones(tenant string, n int) {
	q.t.Helper()
	rows := make([]any, n)
	for i := range rows {
		id := q.Table.NewID()
		rows[i] = table.Queued(table.TombstoneKind, tenant, id, q.Clock.Now())
		if _, err := q.AWS.S3.PutObject(q.t.Context(), &s3.PutObjectInput{
			Bucket: &q.AWS.Bucket, Key: aws.String(table.ObjectKey(tenant, id)), Body: strings.NewReader("x"),
		}); err != nil {
			q.t.Fatal(err)
		}
	}
	q.put(rows...)
}

// poison is rows of every kind that no cleanup can finish, at the head of every partition.
func (q queue) poison() (n int) {
	q.t.Helper()
	text := func(s string) dynamotypes.AttributeValue { return &dynamotypes.AttributeValueMemberS{Value: s} }
	due := table.FormatTime(storetest.Epoch.Add(-24 * time.Hour))
	for i, change := range []dynamo.Item{
		{"kind": text("nobody knows")},
		{"kind": nil},
		{"kind": &dynamotypes.AttributeValueMemberN{Value: "1"}},
		{"tenant": text("other")},
		{"tenant": nil},
		{"tenant": text("../x")},
		{"object": text("another")},
		{"object": nil},
		{"claimed": text("yes")},
		{"SK": text("0")},
		{"SK": text("0000#x")},
		{"SK": text("2026")},
	} {
		for _, partition := range table.QueuePartitions() {
			id := fmt.Sprintf("01POISON%d", i)
			row := dynamo.Item{
				"PK": text(partition), "SK": text(due + "#acme#" + id),
				"kind": text(table.TombstoneKind), "tenant": text("acme"), "object": text(id),
			}
			maps.Copy(row, change)
			maps.DeleteFunc(row, func(_ string, v dynamotypes.AttributeValue) bool { return v == nil })
			q.put(row)
			n++
		}
	}
	return n
}

// TestPoison: rows that can't be finished stop no other; they are reported, and due again
// later each time.
func TestPoison(t *testing.T) {
	t.Parallel()
	q := newQueue(t)
	poison := q.poison()
	q.tombstones("acme", 40)
	q.tombstones("other", 10)
	q.Clock.Advance(table.Grace)
	got, err := q.Cleaner.Run(t.Context(), table.Grace)
	if err == nil || !strings.Contains(err.Error(), "attempt 1") || !strings.Contains(err.Error(), fmt.Sprintf("%d rows failed", poison)) {
		t.Errorf("the run says %v", err)
	}
	got.Oldest = 0
	if want := (cleanup.Counts{Tombstones: 50, Failed: poison, Attempts: 1}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if left := q.Objects(t); left != 0 {
		t.Errorf("%d objects are left", left)
	}
	q.Cleaned(t, table.Grace, cleanup.Counts{}) // not due yet
	for attempt, delay := range []time.Duration{15 * time.Minute, 30 * time.Minute, time.Hour} {
		q.Clock.Advance(delay - time.Second)
		q.Cleaned(t, table.Grace, cleanup.Counts{})
		q.Clock.Advance(time.Second)
		got, err := q.Cleaner.Run(t.Context(), table.Grace)
		if err == nil || got.Failed != poison || got.Attempts != attempt+2 {
			t.Errorf("attempt %d: %+v, %v", attempt+2, got, err)
		}
	}
}

// TestThrottledTenant: S3 refuses the calls on one tenant's prefix, and one row in a hundred
// is poison. Everything else is removed in the first run, and the tenant's once S3 lets it.
func TestThrottledTenant(t *testing.T) {
	t.Parallel()
	q := newQueue(t)
	poison := q.poison()
	for i := range 4 {
		q.tombstones(fmt.Sprintf("tenant-%d", i), 60)
	}
	q.tombstones("throttled", 300)
	q.Clock.Advance(table.Grace)
	slow := q.With(func(cfg *table.Config) {
		cfg.Backoff = time.Millisecond
		cfg.S3 = localaws.S3(q.AWS.S3Endpoint, func(o *s3.Options) { o.APIOptions = append(o.APIOptions, throttle("t/throttled/")) })
	})
	got, err := slow.Cleaner.Run(t.Context(), table.Grace)
	if err == nil {
		t.Error("the run reports no failure")
	}
	if got.Tombstones != 240 || got.Failed != poison+100 || got.Deferred != 200 {
		t.Errorf("got %+v, want 240 tombstones, %d failed, 200 deferred", got, poison+100)
	}
	if left := q.Objects(t); left != 300 {
		t.Errorf("%d objects are left, want the throttled tenant's 300", left)
	}
	q.Clock.Advance(24 * time.Hour)
	if got, _ := q.Cleaner.Run(t.Context(), table.Grace); got.Tombstones != 300 {
		t.Errorf("afterwards: %+v", got)
	}
	if left := q.Objects(t); left != 0 {
		t.Errorf("%d objects are left", left)
	}
}

// throttle is S3 that refuses to delete objects under a prefix.
func throttle(prefix string) storetest.Hook {
	return func(stack *middleware.Stack) error {
		return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("throttle", func(
			ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler,
		) (middleware.InitializeOutput, middleware.Metadata, error) {
			if del, ok := in.Parameters.(*s3.DeleteObjectsInput); ok && strings.HasPrefix(aws.ToString(del.Delete.Objects[0].Key), prefix) {
				return middleware.InitializeOutput{}, middleware.Metadata{}, &smithy.GenericAPIError{Code: "SlowDown"}
			}
			return next.HandleInitialize(ctx, in)
		}), middleware.Before)
	}
}
