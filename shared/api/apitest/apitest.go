// Package apitest calls a handler as a Lambda behind API Gateway is called: an event goes
// through JSON and the api edge, and the answer comes back as a client sees it. The tests
// of actions use it.
//
//	answer := apitest.Call{
//		Method: "GET", Resource: "/v1/job-outputs/{pk}", Params: map[string]string{"pk": "5"},
//		As: apitest.Alice,
//	}.Do(t, retrieve.New(fake))
//	if answer.Status != 404 || answer.Code() != "not_found" { … }
package apitest

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"joboutputs/shared/api"
	"joboutputs/shared/auth"
	"joboutputs/shared/problem"
)

// Now is when calls are made that do not say: a fixed time, so that tests can compare it.
var Now = time.Date(2026, 5, 6, 7, 8, 9, 123456000, time.UTC)

// Callers most tests need: an admin, a user without rights of her own who may act for
// nodes 1 and 2, and a user with none. All are in tenant demo; a copy with another Tenant
// is a stranger.
var (
	Admin = auth.Principal{Tenant: "demo", Issuer: "https://issuer.test", Subject: "admin", UserPK: 1, Username: "admin", Admin: true}
	Alice = auth.Principal{Tenant: "demo", Issuer: "https://issuer.test", Subject: "alice", UserPK: 2, Username: "alice", Nodes: []int64{1, 2}}
	Bob   = auth.Principal{Tenant: "demo", Issuer: "https://issuer.test", Subject: "bob", UserPK: 3, Username: "bob"}
)

// Call is one request. Only Method and Resource must be set.
type Call struct {
	Method   string
	Resource string            // the route's template, "/v1/jobs/{pk}/outputs/{name}/{type}"
	Params   map[string]string // path parameters as text; sent percent-encoded
	Query    string            // without "?"; must be well-formed
	Header   map[string]string
	JSON     string         // the body, declared as application/json unless Header says otherwise
	Body     string         // the body, undeclared; JSON is set instead or neither
	As       auth.Principal // the caller; the zero value is nobody. Expires: an hour if zero; Node ≠ 0 is sent as Node-Id
	Now      time.Time      // the package's Now if zero
}

// Answer is what the client gets, and what was logged.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
	Cut    error  // Stream alone: the answer ended in its middle with this error
	Log    string // the request's log line (JSON)
}

// Do serves the call through api.Edge.Buffered.
func (c Call) Do(tb testing.TB, h http.Handler) *Answer {
	tb.Helper()
	var log syncBuffer
	response, err := c.edge(&log).Buffered(h)(tb.Context(), c.Event(tb))
	if err != nil {
		tb.Fatalf("%s %s: %v", c.Method, c.Resource, err)
	}
	return fromResponse(tb, passedOn(tb, response), log.String())
}

// Stream serves the call through api.Edge.Streamed and reads the whole answer.
func (c Call) Stream(tb testing.TB, h http.Handler) *Answer {
	tb.Helper()
	var log syncBuffer
	response, err := c.edge(&log).Streamed(h)(tb.Context(), c.Event(tb))
	if err != nil {
		tb.Fatalf("%s %s: %v", c.Method, c.Resource, err)
	}
	defer response.Close()
	body, cut := io.ReadAll(response.Body)
	return &Answer{Status: response.StatusCode, Header: response.MultiValueHeaders, Body: body, Cut: cut, Log: log.String()}
}

// Event is the call as API Gateway REST sends it to a function.
func (c Call) Event(tb testing.TB) events.APIGatewayProxyRequest {
	tb.Helper()
	path := c.Resource
	var params map[string]string
	for _, name := range slices.Sorted(maps.Keys(c.Params)) {
		escaped := url.PathEscape(c.Params[name])
		if !strings.Contains(c.Resource, "{"+name+"}") {
			tb.Fatalf("%s has no parameter %q", c.Resource, name)
		}
		path = strings.ReplaceAll(path, "{"+name+"}", escaped)
		if params == nil {
			params = map[string]string{}
		}
		params[name] = escaped
	}
	if strings.Contains(path, "{") {
		tb.Fatalf("%s: a parameter is not set, only %v", c.Resource, c.Params)
	}
	event := events.APIGatewayProxyRequest{
		Resource:          c.Resource,
		Path:              path,
		HTTPMethod:        c.Method,
		Headers:           map[string]string{},
		MultiValueHeaders: map[string][]string{},
		PathParameters:    params,
		RequestContext: events.APIGatewayProxyRequestContext{
			Stage:        "test",
			DomainName:   "api.test",
			RequestID:    "00000000-0000-4000-8000-000000000001",
			ResourcePath: c.Resource,
			Path:         path,
			HTTPMethod:   c.Method,
			Identity:     events.APIGatewayRequestIdentity{SourceIP: "192.0.2.1"},
			Authorizer:   c.authorizer(),
		},
		IsBase64Encoded: true,
	}
	body := c.Body
	if c.JSON != "" {
		body = c.JSON
	}
	event.Body = base64.StdEncoding.EncodeToString([]byte(body))
	for name, value := range c.headers() {
		event.Headers[name], event.MultiValueHeaders[name] = value, []string{value}
	}
	query, err := url.ParseQuery(c.Query)
	if err != nil {
		tb.Fatalf("query %q: %v", c.Query, err)
	}
	for name, values := range query {
		if event.MultiValueQueryStringParameters == nil {
			event.QueryStringParameters, event.MultiValueQueryStringParameters = map[string]string{}, map[string][]string{}
		}
		event.QueryStringParameters[name], event.MultiValueQueryStringParameters[name] = values[len(values)-1], values
	}
	return passedOn(tb, event)
}

func (c Call) headers() map[string]string {
	headers := map[string]string{"Host": "api.test"}
	if c.JSON != "" {
		headers["Content-Type"] = "application/json"
	}
	if c.As.Node != 0 {
		headers["Node-Id"] = strconv.FormatInt(c.As.Node, 10)
	}
	for name, value := range c.Header {
		headers[http.CanonicalHeaderKey(name)] = value
	}
	return headers
}

func (c Call) authorizer() map[string]any {
	if c.As.Tenant == "" {
		return nil
	}
	p := c.As
	if p.Expires.IsZero() {
		p.Expires = c.now().Add(time.Hour)
	}
	return p.Context()
}

func (c Call) now() time.Time {
	if c.Now.IsZero() {
		return Now
	}
	return c.Now
}

func (c Call) edge(log io.Writer) api.Edge {
	return api.Edge{Log: slog.New(slog.NewJSONHandler(log, nil)), Now: c.now}
}

// passedOn is a value after the JSON between API Gateway and Lambda.
func passedOn[T any](tb testing.TB, v T) T {
	tb.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		tb.Fatal(err)
	}
	var out T
	if err := json.Unmarshal(text, &out); err != nil {
		tb.Fatal(err)
	}
	return out
}

func fromResponse(tb testing.TB, response events.APIGatewayProxyResponse, log string) *Answer {
	tb.Helper()
	body := []byte(response.Body)
	if response.IsBase64Encoded {
		var err error
		if body, err = base64.StdEncoding.DecodeString(response.Body); err != nil {
			tb.Fatalf("the answer's body: %v", err)
		}
	}
	header := http.Header(response.MultiValueHeaders)
	if header == nil {
		header = http.Header{}
	}
	return &Answer{Status: response.StatusCode, Header: header, Body: body, Log: log}
}

// Into decodes the JSON body.
func (a *Answer) Into(tb testing.TB, v any) {
	tb.Helper()
	if err := json.Unmarshal(a.Body, v); err != nil {
		tb.Fatalf("the answer is not the JSON expected: %v: %s", err, a.Body)
	}
}

// Problem is the problem document, or nil if the answer is none.
func (a *Answer) Problem() map[string]any {
	var doc map[string]any
	if a.Header.Get("Content-Type") != api.ProblemType || json.Unmarshal(a.Body, &doc) != nil {
		return nil
	}
	return doc
}

// Code is the problem's code, "" if the answer is none.
func (a *Answer) Code() problem.Kind {
	code, _ := a.Problem()["code"].(string)
	return problem.Kind(code)
}

// Detail is the problem's sentence, "" if the answer is none.
func (a *Answer) Detail() string {
	detail, _ := a.Problem()["detail"].(string)
	return detail
}

// String shows the answer in a test's message.
func (a *Answer) String() string { return fmt.Sprintf("%d %v %s", a.Status, a.Header, a.Body) }

// syncBuffer is a log that a streamed function still writes while its answer is read.
type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
