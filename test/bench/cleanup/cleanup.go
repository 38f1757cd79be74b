// Package cleanup measures how many queue rows a second one run of the cleanup finishes,
// and with how many calls, while some rows can't be finished and a tenant is throttled.
package cleanup

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
	"github.com/guregu/dynamo/v2"
	"github.com/oklog/ulid/v2"
	"golang.org/x/sync/errgroup"

	"joboutputs/shared/cleanup"
	"joboutputs/shared/localaws"
	"joboutputs/shared/table"
	"joboutputs/shared/uploads"
	"joboutputs/test/bench/load"
	"joboutputs/test/bench/result"
)

// What is loaded and how.
const (
	tenants   = 20
	poison    = 100  // one row in so many
	throttled = "t0" // a tenant, with as many rows as the others
	rounds    = 3
	latency   = 10 * time.Millisecond // of a call, as if the stores were remote
)

// before is what the cleanup did when it finished one row of a partition after the other,
// measured in turns with its successor on one machine.
const before = "By turns with commit b55138d, which took one row after the other in four partitions at once, without poison and throttling, medians of 6 on the same quiet machine: " +
	"7,255 rows/s beside 1,308 for tombstones (5.5×), 1,475 beside 710 for a third each (2.1×); with 10ms a call, on a busy one, 27× and 13×. " +
	"Intents and uploads are claimed one by one, as before: where calls take no time, the processor is their limit. " +
	"With the SDK's retries a run also waits some two seconds until that tenant's calls are given up."

var scenes = []struct {
	name  string
	kinds []string
}{
	{"tombstones", []string{table.TombstoneKind}},
	{"a third each", []string{table.TombstoneKind, table.IntentKind, table.UploadKind}},
}

// Run measures. on says on what, for the note: its figures from before are of one machine.
func Run(ctx context.Context, quick bool, on string) ([]result.Table, error) {
	rows := 3_000
	if quick {
		rows = 300
	}
	servers, err := localaws.Start(ctx, localaws.Options{Log: os.Stderr})
	if err != nil {
		return nil, err
	}
	defer servers.Stop()
	n := result.Number
	t := result.Table{
		Name: "cleanup", Title: "Cleaning up",
		Note: fmt.Sprintf("On %s. One run over a queue of %s rows of %d tenants, with their objects, on DynamoDB Local (in memory) and VersityGW: tombstones, or tombstones, intents and abandoned uploads of one part. "+
			"One row in %d is poison, and S3 refuses one tenant's calls (SlowDown, without the SDK's retries); the run finishes every other row, and those alone count. Medians of %d runs after one that warms up. "+
			"Local stores answer at once; the second rate is with %s before each call. %s",
			on, n(float64(rows)), tenants, poison, rounds, latency, before),
		Columns: []string{"queue rows", "rows/s", fmt.Sprintf("rows/s with %s a call", latency), "DynamoDB calls a row", "S3 calls a row"},
	}
	for _, s := range scenes {
		fast, err := measure(ctx, servers, rows, s.kinds, 0)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.name, err)
		}
		slow, err := measure(ctx, servers, rows, s.kinds, latency)
		if err != nil {
			return nil, fmt.Errorf("%s, with %s a call: %w", s.name, latency, err)
		}
		t.Rows = append(t.Rows, []string{s.name, n(fast.rate), n(slow.rate), n(fast.dynamoDB), n(fast.s3)})
	}
	return []result.Table{t}, nil
}

// figures are rows a second, and calls a row.
type figures struct{ rate, dynamoDB, s3 float64 }

// measure has queues cleaned up, and returns the medians.
func measure(ctx context.Context, servers *localaws.Servers, rows int, kinds []string, latency time.Duration) (figures, error) {
	var rate, dynamoDB, objects []float64
	for round := range 1 + rounds {
		r, err := newRig(ctx, servers, latency)
		if err != nil {
			return figures{}, err
		}
		want, err := r.load(ctx, rows, kinds)
		if err != nil {
			return figures{}, fmt.Errorf("load the queue: %w", err)
		}
		begun := time.Now()
		got, err := r.cleaner.Run(ctx, table.Grace)
		took := time.Since(begun)
		if done := got.Tombstones + got.Intents + got.Uploads; done != want || got.Failed+got.Deferred != rows-want {
			return figures{}, fmt.Errorf("the run finished %d of %d rows: %+v, %w", done, want, got, err)
		}
		if round == 0 { // warms the stores up
			continue
		}
		rate = append(rate, float64(want)/took.Seconds())
		dynamoDB = append(dynamoDB, float64(r.dynamoDB.Load())/float64(want))
		objects = append(objects, float64(r.s3.Load())/float64(want))
	}
	return figures{load.Median(rate), load.Median(dynamoDB), load.Median(objects)}, nil
}

// rig is a table and a bucket, and a cleaner for whom all rows in it are due.
type rig struct {
	cfg          table.Config // of clients that nothing refuses
	cleaner      *cleanup.Cleaner
	dynamoDB, s3 atomic.Int64 // the cleaner's calls
}

func newRig(ctx context.Context, servers *localaws.Servers, latency time.Duration) (*rig, error) {
	name := "cleanup-" + strings.ToLower(ulid.Make().String())
	r := &rig{cfg: table.Config{
		DynamoDB: localaws.DynamoDB(servers.DynamoDBEndpoint), S3: localaws.S3(servers.S3Endpoint), Table: name, Bucket: name,
	}}
	if err := localaws.CreateTable(ctx, r.cfg.DynamoDB, name, table.Schema); err != nil {
		return nil, err
	}
	if err := localaws.CreateBucket(ctx, r.cfg.S3, name); err != nil {
		return nil, err
	}
	cfg := r.cfg
	cfg.Now = func() time.Time { return time.Now().Add(2 * table.Grace) }
	cfg.DynamoDB = localaws.DynamoDB(servers.DynamoDBEndpoint, func(o *dynamodb.Options) { o.APIOptions = append(o.APIOptions, hook(&r.dynamoDB, latency)) })
	cfg.S3 = localaws.S3(servers.S3Endpoint, func(o *s3.Options) { o.APIOptions = append(o.APIOptions, hook(&r.s3, latency)) })
	r.cleaner = cleanup.New(cfg)
	return r, nil
}

// load fills the queue, and returns how many of its rows can be finished.
func (r *rig) load(ctx context.Context, rows int, kinds []string) (finishable int, err error) {
	into := dynamo.NewFromIface(r.cfg.DynamoDB).Table(r.cfg.Table)
	var all []any
	var objects errgroup.Group
	objects.SetLimit(16)
	for i := range rows {
		kind, tenant, id := kinds[i%len(kinds)], fmt.Sprintf("t%d", i%tenants), ulid.Make().String()
		row := table.Queued(kind, tenant, id, time.Now())
		if i%poison == i/poison%poison { // of another tenant and kind each time
			row.Kind = "unknown"
		} else if tenant != throttled {
			finishable++
		}
		all = append(all, row)
		if kind == table.UploadKind {
			all = append(all, table.UploadRow{Key: table.UploadKey(tenant, id), ID: id, State: uploads.StateOpen})
		}
		objects.Go(func() error {
			_, err := r.cfg.S3.PutObject(ctx, &s3.PutObjectInput{
				Bucket: &r.cfg.Bucket, Key: aws.String(table.ObjectKey(tenant, id)), Body: strings.NewReader("content"),
			})
			return err
		})
	}
	if err := objects.Wait(); err != nil {
		return 0, err
	}
	_, err = into.Batch().Write().Put(all...).Run(ctx)
	return finishable, err
}

// hook counts and delays calls, and refuses those on the throttled tenant's objects.
func hook(calls *atomic.Int64, latency time.Duration) func(*middleware.Stack) error {
	return func(stack *middleware.Stack) error {
		return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("hook", func(
			ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler,
		) (middleware.InitializeOutput, middleware.Metadata, error) {
			calls.Add(1)
			time.Sleep(latency)
			key := ""
			switch in := in.Parameters.(type) {
			case *s3.DeleteObjectsInput:
				key = aws.ToString(in.Delete.Objects[0].Key)
			case *s3.ListMultipartUploadsInput:
				key = aws.ToString(in.Prefix)
			}
			if strings.HasPrefix(key, table.ObjectKey(throttled, "")) {
				return middleware.InitializeOutput{}, middleware.Metadata{}, &smithy.GenericAPIError{Code: "SlowDown"}
			}
			return next.HandleInitialize(ctx, in)
		}), middleware.Before)
	}
}
