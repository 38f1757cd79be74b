// Package create is POST /v1/jobs/create: makes a job for outputs to belong to. UFDL makes
// its jobs from templates; this is as much of a job as outputs need.
package create

import (
	"context"
	"net/http"
	"unicode/utf8"

	"joboutputs/shared/api"
	"joboutputs/shared/auth"
	"joboutputs/shared/jobs"
	"joboutputs/shared/problem"
	"joboutputs/shared/users"
)

type store interface {
	Create(ctx context.Context, tenant string, n jobs.NewJob) (jobs.Job, error)
}

// maxDescription is the length of the longest description, in characters.
const maxDescription = 10_000

// New makes the action.
func New(s store) http.Handler {
	return api.Handle(auth.JobsCreate, func(w http.ResponseWriter, r *http.Request, p auth.Principal) error {
		key, err := api.IdempotencyKey(r)
		if err != nil {
			return err
		}
		job, err := parse(r)
		if err != nil {
			return err
		}
		job.Creator, job.Key = users.Of(p), key
		j, err := s.Create(r.Context(), p.Tenant, job)
		if err != nil {
			return err
		}
		api.Replayed(w, j.Replayed)
		return api.JSON(w, http.StatusCreated, &j)
	})
}

// parse reads the body: {description?, node?, pk?}; null is absent.
func parse(r *http.Request) (jobs.NewJob, error) {
	var in struct {
		Description string `json:"description"`
		Node        *int64 `json:"node"`
		PK          *int64 `json:"pk"`
	}
	if err := api.Members(r, &in, "description (string), node (integer) and pk (integer)"); err != nil {
		return jobs.NewJob{}, err
	}
	job := jobs.NewJob{Description: in.Description}
	for _, member := range []struct {
		name string
		pk   *int64
	}{{"node", in.Node}, {"pk", in.PK}} {
		if member.pk != nil && (*member.pk < 1 || *member.pk > auth.MaxPK) {
			return jobs.NewJob{}, problem.New(problem.InvalidRequest, "%s: must be from 1 to %d", member.name, auth.MaxPK)
		}
	}
	if in.Node != nil {
		job.Node = *in.Node
	}
	if in.PK != nil {
		job.PK = *in.PK
	}
	if utf8.RuneCountInString(job.Description) > maxDescription {
		return jobs.NewJob{}, problem.New(problem.InvalidRequest, "description: must not be longer than %d characters", maxDescription)
	}
	return job, nil
}
