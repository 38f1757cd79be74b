package model

import (
	"cmp"
	"fmt"

	"joboutputs/shared/auth"
	"joboutputs/shared/problem"
)

func (s State) onOutput(c Call, o Output) Answer {
	switch c.Action {
	case auth.OutputsDownload, auth.JobsGetOutput:
		return Answer{Status: 200, Content: o.Content}
	case auth.OutputsDestroy, auth.JobsDeleteOutput:
		if !o.Deleted { // or it keeps its time
			o.Deleted, o.DeletionTime = true, c.At
		}
	case auth.OutputsReinstate:
		o.Deleted, o.DeletionTime = false, ""
	case auth.OutputsHardDelete: // the name is free, the pk is not
		delete(s.Outputs, o.key())
		if !o.Deleted {
			o.Deleted, o.DeletionTime = true, c.At
		}
		return Answer{Status: 200, Output: &o}
	}
	s.Outputs[o.key()] = o
	if c.Action == auth.OutputsDestroy {
		return Answer{Status: 204}
	}
	return Answer{Status: 200, Output: &o}
}

// Admission is the first instant of an add: what its job says to it.
func (s State) Admission(c Call) (Answer, bool) {
	j, ok := s.Jobs[c.Job]
	switch {
	case !ok:
		return refused(404, problem.NotFound), false
	case !c.Caller.Admin && j.Node != c.Caller.Node:
		return refused(403, problem.PermissionDenied), false
	case j.StartTime == "":
		return refused(409, problem.JobNotStarted), false
	case j.EndTime != "" && j.ErrorReason == nil:
		return refused(409, problem.JobFinished), false
	}
	return Answer{}, true
}

// visible is its second.
func (s State) visible(o Output) Answer {
	if holder, taken := s.Outputs[o.key()]; taken {
		a := refused(409, problem.DuplicateOutput)
		a.Holder = &Holder{holder.PK, holder.SHA256, holder.DeletionTime}
		return a
	}
	s.Outputs[o.key()] = o
	return Answer{Status: 200, Output: &o}
}

func (s State) add(c Call) Answer {
	if no, ok := s.Admission(c); !ok {
		return no
	}
	o := newOutput(Name{c.Job, c.Name, c.Type}, c.Caller.creator(), c.ContentType, c.Content, 0)
	o.CreationTime = c.At
	return s.visible(o)
}

func (s State) upload(c Call) Answer {
	u, known := s.Uploads[c.Upload]
	no, admitted := s.Admission(c)
	switch {
	case c.Action == Send: // S3 is asked, and writes a key once
	case c.Action != auth.UploadsBegin && no.Status != 404 && no.Status != 403: // of a job that takes nothing, what was begun is still told
		if !known || u.Job != c.Job {
			return refused(404, problem.UploadNotFound)
		}
	case !admitted:
		return no
	}
	over := u.State == open && c.At != "" && u.Expires <= c.At
	switch c.Action {
	case Send:
		if u.Sent {
			return Answer{Status: 412}
		}
		u.Sent = true
		s.Uploads[u.ID] = u
		return Answer{Status: 200}
	case auth.UploadsBegin:
		name := Name{c.Job, c.Name, c.Type}
		if _, taken := s.Outputs[name]; taken {
			return s.visible(Output{Job: c.Job, Name: c.Name, Type: c.Type})
		}
		u = Upload{ID: fmt.Sprintf("%s%d", untold, len(s.Uploads)), Job: c.Job, Name: c.Name, Type: c.Type, Size: int64(len(c.Content)), PartSize: cmp.Or(c.PartSize, int64(len(c.Content))), State: open,
			Creator: c.Caller.creator(), ContentType: c.ContentType, Content: c.Content}
		s.Uploads[u.ID] = u
		return Answer{Status: 201, Upload: &u}
	case auth.UploadsStatus:
		if over || u.State == expired || u.State == lost {
			u.State = aborted
		}
		return Answer{Status: 200, Upload: &u}
	case auth.UploadsAbort:
		if u.State == completed {
			return refused(409, problem.UploadCompleted)
		}
		if u.State == open {
			u.State = aborted
		}
		s.Uploads[u.ID] = u
		return Answer{Status: 204}
	}
	switch { // complete
	case u.State == completed: // the same answer again, whatever became of it
		return Answer{Status: 200, Output: u.Output}
	case u.State == aborted:
		return refused(409, problem.UploadAborted)
	case u.State == lost:
		return refused(410, problem.UploadLost)
	case over || u.State == expired:
		return refused(410, problem.UploadExpired)
	case !admitted:
		return no
	}
	o := newOutput(Name{u.Job, u.Name, u.Type}, u.Creator, u.ContentType, u.Content, u.PartSize)
	o.CreationTime = c.At
	_, taken := s.Outputs[o.key()]
	if !u.Sent && !taken {
		return refused(409, problem.UploadIncomplete)
	}
	a := s.visible(o)
	if a.Output != nil {
		u.State, u.Output = completed, a.Output
		s.Uploads[u.ID] = u
	}
	return a
}
