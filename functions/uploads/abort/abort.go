// Package abort is DELETE /v1/jobs/{pk}/uploads/{id}: ends a staged upload and frees what
// was sent.
package abort

import (
	"context"
	"net/http"

	"joboutputs/shared/api"
	"joboutputs/shared/auth"
)

type store interface {
	Abort(ctx context.Context, p auth.Principal, job int64, id, key string) (replayed bool, err error)
}

// New makes the action: 204 without a body, also for an upload that has been aborted.
func New(s store) http.Handler {
	return api.Handle(auth.UploadsAbort, func(w http.ResponseWriter, r *http.Request, p auth.Principal) error {
		job, err := api.PK(r, "pk")
		if err != nil {
			return err
		}
		key, err := api.IdempotencyKey(r)
		if err != nil {
			return err
		}
		replayed, err := s.Abort(r.Context(), p, job, r.PathValue("id"), key)
		if err != nil {
			return err
		}
		api.Replayed(w, replayed)
		w.WriteHeader(http.StatusNoContent)
		return nil
	})
}
