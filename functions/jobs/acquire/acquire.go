// Package acquire is GET /v1/jobs/{pk}/acquire: the calling node takes a free job.
package acquire

import (
	"context"
	"net/http"

	"joboutputs/shared/api"
	"joboutputs/shared/auth"
	"joboutputs/shared/outputs"
)

type store interface {
	Acquire(ctx context.Context, tenant string, pk, node int64) (outputs.Job, error)
}

// New makes the action. It is a GET because UFDL has it so; it has no HEAD.
func New(s store) http.Handler {
	return api.Handle(auth.JobsAcquire, func(w http.ResponseWriter, r *http.Request, p auth.Principal) error {
		pk, err := api.PK(r, "pk")
		if err != nil {
			return err
		}
		j, err := s.Acquire(r.Context(), p.Tenant, pk, p.Node)
		if err != nil {
			return err
		}
		return api.JSON(w, http.StatusOK, &j)
	})
}
