// Package token proves access tokens: JWTs (RFC 7519) signed with RS256 or ES256 by one
// issuer, whose keys are fetched from its JWK set (RFC 7517). The authorizer asks it who
// the caller is; verify asks it whether a token is good.
//
// It is stricter than the RFCs demand, after RFC 8725 (JWT best current practices):
// nothing a token says chooses the algorithm, the key's source or how the rest of it is
// read. Only the signature check is golang-jwt's; its parser decodes with encoding/json,
// which keeps the last of duplicate names and repairs bad UTF-8.
package token

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/golang-jwt/jwt/v5"

	"joboutputs/shared/auth"
	"joboutputs/shared/config"
	"joboutputs/shared/problem"
)

// Limits of a token.
const (
	MaxLength = 8 << 10                    // bytes of the raw token; API Gateway takes 10,240 bytes of all headers
	MaxHeader = len("Bearer ") + MaxLength // characters of an Authorization header
	Leeway    = 30 * time.Second           // how far the issuer's clock may be ahead of ours, in nbf and iat
)

// Config says whose tokens are good and where their claims are. Its zero value refuses
// every token.
type Config struct {
	Issuer   string // iss, compared exactly (RFC 7519 §4.1.1)
	Audience string // aud must be it, or an array that holds it, exactly (RFC 7519 §4.1.3)
	JWKS     string // URL of the issuer's JWK set; https, unless the issuer itself is an http URL

	// Uses are the values of token_use that make an access token: "id" where the issuer
	// puts the claims there, "" for a token that does not say its use; never "refresh".
	// None = "access" alone.
	Uses []string

	// Claims gives the issuer's names of the claims, where they are not ours:
	// "tenant": "custom:tenant". Names are compared with exact case. Ours are
	//
	//	tenant     text, [a-z0-9-]{1,32}
	//	upk        an int or the text of one; without it sub must be there
	//	username   text
	//	admin      a bool, "true" or "false" (Cognito's ID tokens hold custom attributes as
	//	           text), or an array of groups: a member of AdminGroup is an admin
	//	active     a bool, "true" or "false"; absent = true; false = the token is refused
	//	nodes      an array of ints, or text: "1,2"
	//	token_use  text, one of Uses
	//	aud        where the audience is when aud is not there: "client_id" for Cognito's access tokens
	Claims     map[string]string
	AdminGroup string // "" = admin
}

// names are the issuer's names of the claims.
type names struct {
	tenant, userPK, username, admin, active, nodes, use, audience string
}

func (c Config) names() (names, error) {
	n := names{"tenant", "upk", "username", "admin", "active", "nodes", "token_use", "aud"}
	fields := []*string{&n.tenant, &n.userPK, &n.username, &n.admin, &n.active, &n.nodes, &n.use, &n.audience}
	renamed := maps.Clone(c.Claims)
	for _, field := range fields {
		ours := *field
		if theirs, ok := renamed[ours]; ok {
			*field = theirs
			delete(renamed, ours)
		}
		if *field == "" {
			return names{}, fmt.Errorf("token: the claim %q has no name", ours)
		}
	}
	for ours := range renamed {
		return names{}, fmt.Errorf("token: there is no claim %q to rename", ours)
	}
	return n, nil
}

// Validate says what is missing or contradictory.
func (c Config) Validate() error {
	if c.Issuer == "" {
		return errors.New("token: no issuer is configured")
	}
	if c.Audience == "" {
		return errors.New("token: no audience is configured")
	}
	if slices.Contains(c.Uses, "refresh") {
		return errors.New("token: a refresh token is never an access token")
	}
	keys, err := url.Parse(c.JWKS)
	if err != nil {
		return fmt.Errorf("token: the JWK set's URL: %w", err)
	}
	issuer, _ := url.Parse(c.Issuer)
	plain := keys.Scheme == "http" && issuer != nil && issuer.Scheme == "http"
	if keys.Host == "" || keys.Scheme != "https" && !plain {
		return fmt.Errorf("token: the JWK set's URL must be https: %q", c.JWKS)
	}
	_, err = c.names()
	return err
}

// Verifier proves tokens. It is safe for concurrent use and meant to live as long as the
// process: it keeps the issuer's keys.
type Verifier struct {
	cfg   Config
	names names
	bad   error // why cfg is not one: refuses everything
	keys  *keys
	now   func() time.Time
}

// Open makes the Verifier of a Lambda, from its environment. It makes no call.
func Open(section config.TokensSection) *Verifier {
	return New(Config{
		Issuer:   section.Issuer,
		Audience: section.Audience,
		JWKS:     section.JWKS,
		Uses:     section.Uses,
		Claims:   section.Claims,
	}, http.DefaultClient, time.Now)
}

// New makes a verifier. With a config that does not Validate, every token is refused with
// that error. The client's redirects are not followed.
func New(cfg Config, client *http.Client, now func() time.Time) *Verifier {
	if len(cfg.Uses) == 0 {
		cfg.Uses = []string{"access"}
	}
	cfg.AdminGroup = cmp.Or(cfg.AdminGroup, "admin")
	v := &Verifier{cfg: cfg, bad: cfg.Validate(), keys: newKeys(cfg.JWKS, client, now), now: now}
	v.names, _ = cfg.names()
	return v
}

// Principal proves an access token and returns its caller. A token that is not good is
// problem.TokenNotValid; problem.Unavailable, with a time to try again, means that nobody can
// tell because the issuer's keys were never had.
func (v *Verifier) Principal(ctx context.Context, raw string) (auth.Principal, error) {
	claims, err := v.Claims(ctx, raw)
	if err != nil {
		return auth.Principal{}, err
	}
	if err := v.use(claims); err != nil {
		return auth.Principal{}, err
	}
	return v.principal(claims)
}

// Verify proves a token of any use: signed by the issuer, for this audience, in its time.
// Who it is about is not looked at. Errors are Principal's.
func (v *Verifier) Verify(ctx context.Context, raw string) error {
	_, err := v.Claims(ctx, raw)
	return err
}

// Claims is Verify that returns the claims, each as it was written. The development
// issuer reads refresh tokens with it.
func (v *Verifier) Claims(ctx context.Context, raw string) (map[string]jsontext.Value, error) {
	if v.bad != nil {
		return nil, v.bad
	}
	t, err := parse(raw)
	if err != nil {
		return nil, err
	}
	// Before the signature, so that a token of somebody else's issuer never costs a fetch of keys.
	if err := v.addressed(t.claims); err != nil {
		return nil, err
	}
	public, err := v.keys.find(ctx, t.kid, t.alg)
	if err != nil {
		return nil, err
	}
	if err := method(t.alg).Verify(t.signed, t.signature, public); err != nil {
		return nil, refuse("signature: %w", err)
	}
	if err := v.inTime(t.claims); err != nil {
		return nil, err
	}
	return t.claims, nil
}

// Pair is what a user gets for a password: an access token for the API's calls, and the
// token that gets the next one.
type Pair struct {
	Refresh string `json:"refresh"`
	Access  string `json:"access"`
}

// method is the signature algorithm (RFC 7518 §3.1), nil for one that is not taken. Both
// are asymmetric: with HS256 the public key would be a password everybody knows.
func method(alg string) jwt.SigningMethod {
	switch alg {
	case jwt.SigningMethodRS256.Alg():
		return jwt.SigningMethodRS256
	case jwt.SigningMethodES256.Alg():
		return jwt.SigningMethodES256
	default:
		return nil
	}
}

// The sentences of a refusal are UFDL's. Only of a token whose signature is good is more
// said than that it is not.
const (
	invalidText   = "Token is invalid or expired"
	noExpText     = "Token has no 'exp' claim"
	noUseText     = "Token has no type"
	wrongUseText  = "Token has wrong type"
	noUserText    = "Token contained no recognizable user identification"
	inactiveText  = "User is inactive"
	noKeysText    = "The keys of the token issuer can't be had."
	maxNumberDate = 253402300800 // the first second of the year 10000; RFC 7519 names no bound
)

// refuse is a problem.TokenNotValid whose reason is for the log; it never holds the token.
func refuse(reason string, args ...any) error {
	return problem.New(problem.TokenNotValid, invalidText).Because(fmt.Errorf(reason, args...))
}
