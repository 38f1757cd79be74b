package tokens_test

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"maps"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"

	"joboutputs/shared/auth"
	"joboutputs/shared/problem"
	"joboutputs/test/report"
)

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

		"a path for a kid":    withHeader(map[string]any{"kid": "../../dev/null"}),
		"a kid in an array":   withHeader(map[string]any{"kid": []string{"ec"}}),
		"alg in an array":     withHeader(map[string]any{"alg": []string{"ES256"}}),
		"alg is empty":        withHeader(map[string]any{"alg": ""}),
		"HS256, empty secret": signWith(r.T, jwt.SigningMethodHS256, b64(`{"alg":"HS256","kid":"ec"}`)+"."+parts[1], []byte{}),
		"HS256 with the JWK":  signWith(r.T, jwt.SigningMethodHS256, b64(`{"alg":"HS256","kid":"ec"}`)+"."+parts[1], []byte(text(r.T, ecJWK("ec", &r.ec.PublicKey)))),
		"a JWS in JSON":       `{"payload":"` + parts[1] + `","protected":"` + parts[0] + `","signature":"` + parts[2] + `"}`,
		"a padded header":     b64(`{"alg":"ES256","kid":"ec" }`) + "=." + parts[1] + "." + parts[2],
		"a scheme before it":  "Bearer " + good,
		"a NUL after it":      good + "\x00",

		"a nested JWT":          withPayload(good),
		"claims and more":       withPayload(payload + "{}"),
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
	check, refused, accepted := report.Begin(t, "tokens", 0), 0, 0
	for name, raw := range hostile(r) {
		t.Run(name, func(t *testing.T) {
			p, err := r.verifier.Principal(t.Context(), raw)
			if !problem.Is(err, problem.TokenNotValid) {
				accepted++
				t.Fatalf("got %+v, %v, want %s", p, err, problem.TokenNotValid)
			}
			refused++
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
	check.AtLeast("kinds of hostile token that are refused", refused, 50)
	check.Equal("kinds of hostile token that are not", accepted, 0)
}
