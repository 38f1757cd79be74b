package table

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// attemptLimit is how long one attempt of a call may take, and how long the content of an
// object may make no progress, before the connection counts as dead and the call is
// retried: far above what the stores need, far below what a function may run.
func attemptLimit(operation string) time.Duration {
	switch operation {
	case "CompleteMultipartUpload": // S3 assembles the parts before it responds
		return 20 * time.Second
	case "PutObject": // up to 4.4 MB
		return 8 * time.Second
	}
	return 3 * time.Second
}

// attempts is middleware that bounds every attempt of a call, and tells a call that was
// not carried out from one that may have been (MayBeDone). limit replaces attemptLimit if
// it is not 0.
func attempts(limit time.Duration) func(*middleware.Stack) error {
	return func(stack *middleware.Stack) error {
		if _, ok := stack.Finalize.Get("Retry"); !ok {
			return nil // a link is made, and nothing is sent
		}
		err := stack.Finalize.Insert(middleware.FinalizeMiddlewareFunc("Outcome", outcome), "Retry", middleware.Before)
		if err != nil {
			return err
		}
		one := func(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (middleware.FinalizeOutput, middleware.Metadata, error) {
			most := limit
			if most == 0 {
				most = attemptLimit(middleware.GetOperationName(ctx))
			}
			return attempt(ctx, in, next, most)
		}
		return stack.Finalize.Insert(middleware.FinalizeMiddlewareFunc("Attempt", one), "Retry", middleware.After)
	}
}

// lostError is the error of a call of which at least one attempt may have been carried out:
// it was sent, and no response says what became of it. The last attempt's error is inside.
type lostError struct{ error }

func (e lostError) Unwrap() error { return e.error }

// MayBeDone reports whether a call that failed may have been carried out: an attempt was
// sent, and no response says what became of it.
func MayBeDone(err error) bool {
	var lost lostError
	return errors.As(err, &lost)
}

type lostKey struct{}

// outcome is around a call with all its attempts.
func outcome(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (middleware.FinalizeOutput, middleware.Metadata, error) {
	var lost atomic.Bool
	out, metadata, err := next.HandleFinalize(context.WithValue(ctx, lostKey{}, &lost), in)
	if err != nil && lost.Load() {
		err = lostError{err}
	}
	return out, metadata, err
}

// errStalled ends an attempt that makes no progress. It is retryable, as a broken
// connection is; so it must not wrap the error of its context, which is not.
type errStalled struct{ after time.Duration }

func (e errStalled) Error() string        { return "no response within " + e.after.String() }
func (e errStalled) RetryableError() bool { return true }

// attempt is around one attempt.
func attempt(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler, limit time.Duration) (middleware.FinalizeOutput, middleware.Metadata, error) {
	if err := ctx.Err(); err != nil {
		return middleware.FinalizeOutput{}, middleware.Metadata{}, &smithy.CanceledError{Err: err} // nothing is sent
	}
	bounded, cancel := context.WithCancelCause(ctx)
	watch := time.AfterFunc(limit, func() { cancel(errStalled{limit}) })
	out, metadata, err := next.HandleFinalize(bounded, in)
	if got, ok := out.Result.(*s3.GetObjectOutput); ok && err == nil {
		watch.Stop()
		got.Body = &watchedBody{got.Body, watch, limit, bounded, cancel}
		return out, metadata, nil
	}
	watch.Stop()
	stalled, isStalled := errors.AsType[errStalled](context.Cause(bounded))
	cancel(nil)
	if err == nil {
		return out, metadata, nil
	}
	if isStalled && ctx.Err() == nil {
		err = stalled
	}
	if lost, ok := ctx.Value(lostKey{}).(*atomic.Bool); ok && !refused(err) {
		lost.Store(true)
	}
	return out, metadata, err
}

// refused reports whether an attempt failed before it could be carried out: it was never
// sent, or the store's response says so. A store's internal error leaves it open.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html
func refused(err error) bool {
	if dial, ok := errors.AsType[*net.OpError](err); ok && dial.Op == "dial" {
		return true
	}
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return true
	}
	var api smithy.APIError
	if !errors.As(err, &api) {
		return false
	}
	switch api.ErrorCode() {
	case "TransactionInProgressException":
		return false // an earlier attempt is still being carried out
	case "SlowDown", "ThrottlingException", "RequestLimitExceeded", "ProvisionedThroughputExceededException", "ConditionalRequestConflict":
		return true
	}
	if api.ErrorFault() == smithy.FaultServer {
		return false
	}
	response, ok := errors.AsType[*smithyhttp.ResponseError](err)
	return !ok || response.HTTPStatusCode() < http.StatusInternalServerError
}

// watchedBody is the content of an object, whose connection is given up when a read makes no
// progress. A reader that takes its time between reads is none of its business.
type watchedBody struct {
	io.ReadCloser
	watch  *time.Timer
	limit  time.Duration
	ctx    context.Context
	cancel context.CancelCauseFunc
}

func (b *watchedBody) Read(p []byte) (int, error) {
	b.watch.Reset(b.limit)
	n, err := b.ReadCloser.Read(p)
	b.watch.Stop()
	if stalled, ok := errors.AsType[errStalled](context.Cause(b.ctx)); ok && err != nil {
		return n, stalled
	}
	return n, err
}

func (b *watchedBody) Close() error {
	b.watch.Stop()
	err := b.ReadCloser.Close()
	b.cancel(nil)
	return err
}
