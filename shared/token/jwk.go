package token

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"errors"
	"fmt"
	"math/big"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/golang-jwt/jwt/v5"
)

// key is a public key and the one algorithm it is good for.
type key struct {
	alg    string
	public crypto.PublicKey
}

// jwk is what is read of a JSON Web Key (RFC 7517 §4, RFC 7518 §6). A chain (x5c) or its
// place (x5u) is not looked at: that the set came from the issuer over TLS is the proof.
type jwk struct {
	Kty    string   `json:"kty"`
	Kid    string   `json:"kid"`
	Alg    string   `json:"alg"`
	Use    string   `json:"use"`
	KeyOps []string `json:"key_ops"`
	Crv    string   `json:"crv"`
	X      string   `json:"x"`
	Y      string   `json:"y"`
	N      string   `json:"n"`
	E      string   `json:"e"`
}

// parseSet reads a JWK set: the usable keys by kid. Keys that are not for these tokens,
// or not understood, are left out (RFC 7517 §5); a set without any is an error.
func parseSet(text []byte) (map[string][]key, error) {
	var set struct {
		Keys []jsontext.Value `json:"keys"`
	}
	if err := json.Unmarshal(text, &set); err != nil {
		return nil, fmt.Errorf("read the JWK set: %w", err)
	}
	known := map[string][]key{}
	for _, raw := range set.Keys {
		var j jwk
		if err := json.Unmarshal(raw, &j); err != nil {
			continue
		}
		if k, err := j.key(); err == nil {
			known[j.Kid] = append(known[j.Kid], k)
		}
	}
	if len(known) == 0 {
		return nil, errors.New("read the JWK set: no usable key")
	}
	return known, nil
}

var errUnusable = errors.New("not a key for access tokens")

func (j jwk) key() (key, error) {
	if j.Kid == "" || j.Use != "" && j.Use != "sig" || j.KeyOps != nil && !slices.Contains(j.KeyOps, "verify") {
		return key{}, errUnusable
	}
	switch {
	case j.Kty == "RSA" && (j.Alg == "" || j.Alg == jwt.SigningMethodRS256.Alg()):
		return j.rsa()
	case j.Kty == "EC" && j.Crv == "P-256" && (j.Alg == "" || j.Alg == jwt.SigningMethodES256.Alg()):
		return j.ec()
	default:
		return key{}, errUnusable
	}
}

// Sizes of RSA keys in bits: the least RFC 7518 §3.3 allows, and the most that a check
// should cost.
const minRSA, maxRSA = 2048, 8192

func (j jwk) rsa() (key, error) {
	n, err := decode(j.N)
	if err != nil {
		return key{}, err
	}
	e, err := decode(j.E)
	if err != nil {
		return key{}, err
	}
	modulus, exponent := new(big.Int).SetBytes(n), new(big.Int).SetBytes(e)
	if bits := modulus.BitLen(); bits < minRSA || bits > maxRSA {
		return key{}, errUnusable
	}
	if exponent.BitLen() > 31 || exponent.Int64() < 3 || exponent.Bit(0) == 0 {
		return key{}, errUnusable
	}
	return key{jwt.SigningMethodRS256.Alg(), &rsa.PublicKey{N: modulus, E: int(exponent.Int64())}}, nil
}

func (j jwk) ec() (key, error) {
	x, err := decode(j.X)
	if err != nil {
		return key{}, err
	}
	y, err := decode(j.Y)
	if err != nil {
		return key{}, err
	}
	const size = 32 // of a coordinate on P-256, leading zeros kept (RFC 7518 §6.2.1.2)
	if len(x) != size || len(y) != size {
		return key{}, errUnusable
	}
	point := slices.Concat([]byte{4}, x, y) // SEC 1 §2.3.3: uncompressed
	public, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)
	if err != nil {
		return key{}, err
	}
	return key{jwt.SigningMethodES256.Alg(), public}, nil
}
