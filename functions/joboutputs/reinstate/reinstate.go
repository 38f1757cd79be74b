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
	Reinstate(ctx context.Context, p auth.Principal, pk int64, key string) (outputs.Output, error)
}

// New makes the action.
func New(s store) http.Handler {
	return api.Change(auth.OutputsReinstate, func(r *http.Request, p auth.Principal, pk int64, key string) (outputs.Output, bool, error) {
		o, err := s.Reinstate(r.Context(), p, pk, key)
		return o, o.Replayed, err
	})
}
