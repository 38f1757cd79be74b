// Package complete is POST /v1/jobs/{pk}/uploads/{id}/complete: verifies what was sent and
// makes it an output of the job.
package complete

import (
	"context"
	"net/http"

	"joboutputs/shared/api"
	"joboutputs/shared/auth"
	"joboutputs/shared/outputs"
	"joboutputs/shared/problem"
	"joboutputs/shared/uploads"
)

type store interface {
	Complete(ctx context.Context, p auth.Principal, job int64, id string, c uploads.Completion) (outputs.Output, error)
}

// New makes the action. Asked again, it answers the same.
func New(s store) http.Handler {
	return api.Handle(auth.UploadsComplete, func(w http.ResponseWriter, r *http.Request, p auth.Principal) error {
		job, err := api.PK(r, "pk")
		if err != nil {
			return err
		}
		key, err := api.IdempotencyKey(r)
		if err != nil {
			return err
		}
		completion, err := parse(r)
		if err != nil {
			return err
		}
		completion.Key = key
		o, err := s.Complete(r.Context(), p, job, r.PathValue("id"), completion)
		if err != nil {
			return err
		}
		api.Replayed(w, o.Replayed)
		return api.JSON(w, http.StatusOK, &o)
	})
}

// parse reads the body: {sha256?, parts?: [{number, sha256}]}; null is absent.
func parse(r *http.Request) (uploads.Completion, error) {
	var in struct {
		SHA256 string `json:"sha256"`
		Parts  []struct {
			Number int    `json:"number"`
			SHA256 string `json:"sha256"`
		} `json:"parts"`
	}
	if err := api.Members(r, &in, "sha256 (string) and parts, an array of {number (integer), sha256 (string)}"); err != nil {
		return uploads.Completion{}, err
	}
	completion := uploads.Completion{Parts: map[int]string{}}
	var ok bool
	if in.SHA256 != "" {
		if completion.SHA256, ok = uploads.SHA256(in.SHA256); !ok {
			return completion, problem.New(problem.InvalidRequest, "sha256: must be a SHA-256 in hex")
		}
	}
	for i, part := range in.Parts {
		if _, named := completion.Parts[part.Number]; named {
			return completion, problem.New(problem.InvalidRequest, "parts: %d is there twice", part.Number)
		}
		if completion.Parts[part.Number], ok = uploads.SHA256(part.SHA256); !ok {
			return completion, problem.New(problem.InvalidRequest, "parts[%d].sha256: must be a SHA-256 in hex or base64", i)
		}
	}
	return completion, nil
}
