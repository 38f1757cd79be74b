// Package start is POST /v1/jobs/{pk}/start: the node that owns the job begins its work.
package start

import (
	"context"
	"net/http"

	"joboutputs/shared/api"
	"joboutputs/shared/auth"
	"joboutputs/shared/outputs"
)

type store interface {
	Start(ctx context.Context, tenant string, pk, node int64, admit func(outputs.Job) error) (outputs.Job, error)
}

// New makes the action.
func New(s store) http.Handler {
	return api.Detail(auth.JobsStart, func(r *http.Request, p auth.Principal, pk int64) (outputs.Job, error) {
		return s.Start(r.Context(), p.Tenant, pk, p.Node, func(j outputs.Job) error {
			return api.Owned(p, auth.JobsStart, j.Node)
		})
	})
}
