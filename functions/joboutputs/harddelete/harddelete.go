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
	HardDelete(ctx context.Context, p auth.Principal, pk int64, key string) (outputs.Output, error)
}

// New makes the action.
func New(s store) http.Handler {
	return api.Change(auth.OutputsHardDelete, func(r *http.Request, p auth.Principal, pk int64, key string) (outputs.Output, bool, error) {
		o, err := s.HardDelete(r.Context(), p, pk, key)
		return o, o.Replayed, err
	})
}
