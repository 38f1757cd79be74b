package clienttest

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
)

// page is how many parts an answer has URLs for.
const page = 100

func (s *Service) begin(w http.ResponseWriter, body []byte) {
	var in struct {
		Name, Type string
		Size       int64
		PartSize   int64 `json:"part_size"`
	}
	if err := json.Unmarshal(body, &in); err != nil || in.Name == "" || in.Type == "" || in.Size < 1 {
		problem(w, 400, "invalid_request", nil)
		return
	}
	if s.taken(w, in.Name, in.Type) {
		return
	}
	u := &upload{id: fmt.Sprintf("U%d", len(s.uploads)+1), parts: map[int][]byte{}, state: "open"}
	u.Job, u.Name, u.Type, u.Size, u.PartSize = 42, in.Name, in.Type, in.Size, s.PartSize
	if in.PartSize > 0 {
		u.PartSize = in.PartSize
	}
	s.uploads[u.id] = u
	reply(w, 201, s.describe(u, 1, false))
}

func (u *upload) count() int { return int((u.Size + u.PartSize - 1) / u.PartSize) }

func (u *upload) partSize(n int) int64 { return min(u.PartSize, u.Size-int64(n-1)*u.PartSize) }

func (s *Service) describe(u *upload, from int, status bool) map[string]any {
	parts, arrived := []map[string]any{}, []map[string]any{}
	for n := from; n <= u.count() && len(parts) < page; n++ {
		if u.parts[n] == nil {
			parts = append(parts, map[string]any{
				"number": n, "offset": int64(n-1) * u.PartSize, "size": u.partSize(n), "method": "PUT", "headers": map[string]string{"x-signed": "yes"},
				"url": fmt.Sprintf("%s/store/upload/%s/%d?signature=secret&epoch=%d", s.URL, u.id, n, s.epoch),
			})
		}
	}
	answer := map[string]any{
		"id": u.id, "job": u.Job, "name": u.Name, "type": u.Type, "size": u.Size, "part_size": u.PartSize, "part_count": u.count(),
		"state": u.state, "expires_at": "2030-01-01T00:00:00.000000Z", "parts": parts,
	}
	if status {
		for _, n := range slices.Sorted(maps.Keys(u.parts)) {
			sum := sha256.Sum256(u.parts[n])
			arrived = append(arrived, map[string]any{"number": n, "size": len(u.parts[n]), "sha256": hex.EncodeToString(sum[:])})
		}
		answer["arrived"] = arrived
		answer["output"] = u.output
	}
	return answer
}

func (s *Service) upload(w http.ResponseWriter, r *http.Request, id string) {
	u := s.uploads[id]
	switch from, err := strconv.Atoi(r.URL.Query().Get("from")); {
	case u == nil:
		problem(w, 404, "not_found", nil)
	case r.Method == http.MethodDelete:
		u.state, u.parts = "aborted", nil
		w.WriteHeader(204)
	case err != nil || from < 1:
		problem(w, 400, "invalid_request", nil)
	default:
		reply(w, 200, s.describe(u, from, true))
	}
}

func (s *Service) complete(w http.ResponseWriter, id string, body []byte) {
	var in struct {
		SHA256 string
		Parts  []struct {
			Number int
			SHA256 string
		}
	}
	u := s.uploads[id]
	switch {
	case u == nil:
		problem(w, 404, "not_found", nil)
		return
	case json.Unmarshal(body, &in) != nil:
		problem(w, 400, "invalid_json", nil)
		return
	case u.state == "completed":
		reply(w, 200, u.output)
		return
	case u.state != "open" || len(u.parts) != u.count():
		problem(w, 409, "conflict", nil)
		return
	}
	var content []byte
	for n := 1; n <= u.count(); n++ {
		content = append(content, u.parts[n]...)
	}
	for _, p := range in.Parts {
		if sum := sha256.Sum256(u.parts[p.Number]); p.SHA256 != hex.EncodeToString(sum[:]) {
			problem(w, 400, "invalid_request", nil)
			return
		}
	}
	if sum := sha256.Sum256(content); in.SHA256 != hex.EncodeToString(sum[:]) || int64(len(content)) != u.Size {
		problem(w, 400, "invalid_request", nil)
		return
	}
	if s.taken(w, u.Name, u.Type) {
		return
	}
	o := s.add(u.Upload, content)
	u.state, u.output = "completed", &o
	reply(w, 200, o)
}

// store is the object store: it knows links and no tokens.
func (s *Service) store(w http.ResponseWriter, r *http.Request, path []string, body []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	refuse := func(status int, code string) {
		w.WriteHeader(status)
		fmt.Fprintf(w, "<Error><Code>%s</Code><Message>Refused.</Message></Error>", code)
	}
	if r.Header.Get("Authorization") != "" {
		s.tb.Error("the object store was told the token")
	}
	if r.URL.Query().Get("signature") != "secret" || r.URL.Query().Get("epoch") != fmt.Sprint(s.epoch) {
		refuse(403, "AccessDenied")
		return
	}
	if path[0] == "content" {
		pk, _ := strconv.Atoi(path[1])
		s.send(w, r, s.outputs[pk-1].content)
		return
	}
	u, n := s.uploads[path[1]], 0
	if u != nil {
		n, _ = strconv.Atoi(path[2])
	}
	sum := sha256.Sum256(body)
	switch {
	case u == nil || u.state != "open":
		refuse(404, "NoSuchUpload")
	case r.Method != http.MethodPut || r.Header.Get("X-Signed") != "yes":
		refuse(403, "SignatureDoesNotMatch")
	case r.ContentLength != u.partSize(n) || int64(len(body)) != u.partSize(n):
		refuse(400, "IncompleteBody")
	case r.Header.Get("X-Amz-Checksum-Sha256") != base64.StdEncoding.EncodeToString(sum[:]):
		refuse(400, "BadDigest")
	default:
		u.parts[n] = body
		w.WriteHeader(200)
	}
}
