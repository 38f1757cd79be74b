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
	return api.Detail(auth.OutputsRetrieve, func(r *http.Request, p auth.Principal, pk int64) (outputs.Output, error) {
		return s.Output(r.Context(), p.Tenant, pk)
	})
}
