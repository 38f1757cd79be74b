package api

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
)

// Serve runs a buffered function as a Lambda; it does not return.
func Serve(h http.Handler) { lambda.Start(newEdge().Buffered(h)) }

// ServeStreamed runs a function whose answers stream as a Lambda, or buffered where the
// target has no response streaming; it does not return.
func ServeStreamed(streaming bool, h http.Handler) {
	if streaming {
		lambda.Start(newEdge().Streamed(h))
	}
	Serve(h)
}

func newEdge() Edge { return Edge{Log: Logger(), Now: time.Now} }

// Logger is what a Lambda logs with: JSON, one line each, to CloudWatch.
func Logger() *slog.Logger { return slog.New(slog.NewJSONHandler(os.Stdout, nil)) }

// BufferedHandler is what lambda.Start takes for a buffered function.
type BufferedHandler = func(context.Context, events.APIGatewayProxyRequest) (events.APIGatewayProxyResponse, error)

// StreamedHandler is what lambda.Start takes for a streamed function.
type StreamedHandler = func(context.Context, events.APIGatewayProxyRequest) (*events.APIGatewayProxyStreamingResponse, error)

// Buffered serves a handler whose whole answer fits a Lambda's 6 MB.
func (e Edge) Buffered(h http.Handler) BufferedHandler {
	return func(ctx context.Context, event events.APIGatewayProxyRequest) (events.APIGatewayProxyResponse, error) {
		own, cancel := before(ctx, spare)
		defer cancel()
		r, rec, err := e.request(own, event)
		if err != nil {
			return events.APIGatewayProxyResponse{}, fmt.Errorf("read the event: %w", err)
		}
		defer e.finish(ctx, rec)
		w := &bufferedWriter{header: http.Header{}, rec: rec}
		if aborted := serve(h, w, r); aborted { // after its first byte; nothing has left yet, so the problem can be said
			w = &bufferedWriter{header: http.Header{}, rec: rec}
			allowCrossOrigin(w, r)
			WriteProblem(w, problemOf(rec.err), rec.requestID)
		}
		rec.status = w.status
		return w.response(r.Method), nil
	}
}

// Streamed serves a handler whose answer is sent while it is made, through a pipe: memory
// does not grow with the answer. Status and headers are fixed at the first write.
func (e Edge) Streamed(h http.Handler) StreamedHandler {
	return func(ctx context.Context, event events.APIGatewayProxyRequest) (*events.APIGatewayProxyStreamingResponse, error) {
		own, cancel := before(ctx, spare)
		own, gone := context.WithCancelCause(own)
		r, rec, err := e.request(own, event)
		if err != nil {
			gone(nil)
			cancel()
			return nil, fmt.Errorf("read the event: %w", err)
		}
		body, pipe := io.Pipe()
		w := &streamedWriter{header: http.Header{}, rec: rec, pipe: pipe, begun: make(chan struct{}), head: r.Method == http.MethodHead}
		// A client that reads too slowly for the function's time ends the response, as does one
		// that goes away.
		last, cancelLast := before(ctx, spare/2)
		inTime := context.AfterFunc(last, func() { body.CloseWithError(errLate) })
		go func() {
			defer cancel()
			defer cancelLast()
			defer gone(nil)
			aborted := serve(h, w, r)
			inTime()
			rec.gone = errors.Is(context.Cause(own), errGone)
			w.begin(http.StatusOK) // for a handler that wrote nothing
			rec.status = w.status
			// The log line comes first: Lambda may freeze the function once the response has ended.
			e.finish(ctx, rec)
			if aborted {
				pipe.CloseWithError(errAborted)
			} else {
				pipe.Close()
			}
		}()
		<-w.begun
		return &events.APIGatewayProxyStreamingResponse{
			StatusCode:        w.status,
			MultiValueHeaders: w.sent,
			Body:              streamedBody{body, func() { gone(errGone) }},
		}, nil
	}
}

var (
	errAborted = errors.New("the response was aborted: a problem after its first byte")
	errGone    = errors.New("the client is gone")
	errLate    = errors.New("the function's time was up before the client had read the response")
)

// spare is how much of a function's time is left for its response when its work must end:
// Lambda ends a function at its deadline without one.
const spare = time.Second

// before is a context that ends a while before the function's deadline: for a function of
// less than ten seconds, a share of it.
func before(ctx context.Context, while time.Duration) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	share := time.Duration(min(1, time.Until(deadline).Seconds()/10) * float64(while))
	return context.WithDeadline(ctx, deadline.Add(-share))
}

// streamedBody is an answer's bytes. Closing it ends the handler's writes, and its context:
// a handler that has nothing to write for long would not notice otherwise.
type streamedBody struct {
	*io.PipeReader
	stop func()
}

func (b streamedBody) Close() error {
	b.stop()
	return b.PipeReader.Close()
}

// serve runs the handler and reports whether it gave up in the middle of its answer.
func serve(h http.Handler, w http.ResponseWriter, r *http.Request) (aborted bool) {
	defer func() {
		if v := recover(); v == http.ErrAbortHandler { //nolint:errorlint // as net/http compares it
			aborted = true
		} else if v != nil {
			panic(v)
		}
	}()
	h.ServeHTTP(w, r)
	return false
}

// bufferedWriter keeps an answer. The adapter's own writer lets the last status
// win and guesses a media type; here, as in net/http, the first counts, and none is guessed.
type bufferedWriter struct {
	header http.Header
	sent   http.Header // the headers as they were at the first write
	status int
	body   []byte
	rec    *record
}

func (w *bufferedWriter) Header() http.Header { return w.header }

func (w *bufferedWriter) WriteHeader(status int) {
	if w.status == 0 {
		w.status, w.sent = status, w.header.Clone()
		w.rec.started = true
	}
}

func (w *bufferedWriter) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	w.body = append(w.body, p...)
	return len(p), nil
}

func (w *bufferedWriter) response(method string) events.APIGatewayProxyResponse {
	w.WriteHeader(http.StatusOK)
	response := events.APIGatewayProxyResponse{StatusCode: w.status, MultiValueHeaders: w.sent}
	switch {
	case method == http.MethodHead: // the headers of the answer, without it
		if w.sent.Get("Content-Length") == "" {
			w.sent.Set("Content-Length", strconv.Itoa(len(w.body)))
		}
	case isText(w.body):
		response.Body = string(w.body)
	default:
		response.Body, response.IsBase64Encoded = base64.StdEncoding.EncodeToString(w.body), true
	}
	return response
}

// MaxResponse is the largest body that a buffered function surely returns, in bytes: base64
// makes 6 MB of it, and the rest of a Lambda's 6 MiB is for the headers.
const MaxResponse = 4_500_000

// isText reports whether a body travels as text in Lambda's JSON. Where that would be larger
// than base64, because it is full of what JSON escapes, it does not.
func isText(body []byte) bool {
	if !utf8.Valid(body) {
		return false
	}
	size := 0
	for _, c := range body {
		switch {
		case c == '"' || c == '\\' || c == '\n' || c == '\r' || c == '\t':
			size += 2
		case c < ' ' || c == '<' || c == '>' || c == '&': // as encoding/json escapes for HTML
			size += 6
		case c == 0xe2: // the first byte of U+2028 and U+2029, which it escapes, too
			size += 4
		default:
			size++
		}
	}
	return size <= base64.StdEncoding.EncodedLen(len(body))
}

// streamedWriter sends an answer into a pipe.
type streamedWriter struct {
	header http.Header
	sent   http.Header // the headers as they were at the first write
	status int
	rec    *record
	pipe   *io.PipeWriter
	begun  chan struct{}
	head   bool
}

func (w *streamedWriter) Header() http.Header { return w.header }

func (w *streamedWriter) WriteHeader(status int) { w.begin(status) }

func (w *streamedWriter) begin(status int) {
	if w.status == 0 {
		w.status, w.sent = status, w.header.Clone()
		w.rec.started = true
		close(w.begun)
	}
}

func (w *streamedWriter) Write(p []byte) (int, error) {
	w.begin(http.StatusOK)
	if w.head {
		return len(p), nil
	}
	return w.pipe.Write(p)
}
