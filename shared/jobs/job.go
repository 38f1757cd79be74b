// Package jobs is the jobs that outputs belong to: their state, and the steps of a node that
// works one.
package jobs

import (
	"cmp"
	"slices"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"joboutputs/shared/auth"
	"joboutputs/shared/problem"
	"joboutputs/shared/table"
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

	Outputs   []OutputRef // filled by Store.WithOutputs only
	Truncated bool        // the job has more outputs than these

	Replayed bool // the response of an earlier call with the same idempotency key

	version int64 // of the row: the condition of every change
}

// OutputRef is a job's mention of one of its outputs, soft-deleted ones included.
type OutputRef struct {
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

// Permit is the caller's permission to take an action on the job, which was read: asked of
// auth.May with the node that owns it. Problem: PermissionDenied.
func (j *Job) Permit(p auth.Principal, action auth.Action) error {
	if !auth.May(p, action, auth.Job(j.Node)) {
		return problem.Forbidden()
	}
	return nil
}

// TakesOutputs says whether outputs can be added: to any job that was started and did not
// finish; an errored, cancelled or soft-deleted one still takes what its node has left.
// Problems: JobNotStarted, JobFinished.
func (j *Job) TakesOutputs() error {
	switch {
	case !j.Started():
		return problem.New(problem.JobNotStarted, "Attempted to perform the following action on an un-started job: add_output")
	case j.Finished():
		return problem.New(problem.JobFinished, "Attempted to perform the following action on a finished job: add_output")
	}
	return nil
}

// Row is the job's row.
func (j *Job) Row(tenant string) table.JobRow {
	return table.JobRow{
		Key: table.JobKey(tenant, j.PK), PK: j.PK, Description: j.Description, Node: j.Node, Creator: j.Creator,
		CreationTime: table.FormatTime(j.CreationTime), StartTime: table.FormatTime(j.StartTime), EndTime: table.FormatTime(j.EndTime),
		ErrorReason: j.ErrorReason, DeletionTime: table.FormatTime(j.DeletionTime), Cancelled: j.Cancelled, Version: j.version,
	}
}

// FromRow is the job of a row.
func FromRow(r *table.JobRow) (Job, error) {
	j := Job{
		PK: r.PK, Description: r.Description, Node: r.Node, Creator: r.Creator,
		ErrorReason: r.ErrorReason, Cancelled: r.Cancelled, version: r.Version,
	}
	for text, at := range map[*string]*time.Time{
		&r.CreationTime: &j.CreationTime, &r.StartTime: &j.StartTime, &r.EndTime: &j.EndTime, &r.DeletionTime: &j.DeletionTime,
	} {
		var err error
		if *at, err = table.ParseTime(*text); err != nil {
			return Job{}, err
		}
	}
	return j, nil
}

// MarshalJSONTo writes the job as the API returns it.
func (j *Job) MarshalJSONTo(enc *jsontext.Encoder) error {
	outputs := slices.SortedFunc(slices.Values(j.Outputs), func(a, b OutputRef) int { return cmp.Compare(a.PK, b.PK) })
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
		Outputs      []OutputRef `json:"outputs"`
		Truncated    bool        `json:"outputs_truncated,omitzero"`
	}{
		j.PK, j.Description, table.Nullable(j.Node), table.Nullable(j.Creator), table.FormatTime(j.CreationTime),
		table.Nullable(table.FormatTime(j.StartTime)), table.Nullable(table.FormatTime(j.EndTime)), j.ErrorReason,
		table.Nullable(table.FormatTime(j.DeletionTime)), j.Cancelled, outputs, j.Truncated,
	})
}
