// Package finish is POST /v1/jobs/{pk}/finish: the node that owns the job ends its work,
// well or with an error.
package finish

import (
	"context"
	"net/http"

	"github.com/go-json-experiment/json/jsontext"

	"joboutputs/shared/api"
	"joboutputs/shared/auth"
	"joboutputs/shared/jobs"
	"joboutputs/shared/problem"
)

type store interface {
	Finish(ctx context.Context, p auth.Principal, pk int64, errorReason *string, key string) (jobs.Job, error)
}

// New makes the action.
func New(s store) http.Handler {
	return api.Change(auth.JobsFinish, func(r *http.Request, p auth.Principal, pk int64, key string) (jobs.Job, bool, error) {
		reason, err := errorReason(r)
		if err != nil {
			return jobs.Job{}, false, err
		}
		j, err := s.Finish(r.Context(), p, pk, reason, key)
		return j, j.Replayed, err
	})
}

// maxReason is the length of the longest error text, in bytes.
const maxReason = 64 << 10

// errorReason reads how the work ended: nil for well. {"success": false} without an error
// is an error without a text. "send_notification", which UFDL's clients send as a text, is
// taken and has no effect.
func errorReason(r *http.Request) (*string, error) {
	var in struct {
		Success          *bool          `json:"success"`
		SendNotification jsontext.Value `json:"send_notification"`
		Error            *string        `json:"error"`
	}
	if err := api.Members(r, &in, "success (boolean), send_notification and error (string)"); err != nil {
		return nil, err
	}
	switch {
	case in.Error != nil && len(*in.Error) > maxReason:
		return nil, problem.New(problem.InvalidRequest, "error: must not be longer than %d bytes", maxReason)
	case in.Error != nil:
		return in.Error, nil
	case in.Success != nil && !*in.Success:
		return new(string), nil
	}
	return nil, nil
}
