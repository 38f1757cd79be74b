package api

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"joboutputs/shared/problem"
)

// statuses is the one table from the codes of the API to HTTP.
var statuses = map[problem.Kind]int{
	problem.NotFound:             http.StatusNotFound,
	problem.OutputNotFound:       http.StatusNotFound,
	problem.DuplicateOutput:      http.StatusConflict,
	problem.JobNotStarted:        http.StatusConflict,
	problem.JobFinished:          http.StatusConflict,
	problem.JobAcquired:          http.StatusConflict,
	problem.IllegalTransition:    http.StatusConflict,
	problem.NodeAlreadyWorking:   http.StatusConflict,
	problem.NotAuthenticated:     http.StatusUnauthorized,
	problem.TokenNotValid:        http.StatusUnauthorized,
	problem.PermissionDenied:     http.StatusForbidden,
	problem.BadNodeID:            http.StatusBadRequest,
	problem.NodeNotGranted:       http.StatusForbidden,
	problem.InvalidJSON:          http.StatusBadRequest,
	problem.InvalidRequest:       http.StatusBadRequest,
	problem.InvalidFilter:        http.StatusBadRequest,
	problem.InvalidName:          http.StatusBadRequest,
	problem.UnsupportedMediaType: http.StatusUnsupportedMediaType,
	problem.DigestMismatch:       http.StatusBadRequest,
	problem.PayloadTooLarge:      http.StatusRequestEntityTooLarge,
	problem.ResultTooLarge:       http.StatusRequestEntityTooLarge,
	problem.RangeNotSatisfiable:  http.StatusRequestedRangeNotSatisfiable,
	problem.MethodNotAllowed:     http.StatusMethodNotAllowed,
	problem.UploadNotFound:       http.StatusNotFound,
	problem.UploadIncomplete:     http.StatusConflict,
	problem.UploadAborted:        http.StatusConflict,
	problem.UploadCompleted:      http.StatusConflict,
	problem.UploadExpired:        http.StatusGone,
	problem.UploadLost:           http.StatusGone,
	problem.IdempotencyMismatch:  http.StatusUnprocessableEntity,
	problem.Conflict:             http.StatusConflict,
	problem.Throttled:            http.StatusTooManyRequests,
	problem.Unavailable:          http.StatusServiceUnavailable,
	problem.OutcomeUnknown:       http.StatusServiceUnavailable,
	problem.BytesMissing:         http.StatusInternalServerError,
	problem.Internal:             http.StatusInternalServerError,
}

// Status is the HTTP status of a code; 500 for one that is not in the table.
func Status(kind problem.Kind) int {
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

// Problem renders a problem as an RFC 9457 document: type, title, status, detail, code,
// request_id, then what the problem adds, by name. The local gateway and the stack use it
// for their own answers, so that an error looks the same whoever found it.
func Problem(p *problem.Problem, requestID string) []byte {
	status := Status(p.Kind)
	members := []any{
		"type", "urn:joboutputs:problem:" + string(p.Kind),
		"title", http.StatusText(status),
		"status", status,
		"detail", p.Message,
		"code", string(p.Kind),
		"request_id", requestID,
	}
	for _, name := range slices.Sorted(maps.Keys(p.Details)) {
		members = append(members, name, p.Details[name])
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

// WriteProblem answers a request with the problem.
func WriteProblem(w http.ResponseWriter, p *problem.Problem, requestID string) {
	h := w.Header()
	for _, name := range []string{"Content-Disposition", "Content-Length", "ETag", "Accept-Ranges", "Repr-Digest", "Repr-Length", "X-Next-Cursor"} {
		h.Del(name) // set by the action for an answer that is not given
	}
	status := Status(p.Kind)
	if status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", Challenge)
	}
	if p.RetryAfter > 0 {
		h.Set("Retry-After", seconds(p.RetryAfter))
	}
	h.Set("Content-Type", ProblemType)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(Problem(p, requestID))
}

// fail ends a request with an error, which is logged once, in the request's line.
func fail(w http.ResponseWriter, r *http.Request, err error) {
	rec := recordOf(r.Context())
	p := problemOf(err)
	rec.err, rec.kind = err, p.Kind
	if rec.started {
		panic(http.ErrAbortHandler) // the status is out: the answer must not end as if it were whole
	}
	WriteProblem(w, p, rec.requestID)
}

// problemOf is what the caller may read of an error: a problem as it is, anything else is ours.
func problemOf(err error) *problem.Problem {
	if p, ok := problem.As(err); ok {
		return p
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return problem.New(problem.Unavailable, "The request took too long.").After(retryAfter).Because(err)
	}
	return problem.New(problem.Internal, internalText).Because(err)
}
