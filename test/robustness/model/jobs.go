package model

import (
	"cmp"

	"joboutputs/shared/auth"
	"joboutputs/shared/problem"
)

func (s State) job(c Call) Answer {
	if c.Action == auth.JobsCreate {
		if c.PK > s.HighestPK() {
			return refused(400, problem.InvalidRequest)
		}
		if _, taken := s.Jobs[c.PK]; taken && c.PK != 0 {
			return refused(409, problem.Conflict)
		}
		pk := cmp.Or(c.PK, -int64(len(s.Jobs))-1) // below zero: not told yet
		j := Job{PK: pk, Description: c.Description, Node: c.Node, Creator: c.Caller.creator(), CreationTime: c.At}
		s.Jobs[pk] = j
		j.Outputs = []Mention{}
		return Answer{Status: 201, Job: &j}
	}
	j, ok := s.Jobs[c.Job]
	if !ok {
		return refused(404, problem.NotFound)
	}
	node := c.Caller.Node
	started, ended := j.StartTime != "", j.EndTime != ""
	owner := j.Node == node
	switch c.Action {
	case auth.JobsAcquire:
		switch {
		case ended:
			return refused(409, problem.IllegalTransition)
		case j.Node != 0 && !owner:
			return refused(409, problem.JobAcquired)
		}
		j.Node = node
	case auth.JobsRelease:
		switch {
		case !owner:
		case started && j.ErrorReason == nil: // it runs, or is finished
			return refused(409, problem.IllegalTransition)
		default:
			j.Node = 0
		}
	case auth.JobsStart:
		switch {
		case !owner:
			return refused(403, problem.PermissionDenied)
		case ended:
			return refused(409, problem.IllegalTransition)
		case started: // again
		case s.Working[node] != 0:
			return refused(409, problem.NodeAlreadyWorking)
		default:
			j.StartTime, s.Working[node] = cmp.Or(c.At, untold), j.PK
		}
	case auth.JobsFinish:
		switch {
		case !owner:
			return refused(403, problem.PermissionDenied)
		case !started:
			return refused(409, problem.IllegalTransition)
		case ended && sameEnd(j.ErrorReason, c.Error): // again
		case ended:
			return refused(409, problem.IllegalTransition)
		default:
			j.EndTime, j.ErrorReason = cmp.Or(c.At, untold), c.Error
			if s.Working[node] == j.PK {
				delete(s.Working, node)
			}
		}
	}
	s.Jobs[j.PK] = j
	j.Outputs = s.mentions(j.PK)
	return Answer{Status: 200, Job: &j}
}

func sameEnd(a, b *string) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
}

// mentions are a job's outputs as it tells of them.
func (s State) mentions(job int64) []Mention {
	all := []Mention{}
	for _, o := range s.Outputs {
		if o.Job == job {
			all = append(all, Mention{o.PK, o.Name, o.Type})
		}
	}
	return all
}
