// Package model is the specification as a program: what every call to the service may
// answer, and what it leaves behind, if calls come one at a time. The sequences, the
// faults and the histories beside it hold the service against it.
//
// Calls that meet are held to it, too: each takes effect at one instant between its
// request and its answer. An add has two such instants. It is admitted by its job, and it
// becomes visible; a job that finishes in between does not take it back.
package model

import (
	"fmt"
	"slices"
	"time"

	"joboutputs/shared/auth"
	"joboutputs/shared/problem"
)

// Caller is who calls: a user of a tenant, who may speak for a node.
type Caller struct {
	Tenant string
	User   int64
	// Directory says that the token does not tell the user's pk: the tenant's directory
	// gives one at the first write.
	Directory bool
	Admin     bool
	Nodes     []int64 // which the token grants
	Node      int64   // which the request speaks for; 0 = none
}

// drawn is the pk of a creator whom the directory gives it.
const drawn = -1

func (c Caller) creator() int64 {
	if c.Directory {
		return drawn
	}
	return c.User
}

// Call is a request. What an action does not take is zero.
type Call struct {
	Action auth.Action
	Caller Caller
	Key    string // the Idempotency-Key; "" = none
	At     string // the service's time; "" = it runs

	Job, PK     int64
	Name, Type  string
	Content     string // of an output
	ContentType string
	PartSize    int64
	Upload      string
	Node        int64 // of a job to be made
	Description string
	Error       *string       // how a job ends
	Inactive    bool          // a list: of what is softly deleted, too
	Grace       time.Duration // of a cleanup
	Conflicts   bool          // S3 refuses to assemble the parts (409), for as long as the call tries
}

// Send is a client's PUT of an upload's content to S3, by the links it was given.
const Send auth.Action = "s3-put"

// Answer is what came back.
type Answer struct {
	Unknown bool // nothing did, or that the outcome is not known: it may have happened, or may yet
	Status  int
	Code    string // of a problem document

	Output  *Output
	Outputs []Output
	Job     *Job
	Upload  *Upload
	Content string
	Holder  *Holder // of a duplicate_output
}

// Well reports whether the call was done.
func (a Answer) Well() bool { return !a.Unknown && a.Status < 300 }

// Holder is what is said of who has a name already.
type Holder struct {
	PK           int64  `json:"pk"`
	SHA256       string `json:"sha256"`
	DeletionTime string `json:"deletion_time"`
}

func refused(status int, code problem.Kind) Answer { return Answer{Status: status, Code: string(code)} }

// Step is every state a call may have left that was answered so; none = it must not be
// answered so.
func (s State) Step(c Call, a Answer) []State {
	states := s.step(c, a)
	if u, ok := s.Uploads[c.Upload]; ok && c.Conflicts && u.State == open && (a.Unknown || a.unavailable() || a.Code == string(problem.UploadLost)) {
		u.State = lost
		next := s.clone()
		next.Uploads[u.ID] = u
		states = append(states, next)
	}
	return states
}

func (s State) step(c Call, a Answer) []State {
	want, next := s.Do(c)
	if a.Unknown {
		if a.Output != nil && want.Output != nil { // somebody else learned its pk
			next.learn(*a.Output)
		}
		if c.Action == auth.Cleanup { // it takes one thing after the other, and may have stopped anywhere
			return between(s, next)
		}
		return append(s.unchanged(c, next), next)
	}
	if a.unavailable() {
		return s.unchanged(c, next)
	}
	if Differs(want, a, next) != "" {
		return nil
	}
	return []State{next}
}

// unavailable reports whether the service says that nothing was done.
func (a Answer) unavailable() bool { return !a.Unknown && a.Code == string(problem.Unavailable) }

// unchanged is what a call leaves that was not done: next would be the state if it was. The
// job counter may have been lifted.
func (s State) unchanged(c Call, next State) []State {
	if c.Action == auth.JobsCreate && next.last() > s.last() {
		lifted := s
		lifted.Lifted = next.last()
		return []State{s, lifted}
	}
	return []State{s}
}

// between is every state in which some uploads are as in one state, and the others as in
// another.
func between(s, next State) []State {
	all := []State{s}
	for id, u := range next.Uploads {
		if u.State == s.Uploads[id].State {
			continue
		}
		for _, some := range slices.Clone(all) {
			more := some.clone()
			more.Uploads[id] = u
			all = append(all, more)
		}
	}
	return all
}

// may is what is refused before a row is read.
func (c Call) may() (Answer, bool) {
	who := c.Caller
	allowed := true
	switch c.Action {
	case auth.JobsCreate, auth.OutputsDestroy, auth.OutputsHardDelete, auth.OutputsReinstate, auth.JobsDeleteOutput:
		allowed = who.Admin
	case auth.JobsAcquire, auth.JobsRelease, auth.JobsStart, auth.JobsFinish:
		allowed = who.Node != 0
	case auth.JobsAddOutput, auth.UploadsBegin, auth.UploadsStatus, auth.UploadsComplete, auth.UploadsAbort:
		allowed = who.Admin || who.Node != 0
	}
	switch {
	case !allowed:
		return refused(403, problem.PermissionDenied), false
	case who.Node != 0 && !slices.Contains(who.Nodes, who.Node):
		return refused(403, problem.NodeNotGranted), false
	}
	return Answer{}, true
}

// Do is what the service does with a call: its answer and the state after it, both open
// where the service chooses.
func (s State) Do(c Call) (Answer, State) {
	if c.Action != Send && c.Action != auth.Cleanup {
		if no, ok := c.may(); !ok {
			return no, s
		}
	}
	next := s.clone()
	if a, used := next.replay(c); used {
		return a, next
	}
	var a Answer
	switch c.Action {
	case auth.JobsCreate, auth.JobsRetrieve, auth.JobsAcquire, auth.JobsRelease, auth.JobsStart, auth.JobsFinish:
		a = next.job(c)
	case auth.OutputsRetrieve, auth.OutputsDownload, auth.OutputsDestroy, auth.OutputsReinstate, auth.OutputsHardDelete:
		o, ok := s.output(c.PK)
		if !ok {
			return refused(404, problem.NotFound), s
		}
		a = next.onOutput(c, o)
	case auth.JobsGetOutput, auth.JobsGetOutputInfo, auth.JobsDeleteOutput:
		o, ok := s.Outputs[Name{c.Job, c.Name, c.Type}]
		if _, exists := s.Jobs[c.Job]; !ok && !exists {
			return refused(404, problem.NotFound), s
		} else if !ok {
			return refused(404, problem.OutputNotFound), s
		}
		a = next.onOutput(c, o)
	case auth.OutputsList:
		a = Answer{Status: 200, Outputs: []Output{}}
		for _, o := range s.Outputs {
			if (c.Job == 0 || o.Job == c.Job) && (c.Inactive || !o.Deleted) {
				a.Outputs = append(a.Outputs, o)
			}
		}
	case auth.JobsAddOutput:
		a = next.add(c)
	case auth.UploadsBegin, auth.UploadsStatus, auth.UploadsComplete, auth.UploadsAbort, Send:
		a = next.upload(c)
	case auth.Cleanup: // nothing a caller could see, but for uploads whose time is over
		for id, u := range s.Uploads {
			if u.State == open && u.Expires <= before(c.At, c.Grace) {
				u.State = expired
				next.Uploads[id] = u
			}
		}
		a.Status = 200
	default:
		panic(fmt.Sprintf("the model knows no action %q", c.Action))
	}
	if a.Code != "" && a.Holder == nil {
		return a, s
	}
	next.keep(c, a, s)
	return a, next
}

// before is the time a while before another one, as it is written.
func before(at string, by time.Duration) string {
	t, err := time.Parse(time.RFC3339Nano, at)
	if err != nil {
		return "" // it runs: nothing is known to have expired
	}
	return t.Add(-by).Format("2006-01-02T15:04:05.000000Z")
}
