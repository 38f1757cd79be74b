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
	return api.Handle(auth.JobsGetOutputInfo, func(w http.ResponseWriter, r *http.Request, p auth.Principal) error {
		job, err := api.PK(r, "pk")
		if err != nil {
			return err
		}
		o, err := s.OutputByName(r.Context(), p.Tenant, job, r.PathValue("name"), r.PathValue("type"))
		if err != nil {
			return err
		}
		return api.JSON(w, http.StatusOK, &o)
	})
}
