// Package clienttest is a service for tests of clients: the transfers of the API and the
// object store behind its links, in memory, written by hand from the API's description
// and not from the service's code. It is strict, as the object store is: lengths,
// checksums, tokens and the life of links are enforced; and it fails on demand.
package clienttest

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash/crc64"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"joboutputs/shared/client"
)

// Service is one job, 42, that takes outputs from who has the current access token.
type Service struct {
	URL string

	// Fault is asked before each request: 0 = serve it, CutBefore and CutAfter break the
	// connection before or after it was served, and anything else is the status that is
	// answered in its place. nil = serve all. While requests are under way, use SetFault.
	Fault func(r *http.Request) int
	// Body sees the bytes of a content before they are sent; the answer's headers are right
	// for the whole. nil = they are sent as they are.
	Body func(r *http.Request, content []byte) []byte

	PartSize   int64 // of uploads
	CRC        bool  // outputs have no SHA-256, but a CRC64NVME
	Unverified bool  // outputs have neither
	WrongSum   bool  // outputs of several parts have a checksum that is not theirs

	tb      testing.TB
	mu      sync.Mutex
	log     []string
	token   int // the current access token is access-N, its refresh token refresh
	epoch   int // links of another epoch have expired
	outputs []stored
	uploads map[string]*upload
	keys    map[string]answered
}

// What Fault can ask for beside a status.
const (
	CutBefore = -1
	CutAfter  = -2
)

type stored struct {
	client.Output
	content []byte
}

type upload struct {
	client.Upload
	id     string
	parts  map[int][]byte
	state  string
	lost   bool // at the object store
	output *client.Output
}

// New starts a service, which ends with the test.
func New(tb testing.TB) *Service {
	s := &Service{tb: tb, PartSize: 5 << 20, token: 1, uploads: map[string]*upload{}, keys: map[string]answered{}}
	server := httptest.NewServer(s)
	tb.Cleanup(server.Close)
	s.URL = server.URL
	return s
}

// Token is the current access token.
func (s *Service) Token() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return fmt.Sprint("access-", s.token)
}

// ExpireToken makes the current token a bad one.
func (s *Service) ExpireToken() { s.mu.Lock(); defer s.mu.Unlock(); s.token++ }

// ExpireLinks makes all links that were given out bad ones.
func (s *Service) ExpireLinks() { s.mu.Lock(); defer s.mu.Unlock(); s.epoch++ }

// Forget loses all uploads that are not complete, as the cleanup does.
func (s *Service) Forget() { s.mu.Lock(); defer s.mu.Unlock(); clear(s.uploads) }

// Lose loses the parts of all uploads that are open and have several, as when an operator
// aborts them at the object store. The service does not know until it looks there.
func (s *Service) Lose() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, u := range s.uploads {
		if u.state == "open" && u.count() > 1 {
			u.lost, u.parts = true, nil
		}
	}
}

// SetFault sets Fault.
func (s *Service) SetFault(fault func(*http.Request) int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.Fault = fault
}

// Take answers the requests since the last Take: method and path, without the query.
func (s *Service) Take() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	log := s.log
	s.log = nil
	return log
}

// Add makes an output, past the API.
func (s *Service) Add(name, kind string, content []byte) client.Output {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.add(client.Upload{Job: 42, Name: name, Type: kind}, content)
}

// Content is what an output has; nil = there is none.
func (s *Service) Content(name, kind string) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, o := range s.outputs {
		if o.Name == name && o.Type == kind {
			return o.content
		}
	}
	return nil
}

// Remove marks an output as deleted.
func (s *Service) Remove(pk int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.outputs[pk-1].DeletionTime = &client.Time{Time: time.Unix(1e9, 0)}
}

func (s *Service) add(u client.Upload, content []byte) client.Output {
	sum := sha256.Sum256(content)
	text, contentType := hex.EncodeToString(sum[:]), u.ContentType
	o := client.Output{
		PK: int64(len(s.outputs) + 1), Job: u.Job, Name: u.Name, Type: u.Type, Size: int64(len(content)), SHA256: &text, ContentType: &contentType,
		CreationTime: client.Time{Time: time.Unix(1e9, 0).UTC()},
	}
	if s.CRC || s.Unverified {
		o.SHA256 = nil
	}
	if s.CRC {
		crc := crc64.Checksum(content, crc64.MakeTable(0x9a6c9329ac4bc9b5))
		o.Checksum = &client.Checksum{Algorithm: "CRC64NVME", Type: "full", Value: base64.StdEncoding.EncodeToString([]byte{
			byte(crc >> 56), byte(crc >> 48), byte(crc >> 40), byte(crc >> 32), byte(crc >> 24), byte(crc >> 16), byte(crc >> 8), byte(crc),
		})}
	}
	s.outputs = append(s.outputs, stored{o, content})
	return o
}

func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.log = append(s.log, r.Method+" "+r.URL.Path)
	fault := s.Fault
	s.mu.Unlock()
	status := 0
	if fault != nil {
		status = fault(r)
	}
	switch {
	case status == CutBefore:
		panic(http.ErrAbortHandler)
	case status == CutAfter:
		s.serve(httptest.NewRecorder(), r)
		panic(http.ErrAbortHandler)
	case status != 0:
		w.WriteHeader(status)
	default:
		s.serve(w, r)
	}
}

func (s *Service) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body) // whole, before anything of it counts
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	path := strings.Split(strings.TrimPrefix(r.URL.EscapedPath(), "/"), "/")
	for i := range path {
		path[i], _ = url.PathUnescape(path[i])
	}
	if path[0] == "store" {
		s.store(w, r, path[1:], body)
		return
	}
	if strings.ContainsAny(r.URL.RawQuery, "|{};") { // which API Gateway refuses, or takes for two parameters
		problem(w, 400, "invalid_request", nil)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case path[1] == "auth":
		s.auth(w, path[2], body)
		return
	case r.Header.Get("Authorization") != fmt.Sprint("Bearer access-", s.token):
		problem(w, 401, "not_authenticated", nil)
		return
	}
	switch route := r.Method + " " + strings.Join(path[1:min(len(path), 2)], "") + " " + fmt.Sprint(len(path)); route {
	case "POST jobs 6":
		s.once(w, r, body, func(w http.ResponseWriter) { s.postOutput(w, r, path[4], path[5], body) })
	case "GET jobs 7":
		s.info(w, func(o stored) bool { return o.Name == path[4] && o.Type == path[5] })
	case "GET job-outputs 3":
		s.info(w, func(o stored) bool { return fmt.Sprint(o.PK) == path[2] })
	case "POST job-outputs 4":
		s.download(w, r, path[2], body)
	case "POST jobs 4":
		s.once(w, r, body, func(w http.ResponseWriter) { s.begin(w, body) })
	case "GET jobs 5", "DELETE jobs 5":
		s.upload(w, r, path[4])
	default:
		s.tb.Errorf("no such route: %s %s", r.Method, r.URL.Path)
		problem(w, 404, "not_found", nil)
	}
}

func (s *Service) auth(w http.ResponseWriter, step string, body []byte) {
	var in struct{ Username, Password, Refresh string }
	_ = json.Unmarshal(body, &in)
	switch {
	case step == "obtain" && in.Username == "alice" && in.Password == "secret":
		reply(w, 200, map[string]any{"access": fmt.Sprint("access-", s.token), "refresh": "refresh"})
	case step == "refresh" && in.Refresh == "refresh":
		reply(w, 200, map[string]any{"access": fmt.Sprint("access-", s.token)})
	case step == "refresh":
		problem(w, 401, "token_not_valid", nil)
	default:
		problem(w, 401, "not_authenticated", nil)
	}
}

// taken answers 409 if the name is.
func (s *Service) taken(w http.ResponseWriter, name, kind string) bool {
	for _, o := range s.outputs {
		if o.Name == name && o.Type == kind {
			problem(w, 409, "duplicate_output", map[string]any{"pk": o.PK, "sha256": o.SHA256, "deletion_time": o.DeletionTime})
			return true
		}
	}
	return false
}

func (s *Service) postOutput(w http.ResponseWriter, r *http.Request, name, kind string, body []byte) {
	if strings.HasSuffix(r.URL.Path, "/complete") {
		s.complete(w, strings.Split(r.URL.Path, "/")[5], body)
		return
	}
	if len(body) > client.MaxAdd {
		problem(w, 413, "payload_too_large", map[string]any{"limit": client.MaxAdd})
	} else if !s.taken(w, name, kind) {
		reply(w, 200, s.add(client.Upload{Job: 42, Name: name, Type: kind, ContentType: r.Header.Get("Content-Type")}, body))
	}
}

func (s *Service) info(w http.ResponseWriter, is func(stored) bool) {
	for _, o := range s.outputs {
		if is(o) {
			reply(w, 200, o.Output)
			return
		}
	}
	problem(w, 404, "not_found", nil)
}

func (s *Service) download(w http.ResponseWriter, r *http.Request, pk string, body []byte) {
	var in struct{ Delivery string }
	_ = json.Unmarshal(body, &in)
	i, _ := strconv.Atoi(pk)
	if i < 1 || i > len(s.outputs) {
		problem(w, 404, "not_found", nil)
		return
	}
	if in.Delivery == "bytes" {
		s.send(w, r, s.outputs[i-1].content)
		return
	}
	o := s.outputs[i-1]
	reply(w, 200, map[string]any{
		"url": fmt.Sprintf("%s/store/content/%d?signature=secret&epoch=%d", s.URL, o.PK, s.epoch), "method": "GET", "headers": map[string]string{},
		"expires_at": client.Time{Time: time.Now().Add(15 * time.Minute)}, "filename": "file", "size": o.Size, "sha256": o.SHA256, "checksum": o.Checksum,
	})
}

func (s *Service) send(w http.ResponseWriter, r *http.Request, content []byte) {
	from, to, status := 0, len(content), 200
	if text := r.Header.Get("Range"); text != "" {
		if _, err := fmt.Sscanf(text, "bytes=%d-%d", &from, &to); err != nil || to >= len(content) || from > to {
			s.tb.Errorf("Range %q of %d bytes", text, len(content))
		}
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, to, len(content)))
		to, status = to+1, 206
	}
	w.Header().Set("Content-Length", fmt.Sprint(to-from))
	part := content[from:to]
	if s.Body != nil {
		part = s.Body(r, append([]byte{}, part...))
	}
	w.WriteHeader(status)
	_, _ = w.Write(part)
}

func reply(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

func problem(w http.ResponseWriter, status int, code string, more map[string]any) {
	document := map[string]any{"type": "urn:joboutputs:problem:" + code, "title": http.StatusText(status), "status": status, "detail": "Refused: " + code + ".", "code": code, "request_id": "r-1"}
	for name, value := range more {
		document[name] = value
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(document)
}
