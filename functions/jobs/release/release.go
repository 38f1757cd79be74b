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
	Release(ctx context.Context, tenant string, pk, node int64) (jobs.Job, error)
}

// New makes the action. A node that does not own the job changes nothing.
func New(s store) http.Handler {
	return api.Detail(auth.JobsRelease, func(r *http.Request, p auth.Principal, pk int64) (jobs.Job, error) {
		return s.Release(r.Context(), p.Tenant, pk, p.Node)
	})
}
