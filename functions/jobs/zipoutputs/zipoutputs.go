// Package zipoutputs is GET /v1/jobs/{pk}/outputs.zip: all active outputs of a job in one
// zip, made while it is sent.
package zipoutputs

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"joboutputs/shared/api"
	"joboutputs/shared/archive"
	"joboutputs/shared/auth"
	"joboutputs/shared/delivery"
	"joboutputs/shared/outputs"
	"joboutputs/shared/problem"
)

type store interface {
	ActiveOutputs(ctx context.Context, tenant string, job int64, most int) ([]outputs.Output, error)
	Open(ctx context.Context, tenant string, o *outputs.Output, part *outputs.Range) (io.ReadCloser, error)
}

// New makes the action. streaming says whether answers may exceed a buffered Lambda's.
func New(s store, streaming bool) http.Handler {
	limit := int64(delivery.MaxInline)
	if streaming {
		limit = delivery.MaxStreamed
	}
	return api.Handle(auth.JobsZipOutputs, func(w http.ResponseWriter, r *http.Request, p auth.Principal) error {
		job, err := api.PK(r, "pk")
		if err != nil {
			return err
		}
		all, err := s.ActiveOutputs(r.Context(), p.Tenant, job, delivery.MaxZipped)
		if err != nil {
			return err
		}
		entries := entriesOf(all)
		size := archive.Size(entries)
		if size > limit {
			return problem.New(problem.ResultTooLarge, "The zip has %d bytes, more than the %d that can be sent at once: get the outputs one by one (GET /v1/jobs/%d/outputs/{name}/{type}).",
				size, limit, job).With("limit", limit)
		}
		h := w.Header()
		h.Set("Content-Type", "application/zip")
		h.Set("Content-Disposition", delivery.Disposition(fmt.Sprintf("job-%d.zip", job)))
		h.Set("Content-Length", strconv.FormatInt(size, 10))
		h.Set("Cache-Control", "private, no-cache")
		h.Set("X-Content-Type-Options", "nosniff")
		if r.Method == http.MethodHead {
			w.WriteHeader(http.StatusOK)
			return nil
		}
		return archive.Write(w, entries, func(i int) (io.ReadCloser, error) { return open(r.Context(), s, p.Tenant, &all[i]) })
	})
}

func entriesOf(all []outputs.Output) []archive.Entry {
	entries := make([]archive.Entry, len(all))
	for i, o := range all {
		entries[i] = archive.Entry{PK: o.PK, Name: o.Name, Type: o.Type, Size: o.Size, Created: o.CreationTime}
	}
	return entries
}

// open opens an output for the zip. One that was deleted for good since the job was read
// is an error and not left out: who unpacks a zip takes it for all there is, and asking
// again gives what there is by then.
func open(ctx context.Context, s store, tenant string, o *outputs.Output) (io.ReadCloser, error) {
	content, err := s.Open(ctx, tenant, o, nil)
	if problem.Is(err, problem.NotFound) {
		return nil, problem.New(problem.Conflict, "Output %d was deleted for good while the zip was made. Ask again.", o.PK)
	}
	return content, err
}
