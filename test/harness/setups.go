package harness

import (
	"strings"
	"sync"

	"joboutputs/shared/auth"
	"joboutputs/test/robustness/model"
)

const mib = 1 << 20

// twoParts is content of the least size that S3 takes in two parts. It is made only when it
// is needed, so that it counts in no process whose heap a test measures.
var twoParts = sync.OnceValue(func() string { return strings.Repeat("x", 5*mib+1) })

// InParts makes the upload's content one of two parts.
func (r *Run) InParts() { r.Content, r.PartSize = twoParts(), 5*mib }

// Large makes it content that does not fit an add, in one part.
func (r *Run) Large() { r.Content, r.PartSize = twoParts(), 0 }

// OfUpload is a call on the upload there is, or to begin it.
func (r *Run) OfUpload(action auth.Action) model.Call {
	return model.Call{Action: action, Job: 1, Upload: r.Upload, Name: "staged", Type: "bin", Content: r.Content, PartSize: r.PartSize}
}

// Unnamed makes the tenant one whose users are named by its directory.
func Unnamed(r *Run) { r.Admin.Directory, r.Node.Directory = true, true }

// Free leaves job 1, which nobody has.
func Free(r *Run) { r.Do(model.Call{Action: auth.JobsCreate, PK: 1}) }

// Acquired leaves job 1, which the node has.
func Acquired(r *Run) { r.Do(model.Call{Action: auth.JobsCreate, PK: 1, Node: TrialNode}) }

// Started leaves it running.
func Started(r *Run) {
	Acquired(r)
	r.Do(model.Call{Action: auth.JobsStart, Caller: r.Node, Job: 1})
}

// Added leaves an output of it, model/bin.
func Added(r *Run) {
	Started(r)
	r.PK = r.Do(model.Call{Action: auth.JobsAddOutput, Job: 1, Name: "model", Type: "bin", Content: "content"}).Output.PK
}

// Destroyed leaves it softly deleted.
func Destroyed(r *Run) {
	Added(r)
	r.Do(model.Call{Action: auth.OutputsDestroy, PK: r.PK})
}

// Purged leaves nothing of it.
func Purged(r *Run) {
	Added(r)
	r.Do(model.Call{Action: auth.OutputsHardDelete, PK: r.PK})
}

// Sent leaves an upload, staged/bin, whose content S3 has.
func Sent(r *Run) {
	Started(r)
	r.Upload = r.Do(r.OfUpload(auth.UploadsBegin)).Upload.ID
	r.Do(r.OfUpload(model.Send))
}

// SentInParts is Sent with two parts.
func SentInParts(r *Run) {
	r.InParts()
	Sent(r)
}

// Left is what a cleanup meets: an intent with bytes, a tombstone with bytes, and uploads
// that were abandoned.
func Left(r *Run) {
	SentInParts(r)
	left(r)
}

// LeftSingle is Left without the upload in parts.
func LeftSingle(r *Run) {
	Started(r)
	left(r)
}

func left(r *Run) {
	r.Planned(model.Call{Action: auth.JobsAddOutput, Job: 1, Name: "crashed", Type: "bin", Content: "content"}, CrashAt("TransactWriteItems", 1))
	pk := r.Do(model.Call{Action: auth.JobsAddOutput, Job: 1, Name: "gone", Type: "bin", Content: "content"}).Output.PK
	r.Planned(model.Call{Action: auth.OutputsHardDelete, PK: pk}, CrashAt("DeleteObject", 1))
	r.Do(model.Call{Action: auth.JobsAddOutput, Job: 1, Name: "stays", Type: "bin", Content: "content"})
	r.Content, r.PartSize, r.Upload = "content", 0, ""
	r.Upload = r.Do(r.OfUpload(auth.UploadsBegin)).Upload.ID
	r.Do(r.OfUpload(model.Send))
}
