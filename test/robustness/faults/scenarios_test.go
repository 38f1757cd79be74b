package faults_test

import (
	"time"

	"joboutputs/shared/auth"
	"joboutputs/test/harness/bench"
	"joboutputs/test/robustness/model"
)

// scenario is an action on the way it goes well: what there must be, and the call.
type scenario struct {
	name  string
	setup func(*bench.Run)
	call  func(*bench.Run) model.Call
}

// scenarios are all actions that call AWS; some have several ways.
func scenarios() []scenario {
	named := func(action auth.Action) func(*bench.Run) model.Call {
		return func(r *bench.Run) model.Call { return model.Call{Action: action, Job: 1, Name: "model", Type: "bin"} }
	}
	onJob := func(action auth.Action) func(*bench.Run) model.Call {
		return func(r *bench.Run) model.Call { return model.Call{Action: action, Caller: r.Node, Job: 1} }
	}
	onOutput := func(action auth.Action) func(*bench.Run) model.Call {
		return func(r *bench.Run) model.Call { return model.Call{Action: action, PK: r.PK} }
	}
	onUpload := func(action auth.Action) func(*bench.Run) model.Call {
		return func(r *bench.Run) model.Call { return r.OfUpload(action) }
	}
	text := "it failed"
	return []scenario{
		{"create a job", func(*bench.Run) {}, func(*bench.Run) model.Call { return model.Call{Action: auth.JobsCreate, Description: "one"} }},
		{"create job 5", func(*bench.Run) {}, func(*bench.Run) model.Call { return model.Call{Action: auth.JobsCreate, PK: 5, Node: bench.Node} }},
		{"create a job as a user of the directory", bench.Unnamed, func(*bench.Run) model.Call { return model.Call{Action: auth.JobsCreate} }},
		{"acquire", bench.Free, onJob(auth.JobsAcquire)},
		{"release", bench.Acquired, onJob(auth.JobsRelease)},
		{"start", bench.Acquired, onJob(auth.JobsStart)},
		{"finish", bench.Started, onJob(auth.JobsFinish)},
		{"finish with an error", bench.Started, func(r *bench.Run) model.Call {
			return model.Call{Action: auth.JobsFinish, Caller: r.Node, Job: 1, Error: &text}
		}},
		{"retrieve a job", bench.Added, onJob(auth.JobsRetrieve)},
		{"add", bench.Started, func(r *bench.Run) model.Call {
			return model.Call{Action: auth.JobsAddOutput, Caller: r.Node, Job: 1, Name: "model", Type: "bin", Content: "content", ContentType: "text/plain"}
		}},
		{"add a name again", bench.Purged, func(r *bench.Run) model.Call {
			return model.Call{Action: auth.JobsAddOutput, Job: 1, Name: "model", Type: "bin", Content: ""}
		}},
		{"add as a user of the directory", func(r *bench.Run) { bench.Unnamed(r); bench.Started(r) }, func(r *bench.Run) model.Call {
			return model.Call{Action: auth.JobsAddOutput, Caller: r.Node, Job: 1, Name: "model", Type: "bin", Content: "content"}
		}},
		{"get", bench.Added, named(auth.JobsGetOutput)},
		{"info", bench.Added, named(auth.JobsGetOutputInfo)},
		{"delete by name", bench.Added, named(auth.JobsDeleteOutput)},
		{"retrieve", bench.Added, onOutput(auth.OutputsRetrieve)},
		{"download", bench.Added, onOutput(auth.OutputsDownload)},
		{"destroy", bench.Added, onOutput(auth.OutputsDestroy)},
		{"reinstate", bench.Destroyed, onOutput(auth.OutputsReinstate)},
		{"hard delete", bench.Added, onOutput(auth.OutputsHardDelete)},
		{"list", bench.Added, func(*bench.Run) model.Call { return model.Call{Action: auth.OutputsList} }},
		{"list a job", bench.Added, func(*bench.Run) model.Call { return model.Call{Action: auth.OutputsList, Job: 1} }},
		{"begin", bench.Started, func(r *bench.Run) model.Call { return r.OfUpload(auth.UploadsBegin) }},
		{"begin in parts", bench.Started, func(r *bench.Run) model.Call { r.InParts(); return r.OfUpload(auth.UploadsBegin) }},
		{"status", bench.Sent, onUpload(auth.UploadsStatus)},
		{"status in parts", bench.SentInParts, onUpload(auth.UploadsStatus)},
		{"complete", bench.Sent, onUpload(auth.UploadsComplete)},
		{"complete in parts", bench.SentInParts, onUpload(auth.UploadsComplete)},
		{"abort", bench.Sent, onUpload(auth.UploadsAbort)},
		{"abort in parts", bench.SentInParts, onUpload(auth.UploadsAbort)},
		{"cleanup", bench.Left, func(r *bench.Run) model.Call {
			r.Rig.Clock.Advance(25 * time.Hour)
			return model.Call{Action: auth.Cleanup}
		}},
	}
}
