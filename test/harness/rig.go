// Package harness is what the tests of the whole service share:
//
//   - Rig is the service under test, with its Clock, its Log and the Callers that send it
//     requests. A Script sends requests in a row and stops at a wrong status.
//   - Wire takes the calls of the model (test/robustness/model) to the service and brings
//     its answers back; a Retrying does so with the project's client, which retries.
//   - Trial is a Rig whose calls to AWS fail as a test plans, with the model beside it. Each
//     case is a Run; setups.go has what a Run can begin with.
//   - Stores is what the table and the bucket hold, and which of the service's promises that
//     breaks.
package harness

import (
	"cmp"
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
	Clock   *Clock // nil if Config.Now is the clock
	Log     *Log

	config service.Config
}

// Config is what a Rig is made from; the zero value is what New takes.
type Config struct {
	Middlewares []Middleware
	Now         func() time.Time // nil = Rig.Clock, which begins now and stands still
	Backoff     time.Duration    // see outputs.Config
	TokenTTL    time.Duration    // see gateway.Config
}

// Middleware is added to both of the service's AWS clients, e.g. to count or fail calls.
type Middleware = func(*middleware.Stack) error

// New starts a service, which ends with the test.
func New(tb testing.TB, middlewares ...Middleware) *Rig {
	tb.Helper()
	return Start(tb, Config{Middlewares: middlewares})
}

// NewHasty is New for tests that fail calls on purpose: what is tried again is so at once.
func NewHasty(tb testing.TB, middlewares ...Middleware) *Rig {
	tb.Helper()
	return Start(tb, Config{Middlewares: middlewares, Backoff: time.Millisecond})
}

// Start starts a service as cfg says. It ends with the test.
func Start(tb testing.TB, cfg Config) *Rig {
	tb.Helper()
	r := &Rig{AWS: awstest.New(tb), Log: &Log{}}
	if cfg.Now == nil {
		r.Clock = NewClock(time.Now().Truncate(time.Second))
		cfg.Now = r.Clock.Now
	}
	tb.Cleanup(func() { r.Log.Check(tb) }) // after the server has ended
	log := slog.New(slog.NewJSONHandler(r.Log, nil))
	r.config = service.Config{
		DynamoDB: localaws.DynamoDB(r.AWS.DynamoDBEndpoint, func(o *dynamodb.Options) { o.APIOptions = append(o.APIOptions, cfg.Middlewares...) }),
		S3:       localaws.S3(r.AWS.S3Endpoint, func(o *s3.Options) { o.APIOptions = append(o.APIOptions, cfg.Middlewares...) }),
		Table:    r.AWS.Table, Bucket: r.AWS.Bucket,
		Log: log, Now: cfg.Now, Backoff: cfg.Backoff, TokenTTL: cfg.TokenTTL,
	}
	var err error
	if r.Service, err = service.New(r.config); err != nil {
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

// Hurried makes another service over the same stores and with the same issuer, which gives up sooner: an attempt of
// a call to AWS, and a function; 0 = as late as the first service. Its budgets of retries are
// its own, and full.
func (r *Rig) Hurried(attempt, function time.Duration) *service.Service {
	cfg := r.config
	cfg.Attempt, cfg.Timeout, cfg.Issuer = attempt, function, r.Service.Issuer
	s, err := service.New(cfg)
	if err != nil {
		panic(err) // the first one was made
	}
	return s
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

// Login logs a user in, whose password is the name.
func (r *Rig) Login(tb testing.TB, name, tenant string) Caller {
	tb.Helper()
	c, err := Login(context.Background(), r.URL, name, tenant)
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

// Login returns a caller with a fresh access token from the service at url. The user's
// password is the name.
func Login(ctx context.Context, url, name, tenant string) (Caller, error) {
	body := fmt.Sprintf(`{"username":%q,"password":%q}`, name+"@"+tenant, name)
	a, err := Caller{}.exchange(ctx, url, Request{Method: "POST", Path: "/v1/auth/obtain", Body: body})
	if err != nil {
		return Caller{}, fmt.Errorf("log in as %s@%s: %w", name, tenant, err)
	}
	var pair struct{ Access string }
	if err := json.Unmarshal(a.Body, &pair); err != nil || a.Status != http.StatusOK || a.Broken != nil {
		return Caller{}, fmt.Errorf("log in as %s@%s: %d (%v) %.2000s", name, tenant, a.Status, cmp.Or(a.Broken, err), a.Body)
	}
	return Caller{Token: pair.Access}, nil
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
	r.Header = c.header()
	if strings.HasPrefix(req.Body, "{") {
		r.Header.Set("Content-Type", "application/json")
	}
	for name, value := range req.Header {
		r.Header.Set(name, value)
	}
	return client.Do(r)
}

// header is what every request of the caller has.
func (c Caller) header() http.Header {
	header := http.Header{}
	header.Set("User-Agent", "client")
	if c.Token != "" {
		header.Set("Authorization", "Bearer "+c.Token)
	}
	if c.Node != "" {
		header.Set("Node-Id", c.Node)
	}
	return header
}

// exchange sends a request and reads the answer to its end.
func (c Caller) exchange(ctx context.Context, url string, req Request) (Answer, error) {
	response, err := c.Send(ctx, url, req)
	if err != nil {
		return Answer{}, err
	}
	return readAnswer(req, response), nil
}

// readAnswer reads an answer to its end.
func readAnswer(req Request, response *http.Response) Answer {
	defer response.Body.Close()
	a := Answer{Request: req, Status: response.StatusCode, Header: response.Header}
	a.Body, a.Broken = io.ReadAll(response.Body)
	return a
}

// Do sends a request and reads the answer to its end. No answer ends the test.
func (c Caller) Do(tb testing.TB, url string, req Request) Answer {
	tb.Helper()
	a, err := c.exchange(context.Background(), url, req)
	if err != nil {
		tb.Fatalf("%s %s: %v", req.Method, req.Path, err)
	}
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

// NewClock makes a Clock that stands at a time.
func NewClock(at time.Time) *Clock { return &Clock{now: at} }

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
