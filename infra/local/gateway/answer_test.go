package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"joboutputs/functions"
	"joboutputs/shared/api"
	"joboutputs/shared/auth"
)

// A buffered function goes on when its client has gone: what it began, it finishes.
func TestBufferedClientGone(t *testing.T) {
	began, goOn, ended := make(chan bool), make(chan bool), make(chan error, 1)
	f := start(t, []functions.Function{row(auth.AuthVerify, "/v1/auth/verify", func(_ http.ResponseWriter, r *http.Request) {
		close(began)
		<-goOn
		ended <- r.Context().Err()
	}, "POST")}, nil)
	c := f.dial(t)
	_, _ = io.WriteString(c, "POST /v1/auth/verify HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n")
	<-began
	c.Close()
	time.Sleep(100 * time.Millisecond)
	close(goOn)
	if err := <-ended; err != nil {
		t.Errorf("its context: %v", err)
	}
}

func TestBufferedAnswers(t *testing.T) {
	var response atomic.Pointer[events.APIGatewayProxyResponse]
	f := start(t, []functions.Function{row(auth.AuthVerify, "/v1/auth/verify", nil, "GET", "HEAD")}, nil)
	for _, method := range []string{"GET", "HEAD"} {
		f.becomes(method, "/v1/auth/verify", func(context.Context, events.APIGatewayProxyRequest) (events.APIGatewayProxyResponse, error) {
			r := response.Load()
			if r == nil {
				return events.APIGatewayProxyResponse{}, errors.New("a secret")
			}
			return *r, nil
		})
	}
	type h = map[string][]string
	large := strings.Repeat("x", 5<<20)
	for _, tt := range []struct {
		name     string
		method   string
		response *events.APIGatewayProxyResponse
		status   int
		body     string
		header   map[string]string // "" = absent
	}{
		{"text", "GET", &events.APIGatewayProxyResponse{StatusCode: 201, Body: "<html>é", MultiValueHeaders: h{"x-a": {"1"}}}, 201, "<html>é",
			map[string]string{"X-A": "1", "Content-Type": "application/json", "Content-Length": "8"}},
		{"bytes", "GET", &events.APIGatewayProxyResponse{StatusCode: 200, Body: "AP8=", IsBase64Encoded: true, Headers: map[string]string{"Content-Type": "a/b"}}, 200, "\x00\xff",
			map[string]string{"Content-Type": "a/b", "Content-Length": "2"}},
		{"both kinds of headers", "GET", &events.APIGatewayProxyResponse{StatusCode: 200, Headers: map[string]string{"X-A": "1", "X-B": "2"}, MultiValueHeaders: h{"X-A": {"3"}}}, 200, "",
			map[string]string{"X-A": "3", "X-B": "2"}},
		{"headers of the connection", "GET", &events.APIGatewayProxyResponse{StatusCode: 200, MultiValueHeaders: h{"Connection": {"close"}, "Upgrade": {"x"}}}, 200, "",
			map[string]string{"Connection": "", "X-Amzn-Remapped-Connection": "close", "Upgrade": ""}},
		{"large", "GET", &events.APIGatewayProxyResponse{StatusCode: 200, Body: large}, 200, large, map[string]string{"Content-Length": fmt.Sprint(len(large))}},
		{"HEAD", "HEAD", &events.APIGatewayProxyResponse{StatusCode: 200, MultiValueHeaders: h{"Content-Length": {"77"}}}, 200, "", map[string]string{"Content-Length": "77"}},
		{"no content", "GET", &events.APIGatewayProxyResponse{StatusCode: 204}, 204, "", map[string]string{"Content-Length": ""}},
		{"not modified", "GET", &events.APIGatewayProxyResponse{StatusCode: 304, MultiValueHeaders: h{"Etag": {`"x"`}}}, 304, "", map[string]string{"Etag": `"x"`}},

		{"error", "GET", nil, 503, "outcome_unknown", nil},
		{"no status", "GET", &events.APIGatewayProxyResponse{}, 503, "outcome_unknown", nil},
		{"a status that is none", "GET", &events.APIGatewayProxyResponse{StatusCode: 101}, 503, "outcome_unknown", nil},
		{"not base64", "GET", &events.APIGatewayProxyResponse{StatusCode: 200, Body: "?", IsBase64Encoded: true}, 503, "outcome_unknown", nil},
		{"over 6 MB", "GET", &events.APIGatewayProxyResponse{StatusCode: 200, Body: strings.Repeat("x", maxAnswer)}, 503, "outcome_unknown", nil},
	} {
		response.Store(tt.response)
		got := f.send(t, tt.method+" /v1/auth/verify", "")
		body := string(got.body)
		if tt.status == 503 {
			body = got.code()
		}
		if got.status != tt.status || body != tt.body || got.err != nil || strings.Contains(body, "secret") {
			t.Errorf("%s: %d %.100q %v", tt.name, got.status, got.body, got.err)
		}
		for name, want := range tt.header {
			if got.header.Get(name) != want {
				t.Errorf("%s: %s is %q, want %q", tt.name, name, got.header.Get(name), want)
			}
		}
	}
	if log := f.logged(); strings.Count(log, "level=ERROR") != 5 || !strings.Contains(log, "a secret") {
		t.Errorf("log %s", log)
	}
}

func TestFunctionFails(t *testing.T) {
	hang := make(chan bool)
	defer close(hang)
	verify := func(fn http.HandlerFunc) []functions.Function {
		r := row(auth.AuthVerify, "/v1/auth/verify", fn, "GET")
		r.Timeout = 100 * time.Millisecond
		return []functions.Function{r}
	}
	for name, tt := range map[string]struct {
		fn           http.HandlerFunc
		status       int
		code, logged string
	}{
		"panic":         {func(http.ResponseWriter, *http.Request) { panic("secret") }, 503, "outcome_unknown", "secret"},
		"deaf":          {func(http.ResponseWriter, *http.Request) { <-hang }, 503, "outcome_unknown", "timed out"},
		"told the time": {func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, 503, "outcome_unknown", "timed out"},
	} {
		f := start(t, verify(tt.fn), nil)
		got := f.send(t, "GET /v1/auth/verify", "")
		// A function that notices the end of its time may still be heard, as it may on AWS.
		if name == "told the time" && got.status == 200 {
			continue
		}
		if got.status != tt.status || got.code() != tt.code || strings.Contains(string(got.body), "secret") || !strings.Contains(f.logged(), tt.logged) {
			t.Errorf("%s: %d %s\nlog %s", name, got.status, got.body, f.logged())
		}
		if tt.status == 503 && got.header.Get("Retry-After") == "" {
			t.Errorf("%s: no Retry-After", name)
		}
	}

	rows := streaming(func(w *answering) { // in the middle of its answer
		w.text("half")
		<-w.ctx.Done()
		<-hang
	})
	rows[0].Timeout = 200 * time.Millisecond
	f := start(t, rows, nil)
	if got := f.send(t, retrieve, "", bearer); string(got.body) != "half" || !errors.Is(got.err, io.ErrUnexpectedEOF) {
		t.Errorf("streamed: %q %v", got.body, got.err)
	}
}

func TestStreamedWhereBufferedIsAsked(t *testing.T) {
	f := start(t, streaming(func(w *answering) { w.text("x") }), func(f *fixture) { f.Deps.Streaming = false })
	if got := f.send(t, retrieve, "", bearer); string(got.body) != "x" || got.header.Get("Content-Length") != "1" {
		t.Errorf("%v %q", got.header, got.body)
	}
}

func TestRequestLimits(t *testing.T) {
	var length atomic.Int64
	f := start(t, []functions.Function{row(auth.AuthVerify, "/v1/auth/verify", func(_ http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		length.Store(n)
	}, "POST")}, nil)
	zeros := func(n int) string { return strings.Repeat("\x00", n) }
	for _, tt := range []struct {
		size      int
		status    int
		mediaType string
		body      string
	}{
		{4 << 20, 200, "application/json", ""},
		{4_700_000, 200, "application/json", ""},
		{maxPayload / 4 * 3, 413, "application/json", `{"message": "Request Too Long"}`},
		{10 << 20, 413, "application/json", `{"message": "Request Too Long"}`},
		{10<<20 + 1, 413, "text; charset=utf-8", "HTTP content length exceeded 10485760 bytes."},
		{30 << 20, 413, "text; charset=utf-8", "HTTP content length exceeded 10485760 bytes."},
	} {
		chunked := fmt.Sprintf("POST /v1/auth/verify HTTP/1.1\r\nHost: h\r\nOrigin: https://a.test\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", tt.size, zeros(tt.size))
		for kind, got := range map[string]*answer{"sized": f.send(t, "POST /v1/auth/verify", zeros(tt.size), "Origin: https://a.test"), "chunked": f.raw(t, chunked)} {
			if mediaType := got.header.Get("Content-Type"); got.status != tt.status || mediaType != tt.mediaType || string(got.body) != tt.body {
				t.Errorf("%d %s: %d %s %.100s, want %d %s %s", tt.size, kind, got.status, mediaType, got.body, tt.status, tt.mediaType, tt.body)
			}
			if origin := got.header.Get("Access-Control-Allow-Origin"); tt.status == 413 && origin != "" {
				t.Errorf("%d %s: %s may read what API Gateway says to nobody", tt.size, kind, origin)
			}
			if tt.status == 200 && length.Load() != int64(tt.size) {
				t.Errorf("%d %s: the function got %d", tt.size, kind, length.Load())
			}
		}
	}

	// Who asks first is told without sending.
	got := f.raw(t, "POST /v1/auth/verify HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 20000000\r\n\r\n")
	if got.status != 413 {
		t.Errorf("expecting: %d %s", got.status, got.body)
	}
	got = f.raw(t, "POST /nothing HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 20\r\n\r\n")
	if got.status != 404 {
		t.Errorf("expecting, no route: %d %s", got.status, got.body)
	}
	// And who does not, is told after.
	if got := f.send(t, "POST /nothing", zeros(8<<20)); got.status != 404 || got.header.Get("Content-Type") != api.ProblemType {
		t.Errorf("large body, no route: %d", got.status)
	}
}

func TestCatalogueDefects(t *testing.T) {
	twice := row(auth.OutputsList, "/v1/x", nil, "GET")
	authorizer := functions.Function{Authorizer: func(functions.Deps) functions.Authorizer { return nil }}
	for name, rows := range map[string][]functions.Function{
		"one method twice": {twice, twice},
		"two authorizers":  {{Authorizer: func(functions.Deps) functions.Authorizer { return (&fixture{}).authorize }}, authorizer},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: accepted", name)
				}
			}()
			New(Config{Functions: rows})
		}()
	}
}
