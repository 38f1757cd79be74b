package tokens_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/big"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"joboutputs/shared/token"
)

const (
	issuerURL = "https://issuer.test/pool"
	audience  = "our-client"
)

var start = time.Date(2026, 5, 6, 7, 8, 9, 0, time.UTC)

// rig is an issuer with a key of each kind, and a verifier of its tokens.
type rig struct {
	*testing.T
	ec       *ecdsa.PrivateKey
	rsa      *rsa.PrivateKey
	set      *keyServer
	clock    *clock
	verifier *token.Verifier

	accepted, refused, wrong atomic.Int64 // by accept and refuse; what neither wanted
}

func newRig(t *testing.T, change func(*token.Config)) *rig {
	t.Helper()
	r := &rig{T: t, ec: newEC(t), rsa: oneRSA(t), clock: &clock{now: start}}
	r.set = &keyServer{}
	r.set.publish(ecJWK("ec", &r.ec.PublicKey), rsaJWK("rsa", &r.rsa.PublicKey))
	cfg := token.Config{Issuer: issuerURL, Audience: audience, JWKS: issuerURL + "/jwks.json"}
	if change != nil {
		change(&cfg)
	}
	r.verifier = token.New(cfg, &http.Client{Transport: r.set}, r.clock.Now)
	return r
}

// claims are those of a good token, changed as said; nil takes a claim out.
func claims(change map[string]any) map[string]any {
	all := map[string]any{
		"iss": issuerURL, "aud": audience, "sub": "s-1", "iat": start.Unix(), "nbf": start.Unix(), "exp": start.Unix() + 300,
		"token_use": "access", "tenant": "demo", "upk": 2, "username": "alice", "nodes": []int{1, 2},
	}
	maps.Copy(all, change)
	maps.DeleteFunc(all, func(_ string, v any) bool { return v == nil })
	return all
}

// ecToken is a good token, its claims changed as said.
func (r *rig) ecToken(change map[string]any) string {
	return r.sign(map[string]any{"alg": "ES256", "kid": "ec"}, claims(change))
}

// sign signs with the key that the header's kid names, "rsa" or else the EC key.
func (r *rig) sign(header, claims any) string {
	r.Helper()
	return r.signText(text(r.T, header), text(r.T, claims))
}

func (r *rig) signText(header, claims string) string {
	r.Helper()
	signed := b64(header) + "." + b64(claims)
	if strings.Contains(header, `"RS`) {
		return signWith(r.T, jwt.SigningMethodRS256, signed, r.rsa)
	}
	return signWith(r.T, jwt.SigningMethodES256, signed, r.ec)
}

func signWith(t *testing.T, method jwt.SigningMethod, signed string, key any) string {
	t.Helper()
	signature, err := method.Sign(signed, key)
	if err != nil {
		t.Fatal(err)
	}
	return signed + "." + b64(string(signature))
}

func text(t *testing.T, v any) string {
	t.Helper()
	out, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func b64(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

func newEC(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

var sharedRSA = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

// oneRSA is the same key for all tests: making one takes a second.
func oneRSA(t *testing.T) *rsa.PrivateKey {
	t.Helper()
	key, err := sharedRSA()
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func ecJWK(kid string, public *ecdsa.PublicKey) map[string]any {
	point, _ := public.Bytes()
	return map[string]any{"kty": "EC", "crv": "P-256", "kid": kid, "use": "sig", "alg": "ES256", "x": b64(string(point[1:33])), "y": b64(string(point[33:]))}
}

func rsaJWK(kid string, public *rsa.PublicKey) map[string]any {
	e := big.NewInt(int64(public.E)).Bytes()
	return map[string]any{"kty": "RSA", "kid": kid, "use": "sig", "alg": "RS256", "n": b64(string(public.N.Bytes())), "e": b64(string(e))}
}

// keyServer is the issuer's JWK set as a client reaches it. It counts the fetches.
type keyServer struct {
	fetches atomic.Int64

	mu     sync.Mutex
	answer func(*http.Request) (*http.Response, error)
}

func (s *keyServer) RoundTrip(r *http.Request) (*http.Response, error) {
	s.fetches.Add(1)
	s.mu.Lock()
	answer := s.answer
	s.mu.Unlock()
	return answer(r)
}

func (s *keyServer) set(answer func(*http.Request) (*http.Response, error)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = answer
}

func (s *keyServer) publish(keys ...map[string]any) {
	body, _ := json.Marshal(map[string]any{"keys": keys})
	s.set(func(*http.Request) (*http.Response, error) {
		return response(http.StatusOK, bytes.NewReader(body)), nil
	})
}

func (s *keyServer) down() {
	s.set(func(*http.Request) (*http.Response, error) { return nil, fmt.Errorf("connection refused") })
}

func response(status int, body io.Reader) *http.Response {
	return &http.Response{Status: http.StatusText(status), StatusCode: status, Header: http.Header{}, Body: io.NopCloser(body)}
}

// clock is a time that tests move.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}
