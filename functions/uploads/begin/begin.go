// Package begin is POST /v1/jobs/{pk}/uploads: begins a staged upload, by which content of
// any size becomes an output of the job.
package begin

import (
	"context"
	"net/http"

	"joboutputs/shared/api"
	"joboutputs/shared/auth"
	"joboutputs/shared/problem"
	"joboutputs/shared/uploads"
)

// maxContentType bounds the media type, in bytes, as it does where content is added at once.
const maxContentType = 255

type store interface {
	Begin(ctx context.Context, p auth.Principal, n uploads.NewUpload) (uploads.Upload, error)
}

// New makes the action.
func New(s store) http.Handler {
	return api.Handle(auth.UploadsBegin, func(w http.ResponseWriter, r *http.Request, p auth.Principal) error {
		job, err := api.PK(r, "pk")
		if err != nil {
			return err
		}
		key, err := api.IdempotencyKey(r)
		if err != nil {
			return err
		}
		upload, err := parse(r)
		if err != nil {
			return err
		}
		upload.Job, upload.Key = job, key
		u, err := s.Begin(r.Context(), p, upload)
		if err != nil {
			return err
		}
		api.Replayed(w, u.Replayed)
		return api.JSON(w, http.StatusCreated, &u)
	})
}

// parse reads the body; null is absent.
func parse(r *http.Request) (uploads.NewUpload, error) {
	var in struct {
		Name        string `json:"name"`
		Type        string `json:"type"`
		Size        *int64 `json:"size"`
		SHA256      string `json:"sha256"`
		ContentType string `json:"content_type"`
		PartSize    *int64 `json:"part_size"`
	}
	if err := api.Members(r, &in, "name, type (strings), size (integer), sha256, content_type (strings) and part_size (integer)"); err != nil {
		return uploads.NewUpload{}, err
	}
	upload := uploads.NewUpload{Name: in.Name, Type: in.Type, ContentType: in.ContentType}
	switch {
	case in.Type == "": // in a path it can't be, so nothing could name the output
		return upload, problem.New(problem.InvalidName, "The output's type is empty.")
	case in.Size == nil:
		return upload, problem.New(problem.InvalidRequest, "size: is required")
	case *in.Size < 0:
		return upload, problem.New(problem.InvalidRequest, "size: must not be negative")
	case in.PartSize != nil && *in.PartSize <= 0:
		return upload, problem.New(problem.InvalidRequest, "part_size: must be from %d to %d", uploads.MinPartSize, int64(uploads.MaxPartSize))
	case len(in.ContentType) > maxContentType:
		return upload, problem.New(problem.InvalidRequest, "content_type: must not be longer than %d bytes", maxContentType)
	}
	upload.Size = *in.Size
	if in.PartSize != nil {
		upload.PartSize = *in.PartSize
	}
	if in.SHA256 != "" {
		var ok bool
		if upload.SHA256, ok = uploads.SHA256(in.SHA256); !ok {
			return upload, problem.New(problem.InvalidRequest, "sha256: must be a SHA-256 in hex")
		}
	}
	return upload, nil
}
