// Package acquire is GET /v1/jobs/{pk}/acquire: the calling node takes a free job.
package acquire

import (
	"context"
	"net/http"

	"joboutputs/shared/api"
	"joboutputs/shared/auth"
	"joboutputs/shared/jobs"
)

type store interface {
	Acquire(ctx context.Context, p auth.Principal, pk int64, key string) (jobs.Job, error)
}

// New makes the action. It is a GET because UFDL has it so; it has no HEAD.
func New(s store) http.Handler {
	return api.Change(auth.JobsAcquire, func(r *http.Request, p auth.Principal, pk int64, key string) (jobs.Job, bool, error) {
		j, err := s.Acquire(r.Context(), p, pk, key)
		return j, j.Replayed, err
	})
}
