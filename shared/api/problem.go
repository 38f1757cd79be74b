package api

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"joboutputs/shared/fault"
)

// statuses is the one table from the codes of the API to HTTP.
var statuses = map[fault.Kind]int{
	fault.NotFound:             http.StatusNotFound,
	fault.OutputNotFound:       http.StatusNotFound,
	fault.DuplicateOutput:      http.StatusConflict,
	fault.JobNotStarted:        http.StatusConflict,
	fault.JobFinished:          http.StatusConflict,
	fault.JobAcquired:          http.StatusConflict,
	fault.IllegalTransition:    http.StatusConflict,
	fault.NodeAlreadyWorking:   http.StatusConflict,
	fault.NotAuthenticated:     http.StatusUnauthorized,
	fault.TokenNotValid:        http.StatusUnauthorized,
	fault.PermissionDenied:     http.StatusForbidden,
	fault.BadNodeID:            http.StatusBadRequest,
	fault.NodeNotGranted:       http.StatusForbidden,
	fault.InvalidJSON:          http.StatusBadRequest,
	fault.InvalidRequest:       http.StatusBadRequest,
	fault.InvalidFilter:        http.StatusBadRequest,
	fault.InvalidName:          http.StatusBadRequest,
	fault.UnsupportedMediaType: http.StatusUnsupportedMediaType,
	fault.PayloadTooLarge:      http.StatusRequestEntityTooLarge,
	fault.ResultTooLarge:       http.StatusRequestEntityTooLarge,
	fault.RangeNotSatisfiable:  http.StatusRequestedRangeNotSatisfiable,
	fault.MethodNotAllowed:     http.StatusMethodNotAllowed,
	fault.UploadNotFound:       http.StatusNotFound,
	fault.UploadIncomplete:     http.StatusConflict,
	fault.UploadAborted:        http.StatusConflict,
	fault.UploadCompleted:      http.StatusConflict,
	fault.UploadExpired:        http.StatusGone,
	fault.IdempotencyMismatch:  http.StatusUnprocessableEntity,
	fault.Conflict:             http.StatusConflict,
	fault.Throttled:            http.StatusTooManyRequests,
	fault.Unavailable:          http.StatusServiceUnavailable,
	fault.BytesMissing:         http.StatusInternalServerError,
	fault.Internal:             http.StatusInternalServerError,
}

// Status is the HTTP status of a code; 500 for one that is not in the table.
func Status(kind fault.Kind) int {
	if status, ok := statuses[kind]; ok {
		return status
	}
	return http.StatusInternalServerError
}

const (
	// ProblemType is the media type of every error (RFC 9457).
	ProblemType = "application/problem+json"
	// UnauthorizedText is the one sentence of a 401: which check failed is not said.
	UnauthorizedText = "Authentication credentials were not provided or are not valid."
	// Challenge is the WWW-Authenticate header of a 401.
	Challenge = `Bearer realm="api"`

	internalText = "Something went wrong on our side. It was logged under the request_id."
)

// Problem renders a fault as an RFC 9457 document: type, title, status, detail, code,
// request_id, then what the fault adds, by name. The local gateway and the stack use it
// for their own answers, so that an error looks the same whoever found it.
func Problem(f *fault.Fault, requestID string) []byte {
	status := Status(f.Kind)
	members := []any{
		"type", "urn:joboutputs:problem:" + string(f.Kind),
		"title", http.StatusText(status),
		"status", status,
		"detail", f.Message,
		"code", string(f.Kind),
		"request_id", requestID,
	}
	for _, name := range slices.Sorted(maps.Keys(f.Details)) {
		members = append(members, name, f.Details[name])
	}
	doc := []byte{'{'}
	for i := 0; i < len(members); i += 2 {
		if i > 0 {
			doc = append(doc, ',')
		}
		doc, _ = jsontext.AppendQuote(doc, members[i].(string))
		doc = append(doc, ':')
		value, err := json.Marshal(members[i+1], jsontext.AllowInvalidUTF8(true), json.Deterministic(true))
		if err != nil {
			value = []byte("null")
		}
		doc = append(doc, value...)
	}
	return append(doc, '}')
}

// WriteProblem answers a request with the fault.
func WriteProblem(w http.ResponseWriter, f *fault.Fault, requestID string) {
	h := w.Header()
	for _, name := range []string{"Content-Disposition", "Content-Length", "ETag", "Accept-Ranges", "Repr-Digest", "Repr-Length", "X-Next-Cursor"} {
		h.Del(name) // set by the action for an answer that is not given
	}
	status := Status(f.Kind)
	if status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", Challenge)
	}
	if f.RetryAfter > 0 {
		h.Set("Retry-After", seconds(f.RetryAfter))
	}
	h.Set("Content-Type", ProblemType)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(Problem(f, requestID))
}

// fail ends a request with an error, which is logged once, in the request's line.
func fail(w http.ResponseWriter, r *http.Request, err error) {
	rec := recordOf(r.Context())
	f := faultOf(err)
	rec.err, rec.kind = err, f.Kind
	if rec.started {
		panic(http.ErrAbortHandler) // the status is out: the answer must not end as if it were whole
	}
	WriteProblem(w, f, rec.requestID)
}

// faultOf is what the caller may read of an error: a fault as it is, anything else is ours.
func faultOf(err error) *fault.Fault {
	if f, ok := fault.As(err); ok {
		return f
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return fault.New(fault.Unavailable, "The request took too long.").After(retryAfter).Because(err)
	}
	return fault.New(fault.Internal, internalText).Because(err)
}
