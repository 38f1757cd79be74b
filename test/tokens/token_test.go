package tokens_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"joboutputs/shared/auth"
	"joboutputs/shared/problem"
	"joboutputs/shared/token"
	"joboutputs/test/report"
)

func TestPrincipal(t *testing.T) {
	alice := auth.Principal{
		Tenant: "demo", Issuer: issuerURL, Subject: "s-1", UserPK: 2, Username: "alice",
		Nodes: []int64{1, 2}, Expires: start.Add(300 * time.Second),
	}
	with := func(change func(*auth.Principal)) auth.Principal {
		p := alice
		change(&p)
		return p
	}
	admin := with(func(p *auth.Principal) { p.Admin = true })
	es := map[string]any{"alg": "ES256", "kid": "ec"}
	check, accepted, wrong := report.Begin(t, "tokens", 0), 0, 0
	for _, tt := range []struct {
		name   string
		config func(*token.Config)
		header map[string]any
		claims map[string]any
		want   auth.Principal
	}{
		{"ES256", nil, es, nil, alice},
		{"RS256", nil, map[string]any{"alg": "RS256", "kid": "rsa"}, nil, alice},
		{"typ JWT", nil, map[string]any{"alg": "ES256", "kid": "ec", "typ": "JWT"}, nil, alice},
		{"typ of RFC 9068", nil, map[string]any{"alg": "ES256", "kid": "ec", "typ": "application/at+jwt"}, nil, alice},
		{"unknown header parameters", nil, map[string]any{"alg": "ES256", "kid": "ec", "x5t": "abc", "Jku": 1}, nil, alice},
		{"unknown claims", nil, es, map[string]any{"extra": map[string]any{"deep": []int{1}}, "Tenant": "other"}, alice},
		{"aud in an array", nil, es, map[string]any{"aud": []string{"x", audience}}, alice},
		{"aud in client_id", renamed("aud", "client_id"), es, map[string]any{"aud": nil, "client_id": audience}, alice},
		{"aud counts though client_id may", renamed("aud", "client_id"), es, map[string]any{"client_id": "x"}, alice},
		{"exp is not an integer", nil, es, map[string]any{"exp": float64(start.Unix()) + 1.5}, with(func(p *auth.Principal) { p.Expires = start.Add(1500 * time.Millisecond) })},
		{"exp with an exponent", nil, es, map[string]any{"exp": rawJSON("1.9e9")}, with(func(p *auth.Principal) { p.Expires = time.Unix(1_900_000_000, 0) })},
		{"in its last second", nil, es, map[string]any{"exp": start.Unix() + 1}, with(func(p *auth.Principal) { p.Expires = start.Add(time.Second) })},
		{"the issuer's clock is ahead", nil, es, map[string]any{"iat": start.Unix() + 30, "nbf": start.Unix() + 30}, alice},
		{"no iat and nbf", nil, es, map[string]any{"iat": nil, "nbf": nil}, alice},
		{"upk is text", nil, es, map[string]any{"upk": "2"}, alice},
		{"no upk", nil, es, map[string]any{"upk": nil}, with(func(p *auth.Principal) { p.UserPK = 0 })},
		{"no sub", nil, es, map[string]any{"sub": nil}, with(func(p *auth.Principal) { p.Subject = "" })},
		{"no username", nil, es, map[string]any{"username": nil}, with(func(p *auth.Principal) { p.Username = "" })},
		{"admin", nil, es, map[string]any{"admin": true}, admin},
		{"admin is text", nil, es, map[string]any{"admin": "true"}, admin},
		{"no admin", nil, es, map[string]any{"admin": "false"}, alice},
		{"admin by group", renamed("admin", "cognito:groups"), es, map[string]any{"cognito:groups": []string{"x", "admin"}}, admin},
		{"admin by another group", func(c *token.Config) { c.AdminGroup = "boss" }, es, map[string]any{"admin": []string{"boss"}}, admin},
		{"in other groups", nil, es, map[string]any{"admin": []string{"Admin", "x"}}, alice},
		{"active", nil, es, map[string]any{"active": true}, alice},
		{"nodes are text", nil, es, map[string]any{"nodes": "1,2"}, alice},
		{"no nodes", nil, es, map[string]any{"nodes": nil}, with(func(p *auth.Principal) { p.Nodes = nil })},
		{"an empty list of nodes", nil, es, map[string]any{"nodes": []int{}}, with(func(p *auth.Principal) { p.Nodes = nil })},
		{"an ID token", func(c *token.Config) { c.Uses = []string{"id"} }, es, map[string]any{"token_use": "id"}, alice},
		{"a token of no use", func(c *token.Config) { c.Uses = []string{"access", ""} }, es, map[string]any{"token_use": nil}, alice},
		{"claims of Cognito", func(c *token.Config) {
			c.Claims = map[string]string{"tenant": "custom:tenant", "upk": "custom:upk", "username": "cognito:username", "admin": "cognito:groups", "nodes": "custom:nodes"}
		}, es, map[string]any{
			"tenant": "other", "upk": 9, "username": nil, "nodes": nil,
			"custom:tenant": "demo", "custom:upk": "2", "cognito:username": "alice", "cognito:groups": []string{"admin"}, "custom:nodes": "1,2",
		}, admin},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, tt.config)
			got, err := r.verifier.Principal(t.Context(), r.sign(tt.header, claims(tt.claims)))
			wrong++
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got, cmp.Comparer(time.Time.Equal)); diff != "" {
				t.Fatalf("principal (-want +got):\n%s", diff)
			}
			wrong--
			accepted++
		})
	}
	check.AtLeast("variants of good tokens that are accepted, as whom they say", accepted, 12)
	check.Equal("variants of good tokens that are not", wrong, 0)
}

// renamed is a config in which a claim of ours has the issuer's name.
func renamed(ours, theirs string) func(*token.Config) {
	return func(c *token.Config) { c.Claims = map[string]string{ours: theirs} }
}

// rawJSON is a value as it is to stand in the token.
type rawJSON string

func (r rawJSON) MarshalJSON() ([]byte, error) { return []byte(r), nil }

// TestSentences holds that no more than "invalid" is said of a token nobody signed.
func TestSentences(t *testing.T) {
	r := newRig(t, nil)
	unsigned := func(raw string) string {
		return raw[:strings.LastIndexByte(raw, '.')] + "." + b64(strings.Repeat("\x01", 64))
	}
	noExp := r.ecToken(map[string]any{"exp": nil})
	for _, tt := range []struct{ name, raw, want string }{
		{"no exp", noExp, "Token has no 'exp' claim"},
		{"no exp, not signed", unsigned(noExp), "Token is invalid or expired"},
		{"expired", r.ecToken(map[string]any{"exp": 1}), "Token is invalid or expired"},
		{"no use", r.ecToken(map[string]any{"token_use": nil}), "Token has no type"},
		{"refresh", r.ecToken(map[string]any{"token_use": "refresh"}), "Token has wrong type"},
		{"nobody", r.ecToken(map[string]any{"upk": nil, "sub": nil}), "Token contained no recognizable user identification"},
		{"inactive", r.ecToken(map[string]any{"active": false}), "User is inactive"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := r.verifier.Principal(t.Context(), tt.raw)
			if f, ok := problem.As(err); !ok || f.Message != tt.want {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

func TestVerifyTakesEveryUse(t *testing.T) {
	r := newRig(t, nil)
	for name, change := range map[string]map[string]any{
		"access":    nil,
		"refresh":   {"token_use": "refresh", "username": nil},
		"no use":    {"token_use": nil},
		"inactive":  {"active": false},
		"no tenant": {"tenant": nil},
	} {
		if err := r.verifier.Verify(t.Context(), r.ecToken(change)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, change := range map[string]map[string]any{
		"expired":      {"exp": start.Unix()},
		"another iss":  {"iss": "x"},
		"iat tomorrow": {"iat": start.Unix() + 86400},
	} {
		if err := r.verifier.Verify(t.Context(), r.ecToken(change)); !problem.Is(err, problem.TokenNotValid) {
			t.Errorf("%s: got %v, want %s", name, err, problem.TokenNotValid)
		}
	}
}

func TestValidate(t *testing.T) {
	good := token.Config{Issuer: issuerURL, Audience: audience, JWKS: issuerURL + "/jwks"}
	if err := good.Validate(); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*token.Config){
		"no issuer":              func(c *token.Config) { c.Issuer = "" },
		"no audience":            func(c *token.Config) { c.Audience = "" },
		"no JWK set":             func(c *token.Config) { c.JWKS = "" },
		"a plain JWK set":        func(c *token.Config) { c.JWKS = "http://issuer.test/jwks" },
		"a JWK set in a file":    func(c *token.Config) { c.JWKS = "file:///jwks" },
		"not a URL":              func(c *token.Config) { c.JWKS = "https://%zz" },
		"refresh tokens":         func(c *token.Config) { c.Uses = []string{"access", "refresh"} },
		"an unknown claim":       func(c *token.Config) { c.Claims = map[string]string{"tennant": "x"} },
		"a claim without a name": func(c *token.Config) { c.Claims = map[string]string{"tenant": ""} },
	} {
		t.Run(name, func(t *testing.T) {
			bad := good
			change(&bad)
			if bad.Validate() == nil {
				t.Error("no error")
			}
			r := newRig(t, change)
			if _, err := r.verifier.Principal(t.Context(), r.ecToken(nil)); err == nil {
				t.Error("a token is accepted")
			}
		})
	}
}
