package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambdacontext"
	jsonv1 "github.com/go-json-experiment/json/v1"

	"joboutputs/functions"
	"joboutputs/shared/api"
	"joboutputs/shared/auth"
	"joboutputs/shared/problem"
)

// How long a caller is kept waiting, whatever the function's own limit.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html and …/response-transfer-mode.html
const (
	maxBuffered = 29 * time.Second
	maxStreamed = 15 * time.Minute
)

const internalText = "Something went wrong on our side. It was logged under the request_id."

// function is a row of the catalogue, made.
type function struct {
	name     auth.Action
	timeout  time.Duration
	buffered api.BufferedHandler // one of the two
	streamed api.StreamedHandler
}

func newFunction(row functions.Function, parts functions.Deps, edge api.Edge) *function {
	fn := &function{name: row.Name}
	if row.Streamed && parts.Streaming {
		fn.streamed, fn.timeout = edge.Streamed(row.HTTP(parts)), limited(row.Timeout, maxStreamed)
	} else {
		fn.buffered, fn.timeout = edge.Buffered(row.HTTP(parts)), limited(row.Timeout, maxBuffered)
	}
	return fn
}

func limited(timeout, most time.Duration) time.Duration {
	if timeout <= 0 {
		return most
	}
	return min(timeout, most)
}

// call invokes the function and passes its answer on.
func (g *Gateway) call(x *exchange, fn *function, payload []byte) *problem.Problem {
	var event events.APIGatewayProxyRequest
	if err := jsonv1.Unmarshal(payload, &event); err != nil {
		return problem.New(problem.Internal, internalText).Because(fmt.Errorf("decode the event: %w", err))
	}
	ctx, cancel := context.WithTimeout(functionContext(x), fn.timeout)
	defer cancel()
	if fn.streamed == nil {
		response, err := invoke(ctx, func(ctx context.Context) (events.APIGatewayProxyResponse, error) { return fn.buffered(ctx, event) }, nil)
		if err != nil {
			return failed(fn, err)
		}
		return x.answer(fn, response)
	}
	type streaming = *events.APIGatewayProxyStreamingResponse
	response, err := invoke(ctx, func(ctx context.Context) (streaming, error) { return fn.streamed(ctx, event) }, func(r streaming) { r.Close() })
	if err != nil {
		return failed(fn, err)
	}
	defer response.Close()
	defer context.AfterFunc(ctx, func() { response.Close() })()           // the function's time is up
	defer context.AfterFunc(x.r.Context(), func() { response.Close() })() // the client is gone
	return x.stream(fn, io.Reader(response))
}

// functionContext is what a function's context derives from: that the client went away
// does not end a function, on AWS as here.
func functionContext(x *exchange) context.Context {
	return lambdacontext.NewContext(context.WithoutCancel(x.r.Context()), &lambdacontext.LambdaContext{AwsRequestID: x.id})
}

var errTimeout = errors.New("timed out")

// invoke runs a function until it answers or its time is up. What it answers later goes
// to late. A panic is the function's error, as Lambda's runtime has it.
func invoke[T any](ctx context.Context, f func(context.Context) (T, error), late func(T)) (T, error) {
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	go func() {
		var res result
		defer func() {
			if v := recover(); v != nil {
				res.err = fmt.Errorf("panic: %v\n%s", v, debug.Stack())
			}
			done <- res
		}()
		res.value, res.err = f(ctx)
	}()
	select {
	case res := <-done:
		return res.value, res.err
	case <-ctx.Done():
		go func() {
			if res := <-done; res.err == nil && late != nil {
				late(res.value)
			}
		}()
		var none T
		return none, errTimeout
	}
}

// failed is what the client gets of a function without a response, or with one that cannot
// be passed on: what it did is not known.
func failed(fn *function, err error) *problem.Problem {
	return problem.New(problem.OutcomeUnknown, "The service did not respond in time; the request may have been carried out.").
		After(2 * time.Second).Because(fmt.Errorf("%s: %w", fn.name, err))
}

// unavailable is what the client gets where no function was called.
func unavailable(err error) *problem.Problem {
	return problem.New(problem.Unavailable, "The service does not answer.").After(2 * time.Second).Because(err)
}

// throughJSON copies a value the way it travels between AWS's services, so that nothing
// passes that only Go could hold.
func throughJSON[T any](v T) (T, error) {
	var out T
	text, err := encode(v)
	if err == nil {
		err = jsonv1.Unmarshal(text, &out)
	}
	return out, err
}
