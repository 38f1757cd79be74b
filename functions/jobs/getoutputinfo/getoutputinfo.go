// Package getoutputinfo is GET /v1/jobs/{pk}/outputs/{name}/{type}/info: what is known of
// a job's output, soft-deleted or not.
package getoutputinfo

import (
	"context"
	"net/http"

	"joboutputs/shared/api"
	"joboutputs/shared/auth"
	"joboutputs/shared/outputs"
)

type store interface {
	OutputByName(ctx context.Context, tenant string, job int64, name, typ string) (outputs.Output, error)
}

// New makes the action: one strongly consistent read.
func New(s store) http.Handler {
	return api.Detail(auth.JobsGetOutputInfo, func(r *http.Request, p auth.Principal, job int64) (outputs.Output, error) {
		return s.OutputByName(r.Context(), p.Tenant, job, r.PathValue("name"), r.PathValue("type"))
	})
}
