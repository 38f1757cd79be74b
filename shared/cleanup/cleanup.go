// Package cleanup finishes what a crash left. Every write that could leave content without
// a row first puts a row in the queue; cleanup reads what is due and says what becomes of
// each kind.
package cleanup

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/guregu/dynamo/v2"

	"joboutputs/shared/config"
	"joboutputs/shared/table"
)

// Cleaner works for no tenant, with clients that can do what cleanup does and nothing else.
type Cleaner struct{ t *table.Store }

// New makes a Cleaner over the table and the bucket. It makes no call.
func New(cfg table.Config) *Cleaner { return &Cleaner{table.NewForCleanup(cfg)} }

// Open makes the Cleaner of a Lambda, from its environment. It makes no call.
func Open(section config.StorageSection) *Cleaner { return &Cleaner{table.OpenForCleanup(section)} }

// Counts says what a run did, in rows of the queue.
type Counts struct {
	Intents    int `json:"intents"`    // adds that never became visible
	Tombstones int `json:"tombstones"` // hard deletes, whose content was deleted once more
	Uploads    int `json:"uploads"`    // staged uploads that were abandoned, or aborted
	Skipped    int `json:"skipped"`    // became visible, or was finished, while cleanup looked
	Rechecked  int `json:"rechecked"`  // cleaned before it was due, and now again
	Failed     int `json:"failed"`     // could not be finished, and is due again later
	Deferred   int `json:"deferred"`   // left for the next run, since the stores refuse the tenant's calls
	Attempts   int `json:"attempts"`   // of the row that failed most often; 0 = none failed

	// Oldest is the age in seconds of the oldest row that was due: what is much older than
	// the grace was met before and could not be finished.
	Oldest int64 `json:"oldest_seconds"`
}

// Limits of a run.
const (
	firstShare = 1_000  // rows of one tenant in the first pass
	shareGrows = 4      // times that, in each further pass
	held       = 20_000 // rows in memory
	reported   = 5      // failures in the error of a run
)

// Run finishes what is at least grace old: it deletes the content of every intent, tombstone
// and upload. A row leaves the queue when it is due (table.Grace), since until then a late
// write may bring the content back; with a smaller grace, content is deleted before and the
// row stays. Running twice, also at once, is harmless: an intent is claimed before its
// content goes, and a claim makes the add's late transaction fail.
//
// Rows, partitions and tenants do not stop each other. Each pass over the queue takes a share
// of each tenant's rows, the oldest first. A row that fails is moved to a later due time, with
// the number of attempts. The rows of a tenant whose calls the stores refuse are deferred to
// the next run. If a row failed or a partition could not be read, Run returns an error beside
// the counts of what it did.
func (c *Cleaner) Run(ctx context.Context, grace time.Duration) (Counts, error) {
	r := &run{
		t: c.t, bound: table.FormatTime(c.t.Now().Add(table.Grace-grace)) + "#~",
		handled: map[table.Key]bool{}, refused: map[string]bool{},
	}
	for share := firstShare; ; share *= shareGrows {
		rows, more := r.collect(ctx, share)
		r.process(ctx, rows)
		if !more || len(rows) == 0 || ctx.Err() != nil {
			break
		}
	}
	return r.counts, r.err(ctx)
}

// run is one run. Its maps are of what stays in the queue.
type run struct {
	t     *table.Store
	bound string // of the sort keys of rows that are taken

	mu       sync.Mutex
	counts   Counts
	handled  map[table.Key]bool // rows that this run is done with
	refused  map[string]bool    // tenants whose calls the stores refuse, retries included
	failures []error            // the first few
}

// collect reads what is to be done, at most share rows of each tenant, oldest first in each
// partition. more says that there is more than that.
func (r *run) collect(ctx context.Context, share int) (rows map[string][]entry, more bool) {
	rows = map[string][]entry{}
	total := 0
	take := func(e entry) (full bool) {
		r.mu.Lock()
		defer r.mu.Unlock()
		switch {
		case r.handled[e.Key]:
			return false
		case r.refused[e.Tenant]:
			r.handled[e.Key] = true
			r.counts.Deferred++
			return false
		case len(rows[e.Tenant]) >= share:
			more = true
			return false
		}
		rows[e.Tenant] = append(rows[e.Tenant], e)
		if total++; total >= held {
			more = true
		}
		return total >= held
	}
	var all sync.WaitGroup
	for _, partition := range table.QueuePartitions() {
		all.Go(func() {
			iter := r.t.Table.Get("PK", partition).Range("SK", dynamo.LessOrEqual, r.bound).Consistent(true).Iter()
			for item := (dynamo.Item{}); iter.Next(ctx, &item); item = (dynamo.Item{}) {
				e := decode(item)
				r.age(e.Key)
				if take(e) {
					return
				}
			}
			if err := iter.Err(); err != nil {
				r.report(table.StoreError(err, "read what is due in %s", partition))
			}
		})
	}
	all.Wait()
	return rows, more
}

// age notes how old a row is.
func (r *run) age(key table.Key) {
	due, err := key.Due()
	if err != nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counts.Oldest = max(r.counts.Oldest, int64((r.t.Now().Sub(due) + table.Grace).Seconds()))
}

// report notes a failure.
func (r *run) report(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.failures) < reported {
		r.failures = append(r.failures, err)
	}
}

// count adds to one of the counts.
func (r *run) count(counter *int, n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	*counter += n
}

func (r *run) err(ctx context.Context) error {
	if ctx.Err() != nil {
		r.failures = append(r.failures, table.StoreError(ctx.Err(), "clean up"))
	}
	if len(r.failures) == 0 {
		return nil
	}
	return fmt.Errorf("%d rows failed, %d were deferred: %w", r.counts.Failed, r.counts.Deferred, errors.Join(r.failures...))
}
