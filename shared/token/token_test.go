package token_test

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"

	"joboutputs/shared/auth"
	"joboutputs/shared/fault"
	"joboutputs/shared/token"
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
		{"just expired", nil, es, map[string]any{"exp": start.Unix() - 29}, with(func(p *auth.Principal) { p.Expires = start.Add(-29 * time.Second) })},
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
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got, cmp.Comparer(time.Time.Equal)); diff != "" {
				t.Errorf("principal (-want +got):\n%s", diff)
			}
		})
	}
}

// renamed is a config in which a claim of ours has the issuer's name.
func renamed(ours, theirs string) func(*token.Config) {
	return func(c *token.Config) { c.Claims = map[string]string{ours: theirs} }
}

// rawJSON is a value as it is to stand in the token.
type rawJSON string

func (r rawJSON) MarshalJSON() ([]byte, error) { return []byte(r), nil }

// hostile is every kind of token that must be refused, with what the refusal says.
func hostile(r *rig) map[string]string {
	header := func(change map[string]any) map[string]any {
		all := map[string]any{"alg": "ES256", "kid": "ec"}
		maps.Copy(all, change)
		maps.DeleteFunc(all, func(_ string, v any) bool { return v == nil })
		return all
	}
	withHeader := func(change map[string]any) string { return r.sign(header(change), claims(nil)) }
	good := r.ecToken(nil)
	parts := strings.Split(good, ".")
	payload := text(r.T, claims(nil))
	withPayload := func(text string) string { return r.signText(`{"alg":"ES256","kid":"ec"}`, text) }
	der, err := x509.MarshalPKIXPublicKey(&r.rsa.PublicKey)
	if err != nil {
		r.Fatal(err)
	}
	public := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	other := newEC(r.T)

	tokens := map[string]string{
		"empty":               "",
		"garbage":             "garbage",
		"three letters":       "a.b.c",
		"two parts":           parts[0] + "." + parts[1],
		"four parts":          good + ".x",
		"a JWE":               "a.b.c.d.e",
		"dots":                strings.Repeat(".", 1<<20),
		"over 8 KiB":          r.ecToken(map[string]any{"pad": strings.Repeat("x", 8<<10)}),
		"a trailing blank":    good + " ",
		"a line break inside": parts[0] + "." + parts[1] + "." + parts[2][:9] + "\n" + parts[2][9:],
		"not ASCII":           "é." + parts[1] + "." + parts[2],
		"padded":              parts[0] + "." + parts[1] + "." + base64.URLEncoding.EncodeToString(make([]byte, 64)),
		"standard base64":     parts[0] + "." + parts[1] + "." + base64.RawStdEncoding.EncodeToString([]byte(strings.Repeat("\xfb\xff", 32))),
		"stray bits":          parts[0] + "." + parts[1] + "." + strayBits(parts[2]),
		"truncated":           good[:len(good)-4],
		"no signature":        parts[0] + "." + parts[1] + ".",
		"tampered claims":     parts[0] + "." + b64(strings.Replace(payload, "demo", "evil", 1)) + "." + parts[2],
		"tampered signature":  parts[0] + "." + parts[1] + "." + b64(strings.Repeat("\x01", 64)),
		"a zero signature":    parts[0] + "." + parts[1] + "." + b64(strings.Repeat("\x00", 64)),
		"a DER signature":     parts[0] + "." + parts[1] + "." + b64("\x30\x44\x02\x20"+strings.Repeat("\x01", 66)),

		"alg none":              b64(`{"alg":"none","kid":"ec"}`) + "." + parts[1] + ".",
		"alg None, signed":      r.signText(`{"alg":"None","kid":"ec"}`, payload),
		"alg missing":           withHeader(map[string]any{"alg": nil}),
		"alg is a number":       withHeader(map[string]any{"alg": 256}),
		"alg in small letters":  withHeader(map[string]any{"alg": "es256"}),
		"ES384":                 withHeader(map[string]any{"alg": "ES384"}),
		"RS512":                 withHeader(map[string]any{"alg": "RS512", "kid": "rsa"}),
		"PS256":                 signWith(r.T, jwt.SigningMethodPS256, b64(`{"alg":"PS256","kid":"rsa"}`)+"."+parts[1], r.rsa),
		"HS256 with public key": signWith(r.T, jwt.SigningMethodHS256, b64(`{"alg":"HS256","kid":"rsa"}`)+"."+parts[1], public),
		"HS512":                 signWith(r.T, jwt.SigningMethodHS512, b64(`{"alg":"HS512","kid":"ec"}`)+"."+parts[1], []byte("secret")),
		"RS256 for the EC key":  r.signText(`{"alg":"RS256","kid":"ec"}`, payload),
		"ES256 for the RSA key": withHeader(map[string]any{"kid": "rsa"}),
		"no kid":                withHeader(map[string]any{"kid": nil}),
		"an empty kid":          withHeader(map[string]any{"kid": ""}),
		"kid is a number":       withHeader(map[string]any{"kid": 1}),
		"KID":                   withHeader(map[string]any{"kid": nil, "KID": "ec"}),
		"a foreign kid":         withHeader(map[string]any{"kid": "theirs"}),
		"a foreign key":         signWith(r.T, jwt.SigningMethodES256, parts[0]+"."+parts[1], other),
		"jku":                   withHeader(map[string]any{"jku": "https://evil.test/jwks"}),
		"jwk":                   withHeader(map[string]any{"jwk": ecJWK("ec", &other.PublicKey)}),
		"x5u":                   withHeader(map[string]any{"x5u": "https://evil.test/x"}),
		"x5c":                   withHeader(map[string]any{"x5c": []string{"x"}}),
		"crit":                  withHeader(map[string]any{"crit": []string{"exp"}}),
		"crit null":             withHeader(map[string]any{"crit": rawJSON("null")}),
		"b64":                   withHeader(map[string]any{"b64": false, "crit": []string{"b64"}}),
		"a logout token":        withHeader(map[string]any{"typ": "logout+jwt"}),
		"typ is a number":       withHeader(map[string]any{"typ": 1}),
		"header with two algs":  r.signText(`{"alg":"none","alg":"ES256","kid":"ec"}`, payload),
		"header with two kids":  r.signText(`{"alg":"ES256","kid":"x","\u006bid":"ec"}`, payload),
		"header is an array":    r.signText(`["ES256"]`, payload),
		"header is null":        r.signText(`null`, payload),
		"header and more":       r.signText(`{"alg":"ES256","kid":"ec"}{}`, payload),
		"header is not UTF-8":   r.signText("{\"alg\":\"ES256\",\"kid\":\"ec\",\"x\":\"\xff\"}", payload),

		"claims are null":       withPayload("null"),
		"claims are an array":   withPayload("[]"),
		"claims are text":       withPayload(`"x"`),
		"claims are not JSON":   withPayload("{"),
		"claims are not UTF-8":  withPayload(strings.Replace(payload, "alice", "al\xffce", 1)),
		"a lone surrogate":      withPayload(strings.Replace(payload, "alice", `\ud800`, 1)),
		"two tenants":           withPayload(strings.Replace(payload, `"tenant":"demo"`, `"tenant":"demo","tenant":"evil"`, 1)),
		"two tenants, escaped":  withPayload(strings.Replace(payload, `"tenant":"demo"`, `"tenant":"demo","t\u0065nant":"evil"`, 1)),
		"a twin deep inside":    withPayload(strings.Replace(payload, `"tenant"`, `"x":[{"a":1,"a":2}],"tenant"`, 1)),
		"Tenant":                r.ecToken(map[string]any{"tenant": nil, "Tenant": "demo"}),
		"Exp":                   r.ecToken(map[string]any{"exp": nil, "Exp": start.Unix() + 300}),
		"exp missing":           r.ecToken(map[string]any{"exp": nil}),
		"exp past":              r.ecToken(map[string]any{"exp": start.Unix() - 30}),
		"exp null":              r.ecToken(map[string]any{"exp": rawJSON("null")}),
		"exp is text":           r.ecToken(map[string]any{"exp": "1900000000"}),
		"exp huge":              r.ecToken(map[string]any{"exp": rawJSON("253402300800")}),
		"exp beyond int64":      r.ecToken(map[string]any{"exp": rawJSON("1e300")}),
		"exp beyond float64":    r.ecToken(map[string]any{"exp": rawJSON("1e400")}),
		"exp negative":          r.ecToken(map[string]any{"exp": -1}),
		"exp a past float":      r.ecToken(map[string]any{"exp": float64(start.Unix()) - 30.5}),
		"iat in the future":     r.ecToken(map[string]any{"iat": start.Unix() + 31}),
		"iat is text":           r.ecToken(map[string]any{"iat": "1"}),
		"nbf in the future":     r.ecToken(map[string]any{"nbf": float64(start.Unix()) + 30.5}),
		"nbf null":              r.ecToken(map[string]any{"nbf": rawJSON("null")}),
		"nbf huge":              r.ecToken(map[string]any{"nbf": rawJSON("1e19")}),
		"iss missing":           r.ecToken(map[string]any{"iss": nil}),
		"iss of another pool":   r.ecToken(map[string]any{"iss": issuerURL + "2"}),
		"iss with a slash":      r.ecToken(map[string]any{"iss": issuerURL + "/"}),
		"iss in capitals":       r.ecToken(map[string]any{"iss": strings.ToUpper(issuerURL)}),
		"iss in an array":       r.ecToken(map[string]any{"iss": []string{issuerURL}}),
		"aud missing":           r.ecToken(map[string]any{"aud": nil}),
		"aud in client_id":      r.ecToken(map[string]any{"aud": nil, "client_id": audience}),
		"aud of another client": r.ecToken(map[string]any{"aud": audience + "x"}),
		"aud null":              r.ecToken(map[string]any{"aud": rawJSON("null")}),
		"aud an empty array":    r.ecToken(map[string]any{"aud": []string{}}),
		"aud a mixed array":     r.ecToken(map[string]any{"aud": []any{audience, 1}}),
		"aud with null":         r.ecToken(map[string]any{"aud": []any{audience, nil}}),
		"aud nested":            r.ecToken(map[string]any{"aud": []any{[]string{audience}}}),
		"aud an object":         r.ecToken(map[string]any{"aud": map[string]any{audience: 1}}),

		"a refresh token":     r.ecToken(map[string]any{"token_use": "refresh"}),
		"an ID token":         r.ecToken(map[string]any{"token_use": "id"}),
		"no use":              r.ecToken(map[string]any{"token_use": nil}),
		"an empty use":        r.ecToken(map[string]any{"token_use": ""}),
		"use is a number":     r.ecToken(map[string]any{"token_use": 1}),
		"tenant missing":      r.ecToken(map[string]any{"tenant": nil}),
		"tenant empty":        r.ecToken(map[string]any{"tenant": ""}),
		"tenant in capitals":  r.ecToken(map[string]any{"tenant": "Demo"}),
		"tenant with a #":     r.ecToken(map[string]any{"tenant": "demo#O"}),
		"tenant too long":     r.ecToken(map[string]any{"tenant": strings.Repeat("a", 33)}),
		"tenant is a number":  r.ecToken(map[string]any{"tenant": 1}),
		"tenant in an array":  r.ecToken(map[string]any{"tenant": []string{"demo"}}),
		"nobody":              r.ecToken(map[string]any{"upk": nil, "sub": nil}),
		"sub is a number":     r.ecToken(map[string]any{"sub": 1}),
		"upk is a word":       r.ecToken(map[string]any{"upk": "abc"}),
		"upk zero":            r.ecToken(map[string]any{"upk": 0}),
		"upk negative":        r.ecToken(map[string]any{"upk": -2}),
		"upk a float":         r.ecToken(map[string]any{"upk": rawJSON("2.0")}),
		"upk too large":       r.ecToken(map[string]any{"upk": 1 << 31}),
		"upk null":            r.ecToken(map[string]any{"upk": rawJSON("null")}),
		"upk with a blank":    r.ecToken(map[string]any{"upk": " 2"}),
		"upk empty":           r.ecToken(map[string]any{"upk": ""}),
		"username a number":   r.ecToken(map[string]any{"username": 1}),
		"admin is 1":          r.ecToken(map[string]any{"admin": 1}),
		"admin is yes":        r.ecToken(map[string]any{"admin": "yes"}),
		"admin null":          r.ecToken(map[string]any{"admin": rawJSON("null")}),
		"groups of numbers":   r.ecToken(map[string]any{"admin": []any{"admin", 1}}),
		"not active":          r.ecToken(map[string]any{"active": false}),
		"not active, as text": r.ecToken(map[string]any{"active": "false"}),
		"active is 1":         r.ecToken(map[string]any{"active": 1}),
		"nodes of texts":      r.ecToken(map[string]any{"nodes": []string{"1"}}),
		"nodes of zero":       r.ecToken(map[string]any{"nodes": []int{0}}),
		"nodes of floats":     r.ecToken(map[string]any{"nodes": []any{rawJSON("1.5")}}),
		"nodes is an int":     r.ecToken(map[string]any{"nodes": 1}),
		"nodes is a word":     r.ecToken(map[string]any{"nodes": "1,x"}),
		"nodes too large":     r.ecToken(map[string]any{"nodes": "1,2147483648"}),
		"nodes null":          r.ecToken(map[string]any{"nodes": rawJSON("null")}),
	}
	return tokens
}

// strayBits changes the last character only in bits that stand for nothing: 64 bytes end
// in a character of which two bits count.
func strayBits(signature string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := strings.IndexByte(alphabet, signature[len(signature)-1])
	return signature[:len(signature)-1] + string(alphabet[last+1])
}

func TestHostile(t *testing.T) {
	r := newRig(t, nil)
	for name, raw := range hostile(r) {
		t.Run(name, func(t *testing.T) {
			p, err := r.verifier.Principal(t.Context(), raw)
			if !fault.Is(err, fault.TokenNotValid) {
				t.Fatalf("got %+v, %v, want %s", p, err, fault.TokenNotValid)
			}
			if diff := cmp.Diff(auth.Principal{}, p); diff != "" {
				t.Errorf("a refused token has a principal: %s", diff)
			}
			if len(raw) > 20 && strings.Contains(err.Error(), raw[:20]) {
				t.Errorf("the error holds the token: %v", err)
			}
		})
	}
	if _, err := r.verifier.Principal(t.Context(), r.ecToken(nil)); err != nil {
		t.Errorf("a good token after all that: %v", err)
	}
}

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
			if f, ok := fault.As(err); !ok || f.Message != tt.want {
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
		"expired":      {"exp": start.Unix() - 60},
		"another iss":  {"iss": "x"},
		"iat tomorrow": {"iat": start.Unix() + 86400},
	} {
		if err := r.verifier.Verify(t.Context(), r.ecToken(change)); !fault.Is(err, fault.TokenNotValid) {
			t.Errorf("%s: got %v, want %s", name, err, fault.TokenNotValid)
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
