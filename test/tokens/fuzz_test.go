package tokens_test

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"joboutputs/shared/problem"
)

// FuzzHeader signs tokens with the right key under any header and payload. One that is
// taken says so in words another reader of JSON reads alike: the key's algorithm and id,
// the issuer, the audience, and nothing that would bring a key of its own.
func FuzzHeader(f *testing.F) {
	payload := `{"iss":"` + issuerURL + `","aud":"` + audience + `","exp":1778051889}`
	for _, header := range []string{
		`{"alg":"ES256","kid":"ec"}`, `{"alg":"ES256","kid":"ec","typ":"at+jwt"}`, `{"alg":"none","kid":"ec"}`, `{"alg":"RS256","kid":"ec"}`,
		`{"alg":"ES256","kid":"ec","crit":["b64"],"b64":false}`, `{"alg":"ES256","kid":"ec","jku":"https://x"}`, `{"ALG":"none","alg":"ES256","kid":"ec"}`,
		`{"alg":"ES256","alg":"none","kid":"ec"}`, `{"alg":"ES256","kid":"ec"}{}`, "{\"alg\":\"ES256\",\"kid\":\"ec\",\"x\":\"\xff\"}", `null`, `[]`,
	} {
		f.Add(header, payload)
	}
	f.Add(`{"alg":"ES256","kid":"ec"}`, `{"iss":"`+issuerURL+`","iss":"x","aud":["a","`+audience+`"],"exp":1e400}`)
	f.Fuzz(func(t *testing.T, header, payload string) {
		r := newRig(t, nil)
		raw := r.signText(header, payload)
		_, err := r.verifier.Claims(t.Context(), raw)
		if err != nil {
			if !problem.Is(err, problem.TokenNotValid) {
				t.Fatalf("not a problem with the token: %v", err)
			}
			return
		}
		said, claims := read(t, header), read(t, payload)
		key := map[any]any{"ES256": "ec", "RS256": "rsa"}[said["alg"]]
		if key == nil || said["kid"] != key || claims["iss"] != issuerURL {
			t.Fatalf("%q . %q is taken", header, payload)
		}
		for _, name := range []string{"crit", "jku", "jwk", "x5u", "x5c"} {
			if _, ok := said[name]; ok {
				t.Fatalf("%q is taken", header)
			}
		}
	})
}

// FuzzToken takes a good token and changes any byte of it: none of the others is good, for
// a token has one spelling.
func FuzzToken(f *testing.F) {
	f.Add(0, byte('.'))
	f.Add(40, byte('='))
	f.Add(-1, byte('A'))
	f.Add(100, byte('\n'))
	f.Fuzz(func(t *testing.T, at int, with byte) {
		r := newRig(t, nil)
		good := r.ecToken(nil)
		if err := r.verifier.Verify(t.Context(), good); err != nil {
			t.Fatal(err)
		}
		i := (at%len(good) + len(good)) % len(good)
		for _, raw := range []string{good[:i] + string([]byte{with}) + good[i+1:], good[:i] + string([]byte{with}) + good[i:], good[:i] + good[i+1:]} {
			if raw == good {
				continue
			}
			if err := r.verifier.Verify(t.Context(), raw); !problem.Is(err, problem.TokenNotValid) {
				header, _ := base64.RawURLEncoding.DecodeString(raw[:max(0, strings.IndexByte(raw, '.'))])
				t.Fatalf("byte %d became %q: %v (header %q)", i, with, err, header)
			}
		}
	})
}

// read reads an object as another program would.
func read(t *testing.T, text string) map[string]any {
	t.Helper()
	var members map[string]any
	reader := json.NewDecoder(strings.NewReader(text))
	reader.UseNumber() // JSON's numbers have no greatest
	if err := reader.Decode(&members); err != nil || reader.More() {
		t.Fatalf("%q is taken: %v", text, err)
	}
	return members
}
