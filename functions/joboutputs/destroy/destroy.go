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
	Destroy(ctx context.Context, p auth.Principal, pk int64, key string) (outputs.Output, error)
}

// New makes the action: 204 without a body.
func New(s store) http.Handler {
	return api.Handle(auth.OutputsDestroy, func(w http.ResponseWriter, r *http.Request, p auth.Principal) error {
		pk, err := api.PK(r, "pk")
		if err != nil {
			return err
		}
		key, err := api.IdempotencyKey(r)
		if err != nil {
			return err
		}
		o, err := s.Destroy(r.Context(), p, pk, key)
		if err != nil {
			return err
		}
		api.Replayed(w, o.Replayed)
		w.WriteHeader(http.StatusNoContent)
		return nil
	})
}
