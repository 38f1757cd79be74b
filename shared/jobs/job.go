//go:build ignore

package outputs

import (
	"cmp"
	"slices"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"joboutputs/shared/problem"
)

// Job is as much of a job as its outputs need. A zero nullable field is null.
type Job struct {
	PK           int64
	Description  string
	Node         int64 // the node that acquired it; 0 = null
	Creator      int64 // the user's pk; 0 = null
	CreationTime time.Time
	StartTime    time.Time // zero = never started
	EndTime      time.Time // zero = not ended
	ErrorReason  *string   // nil = no error; an error's text may be empty
	DeletionTime time.Time
	Cancelled    bool
	Outputs      []JobOutput // filled by Store.JobWithOutputs alone

	version int64
}

// JobOutput is a job's mention of one of its outputs, soft-deleted ones included.
type JobOutput struct {
	PK   int64  `json:"pk"`
	Name string `json:"name"`
	Type string `json:"type"`
}

// Finished reports whether the job ended without an error.
func (j *Job) Finished() bool { return !j.EndTime.IsZero() && j.ErrorReason == nil }

// Started reports whether the job was ever started.
func (j *Job) Started() bool { return !j.StartTime.IsZero() }

// ended reports whether nothing more happens to the job by itself.
func (j *Job) ended() bool { return !j.EndTime.IsZero() || j.ErrorReason != nil }

// admits says whether outputs can be added: to any job that was started and did not
// finish; an errored, cancelled or soft-deleted one still takes what its node has left.
func (j *Job) admits() error {
	switch {
	case !j.Started():
		return problem.New(problem.JobNotStarted, "Attempted to perform the following action on an un-started job: add_output")
	case j.Finished():
		return problem.New(problem.JobFinished, "Attempted to perform the following action on a finished job: add_output")
	}
	return nil
}

// MarshalJSONTo writes the job as the API answers it.
func (j *Job) MarshalJSONTo(enc *jsontext.Encoder) error {
	outputs := slices.SortedFunc(slices.Values(j.Outputs), func(a, b JobOutput) int { return cmp.Compare(a.PK, b.PK) })
	return json.MarshalEncode(enc, &struct {
		PK           int64       `json:"pk"`
		Description  string      `json:"description"`
		Node         *int64      `json:"node"`
		Creator      *int64      `json:"creator"`
		CreationTime string      `json:"creation_time"`
		StartTime    *string     `json:"start_time"`
		EndTime      *string     `json:"end_time"`
		ErrorReason  *string     `json:"error_reason"`
		DeletionTime *string     `json:"deletion_time"`
		Cancelled    bool        `json:"is_cancelled"`
		Outputs      []JobOutput `json:"outputs"`
	}{
		j.PK, j.Description, nullable(j.Node), nullable(j.Creator), FormatTime(j.CreationTime),
		nullable(FormatTime(j.StartTime)), nullable(FormatTime(j.EndTime)), j.ErrorReason,
		nullable(FormatTime(j.DeletionTime)), j.Cancelled, outputs,
	})
}
