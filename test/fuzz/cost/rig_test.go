package cost_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"math"
	"net/http"
	"runtime"
	"runtime/debug"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/middleware"
	"github.com/guregu/dynamo/v2"

	"joboutputs/functions"
	"joboutputs/shared/api"
	"joboutputs/shared/api/apitest"
	"joboutputs/shared/filter"
	"joboutputs/shared/localaws"
	"joboutputs/shared/table"
	"joboutputs/shared/token"
	"joboutputs/shared/uploads"
)

// rig is the service over a table that has the rows it is told, and answers at once: what
// a request costs is then the service's own work.
type rig struct {
	handlers map[string]http.Handler // by resource and method
	items    []dynamo.Item           // of every query
}

func newRig(t *testing.T) *rig {
	r := &rig{handlers: map[string]http.Handler{}}
	hook := func(stack *middleware.Stack) error {
		return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("canned", r.call), middleware.After)
	}
	deps := functions.NewDeps(table.Config{
		DynamoDB: localaws.DynamoDB("http://dynamodb.test", func(o *dynamodb.Options) { o.APIOptions = append(o.APIOptions, hook) }),
		S3:       localaws.S3("http://s3.test", func(o *s3.Options) { o.APIOptions = append(o.APIOptions, hook) }),
		Table:    "table", Bucket: "bucket", Shards: 1, Now: func() time.Time { return apitest.Now },
	}, uploads.Limits{})
	deps.Streaming = true
	deps.Issuer = nobody{}
	deps.Verifier = token.New(token.Config{Issuer: "https://issuer.test", Audience: "us", JWKS: "https://issuer.test/jwks"}, &http.Client{Transport: nobody{}}, time.Now)
	for _, f := range functions.Catalogue() {
		if f.HTTP == nil {
			continue
		}
		h := f.HTTP(deps)
		for _, route := range f.Routes {
			for _, method := range route.Methods {
				r.handlers[method+" "+route.Resource] = h
			}
		}
	}
	return r
}

// nobody issues no tokens and has no keys.
type nobody struct{}

var errNobody = errors.New("nobody is there")

func (nobody) Obtain(context.Context, string, string) (token.Pair, error) {
	return token.Pair{}, errNobody
}
func (nobody) Refresh(context.Context, string) (string, error)   { return "", errNobody }
func (nobody) RoundTrip(r *http.Request) (*http.Response, error) { return nil, errNobody }

// call takes the place of a call to a store.
func (r *rig) call(_ context.Context, in middleware.InitializeInput, _ middleware.InitializeHandler) (out middleware.InitializeOutput, metadata middleware.Metadata, err error) {
	switch in.Parameters.(type) {
	case *dynamodb.QueryInput:
		out.Result = &dynamodb.QueryOutput{Items: r.items, Count: int32(len(r.items)), ScannedCount: int32(len(r.items))}
	case *dynamodb.GetItemInput:
		var item map[string]types.AttributeValue
		if len(r.items) > 0 {
			item = r.items[0]
		}
		out.Result = &dynamodb.GetItemOutput{Item: item}
	default:
		err = &types.ResourceNotFoundException{Message: aws.String("no such table")}
	}
	return out, metadata, err
}

// passes is what f costs, in passes: of several runs, the best. A pass is a loop over a MiB
// that looks at every byte, measured by turns with f, so that what is asked for holds on
// any machine, a busy one too.
func passes(runs int, f func()) float64 {
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // when the collector runs depends on what was before
	text := make([]byte, 1<<20)
	least, pass := time.Duration(math.MaxInt64), time.Duration(math.MaxInt64)
	for range runs {
		began := used()
		f()
		least = min(least, used()-began)
		before, sum := used(), 0
		for _, b := range text {
			sum += int(b)
		}
		runtime.KeepAlive(sum)
		pass = min(pass, used()-before)
	}
	return float64(least) / float64(pass)
}

// used is the CPU time of this process so far.
func used() time.Duration {
	var usage syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &usage) // can't fail for oneself
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// request is what a request costs, in passes: as often as it is made, at its best.
func (r *rig) request(t *testing.T, s specimen, runs int) float64 {
	t.Helper()
	h := r.handlers[s.call.Method+" "+s.call.Resource]
	if h == nil {
		t.Fatalf("no route %s %s", s.call.Method, s.call.Resource)
	}
	r.items = s.items
	event := s.call.Event(t)
	edge := api.Edge{Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return apitest.Now }}
	return passes(runs, func() {
		response, err := edge.Streamed(h)(t.Context(), event)
		if err != nil {
			t.Fatalf("%s %s: %v", s.call.Method, s.call.Resource, err)
		}
		_, _ = io.Copy(io.Discard, response.Body)
		_ = response.Close()
	})
}

// row is what a row costs that a list looks at, in passes, however many there are: to
// match it and to compare it with another.
func row(s specimen, runs int) float64 {
	spec, err := filter.Parse([]byte(s.call.JSON))
	if err != nil {
		return 0
	}
	return passes(runs, func() {
		for i := range s.rows {
			spec.Match(&s.rows[i])
			spec.Compare(&s.rows[i], &s.rows[0])
		}
	}) / float64(len(s.rows))
}
