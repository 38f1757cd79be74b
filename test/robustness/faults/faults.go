// Package faults makes calls to AWS fail: the n-th call of an operation, in a way that is
// planned. A plan travels with a request's context, so that requests which run at the same
// time fail apart.
package faults

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"syscall"

	"github.com/aws/aws-sdk-go-v2/aws"
	dynamotypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// Kind is a way to fail. Of each it says what happens to the attempts of one call; the SDK
// makes up to ten.
type Kind string

// The kinds. "Once" and a few are hidden by retries; of the others a client hears, at best,
// that the service is not available.
const (
	Away         Kind = "away"          // no attempt arrives
	AwayOnce     Kind = "away once"     // the first does not
	Lost         Kind = "lost"          // every attempt arrives, and no answer comes back
	LostOnce     Kind = "lost once"     // the first arrives, and its answer does not come back
	Throttled    Kind = "throttled"     // every attempt is refused
	ThrottledFew Kind = "throttled few" // the first three are
	Conflict     Kind = "conflict"      // every attempt meets another write
	ConflictFew  Kind = "conflict few"  // the first three do
	LateBefore   Kind = "late before"   // the function's time is up before the call arrives
	LateAfter    Kind = "late after"    // and after it has arrived
	Twice        Kind = "twice"         // the network delivers it twice
	CrashBefore  Kind = "crash before"  // the process dies before the call
	CrashAfter   Kind = "crash after"   // the process dies when the call has been done
)

// Kinds are all of them.
var Kinds = []Kind{Away, AwayOnce, Lost, LostOnce, Throttled, ThrottledFew, Conflict, ConflictFew, LateBefore, LateAfter, Twice, CrashBefore, CrashAfter}

// Hidden reports whether retries hide the fault, so that the client must not see it.
func (k Kind) Hidden() bool {
	return slices.Contains([]Kind{AwayOnce, LostOnce, ThrottledFew, ConflictFew, Twice}, k)
}

// few is how many attempts fail of "few".
const few = 3

// Call is the n-th call of an operation, from 1. By number alone calls could not be told
// apart: some are made at the same time.
type Call struct {
	Operation string
	Nth       int
}

func (c Call) String() string { return fmt.Sprintf("%s %d", c.Operation, c.Nth) }

// Writes reports whether an operation changes anything.
func Writes(operation string) bool {
	return !strings.HasPrefix(operation, "Get") && !strings.HasPrefix(operation, "BatchGet") && !strings.HasPrefix(operation, "List") &&
		operation != "Query" && operation != "HeadObject"
}

// Befalls reports whether a kind can befall an operation: reads meet no conflict.
func (k Kind) Befalls(operation string) bool {
	if k != Conflict && k != ConflictFew {
		return true
	}
	switch operation {
	case "PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem", "TransactWriteItems", "PutObject", "CompleteMultipartUpload":
		return true
	}
	return false
}

// Plan is what befalls the calls of one request. It notes the calls that were made.
type Plan struct {
	// Before is called before every call, if it is set: something else happens there.
	Before func(Call)

	mu    sync.Mutex
	kinds map[Call]Kind
	made  map[string]int
	calls []Call
	over  error // the process is dead, or its time is up: no further call is made
	dead  bool
}

// NewPlan is a plan; without kinds it only notes.
func NewPlan(kinds map[Call]Kind) *Plan { return &Plan{kinds: kinds, made: map[string]int{}} }

// Calls are the calls that were made, in order.
func (p *Plan) Calls() []Call {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.calls)
}

// String is what befalls which call.
func (p *Plan) String() string {
	var all []string
	for call, kind := range p.kinds {
		all = append(all, fmt.Sprintf("%s: %s", call, kind))
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}

// Dead reports whether the process died, so that its answer is lost.
func (p *Plan) Dead() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.dead
}

// Over reports whether the process died, or its time was up.
func (p *Plan) Over() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.over != nil
}

type planKey struct{}
type kindKey struct{}

// With sends a plan along with a request.
func With(ctx context.Context, p *Plan) context.Context { return context.WithValue(ctx, planKey{}, p) }

// Middleware makes a client's calls fail as planned. It is for both clients.
func Middleware(stack *middleware.Stack) error {
	if _, ok := stack.Finalize.Get("Retry"); !ok {
		return nil // a link is made, and nothing sent
	}
	begun := middleware.FinalizeMiddlewareFunc("faults: call", call)
	if err := stack.Finalize.Insert(begun, "Retry", middleware.Before); err != nil {
		return err
	}
	attempts := 0 // a stack is of one call
	sent := middleware.FinalizeMiddlewareFunc("faults: attempt", func(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (middleware.FinalizeOutput, middleware.Metadata, error) {
		attempts++
		return attempt(ctx, in, next, attempts)
	})
	return stack.Finalize.Insert(sent, "Retry", middleware.After)
}

var (
	errCrash = errors.New("the process is dead")
	errLate  = &aws.RequestCanceledError{Err: context.DeadlineExceeded}
)

// call is around a call with all its attempts.
func call(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (middleware.FinalizeOutput, middleware.Metadata, error) {
	p, _ := ctx.Value(planKey{}).(*Plan)
	if p == nil {
		return next.HandleFinalize(ctx, in)
	}
	made, kind, err := p.begin(middleware.GetOperationName(ctx))
	if err != nil {
		return middleware.FinalizeOutput{}, middleware.Metadata{}, err
	}
	if p.Before != nil {
		p.Before(made)
	}
	out, metadata, err := next.HandleFinalize(context.WithValue(ctx, kindKey{}, kind), in)
	p.mu.Lock()
	defer p.mu.Unlock()
	switch kind {
	case CrashBefore, CrashAfter:
		p.over, p.dead = errCrash, true
	case LateBefore, LateAfter:
		p.over = errLate
	}
	if p.over != nil { // by this call, or by one at the same time
		return middleware.FinalizeOutput{}, middleware.Metadata{}, p.over
	}
	return out, metadata, err
}

func (p *Plan) begin(operation string) (Call, Kind, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over != nil {
		return Call{}, "", p.over
	}
	p.made[operation]++
	c := Call{operation, p.made[operation]}
	p.calls = append(p.calls, c)
	return c, p.kinds[c], nil
}

// attempt is around one attempt.
func attempt(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler, number int) (out middleware.FinalizeOutput, metadata middleware.Metadata, err error) {
	send := func() (middleware.FinalizeOutput, middleware.Metadata, error) {
		request, ok := in.Request.(*smithyhttp.Request)
		if !ok {
			return out, metadata, fmt.Errorf("faults: a request of type %T", in.Request)
		}
		copied := request.Clone()
		if err := copied.RewindStream(); err != nil {
			return out, metadata, err
		}
		return next.HandleFinalize(ctx, middleware.FinalizeInput{Request: copied})
	}
	kind, _ := ctx.Value(kindKey{}).(Kind)
	switch {
	case kind == CrashBefore, kind == LateBefore:
		return out, metadata, errCrash // which call replaces
	case kind == Away, kind == AwayOnce && number == 1:
		return out, metadata, unsent(syscall.ECONNREFUSED)
	case kind == Lost, kind == LostOnce && number == 1:
		discard(send())
		return out, metadata, unsent(syscall.ECONNRESET)
	case kind == Throttled, kind == ThrottledFew && number <= few:
		return out, metadata, throttled(middleware.GetServiceID(ctx))
	case kind == Conflict, kind == ConflictFew && number <= few:
		return out, metadata, conflict(middleware.GetOperationName(ctx))
	case kind == Twice && number == 1:
		out, metadata, err = send()
		discard(send())
		return out, metadata, err
	}
	return send()
}

// discard lets an answer go that nobody gets.
func discard(out middleware.FinalizeOutput, _ middleware.Metadata, _ error) {
	if got, ok := out.Result.(*s3.GetObjectOutput); ok && got != nil {
		got.Body.Close()
	}
}

// unsent is what the SDK makes of a connection that breaks.
func unsent(cause error) error {
	return &smithyhttp.RequestSendError{Err: &net.OpError{Op: "read", Net: "tcp", Err: cause}}
}

func throttled(service string) error {
	if service == "S3" {
		return &smithy.GenericAPIError{Code: "SlowDown", Message: "Please reduce your request rate."}
	}
	return &dynamotypes.ProvisionedThroughputExceededException{Message: aws.String("throttled")}
}

// conflict is what a write is told that meets another one.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis.html#transaction-conflict-handling
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
func conflict(operation string) error {
	switch {
	case operation == "TransactWriteItems":
		return &dynamotypes.TransactionCanceledException{
			Message:             aws.String("Transaction cancelled"),
			CancellationReasons: []dynamotypes.CancellationReason{{Code: aws.String("TransactionConflict")}, {Code: aws.String("None")}},
		}
	case strings.HasSuffix(operation, "Item"):
		return &dynamotypes.TransactionConflictException{Message: aws.String("Transaction is ongoing for the item")}
	}
	return &smithy.GenericAPIError{Code: "ConditionalRequestConflict", Message: "A conflicting conditional operation is in progress."}
}
