package storetest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"syscall"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"joboutputs/shared/localaws"
	"joboutputs/shared/table"
)

// Hook is a middleware of the AWS clients.
type Hook = func(*middleware.Stack) error

// Hooked makes Stores over the same table and bucket whose clients have hooks.
func (s *Stores) Hooked(hooks ...Hook) *Stores {
	return s.With(func(cfg *table.Config) {
		cfg.DynamoDB = localaws.DynamoDB(s.AWS.DynamoDBEndpoint, func(o *dynamodb.Options) { o.APIOptions = append(o.APIOptions, hooks...) })
		cfg.S3 = localaws.S3(s.AWS.S3Endpoint, func(o *s3.Options) { o.APIOptions = append(o.APIOptions, hooks...) })
	})
}

// Before makes a hook that runs f before each call of an operation, such as "PutObject". If
// f fails, its error takes the call's place, and the call is not retried.
func Before(operation string, f func(context.Context) error) Hook {
	return func(stack *middleware.Stack) error {
		return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("before", func(
			ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler,
		) (middleware.InitializeOutput, middleware.Metadata, error) {
			if name := fmt.Sprintf("%T", in.Parameters); name == "*dynamodb."+operation+"Input" || name == "*s3."+operation+"Input" {
				if err := f(ctx); err != nil {
					return middleware.InitializeOutput{}, middleware.Metadata{}, err
				}
			}
			return next.HandleInitialize(ctx, in)
		}), middleware.Before)
	}
}

// Seen makes a hook that hands f the result of each call, such as *s3.ListPartsOutput, to
// change what the caller sees of it. A call that failed has a nil result.
func Seen(f func(result any)) Hook {
	return func(stack *middleware.Stack) error {
		return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("seen", func(
			ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler,
		) (middleware.InitializeOutput, middleware.Metadata, error) {
			out, metadata, err := next.HandleInitialize(ctx, in)
			f(out.Result)
			return out, metadata, err
		}), middleware.Before)
	}
}

// ErrCrash is the error of a Crash.
var ErrCrash = errors.New("crash")

// Crash is for Before: the process dies at the call.
func Crash(context.Context) error { return ErrCrash }

// Always is for Lose and Silence: every attempt.
const Always = 1 << 30

// Lose makes a hook that carries out the first attempts of an operation's calls, such as
// "TransactWriteItems", and loses their responses.
func Lose(operation string, attempts int32) Hook {
	return onAttempts(operation, attempts, func(_ context.Context, send func() error) error {
		_ = send()
		return Reset
	})
}

// Reset is the error of an attempt whose connection broke after it was sent.
var Reset = &smithyhttp.RequestSendError{Err: &net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET}}

// Silence makes a hook with which no response comes to the first attempts of an operation's
// calls, "" = of every operation, and the connection stays.
func Silence(operation string, attempts int32) Hook {
	return onAttempts(operation, attempts, func(ctx context.Context, _ func() error) error {
		<-ctx.Done()
		return ctx.Err()
	})
}

// Fail makes a hook by which the attempts of an operation's calls fail: each with the next
// error, nil = it is carried out, and the last for all that follow.
func Fail(operation string, errs ...error) Hook {
	var made atomic.Int32
	return onAttempts(operation, Always, func(_ context.Context, send func() error) error {
		if err := errs[min(int(made.Add(1)), len(errs))-1]; err != nil {
			return err
		}
		return send()
	})
}

// Called makes a hook that is told each call's operation.
func Called(f func(operation string)) Hook {
	return func(stack *middleware.Stack) error {
		return stack.Finalize.Add(middleware.FinalizeMiddlewareFunc("storetest: called", func(
			ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler,
		) (middleware.FinalizeOutput, middleware.Metadata, error) {
			f(middleware.GetOperationName(ctx))
			return next.HandleFinalize(ctx, in)
		}), middleware.Before)
	}
}

// onAttempts makes a hook that replaces the first attempts of calls. What do returns without
// an error is the response of send, its last.
func onAttempts(operation string, attempts int32, do func(ctx context.Context, send func() error) error) Hook {
	var made atomic.Int32
	return func(stack *middleware.Stack) error {
		if _, ok := stack.Finalize.Get("Retry"); !ok {
			return nil // a link is made, and nothing is sent
		}
		return stack.Finalize.Insert(middleware.FinalizeMiddlewareFunc("storetest: attempt", func(
			ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler,
		) (out middleware.FinalizeOutput, metadata middleware.Metadata, err error) {
			if name := middleware.GetOperationName(ctx); operation != "" && name != operation || made.Add(1) > attempts {
				return next.HandleFinalize(ctx, in)
			}
			err = do(ctx, func() (err error) {
				out, metadata, err = next.HandleFinalize(ctx, in)
				return err
			})
			return out, metadata, err
		}), "Retry", middleware.After)
	}
}
