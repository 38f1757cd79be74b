package table

import (
	"context"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/guregu/dynamo/v2"
)

const (
	// MaxAttempts is one call and its retries; contended transactions get at least eight.
	MaxAttempts = 10
	// maxBackoff keeps ten attempts within about two seconds: it is better to tell the
	// caller to come back than to run into the gateway's time-out.
	maxBackoff = 300 * time.Millisecond
	// RetryAfter is how long a caller is told to wait when a store does not respond.
	RetryAfter = 2 * time.Second
)

// retryer retries what the SDK does, and transactions that conflict with another one. The
// SDK's budget of retries over all calls of a process is off: a burst of contended adds
// would use it up, and the attempts of each call are bounded already.
func retryer(backoff time.Duration) aws.Retryer {
	return retry.NewStandard(dynamo.RetryTxConflicts, func(o *retry.StandardOptions) {
		o.MaxAttempts = MaxAttempts
		o.MaxBackoff = backoff
		o.RateLimiter = ratelimit.None
		o.Retryables = append(o.Retryables, conflicts)
	})
}

// conflicts are single writes that met another one, which the SDK does not retry.
var conflicts = retry.RetryableErrorCode{Codes: map[string]struct{}{
	"ConditionalRequestConflict":   {}, // S3: a conditional write met another one (409)
	"TransactionConflictException": {}, // DynamoDB: a write met a transaction
}}

// transient is what is retried, except transactions.
var transient = retry.IsErrorRetryables(append(slices.Clone(retry.DefaultRetryables), conflicts))

// Pause waits before another attempt: up to 10 ms at first, doubling up to Config.Backoff,
// with full jitter.
func (s *Store) Pause(ctx context.Context, attempt int) error {
	limit := min(10*time.Millisecond<<min(attempt, 10), s.backoff)
	select {
	case <-time.After(rand.N(limit)): //nolint:gosec // jitter, not a secret
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
