// Package download is POST /v1/job-outputs/{pk}/download: the bytes of an output.
package download

import (
	"context"
	"net/http"

	"joboutputs/shared/api"
	"joboutputs/shared/auth"
	"joboutputs/shared/delivery"
	"joboutputs/shared/outputs"
)

type store interface {
	Output(ctx context.Context, tenant string, pk int64) (outputs.Output, error)
	delivery.Contents
}

// New makes the action. streaming says whether answers may exceed a buffered Lambda's.
func New(s store, streaming bool) http.Handler {
	sender := delivery.Sender{Contents: s, Streaming: streaming}
	return api.Handle(auth.OutputsDownload, func(w http.ResponseWriter, r *http.Request, p auth.Principal) error {
		pk, err := api.PK(r, "pk")
		if err != nil {
			return err
		}
		body, err := api.Object(r)
		if err != nil {
			return err
		}
		opts, err := parseOptions(body)
		if err != nil {
			return err
		}
		o, err := s.Output(r.Context(), p.Tenant, pk)
		if err != nil {
			return err
		}
		extension := o.Type
		if opts.filetype != nil {
			extension = *opts.filetype
		}
		return sender.Send(w, r, p.Tenant, &o, delivery.Options{Mode: opts.delivery, Extension: extension, Life: opts.life})
	})
}
