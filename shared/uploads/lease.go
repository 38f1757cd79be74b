package uploads

import (
	"context"
	"strings"
	"time"

	"github.com/guregu/dynamo/v2"

	"joboutputs/shared/table"
)

// A call that has S3 assemble the parts of an upload holds a lease on it: what S3 lists in
// the meantime is neither the parts nor the object, and must not be taken for an upload that
// is incomplete or lost. The lease ends with the call, or by itself if the process dies.
const (
	leaseTime  = 30 * time.Second // longer than a function may run
	leaseRenew = 10 * time.Second

	releaseTime = 2 * time.Second
)

// leaseOf is a lease until a time, and who holds it: a retry of the call that takes it meets
// its own. As text it orders by time.
func leaseOf(until time.Time, holder string) string { return table.FormatTime(until) + "#" + holder }

const lastHolder = "~" // orders after every ULID

// leased reports whether another call holds the lease, as the row was read.
func (s *Store) leased(row *table.UploadRow) bool {
	return row.Completing > leaseOf(s.t.Now(), lastHolder)
}

// lease takes the lease, or returns errAgain if the upload has ended or another call was
// faster.
func (s *Store) lease(ctx context.Context, row *table.UploadRow) error {
	now := s.t.Now()
	lease := leaseOf(now.Add(leaseTime), s.t.NewID())
	err := s.t.Update(row.Key).Set("completing", lease).
		If("'state' = ?", StateOpen).
		If("attribute_not_exists('completing') OR 'completing' <= ? OR 'completing' = ?", leaseOf(now, lastHolder), lease).
		Run(ctx)
	if dynamo.IsCondCheckFailed(err) {
		return errAgain
	}
	row.Completing = lease
	if err != nil { // it may have been taken
		s.release(ctx, row)
		return table.StoreError(err, "lease an upload")
	}
	return nil
}

// renewing keeps the lease until it is stopped.
func (s *Store) renewing(ctx context.Context, row *table.UploadRow) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for held := row.Completing; ; {
			select {
			case <-time.After(leaseRenew):
			case <-ctx.Done():
				return
			}
			_, holder, _ := strings.Cut(held, "#")
			lease := leaseOf(s.t.Now().Add(leaseTime), holder)
			if err := s.t.Update(row.Key).Set("completing", lease).If("'completing' = ? OR 'completing' = ?", held, lease).Run(ctx); err != nil {
				return // the lease ends by itself
			}
			held, row.Completing = lease, lease
		}
	}()
	return func() {
		cancel()
		<-done
	}
}

// release gives the lease back, if there is one, also for a client that is gone. If that
// fails, it ends by itself.
func (s *Store) release(ctx context.Context, row *table.UploadRow) {
	if row.Completing == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTime)
	defer cancel()
	_ = s.t.Update(row.Key).Remove("completing").If("'completing' = ?", row.Completing).Run(ctx)
	row.Completing = ""
}
