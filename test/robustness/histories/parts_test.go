package histories_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/anishathalye/porcupine"

	"joboutputs/shared/auth"
	"joboutputs/test/robustness/model"
)

const (
	grace    = time.Hour
	patience = 20 * time.Second // with one part of a history
)

// part is a part of a history that is explained by itself.
type part struct {
	what   string
	init   model.State
	step   func(model.State, model.Call, model.Answer) []model.State
	events []event
}

func (p *part) add(e event) { p.events = append(p.events, e) }

// operations are the part's events as porcupine takes them.
func (p *part) operations() []porcupine.Operation {
	var all []porcupine.Operation
	for _, e := range p.events {
		op := porcupine.Operation{ClientId: e.client, Input: e.call, Output: e.answer, Call: e.begun, Return: e.ended}
		if e.answer.Unknown { // it may happen at any later time
			op.Return = math.MaxInt64
		}
		all = append(all, op)
	}
	return all
}

// String is the part as a script, by the times of the requests.
func (p *part) String() string {
	var b strings.Builder
	b.WriteString(p.what)
	for _, e := range slices.SortedFunc(slices.Values(p.events), func(a, b event) int { return int(a.begun - b.begun) }) {
		fmt.Fprintf(&b, "\n  %d to %d, client %d: %s → ", e.begun, e.ended, e.client, e.call)
		if e.answer.Unknown {
			b.WriteString("unknown")
		} else {
			fmt.Fprintf(&b, "%d %s", e.answer.Status, e.answer.Code)
		}
		for _, o := range told(e) {
			fmt.Fprintf(&b, " output %d %.8s %s", o.PK, o.SHA256, o.DeletionTime)
		}
		if e.tries > 0 {
			fmt.Fprintf(&b, "; %d tries, %d responses lost", e.tries, e.lost)
		}
		if e.plan != nil {
			fmt.Fprintf(&b, "; %s", e.plan)
		}
	}
	return b.String()
}

// parts takes a history apart.
func (h *history) parts() []*part {
	init := h.Possible[0]
	job := &part{what: "the job", init: init, step: func(s model.State, c model.Call, a model.Answer) []model.State {
		if onJob(c.Action) {
			return s.Step(c, withoutOutputs(a))
		}
		if want, ok := s.Admission(c); ok != admitted(a) || !ok && want.Code != a.Code {
			return nil
		}
		return []model.State{s}
	}}
	byName := map[string]*part{}
	for _, name := range names {
		s := init
		s.Uploads = map[string]model.Upload{}
		for id, u := range init.Uploads {
			if u.Name == name {
				s.Uploads[id] = u
			}
		}
		byName[name] = &part{what: "the name " + name, init: s, step: model.State.Step}
	}
	nameOf, bySum := map[int64]string{}, map[string]model.Output{}
	for _, e := range h.events {
		for _, o := range told(e) {
			nameOf[o.PK] = o.Name
			bySum[o.SHA256] = o
		}
	}
	for _, e := range h.events {
		if e.answer.Code == "unavailable" { // nothing was done
			continue
		}
		if e.answer.Unknown && (e.call.Action == auth.JobsAddOutput || e.call.Action == auth.UploadsComplete) {
			if o, ok := bySum[sum(e.call.Content)]; ok { // somebody saw what it made
				e.answer.Output = &model.Output{PK: o.PK, Job: 1, Name: e.call.Name, Type: "bin"}
			}
		}
		switch {
		case e.call.Action == auth.Cleanup: // nothing a client could see
			continue
		case onJob(e.call.Action):
			job.add(e)
			continue
		}
		switch e.call.Action {
		case auth.JobsAddOutput, auth.UploadsComplete:
			replay := e.call.Action == auth.UploadsComplete && admitted(e.answer) // which needs no admission
			if !e.answer.Unknown && !replay {
				job.add(e)
			}
			if e.answer.Unknown || admitted(e.answer) {
				byName[e.call.Name].add(e)
			}
		case auth.JobsGetOutputInfo:
			byName[e.call.Name].add(e)
		case auth.OutputsList:
			for name, p := range byName {
				of := e
				of.answer.Outputs = slices.DeleteFunc(slices.Clone(e.answer.Outputs), func(o model.Output) bool { return o.Name != name })
				p.add(of)
			}
		default:
			byName[nameOf[e.call.PK]].add(e)
		}
	}
	all := []*part{job}
	for _, name := range names {
		all = append(all, byName[name])
	}
	return all
}

// onJob reports whether an action is a step of the job.
func onJob(action auth.Action) bool {
	return action == auth.JobsStart || action == auth.JobsAcquire || action == auth.JobsFinish
}

// admitted reports whether an answer to an add says that its job admitted it.
func admitted(a model.Answer) bool { return a.Status < 300 || a.Code == "duplicate_output" }

// withoutOutputs leaves out a job's mentions, which belong to the names.
func withoutOutputs(a model.Answer) model.Answer {
	if a.Job != nil {
		j := *a.Job
		j.Outputs = nil
		a.Job = &j
	}
	return a
}

// strangers are pks that were two outputs', and contents that were two.
func (h *history) strangers() (all []string) {
	byPK, bySum := map[int64]string{}, map[string]int64{}
	for _, e := range h.events {
		for _, o := range told(e) {
			if before, ok := byPK[o.PK]; ok && before != o.SHA256 {
				all = append(all, fmt.Sprintf("the pk %d is of two contents, %s and %s", o.PK, before, o.SHA256))
			}
			if before, ok := bySum[o.SHA256]; ok && before != o.PK {
				all = append(all, fmt.Sprintf("the content %s is of two pks, %d and %d", o.SHA256, before, o.PK))
			}
			byPK[o.PK], bySum[o.SHA256] = o.SHA256, o.PK
		}
	}
	return all
}
