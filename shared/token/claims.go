package token

import (
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"joboutputs/shared/auth"
	"joboutputs/shared/problem"
)

// addressed checks by whom and for whom the token was made: iss and aud, both exactly.
func (v *Verifier) addressed(claims map[string]jsontext.Value) error {
	if iss, ok := textOf(claims["iss"]); !ok || iss != v.cfg.Issuer {
		return refuse("iss is not the issuer")
	}
	aud, ok := claims["aud"]
	if !ok {
		aud, ok = claims[v.names.audience]
	}
	if !ok {
		return refuse("aud is not there")
	}
	audiences, ok := texts(aud)
	if !ok {
		return refuse("aud is neither text nor an array of texts")
	}
	if !slices.Contains(audiences, v.cfg.Audience) {
		return refuse("aud is another audience")
	}
	return nil
}

// inTime checks exp, nbf and iat (RFC 7519 §4.1.4 to 4.1.6). UFDL refuses a token from
// the future, so iat counts.
func (v *Verifier) inTime(claims map[string]jsontext.Value) error {
	raw, ok := claims["exp"]
	if !ok {
		return problem.New(problem.TokenNotValid, noExpText)
	}
	exp, ok := numericDate(raw)
	if !ok {
		return refuse("exp is not a date")
	}
	now := v.now()
	if !now.Before(exp) { // to the moment, as actions refuse it: what verify calls good must be
		return refuse("expired")
	}
	for _, name := range []string{"nbf", "iat"} {
		raw, ok := claims[name]
		if !ok {
			continue
		}
		from, ok := numericDate(raw)
		if !ok {
			return refuse("%s is not a date", name)
		}
		if now.Before(from.Add(-Leeway)) {
			return refuse("%s is in the future", name)
		}
	}
	return nil
}

// use checks that the token was made for access.
func (v *Verifier) use(claims map[string]jsontext.Value) error {
	raw, ok := claims[v.names.use]
	switch use, text := textOf(raw); {
	case !ok && slices.Contains(v.cfg.Uses, ""):
		return nil
	case !ok:
		return problem.New(problem.TokenNotValid, noUseText)
	case !text || use == "" || !slices.Contains(v.cfg.Uses, use):
		return problem.New(problem.TokenNotValid, wrongUseText)
	default:
		return nil
	}
}

// principal reads the caller from the claims of an access token.
func (v *Verifier) principal(claims map[string]jsontext.Value) (auth.Principal, error) {
	if active, ok := flag(claims, v.names.active, true); !ok || !active {
		return auth.Principal{}, problem.New(problem.TokenNotValid, inactiveText)
	}
	p := auth.Principal{Issuer: v.cfg.Issuer}
	var ok bool
	if p.Tenant, ok = textOf(claims[v.names.tenant]); !ok || !auth.ValidTenant(p.Tenant) {
		return auth.Principal{}, refuse("the tenant claim names none")
	}
	if p.Subject, ok = optionalText(claims, "sub"); !ok {
		return auth.Principal{}, refuse("sub is not text")
	}
	if p.UserPK, ok = userPK(claims, v.names.userPK); !ok || p.UserPK == 0 && p.Subject == "" {
		return auth.Principal{}, problem.New(problem.TokenNotValid, noUserText)
	}
	if p.Username, ok = optionalText(claims, v.names.username); !ok {
		return auth.Principal{}, refuse("the username claim is not text")
	}
	if p.Admin, ok = v.admin(claims); !ok {
		return auth.Principal{}, refuse("the admin claim is neither a bool nor an array of groups")
	}
	if p.Nodes, ok = nodes(claims, v.names.nodes); !ok {
		return auth.Principal{}, refuse("the nodes claim is not a list of nodes")
	}
	p.Expires, _ = numericDate(claims["exp"])
	return p, nil
}

// admin reads a bool, or the groups the user is in.
func (v *Verifier) admin(claims map[string]jsontext.Value) (admin, ok bool) {
	raw := claims[v.names.admin]
	if raw.Kind() != '[' {
		return flag(claims, v.names.admin, false)
	}
	groups, ok := texts(raw)
	return slices.Contains(groups, v.cfg.AdminGroup), ok
}

// userPK reads an int or the text of one; 0 = the claim is not there.
func userPK(claims map[string]jsontext.Value, name string) (int64, bool) {
	raw, ok := claims[name]
	if !ok {
		return 0, true
	}
	digits := string(raw)
	if text, ok := textOf(raw); ok {
		digits = text
	}
	return pkOf(digits)
}

func pkOf(digits string) (int64, bool) {
	for _, c := range []byte(digits) {
		if c < '0' || c > '9' {
			return 0, false
		}
	}
	pk, err := strconv.ParseInt(digits, 10, 64)
	return pk, err == nil && pk >= 1 && pk <= auth.MaxPK
}

// nodes reads an array of ints, or text: "1,2".
func nodes(claims map[string]jsontext.Value, name string) ([]int64, bool) {
	raw, ok := claims[name]
	if !ok {
		return nil, true
	}
	if text, ok := textOf(raw); ok {
		list, err := auth.ParseNodes(text)
		return list, err == nil && !slices.ContainsFunc(list, func(n int64) bool { return n > auth.MaxPK })
	}
	values, ok := array(raw)
	if !ok {
		return nil, false
	}
	var list []int64
	for _, value := range values {
		pk, ok := pkOf(string(value))
		if !ok {
			return nil, false
		}
		list = append(list, pk)
	}
	return list, true
}

// flag reads a bool or its text.
func flag(claims map[string]jsontext.Value, name string, absent bool) (value, ok bool) {
	raw, there := claims[name]
	if !there {
		return absent, true
	}
	switch string(raw) {
	case `true`, `"true"`:
		return true, true
	case `false`, `"false"`:
		return false, true
	default:
		return false, false
	}
}

// optionalText reads a text that need not be there.
func optionalText(claims map[string]jsontext.Value, name string) (text string, ok bool) {
	raw, there := claims[name]
	if !there {
		return "", true
	}
	return textOf(raw)
}

// texts reads a text, or an array of nothing but texts.
func texts(raw jsontext.Value) ([]string, bool) {
	if text, ok := textOf(raw); ok {
		return []string{text}, true
	}
	values, ok := array(raw)
	if !ok {
		return nil, false
	}
	list := make([]string, len(values))
	for i, value := range values {
		if list[i], ok = textOf(value); !ok { // null too, which decodes as ""
			return nil, false
		}
	}
	return list, true
}

func array(raw jsontext.Value) ([]jsontext.Value, bool) {
	var values []jsontext.Value
	if raw.Kind() != '[' || json.Unmarshal(raw, &values) != nil {
		return nil, false
	}
	return values, true
}

// numericDate reads seconds since 1970 (RFC 7519 §2), integer or not, of the years we
// can write.
func numericDate(raw jsontext.Value) (time.Time, bool) {
	if raw.Kind() != '0' {
		return time.Time{}, false
	}
	seconds, err := strconv.ParseFloat(string(raw), 64)
	if err != nil || seconds < 0 || seconds >= maxNumberDate {
		return time.Time{}, false
	}
	whole, part := math.Modf(seconds)
	return time.Unix(int64(whole), int64(part*1e9)), true
}
