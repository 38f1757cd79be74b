// Package retrieve is GET /v1/job-outputs/{pk}: what is known of one output,
// soft-deleted or not.
package retrieve

import (
	"context"
	"net/http"

	"joboutputs/shared/api"
	"joboutputs/shared/auth"
	"joboutputs/shared/outputs"
)

type store interface {
	Output(ctx context.Context, tenant string, pk int64) (outputs.Output, error)
}

// New makes the action: one strongly consistent read.
func New(s store) http.Handler {
	return api.Handle(auth.OutputsRetrieve, func(w http.ResponseWriter, r *http.Request, p auth.Principal) error {
		pk, err := api.PK(r, "pk")
		if err != nil {
			return err
		}
		o, err := s.Output(r.Context(), p.Tenant, pk)
		if err != nil {
			return err
		}
		return api.JSON(w, http.StatusOK, &o)
	})
}
