// Package openapi is GET /v1/openapi.json, the API's description for programs, and
// GET /v1/docs, the same as a page for people. The page is made from the description, so
// that the two never differ.
package openapi

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"joboutputs/shared/api"
	"joboutputs/shared/auth"
	"joboutputs/shared/problem"
)

// New makes the action. Each answer is made once, when it is first asked for: the page takes
// tens of milliseconds, which a start should not.
func New() http.Handler {
	files := map[string]func() (file, error){ // by resource
		"/v1/openapi.json": sync.OnceValues(func() (file, error) {
			return newFile("application/json", "default-src 'none'; frame-ancestors 'none'", api.OpenAPI()), nil
		}),
		"/v1/docs": sync.OnceValues(func() (file, error) {
			page, err := render(api.OpenAPI())
			if err != nil {
				return file{}, fmt.Errorf("make the page: %w", err)
			}
			return newFile("text/html; charset=utf-8", policy, page), nil
		}),
	}
	return api.Handle(auth.DocsOpenAPI, func(w http.ResponseWriter, r *http.Request, _ auth.Principal) error {
		made, ok := files[r.URL.Path] // the event's resource template
		if !ok {
			return problem.Missing()
		}
		f, err := made()
		if err != nil {
			return err
		}
		return f.send(w, r)
	})
}

// file is an answer that is always the same.
type file struct {
	mediaType, policy, etag string
	content                 []byte
}

func newFile(mediaType, policy, content string) file {
	sum := sha256.Sum256([]byte(content))
	return file{mediaType: mediaType, policy: policy, etag: `"` + hex.EncodeToString(sum[:16]) + `"`, content: []byte(content)}
}

// send answers with the file, or 304 to whoever has it. It changes only when the service
// does, so that a copy may be kept for five minutes without asking.
func (f file) send(w http.ResponseWriter, r *http.Request) error {
	h := w.Header()
	h.Set("ETag", f.etag)
	h.Set("Cache-Control", "public, max-age=300")
	if f.isAmong(r.Header.Values("If-None-Match")) {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	h.Set("Content-Type", f.mediaType)
	h.Set("Content-Length", strconv.Itoa(len(f.content)))
	h.Set("Content-Security-Policy", f.policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	w.WriteHeader(http.StatusOK)
	_, err := w.Write(f.content)
	return err
}

// isAmong compares entity tags weakly, as If-None-Match wants it (RFC 9110, 13.1.2): a
// compressing gateway makes the tag weak.
func (f file) isAmong(tags []string) bool {
	for tag := range strings.SplitSeq(strings.Join(tags, ","), ",") {
		if tag = strings.TrimSpace(tag); tag == "*" || strings.TrimPrefix(tag, "W/") == f.etag {
			return true
		}
	}
	return false
}
