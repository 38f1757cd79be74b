package token

import (
	"encoding/base64"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// parsed is a token taken apart: nothing in it is proved yet.
type parsed struct {
	alg, kid  string
	claims    map[string]jsontext.Value
	signed    string // header and payload as sent
	signature []byte
}

// parse takes a JWS in compact serialization (RFC 7515 §7.1) apart.
func parse(raw string) (parsed, error) {
	if len(raw) > MaxLength {
		return parsed{}, refuse("the token has %d bytes", len(raw))
	}
	dot, last := strings.IndexByte(raw, '.'), strings.LastIndexByte(raw, '.')
	if dot == last || strings.Count(raw, ".") != 2 {
		return parsed{}, refuse("the token does not have three parts")
	}
	header, err := object(raw[:dot])
	if err != nil {
		return parsed{}, refuse("header: %w", err)
	}
	t := parsed{signed: raw[:last]}
	if t.alg, t.kid, err = readHeader(header); err != nil {
		return parsed{}, err
	}
	if t.claims, err = object(raw[dot+1 : last]); err != nil {
		return parsed{}, refuse("payload: %w", err)
	}
	if t.signature, err = decode(raw[last+1:]); err != nil {
		return parsed{}, refuse("signature: %w", err)
	}
	return t, nil
}

// readHeader returns what a JOSE header (RFC 7515 §4) says of algorithm and key.
func readHeader(header map[string]jsontext.Value) (alg, kid string, err error) {
	// A key, or where to get one, is never taken from the token (RFC 8725 §3.10); crit
	// names extensions that must be understood, and none is (RFC 7515 §4.1.11).
	for _, name := range []string{"crit", "jku", "jwk", "x5u", "x5c"} {
		if _, ok := header[name]; ok {
			return "", "", refuse("header: %s is not taken", name)
		}
	}
	alg, ok := textOf(header["alg"])
	if !ok || method(alg) == nil {
		return "", "", refuse("header: the algorithm is not taken")
	}
	kid, ok = textOf(header["kid"])
	if !ok || kid == "" {
		return "", "", refuse("header: kid is not there")
	}
	if typ, ok := header["typ"]; ok && !accessType(typ) {
		return "", "", refuse("header: typ is another kind of token")
	}
	return alg, kid, nil
}

// accessType reports whether typ is that of a JWT or of an access token (RFC 9068 §2.1).
// Other typed tokens of an issuer (logout, DPoP, security events) prove something else
// (RFC 8725 §3.11). Media types are compared without case, "application/" may be left out.
func accessType(v jsontext.Value) bool {
	typ, _ := textOf(v)
	typ = strings.ToLower(typ)
	typ = strings.TrimPrefix(typ, "application/")
	return typ == "jwt" || typ == "at+jwt"
}

// object decodes a part that must be one JSON object: names exact, none twice at any
// depth, UTF-8 valid, nothing after it (RFC 7519 §4, RFC 8725 §3.7). That null is no
// object is left to the caller, who finds nothing in it.
func object(part string) (map[string]jsontext.Value, error) {
	text, err := decode(part)
	if err != nil {
		return nil, err
	}
	var members map[string]jsontext.Value
	if err := json.Unmarshal(text, &members); err != nil {
		return nil, err
	}
	return members, nil
}

// decode reads base64url without padding (RFC 7515 §2), in its one canonical form. Go's
// decoder skips line breaks even when strict.
func decode(part string) ([]byte, error) {
	if i := strings.IndexAny(part, "\r\n"); i >= 0 {
		return nil, base64.CorruptInputError(i)
	}
	return base64.RawURLEncoding.Strict().DecodeString(part)
}

// textOf returns a JSON string's text; ok is false for every other value and for none.
func textOf(v jsontext.Value) (text string, ok bool) {
	if v.Kind() != '"' {
		return "", false
	}
	return text, json.Unmarshal(v, &text) == nil
}
