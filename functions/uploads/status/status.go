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
	"joboutputs/shared/problem"
	"joboutputs/shared/uploads"
)

type store interface {
	Status(ctx context.Context, p auth.Principal, job int64, id string, w uploads.Wanted) (uploads.Upload, error)
}

// New makes the action. ?from= is the first part asked for; ?sha256= are the checksums of
// that and the following parts, for which links are wanted.
func New(s store) http.Handler {
	return api.Detail(auth.UploadsStatus, func(r *http.Request, p auth.Principal, job int64) (uploads.Upload, error) {
		wanted, err := parse(r)
		if err != nil {
			return uploads.Upload{}, err
		}
		return s.Status(r.Context(), p, job, r.PathValue("id"), wanted)
	})
}

func parse(r *http.Request) (uploads.Wanted, error) {
	query, wanted := r.URL.Query(), uploads.Wanted{From: 1}
	if query.Has("from") {
		var err error
		if wanted.From, err = strconv.Atoi(query.Get("from")); err != nil || wanted.From < 1 || wanted.From > uploads.MaxParts {
			return wanted, problem.New(problem.InvalidRequest, "from: must be from 1 to %d", uploads.MaxParts)
		}
	}
	if !query.Has("sha256") {
		return wanted, nil
	}
	for text := range strings.SplitSeq(query.Get("sha256"), ",") {
		sum, ok := uploads.SHA256(text)
		if !ok || len(wanted.SHA256) == uploads.PartsAtOnce {
			return wanted, problem.New(problem.InvalidRequest, "sha256: must be at most %d SHA-256 in hex, separated by commas", uploads.PartsAtOnce)
		}
		wanted.SHA256 = append(wanted.SHA256, sum)
	}
	return wanted, nil
}
