// Package status is GET /v1/jobs/{pk}/uploads/{id}: how far a staged upload is, and the
// links by which its parts are sent.
package status

import (
	"context"
	"net/http"
	"strconv"
	"strings"

	"joboutputs/shared/api"
	"joboutputs/shared/auth"
	"joboutputs/shared/outputs"
	"joboutputs/shared/problem"
)

type store interface {
	Upload(ctx context.Context, tenant string, job int64, id string, w outputs.Wanted) (outputs.Upload, error)
}

// New makes the action. ?from= is the first part asked for; ?sha256= are the checksums of
// that and the following parts, for which links are wanted.
func New(s store) http.Handler {
	return api.Detail(auth.UploadsStatus, func(r *http.Request, p auth.Principal, job int64) (outputs.Upload, error) {
		wanted, err := parse(r)
		if err != nil {
			return outputs.Upload{}, err
		}
		wanted.Admit = func(j outputs.Job) error { return api.Owned(p, auth.UploadsStatus, j.Node) }
		return s.Upload(r.Context(), p.Tenant, job, r.PathValue("id"), wanted)
	})
}

func parse(r *http.Request) (outputs.Wanted, error) {
	query, wanted := r.URL.Query(), outputs.Wanted{From: 1}
	if query.Has("from") {
		var err error
		if wanted.From, err = strconv.Atoi(query.Get("from")); err != nil || wanted.From < 1 || wanted.From > outputs.MaxParts {
			return wanted, problem.New(problem.InvalidRequest, "from: must be from 1 to %d", outputs.MaxParts)
		}
	}
	if !query.Has("sha256") {
		return wanted, nil
	}
	for text := range strings.SplitSeq(query.Get("sha256"), ",") {
		sum, ok := outputs.SHA256(text)
		if !ok || len(wanted.SHA256) == outputs.PartsAtOnce {
			return wanted, problem.New(problem.InvalidRequest, "sha256: must be at most %d SHA-256 in hex, separated by commas", outputs.PartsAtOnce)
		}
		wanted.SHA256 = append(wanted.SHA256, sum)
	}
	return wanted, nil
}
