// Package harddelete is DELETE /v1/job-outputs/{pk}/hard: the output, its name and its
// bytes go for good. The answer is the output as it was.
package harddelete

import (
	"context"
	"net/http"

	"joboutputs/shared/api"
	"joboutputs/shared/auth"
	"joboutputs/shared/outputs"
)

type store interface {
	HardDelete(ctx context.Context, tenant string, pk int64) (outputs.Output, error)
}

// New makes the action.
func New(s store) http.Handler {
	return api.Handle(auth.OutputsHardDelete, func(w http.ResponseWriter, r *http.Request, p auth.Principal) error {
		pk, err := api.PK(r, "pk")
		if err != nil {
			return err
		}
		o, err := s.HardDelete(r.Context(), p.Tenant, pk)
		if err != nil {
			return err
		}
		return api.JSON(w, http.StatusOK, &o)
	})
}
