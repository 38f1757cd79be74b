// Package destroy is DELETE /v1/job-outputs/{pk}: the soft delete. Deleting again changes
// nothing and keeps the time of the first.
package destroy

import (
	"context"
	"net/http"

	"joboutputs/shared/api"
	"joboutputs/shared/auth"
	"joboutputs/shared/outputs"
)

type store interface {
	Destroy(ctx context.Context, tenant string, pk int64) (outputs.Output, error)
}

// New makes the action: 204 without a body.
func New(s store) http.Handler {
	return api.Handle(auth.OutputsDestroy, func(w http.ResponseWriter, r *http.Request, p auth.Principal) error {
		pk, err := api.PK(r, "pk")
		if err != nil {
			return err
		}
		if _, err := s.Destroy(r.Context(), p.Tenant, pk); err != nil {
			return err
		}
		w.WriteHeader(http.StatusNoContent)
		return nil
	})
}
