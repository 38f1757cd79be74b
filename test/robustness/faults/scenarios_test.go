package faults_test

import (
	"joboutputs/shared/auth"
	"joboutputs/test/harness"
	"joboutputs/test/robustness/model"
)

// scenario is an action on the way it goes well: what there must be, and the call.
type scenario struct {
	name  string
	setup func(*harness.Run)
	call  func(*harness.Run) model.Call
}

// scenarios are all actions that call AWS; some have several ways.
func scenarios() []scenario {
	named := func(action auth.Action) func(*harness.Run) model.Call {
		return func(r *harness.Run) model.Call { return model.Call{Action: action, Job: 1, Name: "model", Type: "bin"} }
	}
	onJob := func(action auth.Action) func(*harness.Run) model.Call {
		return func(r *harness.Run) model.Call { return model.Call{Action: action, Caller: r.Node, Job: 1} }
	}
	onOutput := func(action auth.Action) func(*harness.Run) model.Call {
		return func(r *harness.Run) model.Call { return model.Call{Action: action, PK: r.PK} }
	}
	onUpload := func(action auth.Action) func(*harness.Run) model.Call {
		return func(r *harness.Run) model.Call { return r.OfUpload(action) }
	}
	text := "it failed"
	return []scenario{
		{"create a job", func(*harness.Run) {}, func(*harness.Run) model.Call { return model.Call{Action: auth.JobsCreate, Description: "one"} }},
		{"create job 5", func(*harness.Run) {}, func(*harness.Run) model.Call {
			return model.Call{Action: auth.JobsCreate, PK: 5, Node: harness.TrialNode}
		}},
		{"create a job as a user of the directory", harness.Unnamed, func(*harness.Run) model.Call { return model.Call{Action: auth.JobsCreate} }},
		{"acquire", harness.Free, onJob(auth.JobsAcquire)},
		{"release", harness.Acquired, onJob(auth.JobsRelease)},
		{"start", harness.Acquired, onJob(auth.JobsStart)},
		{"finish", harness.Started, onJob(auth.JobsFinish)},
		{"finish with an error", harness.Started, func(r *harness.Run) model.Call {
			return model.Call{Action: auth.JobsFinish, Caller: r.Node, Job: 1, Error: &text}
		}},
		{"retrieve a job", harness.Added, onJob(auth.JobsRetrieve)},
		{"add", harness.Started, func(r *harness.Run) model.Call {
			return model.Call{Action: auth.JobsAddOutput, Caller: r.Node, Job: 1, Name: "model", Type: "bin", Content: "content", ContentType: "text/plain"}
		}},
		{"add a name again", harness.Purged, func(r *harness.Run) model.Call {
			return model.Call{Action: auth.JobsAddOutput, Job: 1, Name: "model", Type: "bin", Content: ""}
		}},
		{"add as a user of the directory", func(r *harness.Run) { harness.Unnamed(r); harness.Started(r) }, func(r *harness.Run) model.Call {
			return model.Call{Action: auth.JobsAddOutput, Caller: r.Node, Job: 1, Name: "model", Type: "bin", Content: "content"}
		}},
		{"get", harness.Added, named(auth.JobsGetOutput)},
		{"info", harness.Added, named(auth.JobsGetOutputInfo)},
		{"delete by name", harness.Added, named(auth.JobsDeleteOutput)},
		{"retrieve", harness.Added, onOutput(auth.OutputsRetrieve)},
		{"download", harness.Added, onOutput(auth.OutputsDownload)},
		{"destroy", harness.Added, onOutput(auth.OutputsDestroy)},
		{"reinstate", harness.Destroyed, onOutput(auth.OutputsReinstate)},
		{"hard delete", harness.Added, onOutput(auth.OutputsHardDelete)},
		{"list", harness.Added, func(*harness.Run) model.Call { return model.Call{Action: auth.OutputsList} }},
		{"list a job", harness.Added, func(*harness.Run) model.Call { return model.Call{Action: auth.OutputsList, Job: 1} }},
		{"begin", harness.Started, func(r *harness.Run) model.Call { return r.OfUpload(auth.UploadsBegin) }},
		{"begin in parts", harness.Started, func(r *harness.Run) model.Call { r.InParts(); return r.OfUpload(auth.UploadsBegin) }},
		{"status", harness.Sent, onUpload(auth.UploadsStatus)},
		{"status in parts", harness.SentInParts, onUpload(auth.UploadsStatus)},
		{"complete", harness.Sent, onUpload(auth.UploadsComplete)},
		{"complete in parts", harness.SentInParts, onUpload(auth.UploadsComplete)},
		{"abort", harness.Sent, onUpload(auth.UploadsAbort)},
		{"abort in parts", harness.SentInParts, onUpload(auth.UploadsAbort)},
		{"cleanup", harness.Left, func(r *harness.Run) model.Call {
			r.Rig.Clock.Advance(harness.AllDue)
			return model.Call{Action: auth.Cleanup}
		}},
	}
}
