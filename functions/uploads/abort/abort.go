// Package abort is DELETE /v1/jobs/{pk}/uploads/{id}: ends a staged upload and frees what
// was sent.
package abort

import (
	"context"
	"net/http"

	"joboutputs/shared/api"
	"joboutputs/shared/auth"
	"joboutputs/shared/outputs"
)

type store interface {
	AbortUpload(ctx context.Context, tenant string, job int64, id string, admit func(outputs.Job) error) error
}

// New makes the action. Asked again, it answers the same.
func New(s store) http.Handler {
	return api.Handle(auth.UploadsAbort, func(w http.ResponseWriter, r *http.Request, p auth.Principal) error {
		job, err := api.PK(r, "pk")
		if err != nil {
			return err
		}
		err = s.AbortUpload(r.Context(), p.Tenant, job, r.PathValue("id"), func(j outputs.Job) error {
			return api.Owned(p, auth.UploadsAbort, j.Node)
		})
		if err != nil {
			return err
		}
		w.WriteHeader(http.StatusNoContent)
		return nil
	})
}
