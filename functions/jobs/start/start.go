// Package start is POST /v1/jobs/{pk}/start: the node that owns the job begins its work.
package start

import (
	"context"
	"net/http"

	"joboutputs/shared/api"
	"joboutputs/shared/auth"
	"joboutputs/shared/jobs"
)

type store interface {
	Start(ctx context.Context, p auth.Principal, pk int64, key string) (jobs.Job, error)
}

// New makes the action.
func New(s store) http.Handler {
	return api.Change(auth.JobsStart, func(r *http.Request, p auth.Principal, pk int64, key string) (jobs.Job, bool, error) {
		j, err := s.Start(r.Context(), p, pk, key)
		return j, j.Replayed, err
	})
}
