// Package issuer is the development issuer: the users and tokens of the local run, in the
// place that Cognito has in the cloud. Its tokens are verified by the same code over the
// same JWK set. It keeps passwords as they are and lives under infra, which no Lambda can
// import.
package issuer

import (
	"bytes"
	"cmp"
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"net/http"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/golang-jwt/jwt/v5"

	"joboutputs/shared/problem"
	"joboutputs/shared/token"
)

// Values of the token_use claim.
const (
	UseAccess  = "access"
	UseRefresh = "refresh"
)

// DefaultTenant is where users log in who name no tenant.
const DefaultTenant = "demo"

// Config is what an Issuer is made from. The zero value is a good one.
type Config struct {
	Dir      string           // keeps key and users, so that tokens outlive a restart; made if it is not there. "" = in memory
	Issuer   string           // iss; "" = http://joboutputs.local/dev-issuer
	Audience string           // aud; "" = joboutputs
	Access   time.Duration    // life of an access token; 0 = 300 s, as UFDL
	Refresh  time.Duration    // life of a refresh token; 0 = 28,800 s, as UFDL
	Now      func() time.Time // nil = time.Now
}

// Issuer knows users and makes tokens for them. It is safe for concurrent use.
type Issuer struct {
	cfg      Config
	key      *ecdsa.PrivateKey
	kid      string
	jwks     []byte
	users    *directory
	verifier *token.Verifier
}

// New makes an Issuer with the key and users of its directory.
func New(cfg Config) (*Issuer, error) {
	cfg.Issuer = cmp.Or(cfg.Issuer, "http://joboutputs.local/dev-issuer")
	cfg.Audience = cmp.Or(cfg.Audience, "joboutputs")
	cfg.Access = cmp.Or(cfg.Access, 300*time.Second)
	cfg.Refresh = cmp.Or(cfg.Refresh, 28_800*time.Second)
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	key, err := loadKey(cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("development issuer: %w", err)
	}
	users, err := openDirectory(cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("development issuer: %w", err)
	}
	i := &Issuer{cfg: cfg, key: key, users: users}
	if i.kid, i.jwks, err = keySet(&key.PublicKey); err != nil {
		return nil, fmt.Errorf("development issuer: %w", err)
	}
	i.verifier = token.New(i.TokenConfig(), i.Client(), cfg.Now)
	return i, nil
}

// AddUser makes the user known, at any time. The same user again changes nothing; one who
// differs from what is known under the tenant's pk or username is an error that names the field.
func (i *Issuer) AddUser(u User) error {
	if err := i.users.add(u); err != nil {
		return fmt.Errorf("development issuer: %w", err)
	}
	return nil
}

// Tenants are the tenants that have users, sorted.
func (i *Issuer) Tenants() []string { return i.users.allTenants() }

// The sentences are UFDL's.
const (
	noAccountText = "No active account found with the given credentials"
	invalidText   = "Token is invalid or expired"
	noTypeText    = "Token has no type"
	wrongTypeText = "Token has wrong type"
)

// Obtain logs a user in. Wrong, unknown and inactive are the same problem.NotAuthenticated.
func (i *Issuer) Obtain(_ context.Context, login, password string) (token.Pair, error) {
	u, known := i.users.byLogin(login)
	if right := samePassword(u.Password, password); !known || !right || !u.Active {
		return token.Pair{}, problem.New(problem.NotAuthenticated, noAccountText)
	}
	access, err := i.Mint(i.claims(u, UseAccess), nil)
	if err != nil {
		return token.Pair{}, err
	}
	refresh, err := i.Mint(i.claims(u, UseRefresh), nil)
	return token.Pair{Refresh: refresh, Access: access}, err
}

// Refresh makes the next access token, for a user who could still log in. Everything else
// is problem.TokenNotValid.
func (i *Issuer) Refresh(ctx context.Context, refresh string) (access string, err error) {
	claims, err := i.verifier.Claims(ctx, refresh)
	if err != nil {
		return "", err
	}
	if _, ok := claims["token_use"]; !ok {
		return "", problem.New(problem.TokenNotValid, noTypeText)
	}
	if string(claims["token_use"]) != `"`+UseRefresh+`"` {
		return "", problem.New(problem.TokenNotValid, wrongTypeText)
	}
	var tenant string
	var pk int64
	if json.Unmarshal(claims["tenant"], &tenant) != nil || json.Unmarshal(claims["upk"], &pk) != nil {
		return "", problem.New(problem.TokenNotValid, invalidText)
	}
	u, ok := i.users.byPK(tenant, pk)
	if !ok || !u.Active {
		return "", problem.New(problem.TokenNotValid, invalidText)
	}
	return i.Mint(i.claims(u, UseAccess), nil)
}

// Verify proves a token of either use. It does not look at the user.
func (i *Issuer) Verify(ctx context.Context, raw string) error { return i.verifier.Verify(ctx, raw) }

// Claims are what a token for the user says now, whether or not the user is active. Tests
// change them and Mint the result.
func (i *Issuer) Claims(tenant, username, use string) (map[string]any, error) {
	u, ok := i.users.byName(tenant, username)
	if !ok {
		return nil, fmt.Errorf("development issuer: tenant %q has no user %q", tenant, username)
	}
	return i.claims(u, use), nil
}

func (i *Issuer) claims(u User, use string) map[string]any {
	now, life := i.cfg.Now(), i.cfg.Access
	if use == UseRefresh {
		life = i.cfg.Refresh
	}
	claims := map[string]any{
		"iss":       i.cfg.Issuer,
		"aud":       i.cfg.Audience,
		"sub":       fmt.Sprintf("%d@%s", u.PK, u.Tenant),
		"iat":       now.Unix(),
		"nbf":       now.Unix(),
		"exp":       now.Add(life).Unix(),
		"jti":       newID(),
		"token_use": use,
		"tenant":    u.Tenant,
		"upk":       u.PK,
	}
	if use != UseRefresh {
		claims["username"] = u.Username
		claims["admin"] = u.Admin
		claims["active"] = u.Active
		claims["nodes"] = append([]int64{}, u.Nodes...)
	}
	return claims
}

// newID is a jti: 32 hexadecimal digits.
func newID() string {
	id := make([]byte, 16)
	rand.Read(id) // never fails (crypto/rand)
	return hex.EncodeToString(id)
}

// Mint signs any claims with the issuer's key. The header is alg, kid and typ, changed by
// what is given: a nil value leaves the name out. Whatever alg says, the signature is ES256.
func (i *Issuer) Mint(claims, header map[string]any) (string, error) {
	all := map[string]any{"alg": jwt.SigningMethodES256.Alg(), "kid": i.kid, "typ": "JWT"}
	maps.Copy(all, header)
	maps.DeleteFunc(all, func(_ string, value any) bool { return value == nil })
	head, err := encode(all)
	if err != nil {
		return "", fmt.Errorf("development issuer: encode the header: %w", err)
	}
	payload, err := encode(claims)
	if err != nil {
		return "", fmt.Errorf("development issuer: encode the claims: %w", err)
	}
	signed := head + "." + payload
	signature, err := jwt.SigningMethodES256.Sign(signed, i.key)
	if err != nil {
		return "", fmt.Errorf("development issuer: sign: %w", err)
	}
	return signed + "." + base64url(signature), nil
}

func encode(members map[string]any) (string, error) {
	text, err := json.Marshal(members, json.Deterministic(true))
	return base64url(text), err
}

// TokenConfig is what a verifier needs to know of this issuer.
func (i *Issuer) TokenConfig() token.Config {
	return token.Config{Issuer: i.cfg.Issuer, Audience: i.cfg.Audience, JWKS: i.cfg.Issuer + "/.well-known/jwks.json"}
}

// Client fetches the JWK set, whatever the URL, from this issuer without a network.
func (i *Issuer) Client() *http.Client { return &http.Client{Transport: offline{i.jwks}} }

type offline struct{ jwks []byte }

func (o offline) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{
		Status: "200 OK", StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header:        http.Header{"Content-Type": {jwksType}},
		Body:          io.NopCloser(bytes.NewReader(o.jwks)),
		ContentLength: int64(len(o.jwks)),
		Request:       r,
	}, nil
}

// jwksType is the media type of a JWK set (RFC 7517 §8.5.2).
const jwksType = "application/jwk-set+json"

// JWKS serves the JWK set.
func (i *Issuer) JWKS() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", jwksType)
		_, _ = w.Write(i.jwks)
	})
}
