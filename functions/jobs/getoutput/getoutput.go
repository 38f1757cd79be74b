// Package getoutput is GET /v1/jobs/{pk}/outputs/{name}/{type}: the bytes of a job's
// output.
package getoutput

import (
	"context"
	"net/http"
	"net/url"

	"joboutputs/shared/api"
	"joboutputs/shared/auth"
	"joboutputs/shared/delivery"
	"joboutputs/shared/outputs"
)

type store interface {
	OutputByName(ctx context.Context, tenant string, job int64, name, typ string) (outputs.Output, error)
	delivery.Contents
}

// New makes the action; ?delivery= and ?expires_in= take what the body of a download does. streaming says
// whether answers may exceed a buffered Lambda's.
func New(s store, streaming bool) http.Handler {
	sender := delivery.Sender{Contents: s, Streaming: streaming}
	return api.Handle(auth.JobsGetOutput, func(w http.ResponseWriter, r *http.Request, p auth.Principal) error {
		job, err := api.PK(r, "pk")
		if err != nil {
			return err
		}
		opts, err := options(r.URL.Query())
		if err != nil {
			return err
		}
		o, err := s.OutputByName(r.Context(), p.Tenant, job, r.PathValue("name"), r.PathValue("type"))
		if err != nil {
			return err
		}
		opts.Extension = o.Type
		return sender.Send(w, r, p.Tenant, &o, opts)
	})
}

func options(query url.Values) (opts delivery.Options, err error) {
	if query.Has("delivery") {
		if opts.Mode, err = delivery.ParseMode(query.Get("delivery")); err != nil {
			return opts, err
		}
	}
	if query.Has("expires_in") {
		opts.Life, err = delivery.ParseLife(query.Get("expires_in"))
	}
	return opts, err
}
