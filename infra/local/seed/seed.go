// Package seed reads seed files: a tenant's users, nodes, jobs and outputs with explicit
// pks and times, as JSON. The local run loads them at the start, the conformance tests
// load one per scenario.
//
// A file looks like this; what is left out is null, false, empty or as said. The pks of
// jobs and outputs are at most fixture.MaxPK, so that the API has keys above them:
//
//	{
//	  "note": "free text",
//	  "tenant": "demo",                                  // the default
//	  "users": [{"pk": 1, "username": "admin", "password": "…", "email": "…",
//	             "is_staff": true,                       // an admin
//	             "is_superuser": true,                   // means nothing here
//	             "is_active": true,                      // the default
//	             "nodes": [1, 2]}],                      // the nodes the user may act for
//	  "nodes": [{"pk": 1, "current_job": null, "ip": "10.0.0.1", "index": 0}],
//	  "jobs": [{"pk": 2, "description": "…", "node": 1, "creator": 1, "creation_time": "2022-12-02T00:00:00Z",
//	            "start_time": null, "end_time": null, "error_reason": null, "deletion_time": null, "is_meta": false}],
//	  "job_outputs": [{"pk": 5, "job": 2, "name": "log", "type": "txt", "creator": 1,
//	                   "creation_time": "2023-01-02T03:04:05.678901Z", "deletion_time": null,
//	                   "data_b64": "aGVsbG8=", "data_sha256": "…"}],
//	  "next_job_output_pk": 68                           // default: one above the greatest
//	}
package seed

import (
	"time"

	"joboutputs/shared/jobs"
	"joboutputs/shared/localaws/fixture"
	"joboutputs/shared/outputs"
)

// DefaultTenant is the tenant of a file that names none.
const DefaultTenant = "demo"

// cancelled is the error reason of a cancelled job, by which UFDL knows it.
const cancelled = "Cancelled"

// Seed is one file, checked: every pk it mentions is in it.
type Seed struct {
	Tenant          string
	Users           []User
	Nodes           []Node
	Jobs            []Job
	Outputs         []Output
	NextJobOutputPK int64 // above every output's pk
}

// User is somebody who can log in.
type User struct {
	PK       int64
	Username string
	Password string
	Email    string
	Admin    bool
	Active   bool
	Nodes    []int64 // the nodes the user may act for
}

// Node is a machine that works jobs.
type Node struct {
	PK         int64
	CurrentJob int64 // 0 = none
}

// Job is a job; zero times, Node and Creator are null.
type Job struct {
	PK           int64
	Description  string
	Node         int64
	Creator      int64
	CreationTime time.Time
	StartTime    time.Time
	EndTime      time.Time
	ErrorReason  *string
	DeletionTime time.Time
}

// Cancelled reports whether the job was cancelled.
func (j Job) Cancelled() bool { return j.ErrorReason != nil && *j.ErrorReason == cancelled }

// Output is an output with its bytes; a zero DeletionTime or Creator is null.
type Output struct {
	PK           int64
	Job          int64
	Name, Type   string
	Creator      int64
	CreationTime time.Time
	DeletionTime time.Time
	Content      []byte
}

// Username is the name of a user of the file, "" of none.
func (s *Seed) Username(pk int64) string {
	for _, u := range s.Users {
		if u.PK == pk {
			return u.Username
		}
	}
	return ""
}

// Rows is the file's jobs, nodes and outputs, to be loaded under the file's tenant. Users
// are the token issuer's.
func (s *Seed) Rows() fixture.Rows {
	in := fixture.Rows{LastOutputPK: s.NextJobOutputPK - 1}
	for _, n := range s.Nodes {
		in.Nodes = append(in.Nodes, fixture.Node{PK: n.PK, CurrentJob: n.CurrentJob})
	}
	for _, j := range s.Jobs {
		in.Jobs = append(in.Jobs, jobs.Job{
			PK: j.PK, Description: j.Description, Node: j.Node, Creator: j.Creator,
			CreationTime: j.CreationTime, StartTime: j.StartTime, EndTime: j.EndTime,
			ErrorReason: j.ErrorReason, DeletionTime: j.DeletionTime, Cancelled: j.Cancelled(),
		})
	}
	for _, o := range s.Outputs {
		in.Outputs = append(in.Outputs, fixture.Output{
			Output: outputs.Output{
				PK: o.PK, Job: o.Job, Name: o.Name, Type: o.Type,
				Creator: o.Creator, CreatorUsername: s.Username(o.Creator),
				CreationTime: o.CreationTime, DeletionTime: o.DeletionTime,
			},
			Content: o.Content,
		})
	}
	return in
}
