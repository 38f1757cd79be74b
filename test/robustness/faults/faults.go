// Package faults makes calls to AWS fail: the n-th call of an operation, in a way that is
// planned. A plan travels with a request's context, so that requests which run at the same
// time fail apart.
package faults

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// few is how many attempts fail of "few".
const few = 3

// Call is the n-th call of an operation, from 1. By number alone calls could not be told
// apart: some are made at the same time.
type Call struct {
	Operation string
	Nth       int
}

func (c Call) String() string { return fmt.Sprintf("%s %d", c.Operation, c.Nth) }

// Plan is what befalls the calls of one request. It notes the calls that were made.
type Plan struct {
	// Before is called before every call, if it is set: something else happens there.
	Before func(Call)

	mu    sync.Mutex
	kinds map[Call]Kind
	made  map[string]int
	calls []Call
	late  bool          // its time was up
	done  bool          // a call was carried out whose response a fault lost
	over  error         // the process is dead: no further call is made
	dead  bool          // and nobody responds for it
	given chan struct{} // closed by GivenUp
}

// NewPlan is a plan; without kinds it only notes.
func NewPlan(kinds map[Call]Kind) *Plan {
	return &Plan{kinds: kinds, made: map[string]int{}, given: make(chan struct{})}
}

// Unheard is a plan by which the request goes well, and its response is lost on the way to
// who made it.
func Unheard() *Plan {
	p := NewPlan(nil)
	p.dead, p.done = true, true
	return p
}

// GivenUp ends the request: whoever made it has a response, or waits for none any more. It is
// called once.
func (p *Plan) GivenUp() { close(p.given) }

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

// Dead reports whether nobody hears a response: the process died, or the way was cut.
func (p *Plan) Dead() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.dead
}

// Over reports whether the process died, or its time was up.
func (p *Plan) Over() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.over != nil || p.late
}

// Done reports whether a call was carried out whose response a fault lost: on a machine that
// is busy, the function's time may be up before.
func (p *Plan) Done() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.done
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

var errCrash = errors.New("the process is dead")

// failing is a call that fails.
type failing struct {
	plan     *Plan
	kind     Kind
	function context.Context // of whoever made the call
}

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
	out, metadata, err := next.HandleFinalize(context.WithValue(ctx, kindKey{}, failing{p, kind, ctx}), in)
	p.mu.Lock()
	defer p.mu.Unlock()
	if kind == CrashBefore || kind == CrashAfter {
		p.over, p.dead = errCrash, true
		p.done = kind == CrashAfter && err == nil
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

// attempt is around one attempt. It is inside of what the service adds to its clients.
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
	f, _ := ctx.Value(kindKey{}).(failing)
	carryOut := func() {
		out, _, err := send()
		discard(out)
		f.plan.mu.Lock()
		defer f.plan.mu.Unlock()
		f.plan.done = f.plan.done || err == nil
	}
	switch kind := f.kind; {
	case kind == CrashBefore:
		return out, metadata, errCrash // which call replaces
	case kind == Away, kind == AwayOnce && number == 1:
		return out, metadata, broken("dial", syscall.ECONNREFUSED)
	case kind == Lost, kind == LostOnce && number == 1:
		carryOut()
		return out, metadata, broken("read", syscall.ECONNRESET)
	case kind == Silent, kind == SilentOnce && number == 1:
		carryOut()
		<-ctx.Done()
		return out, metadata, &smithy.CanceledError{Err: ctx.Err()}
	case kind.late(), kind.stopped():
		if kind == LateAfter || kind == StoppedAfter {
			carryOut()
		}
		return out, metadata, f.outlast()
	case kind == Throttled, kind == ThrottledFew && number <= few:
		return out, metadata, throttled(middleware.GetServiceID(ctx))
	case kind == Conflict, kind == ConflictFew && number <= few:
		return out, metadata, conflict(middleware.GetOperationName(ctx))
	case kind == Twice && number == 1:
		out, metadata, err = send()
		again, _, _ := send()
		discard(again)
		return out, metadata, err
	}
	return send()
}

// outlast waits until the function's time is up, and if the function is stopped, until the
// request has ended without it.
func (f failing) outlast() error {
	if _, ok := f.function.Deadline(); !ok {
		panic("faults: a function without a deadline is never late")
	}
	<-f.function.Done()
	f.plan.mu.Lock()
	f.plan.late = true
	if f.kind.stopped() {
		f.plan.over = errCrash
	}
	f.plan.mu.Unlock()
	if f.kind.stopped() {
		select {
		case <-f.plan.given:
		case <-time.After(time.Second): // a request that nobody gives up, such as a cleanup
		}
	}
	return &smithy.CanceledError{Err: f.function.Err()}
}

// discard lets an answer go that nobody gets.
func discard(out middleware.FinalizeOutput) {
	if got, ok := out.Result.(*s3.GetObjectOutput); ok && got != nil {
		got.Body.Close()
	}
}
