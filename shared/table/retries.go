package table

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	dynamotypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
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

// retryBudget is how many more retries than successes a client makes, besides those of
// conflicts: those of about five calls that use all of their attempts.
const retryBudget = 50

// retryer retries what the SDK does, and transactions that conflict with another one. It
// belongs to one client, whose calls share its budget of retries: a retry takes one, a success
// gives one back. While a store throttles or is away, the budget runs out, and calls fail
// after their first attempt until others succeed.
func retryer(backoff time.Duration) aws.Retryer {
	return budgeted{retry.NewStandard(dynamo.RetryTxConflicts, func(o *retry.StandardOptions) {
		o.MaxAttempts = MaxAttempts
		o.MaxBackoff = backoff
		o.Retryables = append(o.Retryables, conflicts)
		o.RateLimiter = ratelimit.NewTokenRateLimit(retryBudget)
		o.RetryCost, o.ThrottlingRetryCost, o.NoRetryIncrement = 1, 1, 1
	})}
}

// budgeted takes nothing from the budget for a conflict: the store is well, and a burst of
// contended adds would leave nothing for what the budget is for.
type budgeted struct{ *retry.Standard }

func (r budgeted) GetRetryToken(ctx context.Context, err error) (func(error) error, error) {
	if conflicted(err) {
		return func(error) error { return nil }, nil
	}
	return r.Standard.GetRetryToken(ctx, err)
}

// conflicted reports whether a write met another one, and nothing else was wrong.
func conflicted(err error) bool {
	var cancelled *dynamotypes.TransactionCanceledException
	if errors.As(err, &cancelled) {
		return !slices.ContainsFunc(cancelled.CancellationReasons, func(reason dynamotypes.CancellationReason) bool {
			code := aws.ToString(reason.Code)
			return code == "ThrottlingError" || code == "ProvisionedThroughputExceeded"
		})
	}
	return conflicts.IsErrorRetryable(err) == aws.TrueTernary
}

// conflicts are single writes that met another one, which the SDK does not retry.
var conflicts = retry.RetryableErrorCode{Codes: map[string]struct{}{
	"ConditionalRequestConflict":   {}, // S3: a conditional write met another one (409)
	"TransactionConflictException": {}, // DynamoDB: a write met a transaction
}}

// transient is what is retried, except transactions.
var transient = retry.IsErrorRetryables(append(slices.Clone(retry.DefaultRetryables), conflicts))

// Again decides about another attempt to read and write after a write has failed. If the write
// lost against another one, it waits and returns nil. Any other error ends the attempts and is
// returned as CommitError has it, with what was attempted.
func (s *Store) Again(ctx context.Context, err error, attempt int, format string, args ...any) error {
	if !dynamo.IsCondCheckFailed(err) {
		return CommitError(err, format, args...)
	}
	if err := s.Pause(ctx, attempt); err != nil {
		return StoreError(err, format, args...)
	}
	return nil
}

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
