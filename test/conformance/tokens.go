package conformance

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"strings"
	"time"
)

// Minter is the issuer as far as tokens for placeholders need it.
type Minter interface {
	// Claims are what a token for the user says, whether or not the user is active.
	Claims(tenant, username, use string) (map[string]any, error)
	// Mint signs claims with the issuer's key; header adds to and replaces what the JOSE header says.
	Mint(claims, header map[string]any) (string, error)
}

// anybody is whose claims a token is made from that names no user.
const anybody = "alice"

var placeholder = regexp.MustCompile(`\{\{([^{}]+)\}\}`)

// fill replaces the placeholders of a header or a body.
func fill(text string, token func(placeholder string) (string, error)) (string, error) {
	var failed error
	filled := placeholder.ReplaceAllStringFunc(text, func(match string) string {
		t, err := token(strings.Trim(match, "{}"))
		if err != nil {
			failed = err
		}
		return t
	})
	return filled, failed
}

// makeToken makes the token that a placeholder names: access or refresh, what is wrong
// with it, and whose it is. The original's tokens are HS256; ours have a key pair, so what
// is wrong is done by analogy.
func makeToken(m Minter, tenant, name string) (string, error) {
	use, defect, user := splitPlaceholder(name)
	if user == "" {
		user = anybody
	}
	claims, err := m.Claims(tenant, user, use)
	if err != nil {
		return "", err
	}
	claims = maps.Clone(claims)
	now := time.Now()
	switch defect {
	case "", "tampered", "wrong-key", "hs512", "alg-none":
	case "expired":
		claims["iat"], claims["nbf"], claims["exp"] = now.Add(-2*time.Hour).Unix(), now.Add(-2*time.Hour).Unix(), now.Add(-time.Hour).Unix()
	case "iat-future":
		claims["iat"] = now.Add(time.Hour).Unix()
		claims["exp"] = now.Add(2 * time.Hour).Unix()
	case "no-upk": // nothing that tells the user
		for _, claim := range []string{"upk", "sub", "username"} {
			delete(claims, claim)
		}
	case "no-jtt": // which is what says the use
		delete(claims, "token_use")
	case "token_type-claim":
		delete(claims, "token_use")
		claims["token_type"] = use
	case "no-jti", "no-exp", "no-iat":
		delete(claims, strings.TrimPrefix(defect, "no-"))
	case "upk-string":
		claims["upk"] = fmt.Sprint(claims["upk"])
	case "upk-text":
		claims["upk"] = "abc"
	case "unknown-user", "deleted-user":
		claims["upk"], claims["sub"], claims["username"] = ghost.PK, fmt.Sprintf("%d@%s", ghost.PK, tenant), ghost.Username
		claims["admin"], claims["nodes"] = false, []int64{}
	case "extra-claims":
		claims["extra"], claims["roles"] = map[string]any{"a": []any{1, nil}}, []any{"root"}
	default:
		return "", fmt.Errorf("placeholder {{%s}}: what is %q?", name, defect)
	}
	token, err := m.Mint(claims, nil)
	if err != nil {
		return "", err
	}
	return spoil(token, defect)
}

// spoil changes a good token's parts.
func spoil(token, defect string) (string, error) {
	parts := strings.Split(token, ".")
	switch defect {
	case "tampered": // other claims under the old signature
		return parts[0] + "." + edit(parts[1], func(claims map[string]any) { claims["admin"] = true }) + "." + parts[2], nil
	case "alg-none":
		return edit(parts[0], func(header map[string]any) { header["alg"] = "none" }) + "." + parts[1] + ".", nil
	case "hs512":
		signed := edit(parts[0], func(header map[string]any) { header["alg"] = "HS512" }) + "." + parts[1]
		mac := hmac.New(sha512.New, []byte("secret"))
		mac.Write([]byte(signed))
		return signed + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil)), nil
	case "wrong-key":
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return "", err
		}
		digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
		r, s, err := ecdsa.Sign(rand.Reader, key, digest[:])
		if err != nil {
			return "", err
		}
		signature := make([]byte, 64)
		r.FillBytes(signature[:32])
		s.FillBytes(signature[32:])
		return parts[0] + "." + parts[1] + "." + base64.RawURLEncoding.EncodeToString(signature), nil
	}
	return token, nil
}

// edit changes a part of a token that is JSON.
func edit(part string, change func(map[string]any)) string {
	text, _ := base64.RawURLEncoding.DecodeString(part) // ours is well-formed
	var members map[string]any
	_ = json.Unmarshal(text, &members)
	change(members)
	text, _ = json.Marshal(members)
	return base64.RawURLEncoding.EncodeToString(text)
}
