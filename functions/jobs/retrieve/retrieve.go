// Package retrieve is GET /v1/jobs/{pk}: a job with the mentions of its outputs.
package retrieve

import (
	"context"
	"net/http"

	"joboutputs/shared/api"
	"joboutputs/shared/auth"
	"joboutputs/shared/outputs"
)

type store interface {
	JobWithOutputs(ctx context.Context, tenant string, pk int64) (outputs.Job, error)
}

// New makes the action.
func New(s store) http.Handler {
	return api.Handle(auth.JobsRetrieve, func(w http.ResponseWriter, r *http.Request, p auth.Principal) error {
		pk, err := api.PK(r, "pk")
		if err != nil {
			return err
		}
		j, err := s.JobWithOutputs(r.Context(), p.Tenant, pk)
		if err != nil {
			return err
		}
		return api.JSON(w, http.StatusOK, &j)
	})
}
