package model

import (
	"fmt"

	"joboutputs/shared/auth"
	"joboutputs/shared/problem"
)

// KeyOf is by what an idempotency key is known: the same text is another key of another user,
// action or target.
type KeyOf struct {
	User   int64 // 0 = known by the directory alone, which the tests have one of
	Action auth.Action
	Target string
	Key    string
}

// Kept is what a key remembers: what was asked for, and the response. It does so for a day,
// which no test lets pass.
type Kept struct {
	Request string
	Answer  Answer
}

// Keyed reports whether an action takes a key.
func Keyed(action auth.Action) bool {
	_, _, ok := Call{Action: action, Key: "any"}.keyOf()
	return ok
}

// keyOf is the key of a call and what was asked for with it; false = there is none, or the
// action takes none.
func (c Call) keyOf() (k KeyOf, request string, ok bool) {
	k = KeyOf{Action: c.Action, Key: c.Key}
	if !c.Caller.Directory {
		k.User = c.Caller.User
	}
	text := func(values ...any) string { return fmt.Sprintf("%q", values) }
	switch c.Action {
	case auth.JobsCreate:
		request = text(c.PK, c.Description, c.Node)
	case auth.JobsAcquire, auth.JobsRelease, auth.JobsStart:
		k.Target, request = text(c.Job), text(c.Caller.Node)
	case auth.JobsFinish:
		k.Target, request = text(c.Job), text(c.Caller.Node, c.Error == nil)
		if c.Error != nil {
			request = text(c.Caller.Node, *c.Error)
		}
	case auth.JobsAddOutput:
		k.Target, request = text(c.Job, c.Name, c.Type), text(c.ContentType, c.Content)
	case auth.UploadsBegin:
		k.Target, request = text(c.Job), text(c.Name, c.Type, c.ContentType, len(c.Content), c.PartSize)
	case auth.UploadsComplete, auth.UploadsAbort:
		k.Target = text(c.Job, c.Upload)
	case auth.OutputsDestroy, auth.OutputsReinstate, auth.OutputsHardDelete:
		k.Target = text(c.PK)
	case auth.JobsDeleteOutput:
		k.Target = text(c.Job, c.Name, c.Type)
	default: // reads
		return k, "", false
	}
	return k, request, c.Key != ""
}

// replay is the answer to a call whose key was used before; false = it was not. A job is
// answered with the outputs it has now.
func (s State) replay(c Call) (Answer, bool) {
	k, request, ok := c.keyOf()
	kept, used := s.Keys[k]
	if !ok || !used {
		return Answer{}, false
	}
	if kept.Request != request {
		switch c.Action {
		case auth.JobsAddOutput, auth.UploadsBegin, auth.UploadsComplete: // the job is asked first
			if no, admitted := s.Admission(c); !admitted && (no.Status == 404 || no.Status == 403) {
				return no, true
			}
		}
		return refused(422, problem.IdempotencyMismatch), true
	}
	a := kept.Answer
	if a.Job != nil {
		j := *a.Job
		if j.Outputs = []Mention{}; c.Action != auth.JobsCreate {
			j.Outputs = s.mentions(j.PK)
		}
		a.Job = &j
	}
	return a, true
}

// keep remembers a call's key with its answer. Refusals are not remembered, and a completion
// that was there already needs no key.
func (s State) keep(c Call, a Answer, before State) {
	k, request, ok := c.keyOf()
	if !ok || a.Code != "" || c.Action == auth.UploadsComplete && before.Uploads[c.Upload].State == completed {
		return
	}
	s.Keys[k] = Kept{request, a}
}

// told fills in what keys remember where that was open: each answer may be given again.
func (s State) told(fill func(*Answer)) {
	for k, kept := range s.Keys {
		fill(&kept.Answer)
		s.Keys[k] = kept
	}
}
