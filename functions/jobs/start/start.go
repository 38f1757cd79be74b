// Package start is POST /v1/jobs/{pk}/start: the node that owns the job begins its work.
package start

import (
	"context"
	"net/http"

	"joboutputs/shared/api"
	"joboutputs/shared/auth"
	"joboutputs/shared/outputs"
)

type store interface {
	Start(ctx context.Context, tenant string, pk, node int64, admit func(outputs.Job) error) (outputs.Job, error)
}

// New makes the action.
func New(s store) http.Handler {
	return api.Handle(auth.JobsStart, func(w http.ResponseWriter, r *http.Request, p auth.Principal) error {
		pk, err := api.PK(r, "pk")
		if err != nil {
			return err
		}
		j, err := s.Start(r.Context(), p.Tenant, pk, p.Node, func(j outputs.Job) error {
			if !auth.May(p, auth.JobsStart, auth.Job(j.Node)) {
				return api.Forbidden()
			}
			return nil
		})
		if err != nil {
			return err
		}
		return api.JSON(w, http.StatusOK, &j)
	})
}
