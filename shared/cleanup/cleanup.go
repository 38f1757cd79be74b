// Package cleanup finishes what a crash left. Every write that could leave content without
// a row first puts a row in the queue; cleanup reads what is due and says what becomes of
// each kind.
package cleanup

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/guregu/dynamo/v2"
	"golang.org/x/sync/errgroup"

	"joboutputs/shared/config"
	"joboutputs/shared/table"
	"joboutputs/shared/uploads"
)

// Cleaner works for no tenant, with clients that can do what cleanup does and nothing else.
type Cleaner struct{ t *table.Store }

// New makes a Cleaner over the table and the bucket. It makes no call.
func New(cfg table.Config) *Cleaner { return &Cleaner{table.NewForCleanup(cfg)} }

// Open makes the Cleaner of a Lambda, from its environment. It makes no call.
func Open(section config.StorageSection) *Cleaner { return &Cleaner{table.OpenForCleanup(section)} }

// Counts says what a run did.
type Counts struct {
	Intents    int `json:"intents"`    // adds that never became visible
	Tombstones int `json:"tombstones"` // hard deletes that stopped half-way
	Uploads    int `json:"uploads"`    // staged uploads that were abandoned, or aborted
	Skipped    int `json:"skipped"`    // became visible, or was finished, while the cleanup looked

	// Oldest is the age in seconds of the oldest row that was due: what is much older than
	// the grace was met before and could not be finished.
	Oldest int64 `json:"oldest_seconds"`
}

// Run finishes what a crash left: it removes the content of every intent, tombstone and
// upload that is at least grace old, by reading the queue's partitions for what is due.
// Running twice, also at once, is harmless: an intent is claimed before its content goes,
// and a claim makes the add's late transaction fail. It stops at the first error; the next
// run goes on where it stopped.
func (c *Cleaner) Run(ctx context.Context, grace time.Duration) (Counts, error) {
	due := table.FormatTime(c.t.Now().Add(table.Grace - grace))
	partitions := table.QueuePartitions()
	counts := make([]Counts, len(partitions))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(4)
	for i, partition := range partitions {
		group.Go(func() error { return c.partition(ctx, partition, due, &counts[i]) })
	}
	err := group.Wait()
	var total Counts
	for _, c := range counts {
		total.Intents += c.Intents
		total.Tombstones += c.Tombstones
		total.Uploads += c.Uploads
		total.Skipped += c.Skipped
		total.Oldest = max(total.Oldest, c.Oldest)
	}
	return total, err
}

func (c *Cleaner) partition(ctx context.Context, partition, due string, counts *Counts) error {
	iter := c.t.Table.Get("PK", partition).Range("SK", dynamo.LessOrEqual, due+"#~").Consistent(true).Iter()
	for row := (table.QueueRow{}); iter.Next(ctx, &row); row = (table.QueueRow{}) {
		if text, _, ok := strings.Cut(row.Sort, "#"); ok && counts.Oldest == 0 { // they come in order
			if at, err := table.ParseTime(text); err == nil {
				counts.Oldest = int64((c.t.Now().Sub(at) + table.Grace).Seconds())
			}
		}
		if err := c.finish(ctx, row, counts); err != nil {
			return err
		}
	}
	if err := iter.Err(); err != nil {
		return table.StoreError(err, "read what is due in %s", partition)
	}
	return nil
}

// finish ends what one row stands for.
func (c *Cleaner) finish(ctx context.Context, row table.QueueRow, counts *Counts) error {
	if !strings.HasSuffix(row.Sort, "#"+row.Tenant+"#"+row.Object) {
		return fmt.Errorf("queue row %s does not name its own object", row.Sort)
	}
	switch row.Kind {
	case table.IntentKind:
		claimed, err := c.t.Claim(ctx, row)
		if err != nil {
			return err
		}
		if !claimed {
			counts.Skipped++
			return nil
		}
		counts.Intents++
		return c.t.DeleteObject(ctx, row)
	case table.TombstoneKind:
		counts.Tombstones++
		return c.t.DeleteObject(ctx, row)
	case table.UploadKind:
		claimed, err := uploads.CleanUp(ctx, c.t, row)
		switch {
		case claimed:
			counts.Uploads++
		case err == nil:
			counts.Skipped++
		}
		return err
	default:
		return fmt.Errorf("queue row %s is of the unknown kind %q", row.Sort, row.Kind)
	}
}
