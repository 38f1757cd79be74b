package cleanup

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	dynamotypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/guregu/dynamo/v2"
	"golang.org/x/sync/errgroup"

	"joboutputs/shared/auth"
	"joboutputs/shared/problem"
	"joboutputs/shared/table"
	"joboutputs/shared/uploads"
)

// entry is a row of the queue, as it was read.
type entry struct {
	table.QueueRow
	item   dynamo.Item
	poison error // why the row can't be what it says; nil = it can
}

// decode reads a row, whatever it is.
func decode(item dynamo.Item) entry {
	e := entry{item: item}
	if err := dynamo.UnmarshalItem(item, &e.QueueRow); err != nil {
		e.QueueRow = table.QueueRow{}
		_ = dynamo.UnmarshalItem(dynamo.Item{"PK": item["PK"], "SK": item["SK"]}, &e.Key) // keys are text
		e.poison = err
		return e
	}
	switch {
	case !auth.ValidTenant(e.Tenant) || e.Object == "" || !strings.HasSuffix(e.Sort, "#"+e.Tenant+"#"+e.Object):
		e.poison = errors.New("the row does not name its own object")
		e.Tenant = ""
	case !slices.Contains([]string{table.IntentKind, table.TombstoneKind, table.UploadKind}, e.Kind):
		e.poison = fmt.Errorf("the row is of the unknown kind %q", e.Kind)
	}
	return e
}

const (
	workers = 16  // tenants at once, and rows of one tenant
	batch   = 100 // rows whose objects are deleted by one call; S3 takes 1,000
)

// process finishes rows: tenants side by side, the rows of each in batches.
func (r *run) process(ctx context.Context, rows map[string][]entry) {
	var tenants errgroup.Group
	tenants.SetLimit(workers)
	for tenant, entries := range rows {
		tenants.Go(func() error {
			for chunk := range slices.Chunk(entries, batch) {
				r.finish(ctx, tenant, chunk)
			}
			return nil
		})
	}
	_ = tenants.Wait()
}

// isRefused reports whether the stores refuse a tenant's calls.
func (r *run) isRefused(tenant string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.refused[tenant]
}

// refuse notes that the stores refuse a tenant's calls, if that is what an error says. The
// rest of the tenant's rows is not worth the wait for their retries.
func (r *run) refuse(tenant string, err error) {
	if problem.Is(err, problem.Unavailable) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.refused[tenant] = true
	}
}

// handle notes rows that this run is done with.
func (r *run) handle(rows []entry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range rows {
		r.handled[e.Key] = true
	}
}

// finish ends what a tenant's rows stand for: each is prepared, the objects of all are
// deleted by one call, and the rows leave the queue or, before they are due, are marked.
func (r *run) finish(ctx context.Context, tenant string, rows []entry) {
	r.handle(rows)
	var (
		mu     sync.Mutex
		ready  []entry
		failed = map[string]error{} // by sort key
	)
	each(rows, func(e entry) {
		if r.isRefused(tenant) || ctx.Err() != nil {
			r.count(&r.counts.Deferred, 1)
			return
		}
		done, err := r.prepare(ctx, e)
		r.refuse(tenant, err)
		mu.Lock()
		defer mu.Unlock()
		switch {
		case err != nil:
			failed[e.Sort] = err
		case !done:
			ready = append(ready, e)
		}
	})
	for sort, err := range r.deleteObjects(ctx, ready) {
		failed[sort] = err
	}
	ready = slices.DeleteFunc(ready, func(e entry) bool { return failed[e.Sort] != nil })
	for sort, err := range r.dequeue(ctx, ready) {
		failed[sort] = err
	}
	for _, e := range ready {
		if failed[e.Sort] == nil {
			r.done(e)
		}
	}
	each(rows, func(e entry) {
		if err := failed[e.Sort]; err != nil && ctx.Err() == nil {
			r.refuse(tenant, err)
			r.postpone(ctx, e, err)
		}
	})
}

// each calls f for all rows, some at a time.
func each(rows []entry, f func(entry)) {
	var group errgroup.Group
	group.SetLimit(workers)
	for _, e := range rows {
		group.Go(func() error { f(e); return nil })
	}
	_ = group.Wait()
}

// prepare makes sure that a row's object can't become visible any more. It reports true if
// it did, or if another run is done with the row.
func (r *run) prepare(ctx context.Context, e entry) (done bool, err error) {
	claimed := true
	switch {
	case e.poison != nil:
		return false, e.poison
	case e.Kind == table.IntentKind:
		claimed, err = r.t.Claim(ctx, e.QueueRow)
	case e.Kind == table.UploadKind:
		claimed, err = uploads.CleanUp(ctx, r.t, e.QueueRow)
	}
	if err == nil && !claimed {
		r.count(&r.counts.Skipped, 1)
	}
	return !claimed, err
}

// deleteObjects deletes the objects of rows, and returns what failed.
func (r *run) deleteObjects(ctx context.Context, rows []entry) map[string]error {
	failed := map[string]error{}
	if len(rows) == 0 {
		return failed
	}
	bySort := map[string]string{}
	in := &s3.DeleteObjectsInput{Bucket: &r.t.Bucket, Delete: &s3types.Delete{Quiet: aws.Bool(true)}}
	for _, e := range rows {
		key := table.ObjectKey(e.Tenant, e.Object)
		bySort[key] = e.Sort
		in.Delete.Objects = append(in.Delete.Objects, s3types.ObjectIdentifier{Key: &key})
	}
	out, err := r.t.S3.DeleteObjects(ctx, in)
	if err != nil {
		err = table.StoreError(err, "delete %d objects", len(rows))
		for _, e := range rows {
			failed[e.Sort] = err
		}
		return failed
	}
	for _, refused := range out.Errors {
		switch code := aws.ToString(refused.Code); code {
		case "NoSuchKey": // S3 does not mind; VersityGW does
		case "SlowDown", "InternalError", "ServiceUnavailable":
			failed[bySort[aws.ToString(refused.Key)]] = problem.New(problem.Unavailable, "delete an object: %s", code)
		default:
			failed[bySort[aws.ToString(refused.Key)]] = fmt.Errorf("delete an object: %s", code)
		}
	}
	return failed
}

// dequeue removes rows that are due, and marks the others: cleanup looks at them again. It
// returns what failed.
func (r *run) dequeue(ctx context.Context, rows []entry) map[string]error {
	failed := map[string]error{}
	var due, early []entry
	for _, e := range rows {
		if at, err := e.Due(); err == nil && r.t.Now().Before(at) {
			early = append(early, e)
		} else {
			due = append(due, e)
		}
	}
	if len(due) > 0 {
		keys := make([]dynamo.Keyed, len(due))
		for i, e := range due {
			keys[i] = dynamo.Keys{e.Partition, e.Sort}
		}
		if _, err := r.t.Table.Batch("PK", "SK").Write().Delete(keys...).Run(ctx); err != nil {
			err = table.StoreError(err, "delete %d queue rows", len(due))
			for _, e := range due {
				failed[e.Sort] = err
			}
		}
	}
	var mu sync.Mutex
	each(early, func(e entry) {
		if e.Looked {
			return
		}
		err := r.t.Update(e.Key).Set("looked", true).If("attribute_exists('PK')").Run(ctx)
		if err != nil && !dynamo.IsCondCheckFailed(err) {
			mu.Lock()
			defer mu.Unlock()
			failed[e.Sort] = table.StoreError(err, "mark a queue row")
		}
	})
	return failed
}

// done counts a row that was finished.
func (r *run) done(e entry) {
	counter := map[string]*int{
		table.IntentKind: &r.counts.Intents, table.TombstoneKind: &r.counts.Tombstones, table.UploadKind: &r.counts.Uploads,
	}[e.Kind]
	if e.Looked {
		counter = &r.counts.Rechecked
	}
	r.count(counter, 1)
}

// The time between attempts at a row doubles from the first to the last.
const (
	firstRetry = 15 * time.Minute
	lastRetry  = 24 * time.Hour
)

// postpone moves a row that failed to a later due time, and counts the attempt.
func (r *run) postpone(ctx context.Context, e entry, cause error) {
	attempts := int64(1)
	if n, ok := e.item["attempts"].(*dynamotypes.AttributeValueMemberN); ok {
		if before, err := strconv.ParseInt(n.Value, 10, 64); err == nil {
			attempts += max(before, 0)
		}
	}
	later := r.t.Now().Add(min(firstRetry<<min(attempts-1, 10), lastRetry))
	if due, err := e.Due(); err == nil && !due.Before(later) {
		later = due.Add(time.Second) // a row moves with each attempt
	}
	_, rest, named := strings.Cut(e.Sort, "#")
	if !named {
		rest = e.Sort
	}
	moved := maps.Clone(e.item)
	sort := table.FormatTime(later) + "#" + rest
	moved["SK"] = &dynamotypes.AttributeValueMemberS{Value: sort}
	moved["attempts"] = &dynamotypes.AttributeValueMemberN{Value: strconv.FormatInt(attempts, 10)}

	r.report(fmt.Errorf("a row of kind %q, attempt %d: %w", e.Kind, attempts, cause))
	r.mu.Lock()
	r.counts.Failed++
	r.counts.Attempts = max(r.counts.Attempts, int(attempts))
	r.handled[table.Key{Partition: e.Partition, Sort: sort}] = true
	r.mu.Unlock()
	err := r.t.DB.WriteTx().
		Delete(r.t.Delete(e.Key).If("attribute_exists('PK')")).
		Put(r.t.Put(moved)).
		Run(ctx)
	if err != nil && !dynamo.IsCondCheckFailed(err) { // it stays where it is
		r.report(table.StoreError(err, "postpone a queue row"))
	}
}
