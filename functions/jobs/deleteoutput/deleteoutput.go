// Package deleteoutput is DELETE /v1/jobs/{pk}/outputs/{name}/{type}: the soft delete of a
// job's output.
package deleteoutput

import (
	"context"
	"net/http"

	"joboutputs/shared/api"
	"joboutputs/shared/auth"
	"joboutputs/shared/outputs"
)

type store interface {
	DestroyByName(ctx context.Context, p auth.Principal, job int64, name, typ, key string) (outputs.Output, error)
}

// New makes the action: unlike a delete by pk, it answers the output.
func New(s store) http.Handler {
	return api.Change(auth.JobsDeleteOutput, func(r *http.Request, p auth.Principal, job int64, key string) (outputs.Output, bool, error) {
		o, err := s.DestroyByName(r.Context(), p, job, r.PathValue("name"), r.PathValue("type"), key)
		return o, o.Replayed, err
	})
}
