package table

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	dynamotypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"

	"joboutputs/shared/problem"
	"joboutputs/shared/tenantguard"
)

// StoreError maps an error of DynamoDB or S3 to what a caller may know of it: a store that
// is away or busy is the problem Unavailable, which says when to come back; every other
// error is internal. The text says what was attempted. A call that the tenant guard
// rejected is returned as it is, without the text, which could name its key.
func StoreError(err error, format string, args ...any) error {
	if _, ok := problem.As(err); ok {
		return err
	}
	if breach := tenantguard.Breached(err); breach != nil {
		return breach
	}
	err = fmt.Errorf(format+": %w", append(args, err)...)
	var canceled interface{ ErrorCode() string }
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return problem.New(problem.Unavailable, "The request took too long.").After(RetryAfter).Because(err)
	case errors.As(err, &canceled) && canceled.ErrorCode() == "TransactionCanceledException":
		return contended().Because(err)
	case transient.IsErrorRetryable(err) == aws.TrueTernary, brokenResponse(err):
		return problem.New(problem.Unavailable, "The service cannot reach its storage at the moment.").After(RetryAfter).Because(err)
	}
	return err
}

// CommitError is StoreError for the call that makes a request's effect visible. If that call
// may have been carried out, so may the request: the problem
// OutcomeUnknown. Of every other call that fails, only what cleanup removes can be left.
func CommitError(err error, format string, args ...any) error {
	if !MayBeDone(err) {
		return StoreError(err, format, args...)
	}
	return Unknown().Because(fmt.Errorf(format+": %w", append(args, err)...))
}

// Unknown is the problem of a request that may or may not have been carried out.
func Unknown() *problem.Problem {
	return problem.New(problem.OutcomeUnknown, "The outcome is unknown: the request may have been carried out. If it had an Idempotency-Key, retry it with the same one.").After(RetryAfter)
}

// brokenResponse reports whether a response was cut off or garbled: the server died while
// it sent it.
func brokenResponse(err error) bool {
	var broken *smithy.DeserializationError
	return errors.As(err, &broken)
}

// Contended is the problem of a write that lost against others until its attempts were used
// up.
func Contended() error { return contended() }

func contended() *problem.Problem {
	return problem.New(problem.Unavailable, "Too many requests change this at the same time.").After(RetryAfter)
}

// Cancellation is why a transaction was cancelled, for each of its writes in order; nil if
// no condition failed. A transaction that only conflicted with another one has been retried.
func Cancellation(err error) []dynamotypes.CancellationReason {
	var cancelled *dynamotypes.TransactionCanceledException
	if errors.As(err, &cancelled) && slices.ContainsFunc(cancelled.CancellationReasons, ConditionFailed) {
		return cancelled.CancellationReasons
	}
	return nil
}

// ConditionFailed reports whether a write was refused by its condition.
func ConditionFailed(reason dynamotypes.CancellationReason) bool {
	return aws.ToString(reason.Code) == "ConditionalCheckFailed"
}

// HasCode reports whether S3 responded with one of the codes.
func HasCode(err error, codes ...string) bool {
	var api smithy.APIError
	return errors.As(err, &api) && slices.Contains(codes, api.ErrorCode())
}
