package flat

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime"
	"runtime/metrics"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"golang.org/x/sync/errgroup"

	"joboutputs/functions/joboutputs/list"
	"joboutputs/shared/api"
	"joboutputs/shared/auth"
	"joboutputs/shared/filter"
	"joboutputs/shared/localaws"
	"joboutputs/shared/outputs"
	"joboutputs/shared/table"
	"joboutputs/test/bench/load"
	"joboutputs/test/bench/result"
	"joboutputs/test/bench/rows"
)

// What the whole list of a tenant is held against.
const (
	leastRows  = 60_000 // a second, from rows that are at hand
	mostMemory = 64     // MB of heap
	lists      = 3      // of each kind: one takes seconds
)

// whole measures the whole list of a tenant: the action over rows at hand, the action over
// the store, and the bare reads of the same rows.
func whole(ctx context.Context, servers *localaws.Servers, p plan) (result.Table, error) {
	client := localaws.DynamoDB(servers.DynamoDBEndpoint)
	store := outputs.New(table.New(table.Config{
		DynamoDB: client, S3: localaws.S3(servers.S3Endpoint), Table: tableName(p.list), Bucket: "none",
	}))
	t := result.Table{
		Name:    "list",
		Title:   "A whole list",
		Note:    fmt.Sprintf("All %s outputs of a tenant as one streamed answer, medians of %d. The heap is the most there was at any time, garbage included. Bare reads are Query calls of all shards at once, their answers not decoded.", thousands(p.list), lists),
		Columns: []string{"rows from", "rows/s", "MB/s", "heap MB"},
	}
	var perSecond [3]float64
	var peak float64
	for i, kind := range []struct {
		name string
		read func() (int64, error)
	}{
		{"memory", func() (int64, error) { return stream(ctx, stub(p.list)) }},
		{"the store", func() (int64, error) { return stream(ctx, store) }},
		{"bare reads of the store", func() (int64, error) { return 0, readBare(ctx, client, p.list) }},
	} {
		var rates, sizes, heaps []float64
		for range lists {
			watch := watchHeap()
			begun := time.Now()
			size, err := kind.read()
			elapsed := time.Since(begun).Seconds()
			heap := watch()
			if err != nil {
				return t, fmt.Errorf("the whole list, rows from %s: %w", kind.name, err)
			}
			rates, sizes, heaps = append(rates, float64(p.list)/elapsed), append(sizes, float64(size)/elapsed/1e6), append(heaps, heap/1e6)
		}
		perSecond[i] = load.Median(rates)
		row := []string{kind.name, result.Number(perSecond[i]), "", ""}
		if i < 2 {
			row[2], row[3] = result.Number(load.Median(sizes)), result.Number(load.Median(heaps))
			peak = max(peak, load.Median(heaps))
		}
		t.Rows = append(t.Rows, row)
	}
	t.Aims = []result.Aim{
		{Name: "rows from memory, rows/s", Value: perSecond[0], Target: leastRows, AtLeast: true},
		{Name: "heap while a list streams", Value: peak, Target: mostMemory, Unit: "MB"},
		{Name: "rows from the store, rows/s over those of bare reads", Value: perSecond[1] / perSecond[2], Target: 0.8, AtLeast: true},
	}
	return t, nil
}

// lister is what the action needs of the store.
type lister interface {
	List(ctx context.Context, tenant string, spec *filter.Spec) (*outputs.Listing, error)
}

// stub has so many rows at hand.
type stub int

func (n stub) List(context.Context, string, *filter.Spec) (*outputs.Listing, error) {
	return &outputs.Listing{Rows: func(yield func(outputs.Output, error) bool) {
		o := output(1)
		for pk := int64(1); pk <= int64(n); pk++ {
			o.PK = pk
			if !yield(o, nil) {
				return
			}
		}
	}}, nil
}

// stream invokes the action as Lambda does and reads its answer to the end, all rows.
func stream(ctx context.Context, from lister) (int64, error) {
	edge := api.Edge{Log: slog.New(slog.DiscardHandler), Now: time.Now}
	caller := auth.Principal{Tenant: tenant, UserPK: 1, Username: user, Admin: true, Expires: time.Now().Add(time.Hour)}
	response, err := edge.Streamed(list.New(from, true))(ctx, events.APIGatewayProxyRequest{
		Resource: "/v1/job-outputs/list", HTTPMethod: http.MethodPost,
		RequestContext: events.APIGatewayProxyRequestContext{Authorizer: caller.Context()},
	})
	if err != nil {
		return 0, err
	}
	defer response.Close()
	size, err := io.Copy(io.Discard, response.Body)
	if err == nil && (response.StatusCode != http.StatusOK || size < 1000) {
		err = fmt.Errorf("status %d, %d bytes", response.StatusCode, size)
	}
	return size, err
}

// readBare reads all shards at once.
func readBare(ctx context.Context, client *dynamodb.Client, size int) error {
	group, ctx := errgroup.WithContext(ctx)
	counts := make([]int, table.DefaultShards)
	for shard := range counts {
		group.Go(func() error {
			pages := dynamodb.NewQueryPaginator(client, &dynamodb.QueryInput{
				TableName: aws.String(tableName(size)), IndexName: aws.String("timeline"),
				KeyConditionExpression:    aws.String("TLPK = :p"),
				ExpressionAttributeValues: rows.Item{":p": rows.Text(rows.Shard(tenant, shard))},
			})
			for pages.HasMorePages() {
				page, err := pages.NextPage(ctx)
				if err != nil {
					return err
				}
				counts[shard] += len(page.Items)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	total := 0
	for _, n := range counts {
		total += n
	}
	if total != size {
		return fmt.Errorf("got %d rows, want %d", total, size)
	}
	return nil
}

// watchHeap looks at the heap every few milliseconds until it is asked for the most that
// it saw, in bytes.
func watchHeap() (most func() float64) {
	runtime.GC()
	stop, done := make(chan struct{}), make(chan float64)
	go func() {
		sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
		var peak float64
		for {
			metrics.Read(sample)
			peak = max(peak, float64(sample[0].Value.Uint64()))
			select {
			case <-stop:
				done <- peak
				return
			case <-time.After(5 * time.Millisecond):
			}
		}
	}()
	return func() float64 {
		close(stop)
		return <-done
	}
}
