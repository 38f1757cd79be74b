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
	return api.Handle(auth.JobsDeleteOutput, func(w http.ResponseWriter, r *http.Request, p auth.Principal) error {
		job, err := api.PK(r, "pk")
		if err != nil {
			return err
		}
		o, err := s.DestroyByName(r.Context(), p.Tenant, job, r.PathValue("name"), r.PathValue("type"))
		if err != nil {
			return err
		}
		return api.JSON(w, http.StatusOK, &o)
	})
}
