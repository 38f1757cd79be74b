package clienttest

import (
	"bytes"
	"crypto/sha256"
	"maps"
	"net/http"
	"net/http/httptest"
)

// answered is what a call with an idempotency key was answered.
type answered struct {
	request [sha256.Size]byte
	answer  *httptest.ResponseRecorder
}

// once does a call that makes something, or answers what an earlier one with its key was
// answered. A client that can't tell its calls apart is at fault.
func (s *Service) once(w http.ResponseWriter, r *http.Request, body []byte, do func(http.ResponseWriter)) {
	key := r.Header.Get("Idempotency-Key")
	if key == "" || len(key) > 255 {
		s.tb.Errorf("%s %s with the idempotency key %q", r.Method, r.URL.Path, key)
	}
	key += " of " + r.URL.Path
	request := sha256.Sum256(bytes.Join([][]byte{[]byte(r.Header.Get("Content-Type")), body}, []byte{0}))
	kept, known := s.keys[key]
	switch {
	case known && kept.request != request:
		problem(w, 422, "idempotency_mismatch", nil)
		return
	case known:
		w.Header().Set("Idempotent-Replay", "true")
	default:
		kept = answered{request, httptest.NewRecorder()}
		if do(kept.answer); kept.answer.Code < 300 {
			s.keys[key] = kept
		}
	}
	maps.Copy(w.Header(), kept.answer.Header())
	w.WriteHeader(kept.answer.Code)
	_, _ = w.Write(kept.answer.Body.Bytes())
}
