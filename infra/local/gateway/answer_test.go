package gateway

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"joboutputs/functions"
	"joboutputs/shared/api"
	"joboutputs/shared/auth"
)

// answering is a streamed function's side of one answer.
type answering struct {
	http.ResponseWriter
	ctx context.Context
	err error // the first of a failed write
}

func (w *answering) text(s string) {
	if _, err := io.WriteString(w, s); err != nil && w.err == nil {
		w.err = err
	}
}

// streaming is a catalogue of one streamed function; its error, if it sets one, is its end.
func streaming(fn func(*answering)) []functions.Function {
	r := functions.Function{
		Name: auth.OutputsRetrieve, Routes: []functions.Route{{Methods: []string{"GET", "HEAD"}, Resource: "/v1/job-outputs/{pk}"}}, Streamed: true,
		HTTP: func(functions.Parts) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				a := &answering{ResponseWriter: w, ctx: r.Context()}
				if fn(a); a.err != nil {
					panic(http.ErrAbortHandler) // as api.Handle does
				}
			})
		},
	}
	return []functions.Function{r}
}

func TestStreamed(t *testing.T) {
	f := start(t, streaming(func(w *answering) {
		w.Header().Set("X-Some", "a")
		w.Header().Add("X-Some", "b")
		w.Header().Set("Connection", "close")
		w.Header().Set("Transfer-Encoding", "gzip")
		w.WriteHeader(203)
		w.text("\x00\x00\x00\x00\x00\x00\x00\x00")
		w.text("<html>")
	}), nil)
	c := f.dial(t)
	in := bufio.NewReader(c)
	for _, method := range []string{"GET", "HEAD", "GET"} { // on one connection
		fmt.Fprintf(c, "%s /v1/job-outputs/5 HTTP/1.1\r\nHost: h\r\n%s\r\n\r\n", method, bearer)
		got := read(t, in, method)
		body := "\x00\x00\x00\x00\x00\x00\x00\x00<html>"
		if method == "HEAD" {
			body = ""
		}
		if got.status != 203 || string(got.body) != body || got.err != nil {
			t.Errorf("%s: %d %q %v", method, got.status, got.body, got.err)
		}
		if h := got.header; strings.Join(h["X-Some"], ",") != "a,b" || h["Content-Type"] != nil || h["Connection"] != nil {
			t.Errorf("%s: headers %v", method, h)
		}
	}
}

// Bytes reach the client when they are written, not when the answer ends.
func TestStreamedAtOnce(t *testing.T) {
	goOn := make(chan bool)
	f := start(t, streaming(func(w *answering) {
		w.text("first")
		<-goOn
		w.text("second")
	}), nil)
	c := f.dial(t)
	fmt.Fprintf(c, "GET /v1/job-outputs/5 HTTP/1.1\r\nHost: h\r\n%s\r\n\r\n", bearer)
	response, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	first := make([]byte, 5)
	if _, err := io.ReadFull(response.Body, first); err != nil || string(first) != "first" {
		t.Fatalf("%q %v", first, err)
	}
	close(goOn)
	if rest, err := io.ReadAll(response.Body); err != nil || string(rest) != "second" {
		t.Errorf("%q %v", rest, err)
	}
}

// An answer that breaks off must not look whole, with a length or without.
func TestStreamedAbort(t *testing.T) {
	for _, length := range []string{"", "100"} {
		f := start(t, streaming(func(w *answering) {
			if length != "" {
				w.Header().Set("Content-Length", length)
			}
			w.text("the first half")
			w.err = errors.New("no second half")
		}), nil)
		got := f.send(t, retrieve, "", bearer)
		if got.status != 200 || string(got.body) != "the first half" || !errors.Is(got.err, io.ErrUnexpectedEOF) {
			t.Errorf("length %q: %d %q %v", length, got.status, got.body, got.err)
		}
	}
}

// 200 MB pass in little memory.
func TestStreamedMemory(t *testing.T) {
	const size, limit = 200 << 20, 64 << 20
	part := bytes.Repeat([]byte("0123456789abcdef"), 64<<10/16)
	f := start(t, streaming(func(w *answering) {
		w.Header().Set("Content-Length", fmt.Sprint(size))
		for range size / len(part) {
			w.text(string(part))
		}
	}), nil)
	stop, peak := make(chan bool), make(chan uint64)
	go func() {
		var most uint64
		for {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			most = max(most, m.HeapAlloc)
			select {
			case <-stop:
				peak <- most
				return
			case <-time.After(5 * time.Millisecond):
			}
		}
	}()
	request, err := http.NewRequest("GET", "http://"+f.address+"/v1/job-outputs/5", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer good")
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	n, err := io.Copy(io.Discard, response.Body)
	close(stop)
	if most := <-peak; n != size || err != nil || most > limit {
		t.Errorf("got %d bytes, %v; heap up to %d MB", n, err, most>>20)
	}
}

func TestClientGone(t *testing.T) {
	ended := make(chan error, 1)
	f := start(t, streaming(func(w *answering) {
		defer func() { ended <- w.err }()
		for w.err == nil {
			w.text("more")
			time.Sleep(time.Millisecond)
		}
	}), nil)
	c := f.dial(t)
	fmt.Fprintf(c, "GET /v1/job-outputs/5 HTTP/1.1\r\nHost: h\r\n%s\r\n\r\n", bearer)
	if _, err := io.ReadFull(c, make([]byte, 200)); err != nil {
		t.Fatal(err)
	}
	c.Close()
	select {
	case err := <-ended:
		if err == nil {
			t.Error("the function was told nothing")
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the function still writes")
	}

	// One that is silent is ended too, by its next write or its context.
	began := make(chan bool)
	f = start(t, streaming(func(w *answering) {
		w.text("x")
		close(began)
		<-w.ctx.Done()
		ended <- w.ctx.Err()
	}), nil)
	c = f.dial(t)
	fmt.Fprintf(c, "GET /v1/job-outputs/5 HTTP/1.1\r\nHost: h\r\n%s\r\n\r\n", bearer)
	<-began
	c.Close()
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		t.Fatal("the function's context goes on")
	}
}

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
			map[string]string{"X-A": "1", "Content-Type": "", "Content-Length": "8"}},
		{"bytes", "GET", &events.APIGatewayProxyResponse{StatusCode: 200, Body: "AP8=", IsBase64Encoded: true, Headers: map[string]string{"Content-Type": "a/b"}}, 200, "\x00\xff",
			map[string]string{"Content-Type": "a/b", "Content-Length": "2"}},
		{"both kinds of headers", "GET", &events.APIGatewayProxyResponse{StatusCode: 200, Headers: map[string]string{"X-A": "1", "X-B": "2"}, MultiValueHeaders: h{"X-A": {"3"}}}, 200, "",
			map[string]string{"X-A": "3", "X-B": "2"}},
		{"headers of the connection", "GET", &events.APIGatewayProxyResponse{StatusCode: 200, MultiValueHeaders: h{"Connection": {"close"}, "Upgrade": {"x"}}}, 200, "",
			map[string]string{"Connection": "", "Upgrade": ""}},
		{"large", "GET", &events.APIGatewayProxyResponse{StatusCode: 200, Body: large}, 200, large, map[string]string{"Content-Length": fmt.Sprint(len(large))}},
		{"HEAD", "HEAD", &events.APIGatewayProxyResponse{StatusCode: 200, MultiValueHeaders: h{"Content-Length": {"77"}}}, 200, "", map[string]string{"Content-Length": "77"}},
		{"no content", "GET", &events.APIGatewayProxyResponse{StatusCode: 204}, 204, "", map[string]string{"Content-Length": ""}},
		{"not modified", "GET", &events.APIGatewayProxyResponse{StatusCode: 304, MultiValueHeaders: h{"Etag": {`"x"`}}}, 304, "", map[string]string{"Etag": `"x"`}},

		{"error", "GET", nil, 500, "internal", nil},
		{"no status", "GET", &events.APIGatewayProxyResponse{}, 500, "internal", nil},
		{"a status that is none", "GET", &events.APIGatewayProxyResponse{StatusCode: 101}, 500, "internal", nil},
		{"not base64", "GET", &events.APIGatewayProxyResponse{StatusCode: 200, Body: "?", IsBase64Encoded: true}, 500, "internal", nil},
		{"over 6 MB", "GET", &events.APIGatewayProxyResponse{StatusCode: 200, Body: strings.Repeat("x", maxAnswer)}, 500, "internal", nil},
	} {
		response.Store(tt.response)
		got := f.send(t, tt.method+" /v1/auth/verify", "")
		body := string(got.body)
		if tt.status == 500 {
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
		"panic":         {func(http.ResponseWriter, *http.Request) { panic("secret") }, 500, "internal", "secret"},
		"deaf":          {func(http.ResponseWriter, *http.Request) { <-hang }, 503, "unavailable", "timed out"},
		"told the time": {func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, 503, "unavailable", "timed out"},
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
	if got := f.send(t, retrieve, "", bearer); string(got.body) != "half" || got.err == nil {
		t.Errorf("streamed: %q %v", got.body, got.err)
	}
}

func TestStreamedWhereBufferedIsAsked(t *testing.T) {
	f := start(t, streaming(func(w *answering) { w.text("x") }), func(f *fixture) { f.Parts.Streaming = false })
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
		size   int
		status int
		limit  string
	}{
		{4 << 20, 200, ""},
		{4_700_000, 200, ""},
		{maxPayload / 4 * 3, 413, "6291456 bytes"},
		{10 << 20, 413, "6291456 bytes"},
		{10<<20 + 1, 413, "10485760 bytes"},
		{30 << 20, 413, "10485760 bytes"},
	} {
		chunked := fmt.Sprintf("POST /v1/auth/verify HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", tt.size, zeros(tt.size))
		for kind, got := range map[string]*answer{"sized": f.send(t, "POST /v1/auth/verify", zeros(tt.size)), "chunked": f.raw(t, chunked)} {
			if got.status != tt.status || !strings.Contains(got.detail(), tt.limit) || tt.status == 413 && got.code() != "payload_too_large" {
				t.Errorf("%d %s: %d %s", tt.size, kind, got.status, got.body)
			}
			if tt.status == 200 && length.Load() != int64(tt.size) {
				t.Errorf("%d %s: the function got %d", tt.size, kind, length.Load())
			}
		}
	}

	// Who asks first is told without sending.
	got := f.raw(t, "POST /v1/auth/verify HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 20000000\r\n\r\n")
	if got.status != 413 || got.code() != "payload_too_large" {
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
	authorizer := functions.Function{Authorizer: func(functions.Parts) functions.Authorizer { return nil }}
	for name, rows := range map[string][]functions.Function{
		"one method twice": {twice, twice},
		"two authorizers":  {{Authorizer: func(functions.Parts) functions.Authorizer { return (&fixture{}).authorize }}, authorizer},
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
