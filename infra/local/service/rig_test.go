package service_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"joboutputs/infra/local/gateway"
	"joboutputs/infra/local/seed"
	"joboutputs/infra/local/service"
	"joboutputs/infra/local/servicetest"
	"joboutputs/shared/localaws"
	"joboutputs/shared/localaws/awstest"
)

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		os.Exit(child())
	}
	os.Exit(m.Run())
}

// rig is the service over stores of its own, served on a socket as the local run serves it.
type rig struct {
	aws   *awstest.AWS
	svc   *service.Service
	url   string
	clock *clock
	log   *servicetest.Log
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{aws: awstest.New(t), clock: &clock{now: time.Now().Truncate(time.Second)}, log: &servicetest.Log{}}
	t.Cleanup(func() { r.log.Check(t) }) // after the server has ended
	log := slog.New(slog.NewJSONHandler(r.log, nil))
	var err error
	r.svc, err = service.New(service.Config{
		DynamoDB: localaws.DynamoDB(r.aws.DynamoDBEndpoint),
		S3:       localaws.S3(r.aws.S3Endpoint),
		Table:    r.aws.Table, Bucket: r.aws.Bucket,
		Log: log, Now: r.clock.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := gateway.NewServer(r.svc, log)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	t.Cleanup(func() {
		_ = server.Close()
		<-served
	})
	r.url = "http://" + listener.Addr().String()
	return r
}

// load loads a seed, whose text has the tenant left out as {tenant}.
func (r *rig) load(t *testing.T, text, tenant string) {
	t.Helper()
	s, err := seed.Read("seed", strings.NewReader(strings.ReplaceAll(text, "{tenant}", tenant)))
	if err != nil {
		t.Fatal(err)
	}
	if err := r.svc.Load(t.Context(), s); err != nil {
		t.Fatal(err)
	}
}

// login returns a caller with a fresh access token. The seeds' passwords are the names.
func (r *rig) login(t *testing.T, name, tenant string) caller {
	t.Helper()
	body := fmt.Sprintf(`{"username":%q,"password":%q}`, name+"@"+tenant, name)
	a := caller{}.do(t, r.url, request{method: "POST", path: "/v1/auth/obtain", body: body})
	a.want(t, http.StatusOK)
	var pair struct{ Access string }
	a.decode(t, &pair)
	return caller{token: pair.Access}
}

// caller is who sends a request; the zero value is nobody.
type caller struct {
	token string
	node  string // Node-Id, if any
}

func (c caller) as(node string) caller { c.node = node; return c }

type request struct {
	method, path string // the path as it is sent: escaped, with the query
	body         string
	header       map[string]string
}

// answer is what came back, as it stood on the wire but for chunking.
type answer struct {
	request request
	status  int
	header  http.Header
	body    []byte
	broken  error // the body ended before it was whole
}

// client follows nothing and asks for nothing by itself.
var client = &http.Client{
	Transport:     &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 32},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	Timeout:       time.Minute,
}

func (c caller) send(ctx context.Context, url string, req request) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, req.method, url+req.path, strings.NewReader(req.body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("User-Agent", "client")
	if strings.HasPrefix(req.body, "{") {
		r.Header.Set("Content-Type", "application/json")
	}
	if c.token != "" {
		r.Header.Set("Authorization", "Bearer "+c.token)
	}
	if c.node != "" {
		r.Header.Set("Node-Id", c.node)
	}
	for name, value := range req.header {
		r.Header.Set(name, value)
	}
	return client.Do(r)
}

func (c caller) do(t testing.TB, url string, req request) answer {
	t.Helper()
	response, err := c.send(context.Background(), url, req)
	if err != nil {
		t.Fatalf("%s %s: %v", req.method, req.path, err)
	}
	defer response.Body.Close()
	a := answer{request: req, status: response.StatusCode, header: response.Header}
	a.body, a.broken = io.ReadAll(response.Body)
	return a
}

// want holds that the answer came whole and with the status.
func (a answer) want(t testing.TB, status int) {
	t.Helper()
	if a.status != status || a.broken != nil {
		t.Fatalf("%s %s: %d, want %d (%v)\n%.2000s", a.request.method, a.request.path, a.status, status, a.broken, a.body)
	}
}

func (a answer) decode(t testing.TB, v any) {
	t.Helper()
	if err := json.Unmarshal(a.body, v); err != nil {
		t.Fatalf("%s %s: %v in %.2000s", a.request.method, a.request.path, err, a.body)
	}
}

// clock moves on by its step whenever it is read.
type clock struct {
	mu   sync.Mutex
	now  time.Time
	step time.Duration
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(c.step)
	return c.now
}

func (c *clock) tick(step time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.step = step
}
