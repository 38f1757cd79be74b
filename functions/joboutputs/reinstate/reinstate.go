// Package reinstate is DELETE (as UFDL has it) and POST of
// /v1/job-outputs/{pk}/reinstate: a soft-deleted output is active again. On an active one
// it changes nothing.
package reinstate

import (
	"context"
	"net/http"

	"joboutputs/shared/api"
	"joboutputs/shared/auth"
	"joboutputs/shared/outputs"
)

type store interface {
	Reinstate(ctx context.Context, tenant string, pk int64) (outputs.Output, error)
}

// New makes the action.
func New(s store) http.Handler {
	return api.Detail(auth.OutputsReinstate, func(r *http.Request, p auth.Principal, pk int64) (outputs.Output, error) {
		return s.Reinstate(r.Context(), p.Tenant, pk)
	})
}
