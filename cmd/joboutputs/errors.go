package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"

	"joboutputs/shared/client"
	"joboutputs/shared/client/files"
)

// Exit codes. The help of the root command has them, too.
const (
	codeOK           = 0
	codeError        = 1
	codeUsage        = 2
	codeNotFound     = 3
	codeNotPermitted = 4
	codeConflict     = 5
	codeWrong        = 6
	codeUnavailable  = 7
	codeInterrupted  = 130
)

// usageError is a command line that can't be meant.
type usageError struct{ text string }

func (e usageError) Error() string { return e.text }

func usage(format string, args ...any) error { return usageError{fmt.Sprintf(format, args...)} }

// conflictError is something that is in the way here.
type conflictError struct{ text string }

func (e conflictError) Error() string { return e.text }

var errNoLogin = errors.New("not logged in")

// stopped is an error after which nothing more is tried.
func stopped(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, errDeclined) || errors.Is(err, errNoLogin)
}

// hints say what to do about a refusal.
var hints = map[string]string{
	"output_not_found":     "joboutputs list --job JOB --all shows what is there",
	"job_not_started":      "start the job first: joboutputs jobs start JOB --node NODE",
	"job_finished":         "a job that finished well takes no more outputs",
	"job_acquired":         "joboutputs jobs show JOB says which node has it",
	"illegal_transition":   "joboutputs jobs show JOB says how far it is",
	"node_already_working": "finish the node's other job first",
	"node_not_granted":     "leave --node away, or log in as a user who may act for that node",
	"permission_denied":    "this is for an administrator, or for the node that has the job (--node NODE)",
	"invalid_filter":       "the filter language is described in the service's /v1/docs",
	"invalid_name":         "give another --name or --type",
	"upload_incomplete":    "the same command sends what is missing; if it stays so, the file has changed: touch it to begin anew",
	"upload_not_found":     "the upload was ended; the same command begins another",
	"upload_aborted":       "the upload was ended; the same command begins another",
	"upload_expired":       "the upload took too long; the same command begins another",
	"upload_lost":          "the object store has lost what was sent; the same command begins another upload",
	"bytes_missing":        "the service has lost the content; tell its operators",
	"internal":             "tell the service's operators, with the request's id",
}

// unknownHint is the hint for a call whose outcome is unknown.
func unknownHint(call string) string {
	if call == "POST /v1/jobs/create" {
		return "the job may exist; with --pk, the same command can be given again without creating a second one"
	}
	return "the same command can be given again: what was done is not done twice"
}

// explain is the exit code of an error and what a person is told, with what to do next.
func explain(err error, server string) (int, string) {
	code, text, hint := classify(err, server)
	if t, ok := errors.AsType[told](err); ok {
		return code, t.text
	}
	if hint != "" {
		text += "\n  " + hint
	}
	return code, text
}

func classify(err error, server string) (code int, text, hint string) {
	text = printable(err.Error())
	if u, ok := errors.AsType[usageError](err); ok {
		return codeUsage, u.text, ""
	}
	if c, ok := errors.AsType[conflictError](err); ok {
		return codeConflict, c.text, ""
	}
	if _, ok := errors.AsType[*client.VerificationError](err); ok {
		return codeWrong, text, "nothing wrong was kept; try again, and tell the service's operators if it stays so"
	}
	if u, ok := errors.AsType[*client.UnknownOutcomeError](err); ok {
		if errors.Is(err, context.Canceled) {
			return codeInterrupted, "interrupted: " + printable(u.Call) + " may have been carried out", unknownHint(u.Call)
		}
		_, cause, _ := classify(u.Err, server)
		return codeUnavailable, "the outcome is unknown: " + printable(u.Call) + " may have been carried out\n  " + cause, unknownHint(u.Call)
	}
	if p, ok := errors.AsType[*client.Problem](err); ok {
		return classifyProblem(p)
	}
	if _, ok := errors.AsType[*client.ConnectionError](err); ok {
		return codeUnavailable, text, "is the service running, and is this its URL? See --server"
	}
	switch {
	case errors.Is(err, context.Canceled):
		return codeInterrupted, "interrupted", "the same command goes on where this one was"
	case errors.Is(err, errNoLogin):
		return codeNotPermitted, "not logged in to " + server, "log in: joboutputs login --server " + server
	case errors.Is(err, errDeclined):
		return codeError, "not purged", ""
	case errors.Is(err, files.ErrBusy):
		return codeConflict, text, ""
	case errors.Is(err, os.ErrNotExist):
		return codeNotFound, text, ""
	}
	if s, ok := errors.AsType[*client.StoreError](err); ok && (s.Status == http.StatusTooManyRequests || s.Status >= 500) {
		return codeUnavailable, text, "the same command goes on where this one was"
	}
	return codeError, text, ""
}

func classifyProblem(p *client.Problem) (code int, text, hint string) {
	text, hint = printable(strings.TrimSpace(p.Detail)), hints[p.Code]
	code = codeError
	switch p.Status {
	case http.StatusNotFound:
		code = codeNotFound
	case http.StatusUnauthorized:
		code = codeNotPermitted
		if p.Code != "not_authenticated" || !strings.Contains(p.Detail, "No active account") {
			hint = "the login is missing or has expired: joboutputs login"
		}
	case http.StatusForbidden:
		code = codeNotPermitted
	case http.StatusConflict, http.StatusGone, http.StatusUnprocessableEntity:
		code = codeConflict
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		code, hint = codeUnavailable, "try again in a while"
	}
	if p.Code == "not_found" {
		text = "Not found: there is no such job or output (" + printable(p.Call) + ")"
	}
	if p.Code == "duplicate_output" {
		hint = fmt.Sprintf("output %d has other content under this name; give another --name, or joboutputs purge %d first", p.PK, p.PK)
		if p.DeletionTime != nil {
			hint = fmt.Sprintf("output %d is deleted and keeps its name: joboutputs restore %d, or purge %d", p.PK, p.PK, p.PK)
		}
	}
	if p.Status >= 500 && p.RequestID != "" {
		text += " (request " + printable(p.RequestID) + ")"
	}
	return code, text, hint
}
