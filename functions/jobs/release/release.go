// Package release is DELETE /v1/jobs/{pk}/release: the calling node gives its job back.
package release

import (
	"context"
	"net/http"

	"joboutputs/shared/api"
	"joboutputs/shared/auth"
	"joboutputs/shared/jobs"
)

type store interface {
	Release(ctx context.Context, p auth.Principal, pk int64, key string) (jobs.Job, error)
}

// New makes the action. A node that does not own the job changes nothing.
func New(s store) http.Handler {
	return api.Change(auth.JobsRelease, func(r *http.Request, p auth.Principal, pk int64, key string) (jobs.Job, bool, error) {
		j, err := s.Release(r.Context(), p, pk, key)
		return j, j.Replayed, err
	})
}
