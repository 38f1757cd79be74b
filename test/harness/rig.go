// Package harness is what the tests of the whole service share:
//
//   - Rig is the service under test, with its Clock, its Log and the Callers that send it
//     requests.
//   - Wire takes the calls of the model (test/robustness/model) to the service and brings
//     its answers back.
//   - Trial is a Rig whose calls to AWS fail as a test plans, with the model beside it. Each
//     case is a Run; setups.go has what a Run can begin with.
//   - Stores is what the table and the bucket hold, and which of the service's promises that
//     breaks.
package harness

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/middleware"

	"joboutputs/infra/local/gateway"
	"joboutputs/infra/local/seed"
	"joboutputs/infra/local/service"
	"joboutputs/shared/localaws"
	"joboutputs/shared/localaws/awstest"
)

// Rig is the service under test: the whole service over a table and a bucket of its own,
// served on a socket as the local run serves it.
type Rig struct {
	AWS     *awstest.AWS
	Service *service.Service
	URL     string
	Clock   *Clock
	Log     *Log
}

// Middleware is added to both of the service's AWS clients, e.g. to count or fail calls.
type Middleware = func(*middleware.Stack) error

// New starts a service, which ends with the test.
func New(tb testing.TB, middlewares ...Middleware) *Rig {
	tb.Helper()
	return start(tb, 0, middlewares)
}

// NewHasty is New for tests that fail calls on purpose: what is tried again is so at once.
func NewHasty(tb testing.TB, middlewares ...Middleware) *Rig {
	tb.Helper()
	return start(tb, time.Millisecond, middlewares)
}

func start(tb testing.TB, backoff time.Duration, middlewares []Middleware) *Rig {
	tb.Helper()
	r := &Rig{AWS: awstest.New(tb), Clock: &Clock{now: time.Now().Truncate(time.Second)}, Log: &Log{}}
	tb.Cleanup(func() { r.Log.Check(tb) }) // after the server has ended
	log := slog.New(slog.NewJSONHandler(r.Log, nil))
	var err error
	r.Service, err = service.New(service.Config{
		DynamoDB: localaws.DynamoDB(r.AWS.DynamoDBEndpoint, func(o *dynamodb.Options) { o.APIOptions = append(o.APIOptions, middlewares...) }),
		S3:       localaws.S3(r.AWS.S3Endpoint, func(o *s3.Options) { o.APIOptions = append(o.APIOptions, middlewares...) }),
		Table:    r.AWS.Table, Bucket: r.AWS.Bucket,
		Log: log, Now: r.Clock.Now, Backoff: backoff,
	})
	if err != nil {
		tb.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	server := gateway.NewServer(r.Service, log)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	tb.Cleanup(func() {
		_ = server.Close()
		<-served
	})
	r.URL = "http://" + listener.Addr().String()
	return r
}

// Load loads a seed, whose text has the tenant left out as {tenant}.
func (r *Rig) Load(tb testing.TB, text, tenant string) {
	tb.Helper()
	s, err := seed.Read("seed", strings.NewReader(strings.ReplaceAll(text, "{tenant}", tenant)))
	if err != nil {
		tb.Fatal(err)
	}
	if err := r.Service.Load(tb.Context(), s); err != nil {
		tb.Fatal(err)
	}
}

// Login returns a caller with a fresh access token. The user's password is the name.
func (r *Rig) Login(tb testing.TB, name, tenant string) Caller {
	tb.Helper()
	body := fmt.Sprintf(`{"username":%q,"password":%q}`, name+"@"+tenant, name)
	a := Caller{}.Do(tb, r.URL, Request{Method: "POST", Path: "/v1/auth/obtain", Body: body})
	a.Want(tb, http.StatusOK)
	var pair struct{ Access string }
	a.Decode(tb, &pair)
	return Caller{Token: pair.Access}
}

// Caller is who sends a request; the zero value is nobody.
type Caller struct {
	Token string
	Node  string // Node-Id, if any
}

// As is the caller speaking for a node.
func (c Caller) As(node string) Caller { c.Node = node; return c }

// Request is what a caller sends. A body that begins with { is sent as JSON.
type Request struct {
	Method, Path string // the path as it is sent: escaped, with the query
	Body         string
	Header       map[string]string
}

// Answer is what came back, as it stood on the wire but for chunking.
type Answer struct {
	Request Request
	Status  int
	Header  http.Header
	Body    []byte
	Broken  error // the body ended before it was whole
}

// client follows nothing and asks for nothing by itself.
var client = &http.Client{
	Transport:     &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 64},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	Timeout:       time.Minute,
}

// Send sends a request to the service at url.
func (c Caller) Send(ctx context.Context, url string, req Request) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, req.Method, url+req.Path, strings.NewReader(req.Body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("User-Agent", "client")
	if strings.HasPrefix(req.Body, "{") {
		r.Header.Set("Content-Type", "application/json")
	}
	if c.Token != "" {
		r.Header.Set("Authorization", "Bearer "+c.Token)
	}
	if c.Node != "" {
		r.Header.Set("Node-Id", c.Node)
	}
	for name, value := range req.Header {
		r.Header.Set(name, value)
	}
	return client.Do(r)
}

// Do sends a request and reads the answer to its end.
func (c Caller) Do(tb testing.TB, url string, req Request) Answer {
	tb.Helper()
	response, err := c.Send(context.Background(), url, req)
	if err != nil {
		tb.Fatalf("%s %s: %v", req.Method, req.Path, err)
	}
	defer response.Body.Close()
	a := Answer{Request: req, Status: response.StatusCode, Header: response.Header}
	a.Body, a.Broken = io.ReadAll(response.Body)
	return a
}

// Want holds that the answer came whole and with the status.
func (a Answer) Want(tb testing.TB, status int) {
	tb.Helper()
	if a.Status != status || a.Broken != nil {
		tb.Fatalf("%s %s: %d, want %d (%v)\n%.2000s", a.Request.Method, a.Request.Path, a.Status, status, a.Broken, a.Body)
	}
}

// Decode reads the answer's JSON into v.
func (a Answer) Decode(tb testing.TB, v any) {
	tb.Helper()
	if err := json.Unmarshal(a.Body, v); err != nil {
		tb.Fatalf("%s %s: %v in %.2000s", a.Request.Method, a.Request.Path, err, a.Body)
	}
}

// Clock is the service's clock: it moves on by its step whenever it is read.
type Clock struct {
	mu   sync.Mutex
	now  time.Time
	step time.Duration
}

// Now reads the clock.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(c.step)
	return c.now
}

// Tick sets the step, 0 at first.
func (c *Clock) Tick(step time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.step = step
}

// Advance moves the clock on.
func (c *Clock) Advance(by time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(by)
}
