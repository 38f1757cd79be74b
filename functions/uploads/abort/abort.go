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
	Abort(ctx context.Context, p auth.Principal, job int64, id string) error
}

// New makes the action. Asked again, it answers the same.
func New(s store) http.Handler {
	return api.Handle(auth.UploadsAbort, func(w http.ResponseWriter, r *http.Request, p auth.Principal) error {
		job, err := api.PK(r, "pk")
		if err != nil {
			return err
		}
		if _, err := api.IdempotencyKey(r); err != nil { // which has nothing to add: an end is for good
			return err
		}
		if err := s.Abort(r.Context(), p, job, r.PathValue("id")); err != nil {
			return err
		}
		w.WriteHeader(http.StatusNoContent)
		return nil
	})
}
