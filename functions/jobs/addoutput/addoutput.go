// Package addoutput is POST /v1/jobs/{pk}/outputs/{name}/{type}: the body, whatever its
// media type, becomes an output of the job.
package addoutput

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"

	"joboutputs/shared/api"
	"joboutputs/shared/auth"
	"joboutputs/shared/outputs"
	"joboutputs/shared/problem"
)

// MaxContent is the largest content of one request, in bytes.
const MaxContent = api.MaxContent

// maxContentType bounds the media type that is kept, in bytes; a longer one is not.
const maxContentType = 255

type store interface {
	Add(ctx context.Context, p auth.Principal, a outputs.Addition) (outputs.Output, error)
}

// New makes the action. Content that does not have the digests its request states is not
// stored. Content-Disposition, which UFDL requires, is not read.
func New(s store) http.Handler {
	return api.Handle(auth.JobsAddOutput, func(w http.ResponseWriter, r *http.Request, p auth.Principal) error {
		job, err := api.PK(r, "pk")
		if err != nil {
			return err
		}
		key, err := api.IdempotencyKey(r)
		if err != nil {
			return err
		}
		content, err := read(r)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(content)
		if err := checkDigests(r.Header, content, sum); err != nil {
			return err
		}
		o, err := s.Add(r.Context(), p, outputs.Addition{
			Job:         job,
			Name:        r.PathValue("name"),
			Type:        r.PathValue("type"),
			ContentType: contentType(r),
			Content:     content,
			SHA256:      &sum,
			Key:         key,
		})
		if err != nil {
			return err
		}
		api.Replayed(w, o.Replayed)
		return api.JSON(w, http.StatusOK, &o)
	})
}

// read reads the content into memory once.
func read(r *http.Request) ([]byte, error) {
	content := bytes.NewBuffer(make([]byte, 0, max(0, min(r.ContentLength, MaxContent))+bytes.MinRead))
	if _, err := content.ReadFrom(io.LimitReader(r.Body, MaxContent+1)); err != nil {
		return nil, fmt.Errorf("read the content: %w", err)
	}
	if content.Len() > MaxContent {
		return nil, problem.New(problem.PayloadTooLarge, "The content is over %d bytes: use a staged upload (POST /v1/jobs/%s/uploads).", MaxContent, r.PathValue("pk"))
	}
	return content.Bytes(), nil
}

func contentType(r *http.Request) string {
	if declared := r.Header.Get("Content-Type"); len(declared) <= maxContentType {
		return declared
	}
	return ""
}
