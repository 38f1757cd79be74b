package flat

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"golang.org/x/sync/errgroup"

	"joboutputs/shared/localaws"
	"joboutputs/shared/outputs"
	"joboutputs/shared/table"
	"joboutputs/test/bench/rows"
)

const (
	tenant    = "flat"
	perJob    = 50
	neighbors = 10 // other tenants, which together have a tenth of the rows

	// generation is part of the tables' names: change it with what is in them.
	generation = 2
)

func tableName(size int) string { return fmt.Sprintf("flat-%d-%d", generation, size) }

// output is one of a tenant's outputs: the next pk is a second younger. Of its rows, one
// in twenty has a name with "model" and the type "tflite", evenly spread.
func output(pk int64) outputs.Output {
	words := []string{"model", "predictions", "log", "metrics", "checkpoint"}
	typs := []string{"tflite", "txt", "json", "bin"}
	return outputs.Output{
		PK: pk, Job: (pk-1)/perJob + 1, Name: fmt.Sprintf("%s-%d", words[pk/7%5], pk), Type: typs[pk/3%4],
		Creator: 1 + pk%5, CreatorUsername: "alice", CreationTime: begun.Add(time.Duration(pk) * time.Second),
		Size: 1000 + pk, ContentType: "application/octet-stream",
		SHA256:   fmt.Sprintf("%064x", pk),
		Checksum: &table.Checksum{Algorithm: "SHA256", Type: "full", Value: fmt.Sprintf("%043d=", pk)},
	}
}

var begun = time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)

// complete is the row that is written last, so that a table half filled is filled again.
var complete = rows.Key("BENCH", "COMPLETE")

// fill makes the table of a size, or finishes it. No objects are made: nothing that is
// measured here looks at bytes.
func fill(ctx context.Context, client *dynamodb.Client, size int, log io.Writer) error {
	name := tableName(size)
	if err := localaws.CreateTable(ctx, client, name, table.Schema); err != nil {
		return err
	}
	start := time.Now()
	if err := fillTenant(ctx, client, name, tenant, int64(size)); err != nil {
		return err
	}
	for i := range neighbors {
		if err := fillTenant(ctx, client, name, fmt.Sprintf("other-%d", i), int64(size/10/neighbors)); err != nil {
			return err
		}
	}
	for some := range slices.Chunk(bigJobRows(size), batch) {
		if err := write(ctx, client, name, some); err != nil {
			return err
		}
	}
	if err := write(ctx, client, name, []rows.Item{complete}); err != nil {
		return err
	}
	fmt.Fprintf(log, "stored %d outputs of %d tenants in %s\n", size+size/10, neighbors+1, time.Since(start).Round(time.Second))
	return nil
}

const (
	batch   = 25 // items that BatchWriteItem takes
	writers = 4
)

func fillTenant(ctx context.Context, client *dynamodb.Client, table, tenant string, count int64) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(writers)
	var items []rows.Item
	flush := func() {
		whole := items
		items = nil
		group.Go(func() error { return write(ctx, client, table, whole) })
	}
	add := func(more ...rows.Item) {
		if len(items)+len(more) > batch {
			flush()
		}
		items = append(items, more...)
	}
	for pk := int64(1); pk <= count && ctx.Err() == nil; pk++ {
		o := output(pk)
		byPK, byName := rows.Both(tenant, &o, fmt.Sprintf("%026d", pk))
		add(byPK, byName)
		if pk%perJob == 1 {
			add(rows.Job(tenant, o.Job, o.CreationTime))
		}
	}
	flush()
	return group.Wait()
}

func write(ctx context.Context, client *dynamodb.Client, table string, items []rows.Item) error {
	requests := make([]types.WriteRequest, len(items))
	for i, item := range items {
		requests[i].PutRequest = &types.PutRequest{Item: item}
	}
	for len(requests) > 0 {
		out, err := client.BatchWriteItem(ctx, &dynamodb.BatchWriteItemInput{
			RequestItems: map[string][]types.WriteRequest{table: requests},
		})
		if err != nil {
			return fmt.Errorf("fill table %s: %w", table, err)
		}
		requests = out.UnprocessedItems[table]
	}
	return nil
}
