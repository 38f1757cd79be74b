package lambda

import (
	"bytes"
	"crypto/ecdsa"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
)

// stores is the one endpoint functions have for AWS. It passes calls on to the local
// stores and remembers what these answered in the last invocation; then it can answer the
// same from memory, so that what is left of an invocation's time is the function's own.
type stores struct {
	dynamodb, s3 string // host:port
	key          *ecdsa.PublicKey
	transport    *http.Transport
	server       *http.Server
	endpoint     string

	mu       sync.Mutex
	memory   bool                      // answer from what was remembered
	answered map[string][]storesAnswer // by operation, in the order they were made
	turn     map[string]int
}

type storesAnswer struct {
	status int
	header http.Header
	body   []byte
}

func newStores(dynamodb, s3 string, key *ecdsa.PublicKey) (*stores, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &stores{
		dynamodb: strings.TrimPrefix(dynamodb, "http://"), s3: strings.TrimPrefix(s3, "http://"), key: key,
		transport: &http.Transport{MaxIdleConnsPerHost: 32, DisableCompression: true},
		endpoint:  "http://" + listener.Addr().String(),
	}
	s.forget()
	s.server = &http.Server{Handler: s, ReadHeaderTimeout: startupLimit}
	go func() { _ = s.server.Serve(listener) }()
	return s, nil
}

func (s *stores) close() {
	_ = s.server.Close()
	s.transport.CloseIdleConnections()
}

// forget begins another invocation against the stores.
func (s *stores) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.memory, s.answered, s.turn = false, map[string][]storesAnswer{}, map[string]int{}
}

// remember makes further calls be answered as those of the last invocation were.
func (s *stores) remember() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.memory = true
}

// operation is the kind of a call: DynamoDB's and Cognito's target, S3's method and the
// subresource it is about.
func operation(r *http.Request) string {
	if target := r.Header.Get("X-Amz-Target"); target != "" {
		return target
	}
	for _, name := range []string{"uploads", "uploadId"} {
		if r.URL.Query().Has(name) {
			return r.Method + " " + name
		}
	}
	return r.Method
}

func (s *stores) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	a, err := s.answer(r, body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	for name, values := range a.header {
		w.Header()[name] = values
	}
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body)
}

func (s *stores) answer(r *http.Request, body []byte) (storesAnswer, error) {
	op := operation(r)
	switch {
	case r.URL.Path == jwksPath:
		return s.keySet()
	case strings.HasSuffix(op, ".AdminInitiateAuth"):
		return storesAnswer{http.StatusOK, http.Header{"Content-Type": {"application/x-amz-json-1.1"}},
			[]byte(`{"AuthenticationResult":{"AccessToken":"access","IdToken":"id","RefreshToken":"refresh","ExpiresIn":3600,"TokenType":"Bearer"},"ChallengeParameters":{}}`)}, nil
	}
	s.mu.Lock()
	if s.memory {
		defer s.mu.Unlock()
		answers := s.answered[op]
		if len(answers) == 0 {
			return storesAnswer{}, fmt.Errorf("nothing was answered to %s before", op)
		}
		a := answers[s.turn[op]%len(answers)]
		s.turn[op]++
		return a, nil
	}
	s.mu.Unlock()
	a, err := s.pass(r, body)
	if err == nil {
		s.mu.Lock()
		s.answered[op] = append(s.answered[op], a)
		s.mu.Unlock()
	}
	return a, err
}

// pass sends a call on as it is: S3's signature covers its headers, Host among them.
func (s *stores) pass(r *http.Request, body []byte) (storesAnswer, error) {
	out := r.Clone(r.Context())
	out.URL.Scheme, out.URL.Host = "http", s.s3
	if r.Header.Get("X-Amz-Target") != "" {
		out.URL.Host = s.dynamodb
	}
	out.RequestURI = ""
	out.Body, out.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	out.Header.Del("Expect")
	got, err := s.transport.RoundTrip(out)
	if err != nil {
		return storesAnswer{}, err
	}
	defer got.Body.Close()
	content, err := io.ReadAll(got.Body)
	return storesAnswer{got.StatusCode, got.Header, content}, err
}

const jwksPath = "/jwks.json"

func (s *stores) keySet() (storesAnswer, error) {
	point, err := s.key.Bytes() // 4, then both coordinates (SEC 1, section 2.3.3)
	if err != nil {
		return storesAnswer{}, err
	}
	encode := base64.RawURLEncoding.EncodeToString
	set := fmt.Sprintf(`{"keys":[{"kty":"EC","crv":"P-256","alg":"ES256","use":"sig","kid":"bench","x":%q,"y":%q}]}`, encode(point[1:33]), encode(point[33:]))
	return storesAnswer{http.StatusOK, http.Header{"Content-Type": {"application/json"}}, []byte(set)}, nil
}
