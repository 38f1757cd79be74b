package gateway

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"joboutputs/functions"
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
		HTTP: func(functions.Deps) http.Handler {
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
		if h := got.header; strings.Join(h["X-Some"], ",") != "a,b" || h.Get("Content-Type") != "application/json" || h["Connection"] != nil {
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
	part := strings.Repeat("0123456789abcdef", 64<<10/16)
	runtime.GC() // what other tests left is not this one's
	f := start(t, streaming(func(w *answering) {
		w.Header().Set("Content-Length", fmt.Sprint(size))
		for range size / len(part) {
			w.text(part)
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

	// One that is silent is ended too, by its context.
	f = start(t, streaming(func(w *answering) {
		w.text("x")
		<-w.ctx.Done()
		ended <- w.ctx.Err()
	}), nil)
	c = f.dial(t)
	fmt.Fprintf(c, "GET /v1/job-outputs/5 HTTP/1.1\r\nHost: h\r\n%s\r\n\r\n", bearer)
	response, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(response.Body, make([]byte, 1)); err != nil { // all there is: what follows is silence
		t.Fatal(err)
	}
	c.Close()
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		t.Fatal("the function's context goes on")
	}
}
