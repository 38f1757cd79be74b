package issuer

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/go-json-experiment/json"
	"github.com/golang-jwt/jwt/v5"
)

const (
	keyFile = "key.pem" // PKCS #8
	keyType = "PRIVATE KEY"
)

// loadKey returns the directory's key, which is made on first use; without a directory a
// new one.
func loadKey(dir string) (*ecdsa.PrivateKey, error) {
	if dir == "" {
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make its directory: %w", err)
	}
	path := filepath.Join(dir, keyFile)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err := makeKey(path); err != nil {
			return nil, fmt.Errorf("make the key: %w", err)
		}
		text, err = os.ReadFile(path)
	}
	if err != nil {
		return nil, fmt.Errorf("read the key: %w", err)
	}
	block, _ := pem.Decode(text)
	if block == nil || block.Type != keyType {
		return nil, fmt.Errorf("%s holds no private key", path)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("read the key %s: %w", path, err)
	}
	key, ok := parsed.(*ecdsa.PrivateKey)
	if !ok || key.Curve != elliptic.P256() {
		return nil, fmt.Errorf("%s is not a key for ES256", path)
	}
	return key, nil
}

// makeKey writes a key that its owner alone may read. The file appears whole or not at
// all; if another process was faster, its key stays.
func makeKey(path string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	draft, err := os.CreateTemp(filepath.Dir(path), keyFile+".*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(draft.Name())
	err = errors.Join(pem.Encode(draft, &pem.Block{Type: keyType, Bytes: der}), draft.Close())
	if err != nil {
		return err
	}
	if err := os.Link(draft.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

// keySet is the key's JWK set and its kid, the key's thumbprint (RFC 7638).
func keySet(public *ecdsa.PublicKey) (kid string, jwks []byte, err error) {
	point, err := public.Bytes() // SEC 1: 4, x, y
	if err != nil {
		return "", nil, err
	}
	const size = 32 // of a coordinate on P-256
	x, y := base64url(point[1:1+size]), base64url(point[1+size:])
	thumbprint := sha256.Sum256(fmt.Appendf(nil, `{"crv":"P-256","kty":"EC","x":%q,"y":%q}`, x, y))
	kid = base64url(thumbprint[:])
	key := map[string]string{
		"kty": "EC", "crv": "P-256", "x": x, "y": y,
		"kid": kid, "use": "sig", "alg": jwt.SigningMethodES256.Alg(),
	}
	jwks, err = json.Marshal(map[string]any{"keys": []any{key}}, json.Deterministic(true))
	return kid, jwks, err
}

func base64url(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
