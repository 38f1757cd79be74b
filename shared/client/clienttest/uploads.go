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
	"strings"

	"joboutputs/shared/client"
)

// page is how many parts an answer has.
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
	reply(w, 201, s.describe(u, 1, nil))
}

func (u *upload) count() int { return int((u.Size + u.PartSize - 1) / u.PartSize) }

func (u *upload) partSize(n int) int64 { return min(u.PartSize, u.Size-int64(n-1)*u.PartSize) }

// describe is the upload with what arrived and what did not or, where the checksums of
// parts are given, with links to these.
func (s *Service) describe(u *upload, from int, sums []string) map[string]any {
	parts, arrived := []map[string]any{}, []map[string]any{}
	state := u.state
	if u.lost && sums == nil { // else the object store is not looked at
		state = "aborted"
	}
	for n := from; n <= u.count() && len(parts) < page && state == "open"; n++ {
		if sums == nil && u.parts[n] != nil {
			continue
		}
		part := map[string]any{
			"number": n, "offset": int64(n-1) * u.PartSize, "size": u.partSize(n), "method": "PUT", "headers": map[string]string{}, "url": nil,
		}
		if sums != nil {
			if n == from+len(sums) {
				break
			}
			part["url"] = fmt.Sprintf("%s/store/upload/%s/%d?signature=secret&epoch=%d&sha256=%s", s.URL, u.id, n, s.epoch, sums[n-from])
			part["headers"] = u.headers(sums[n-from])
		}
		parts = append(parts, part)
	}
	answer := map[string]any{
		"id": u.id, "job": u.Job, "name": u.Name, "type": u.Type, "size": u.Size, "part_size": u.PartSize, "part_count": u.count(),
		"state": state, "expires_at": "2030-01-01T00:00:00.000000Z", "parts": parts, "arrived": nil, "output": u.output,
	}
	if sums == nil {
		for _, n := range slices.Sorted(maps.Keys(u.parts)) {
			sum := sha256.Sum256(u.parts[n])
			arrived = append(arrived, map[string]any{"number": n, "size": len(u.parts[n]), "sha256": base64.StdEncoding.EncodeToString(sum[:])})
		}
		answer["arrived"] = arrived
	}
	return answer
}

// headers are what a link signs, beside the length.
func (u *upload) headers(sum string) map[string]string {
	raw, _ := hex.DecodeString(sum)
	signed := map[string]string{"X-Amz-Checksum-Sha256": base64.StdEncoding.EncodeToString(raw)}
	if u.count() == 1 {
		signed["If-None-Match"] = "*"
	}
	return signed
}

// signed is whether a request has these headers and no others that would have to be.
func signed(h http.Header, headers map[string]string) bool {
	for name := range h {
		if _, ok := headers[name]; !ok && (strings.HasPrefix(name, "X-Amz-") || name == "If-None-Match") {
			return false
		}
	}
	for name, value := range headers {
		if !slices.Equal(h[name], []string{value}) {
			return false
		}
	}
	return true
}

func (s *Service) upload(w http.ResponseWriter, r *http.Request, id string) {
	u, from, err := s.uploads[id], 1, error(nil)
	query := r.URL.Query()
	if text := query.Get("from"); text != "" {
		from, err = strconv.Atoi(text)
	}
	var sums []string
	if text := query.Get("sha256"); text != "" {
		sums = strings.Split(text, ",")
	}
	for _, sum := range sums {
		if raw, bad := hex.DecodeString(sum); bad != nil || len(raw) != sha256.Size {
			err = fmt.Errorf("%q is no SHA-256", sum)
		}
	}
	switch {
	case u == nil:
		problem(w, 404, "upload_not_found", nil)
	case r.Method == http.MethodDelete && u.state == "completed":
		problem(w, 409, "upload_completed", map[string]any{"pk": u.output.PK})
	case r.Method == http.MethodDelete:
		u.state, u.parts = "aborted", nil
		w.WriteHeader(204)
	case err != nil || from < 1 || len(sums) > page || from+len(sums)-1 > u.count() && sums != nil:
		problem(w, 400, "invalid_request", nil)
	default:
		reply(w, 200, s.describe(u, from, sums))
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
		problem(w, 404, "upload_not_found", nil)
		return
	case len(body) > 0 && json.Unmarshal(body, &in) != nil:
		problem(w, 400, "invalid_json", nil)
		return
	case u.state == "completed":
		reply(w, 200, u.output)
		return
	case u.lost:
		u.state = "aborted"
		problem(w, 410, "upload_lost", nil)
		return
	case u.state != "open":
		problem(w, 409, "upload_aborted", nil)
		return
	}
	var content []byte
	all, missing, wrong := sha256.New(), []int{}, []int{}
	for n := 1; n <= u.count(); n++ {
		if u.parts[n] == nil {
			missing = append(missing, n)
		}
		sum := sha256.Sum256(u.parts[n])
		all.Write(sum[:])
		content = append(content, u.parts[n]...)
	}
	for _, p := range in.Parts {
		if sum := sha256.Sum256(u.parts[p.Number]); p.SHA256 != hex.EncodeToString(sum[:]) {
			wrong = append(wrong, p.Number)
		}
	}
	if sum := sha256.Sum256(content); u.count() == 1 && in.SHA256 != "" && in.SHA256 != hex.EncodeToString(sum[:]) {
		wrong = []int{1}
	}
	if len(missing)+len(wrong) > 0 {
		problem(w, 409, "upload_incomplete", map[string]any{"missing": missing, "wrong": wrong})
		return
	}
	if s.taken(w, u.Name, u.Type) {
		return
	}
	o := s.add(u.Upload, content)
	if u.count() > 1 { // of which the object store knows no checksum of the whole
		o.SHA256 = nil
		o.Checksum = &client.Checksum{Algorithm: "SHA256", Type: "composite", Value: fmt.Sprintf("%s-%d", base64.StdEncoding.EncodeToString(all.Sum(nil)), u.count()), PartSize: u.PartSize}
		if s.WrongSum {
			o.Checksum.Value = "wrong"
		}
		s.outputs[o.PK-1].Output = o
	}
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
	case u == nil || u.lost || u.state != "open":
		refuse(404, "NoSuchUpload")
	case r.Method != http.MethodPut || !signed(r.Header, u.headers(r.URL.Query().Get("sha256"))):
		refuse(403, "SignatureDoesNotMatch")
	case u.count() == 1 && u.parts[n] != nil:
		refuse(412, "PreconditionFailed")
	case r.ContentLength != u.partSize(n) || int64(len(body)) != u.partSize(n):
		refuse(400, "IncompleteBody")
	case r.Header.Get("X-Amz-Checksum-Sha256") != base64.StdEncoding.EncodeToString(sum[:]):
		refuse(400, "BadDigest")
	default:
		u.parts[n] = body
		w.WriteHeader(200)
	}
}
