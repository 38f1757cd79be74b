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
	return api.Detail(auth.OutputsHardDelete, func(r *http.Request, p auth.Principal, pk int64) (outputs.Output, error) {
		return s.HardDelete(r.Context(), p.Tenant, pk)
	})
}
