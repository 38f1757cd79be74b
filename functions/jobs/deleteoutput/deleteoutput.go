// Package deleteoutput is DELETE /v1/jobs/{pk}/outputs/{name}/{type}: the soft delete of a
// job's output.
package deleteoutput

import (
	"context"
	"net/http"

	"joboutputs/shared/api"
	"joboutputs/shared/auth"
	"joboutputs/shared/outputs"
)

type store interface {
	DestroyByName(ctx context.Context, tenant string, job int64, name, typ string) (outputs.Output, error)
}

// New makes the action: unlike a delete by pk, it answers the output.
func New(s store) http.Handler {
	return api.Detail(auth.JobsDeleteOutput, func(r *http.Request, p auth.Principal, job int64) (outputs.Output, error) {
		return s.DestroyByName(r.Context(), p.Tenant, job, r.PathValue("name"), r.PathValue("type"))
	})
}
