// Package problem holds the errors that a caller may read.
//
// A *Problem has a Kind, one of the API's closed list of codes, and a message for a
// person. Every other error is internal: package api reports it with a fixed text and logs
// it. This package knows nothing of HTTP; only api maps a Kind to a status (RFC 9457).
package problem

import (
	"errors"
	"fmt"
	"time"
)

// Kind is a code of the API: stable, lower case, never reworded.
type Kind string

// The closed list of codes. A client may switch on them.
const (
	NotFound             Kind = "not_found"              // no such route, job or output
	OutputNotFound       Kind = "output_not_found"       // the job has no output of this name and type
	DuplicateOutput      Kind = "duplicate_output"       // name and type are taken, also by a soft-deleted output
	JobNotStarted        Kind = "job_not_started"        // outputs can't be added before the start
	JobFinished          Kind = "job_finished"           // nor after a successful end
	JobAcquired          Kind = "job_acquired"           // another node has the job
	IllegalTransition    Kind = "illegal_transition"     // the job's state does not allow the step
	NodeAlreadyWorking   Kind = "node_already_working"   // the node works another job
	NotAuthenticated     Kind = "not_authenticated"      // no token was sent
	TokenNotValid        Kind = "token_not_valid"        // the token is refused
	PermissionDenied     Kind = "permission_denied"      // the caller may not do this
	BadNodeID            Kind = "bad_node_id"            // the Node-Id header is not an integer
	NodeNotGranted       Kind = "node_not_granted"       // the token does not grant that node
	InvalidJSON          Kind = "invalid_json"           // the body is not JSON
	InvalidRequest       Kind = "invalid_request"        // the request is JSON, but not what the action takes
	InvalidFilter        Kind = "invalid_filter"         // the list specification is not in the language
	InvalidName          Kind = "invalid_name"           // an output's name or type is outside the limits
	UnsupportedMediaType Kind = "unsupported_media_type" // the body is not declared as JSON, or has a content coding
	DigestMismatch       Kind = "digest_mismatch"        // the content is not what the request's digest says
	PayloadTooLarge      Kind = "payload_too_large"      // the body is over the action's limit
	ResultTooLarge       Kind = "result_too_large"       // the answer would be over the limit
	RangeNotSatisfiable  Kind = "range_not_satisfiable"  // no byte of the content is in the range
	MethodNotAllowed     Kind = "method_not_allowed"     // the route has no such method
	UploadNotFound       Kind = "upload_not_found"       // the job has no staged upload of this id
	UploadIncomplete     Kind = "upload_incomplete"      // parts of a staged upload are missing or wrong
	UploadAborted        Kind = "upload_aborted"         // the staged upload was aborted
	UploadCompleted      Kind = "upload_completed"       // the staged upload has become an output
	UploadExpired        Kind = "upload_expired"         // the staged upload was not completed in time
	UploadLost           Kind = "upload_lost"            // the object store no longer has the staged upload's parts
	IdempotencyMismatch  Kind = "idempotency_mismatch"   // an idempotency key was used for another request
	Conflict             Kind = "conflict"               // the pk is taken
	Throttled            Kind = "throttled"              // too many requests
	Unavailable          Kind = "unavailable"            // a store does not respond, or too many writers meet; nothing was done
	OutcomeUnknown       Kind = "outcome_unknown"        // the request may have been carried out
	BytesMissing         Kind = "bytes_missing"          // a row's object is not in the bucket: a defect, never expected
	Internal             Kind = "internal"               // a defect
)

// Problem is an error whose kind and message the caller may read.
type Problem struct {
	Kind       Kind
	Message    string         // a sentence; never another tenant's data, a key or a token
	Details    map[string]any // further members of the problem document, nil for most
	RetryAfter time.Duration  // when to try again; zero = not said
	cause      error
}

// New makes a problem. The message is formatted as by fmt.Sprintf.
func New(kind Kind, format string, args ...any) *Problem {
	return &Problem{Kind: kind, Message: fmt.Sprintf(format, args...)}
}

// Missing is the one problem of what does not exist and of what belongs to another tenant,
// so that nobody can tell them apart.
func Missing() *Problem { return New(NotFound, "Not found.") }

// Forbidden is the one problem of a caller without the permission for an action.
func Forbidden() *Problem {
	return New(PermissionDenied, "You do not have permission to perform this action.")
}

// With adds a member to the problem document and returns the problem.
func (p *Problem) With(name string, value any) *Problem {
	if p.Details == nil {
		p.Details = map[string]any{}
	}
	p.Details[name] = value
	return p
}

// After says when the caller may try again and returns the problem.
func (p *Problem) After(d time.Duration) *Problem {
	p.RetryAfter = d
	return p
}

// Because keeps the error that led to the problem, for the log only, and returns the problem.
func (p *Problem) Because(err error) *Problem {
	p.cause = err
	return p
}

func (p *Problem) Error() string {
	if p.cause != nil {
		return fmt.Sprintf("%s: %s: %v", p.Kind, p.Message, p.cause)
	}
	return fmt.Sprintf("%s: %s", p.Kind, p.Message)
}

// Unwrap returns what Because kept.
func (p *Problem) Unwrap() error { return p.cause }

// As returns the problem in err's chain, if there is one.
func As(err error) (*Problem, bool) {
	var p *Problem
	ok := errors.As(err, &p)
	return p, ok
}

// Is reports whether err is a problem of this kind.
func Is(err error, kind Kind) bool {
	p, ok := As(err)
	return ok && p.Kind == kind
}
