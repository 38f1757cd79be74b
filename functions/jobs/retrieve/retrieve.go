// Package retrieve is GET /v1/jobs/{pk}: a job with the mentions of its outputs.
package retrieve

import (
	"context"
	"net/http"

	"joboutputs/shared/api"
	"joboutputs/shared/auth"
	"joboutputs/shared/jobs"
)

type store interface {
	WithOutputs(ctx context.Context, tenant string, pk int64) (jobs.Job, error)
}

// New makes the action.
func New(s store) http.Handler {
	return api.Detail(auth.JobsRetrieve, func(r *http.Request, p auth.Principal, pk int64) (jobs.Job, error) {
		return s.WithOutputs(r.Context(), p.Tenant, pk)
	})
}
