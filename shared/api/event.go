package api

import (
	"context"
	"encoding/base64"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/awslabs/aws-lambda-go-api-proxy/core"

	"joboutputs/shared/auth"
	"joboutputs/shared/problem"
)

// Edge serves handlers to a gateway's events.
type Edge struct {
	Log *slog.Logger
	Now func() time.Time
}

// record is what the edge and Handle tell each other about one request; it becomes the
// request's log line.
type record struct {
	now        time.Time
	requestID  string
	authorizer map[string]any
	badEvent   *problem.Problem // the event's path can't be decoded: said in place of serving it

	action   auth.Action
	tenant   string
	status   int
	started  bool // the status is out
	gone     bool // the client has closed the response
	kind     problem.Kind
	err      error
	panicked any
	stack    string
}

type recordKey struct{}

// recordOf returns the request's record. A handler that is not served by an Edge gets an
// empty one, in which nobody is authenticated.
func recordOf(ctx context.Context) *record {
	if rec, ok := ctx.Value(recordKey{}).(*record); ok {
		return rec
	}
	return &record{}
}

// RequestID is the gateway's id of the request.
func RequestID(ctx context.Context) string { return recordOf(ctx).requestID }

// request turns a REST proxy event (payload 1.0) into a request. Path parameters arrive
// percent-encoded, query values decoded: the parameters are decoded here, once, and set
// on the request; the path itself is the resource template, so that no user text is
// parsed as a URL.
func (e Edge) request(ctx context.Context, event events.APIGatewayProxyRequest) (*http.Request, *record, error) {
	rec := &record{
		now:        e.Now(),
		requestID:  event.RequestContext.RequestID,
		authorizer: event.RequestContext.Authorizer,
	}
	params, bad := decodeParams(event.PathParameters)
	rec.badEvent = bad
	event.Path = event.Resource
	body, inBase64 := event.Body, event.IsBase64Encoded
	event.Body, event.IsBase64Encoded = "", false // of which the accessor would make two copies
	var accessor core.RequestAccessor
	r, err := accessor.EventToRequestWithContext(context.WithValue(ctx, recordKey{}, rec), event)
	if err != nil {
		return nil, rec, err
	}
	setBody(r, body, inBase64)
	for name, value := range params {
		r.SetPathValue(name, value)
	}
	return r, rec, nil
}

// setBody gives the request its body, decoded while it is read: beside the event, a
// Lambda holds what the action makes of it and nothing else.
func setBody(r *http.Request, text string, inBase64 bool) {
	if text == "" {
		return
	}
	var body io.Reader = strings.NewReader(text)
	r.ContentLength = int64(len(text))
	if inBase64 {
		body = base64.NewDecoder(base64.StdEncoding, body)
		r.ContentLength = int64(base64.RawStdEncoding.DecodedLen(len(strings.TrimRight(text, "="))))
	}
	r.Body = io.NopCloser(body)
}

// decodeParams decodes each path segment once. A bad escape in any of them is the caller's
// mistake; else a decoded slash names nothing, as no segment of the API holds one; bytes
// that are not UTF-8 become U+FFFD, as UFDL has it.
func decodeParams(params map[string]string) (map[string]string, *problem.Problem) {
	decoded := make(map[string]string, len(params))
	for name, raw := range params {
		value, err := url.PathUnescape(raw)
		if err != nil {
			return nil, problem.New(problem.InvalidRequest, "The path has an invalid percent-escape.")
		}
		decoded[name] = string([]rune(value))
	}
	for _, value := range decoded {
		if strings.ContainsRune(value, '/') {
			return nil, problem.New(problem.NotFound, "Not found.")
		}
	}
	return decoded, nil
}

// finish writes the request's one log line.
func (e Edge) finish(ctx context.Context, rec *record) {
	level := slog.LevelInfo
	attrs := []slog.Attr{
		slog.String("action", string(rec.action)),
		slog.String("tenant", rec.tenant),
		slog.Int("status", rec.status),
		slog.Int64("ms", e.Now().Sub(rec.now).Milliseconds()),
		slog.String("request_id", rec.requestID),
	}
	if rec.kind != "" {
		attrs = append(attrs, slog.String("code", string(rec.kind)))
	}
	failed := rec.kind != "" && Status(rec.kind) >= http.StatusInternalServerError // perhaps after a 200 was sent
	if rec.gone || errors.Is(rec.err, io.ErrClosedPipe) {
		failed = false // the client went away in the middle
	}
	if failed || rec.status >= http.StatusInternalServerError || rec.panicked != nil {
		level = slog.LevelError
		if rec.err != nil {
			attrs = append(attrs, slog.String("error", rec.err.Error()))
		}
		if rec.panicked != nil {
			attrs = append(attrs, slog.Any("panic", rec.panicked), slog.String("stack", rec.stack))
		}
	}
	e.Log.LogAttrs(ctx, level, "request", attrs...)
}
