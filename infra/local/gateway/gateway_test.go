package gateway

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"joboutputs/functions"
	"joboutputs/shared/api"
	"joboutputs/shared/auth"
)

// fixture is a gateway behind a real socket, with an authorizer that knows a few tokens.
type fixture struct {
	Config
	gateway *Gateway
	address string
	asked   atomic.Int64 // how often the authorizer was
	policy  func(arn string) events.APIGatewayCustomAuthorizerPolicy
	mu      sync.Mutex
	clock   time.Time
	log     strings.Builder
}

func everything(string) events.APIGatewayCustomAuthorizerPolicy {
	return policyOf(events.IAMPolicyStatement{Effect: "Allow", Action: []string{"execute-api:Invoke"}, Resource: []string{"arn:aws:execute-api:*:*:*/local/*"}})
}

func policyOf(statements ...events.IAMPolicyStatement) events.APIGatewayCustomAuthorizerPolicy {
	return events.APIGatewayCustomAuthorizerPolicy{Version: "2012-10-17", Statement: statements}
}

// start serves the rows, after change had its way with the configuration.
func start(t *testing.T, rows []functions.Function, change func(*fixture)) *fixture {
	t.Helper()
	f := &fixture{policy: everything, clock: time.Date(2026, 5, 6, 7, 8, 9, 0, time.UTC)}
	f.Config = Config{
		Functions: append(rows, functions.Function{Name: "auth-authorize", Timeout: time.Second, Authorizer: func(functions.Deps) functions.Authorizer { return f.authorize }}),
		Deps:      functions.Deps{Streaming: true},
		Refused:   functions.Refused,
		Edge:      api.Edge{Log: slog.New(slog.DiscardHandler), Now: f.now},
		Log:       slog.New(slog.NewTextHandler(f, nil)),
	}
	if change != nil {
		change(f)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f.address = ln.Addr().String()
	f.gateway = New(f.Config)
	server := NewServer(f.gateway, f.Log)
	done := make(chan error, 1)
	go func() { done <- server.Serve(ln) }()
	t.Cleanup(func() {
		server.Close()
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	return f
}

func (f *fixture) authorize(_ context.Context, r events.APIGatewayCustomAuthorizerRequest) (events.APIGatewayCustomAuthorizerResponse, error) {
	f.asked.Add(1)
	switch token := strings.TrimPrefix(r.AuthorizationToken, "Bearer "); token {
	case "refused":
		return events.APIGatewayCustomAuthorizerResponse{}, errors.New("Unauthorized")
	case "broken":
		return events.APIGatewayCustomAuthorizerResponse{}, errors.New("the issuer is down: secret")
	case "panic":
		panic("secret")
	case "slow":
		time.Sleep(2 * time.Second)
	case "nested":
		return events.APIGatewayCustomAuthorizerResponse{PrincipalID: "x", PolicyDocument: f.policy(r.MethodArn), Context: map[string]any{"nodes": []int{1}}}, nil
	}
	return events.APIGatewayCustomAuthorizerResponse{
		PrincipalID: "somebody", PolicyDocument: f.policy(r.MethodArn),
		Context: map[string]any{"token": r.AuthorizationToken, "admin": true, "upk": 12},
	}, nil
}

func (f *fixture) now() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.clock
}

func (f *fixture) advance(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.clock = f.clock.Add(d)
}

func (f *fixture) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.log.Write(p)
}

func (f *fixture) logged() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.log.String()
}

// answer is what came back on the wire.
type answer struct {
	status int
	header http.Header
	body   []byte
	err    error // reading the body
}

func (a *answer) code() string   { return a.problem("code") }
func (a *answer) detail() string { return a.problem("detail") }

func (a *answer) problem(member string) string {
	var doc map[string]any
	if a.header.Get("Content-Type") != api.ProblemType || json.Unmarshal(a.body, &doc) != nil {
		return ""
	}
	text, _ := doc[member].(string)
	return text
}

func (f *fixture) dial(t *testing.T) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", f.address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return c
}

// raw sends bytes as they are and reads one answer to a request of that method.
func (f *fixture) raw(t *testing.T, request string) *answer {
	t.Helper()
	c := f.dial(t)
	if _, err := io.WriteString(c, request); err != nil {
		t.Fatal(err)
	}
	method, _, _ := strings.Cut(request, " ")
	return read(t, bufio.NewReader(c), method)
}

func read(t *testing.T, in *bufio.Reader, method string) *answer {
	t.Helper()
	response, err := http.ReadResponse(in, &http.Request{Method: method})
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return &answer{response.StatusCode, response.Header, body, err}
}

// send sends a request line and headers, then a body if there is one.
func (f *fixture) send(t *testing.T, line, body string, headers ...string) *answer {
	t.Helper()
	if body != "" {
		headers = append(headers, fmt.Sprintf("Content-Length: %d", len(body)))
	}
	return f.raw(t, line+" HTTP/1.1\r\n"+strings.Join(append([]string{"Host: h"}, headers...), "\r\n")+"\r\n\r\n"+body)
}

const bearer = "Authorization: Bearer good"

// row is a function with one route.
func row(name auth.Action, resource string, h http.HandlerFunc, methods ...string) functions.Function {
	return functions.Function{
		Name: name, Routes: []functions.Route{{Methods: methods, Resource: resource}}, Timeout: 10 * time.Second,
		HTTP: func(functions.Deps) http.Handler { return h },
	}
}

// becomes puts h in the place of a buffered function, to see events and make odd answers.
func (f *fixture) becomes(method, resource string, h api.BufferedHandler) {
	for _, r := range f.gateway.routes {
		if r.template == resource {
			r.methods[method].buffered = h
		}
	}
}

// house is a catalogue like the real one, whose functions say which they are and what the
// path's parameters were.
func house() []functions.Function {
	to := func(resource string, methods ...string) functions.Route {
		return functions.Route{Methods: methods, Resource: resource}
	}
	say := func(name auth.Action, route functions.Route) functions.Function {
		return functions.Function{Name: name, Routes: []functions.Route{route}, HTTP: func(functions.Deps) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("X-Function", string(name))
				for _, param := range []string{"pk", "name", "type"} {
					if value := r.PathValue(param); value != "" {
						w.Header().Set("X-"+param, base64.StdEncoding.EncodeToString([]byte(value)))
					}
				}
			})
		}}
	}
	const output, job, named = "/v1/job-outputs/{pk}", "/v1/jobs/{pk}", "/v1/jobs/{pk}/outputs/{name}/{type}"
	return []functions.Function{
		say(auth.OutputsRetrieve, to(output, "GET", "HEAD")), // parameters before literals: the order of rows must not matter
		say(auth.OutputsDestroy, to(output, "DELETE")),
		say(auth.OutputsList, to("/v1/job-outputs/list", "POST")),
		say(auth.OutputsHardDelete, to(output+"/hard", "DELETE")),
		say(auth.OutputsReinstate, to(output+"/reinstate", "DELETE", "POST")),
		say(auth.JobsRetrieve, to(job, "GET")),
		say(auth.JobsCreate, to("/v1/jobs/create", "POST")),
		say(auth.JobsGetOutput, to(named, "GET", "HEAD")),
		say(auth.JobsAddOutput, to(named, "POST")),
		say(auth.JobsZipOutputs, to(job+"/outputs.zip", "GET", "HEAD")),
		say(auth.JobsGetOutputInfo, to(named+"/info", "GET")),
		say(auth.AuthVerify, to("/v1/auth/verify", "POST")),
		say(auth.DocsOpenAPI, to("/v1/openapi.json", "GET")),
	}
}
