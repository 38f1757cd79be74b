package auth

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// The authorizer hands the principal on in the event's requestContext.authorizer, which
// carries a flat map of strings and nothing else (API Gateway, Lambda authorizer output).
const (
	keyTenant   = "tenant"
	keyIssuer   = "iss"
	keySubject  = "sub"
	keyUserPK   = "upk"
	keyUsername = "username"
	keyAdmin    = "admin"
	keyNodes    = "nodes"
	keyExpires  = "exp"
)

// Context returns what the authorizer answers: strings only, decoded by FromContext.
func (p Principal) Context() map[string]any {
	nodes := make([]string, len(p.Nodes))
	for i, n := range p.Nodes {
		nodes[i] = strconv.FormatInt(n, 10)
	}
	return map[string]any{
		keyTenant:   p.Tenant,
		keyIssuer:   p.Issuer,
		keySubject:  p.Subject,
		keyUserPK:   strconv.FormatInt(p.UserPK, 10),
		keyUsername: p.Username,
		keyAdmin:    strconv.FormatBool(p.Admin),
		keyNodes:    strings.Join(nodes, ","),
		keyExpires:  strconv.FormatInt(p.Expires.Unix(), 10),
	}
}

// FromContext reads a principal back. A context the authorizer could not have made is an
// error: the request is then refused, never served as somebody else.
func FromContext(context map[string]any) (Principal, error) {
	text := func(key string) string {
		s, _ := context[key].(string)
		return s
	}
	p := Principal{
		Tenant:   text(keyTenant),
		Issuer:   text(keyIssuer),
		Subject:  text(keySubject),
		Username: text(keyUsername),
		Admin:    text(keyAdmin) == "true",
	}
	if !ValidTenant(p.Tenant) {
		return Principal{}, fmt.Errorf("authorizer context: %q is not a tenant", p.Tenant)
	}
	var err error
	if p.UserPK, err = strconv.ParseInt(text(keyUserPK), 10, 64); err != nil {
		return Principal{}, fmt.Errorf("authorizer context: upk: %w", err)
	}
	exp, err := strconv.ParseInt(text(keyExpires), 10, 64)
	if err != nil {
		return Principal{}, fmt.Errorf("authorizer context: exp: %w", err)
	}
	p.Expires = time.Unix(exp, 0)
	if p.Nodes, err = ParseNodes(text(keyNodes)); err != nil {
		return Principal{}, fmt.Errorf("authorizer context: %w", err)
	}
	return p, nil
}

// ParseNodes reads a list of node pks, "1,2"; the empty text is no node.
func ParseNodes(s string) ([]int64, error) {
	if s == "" {
		return nil, nil
	}
	var nodes []int64
	for part := range strings.SplitSeq(s, ",") {
		n, err := strconv.ParseInt(strings.TrimSpace(part), 10, 64)
		if err != nil || n < 1 {
			return nil, fmt.Errorf("nodes: %q is not a node's pk", part)
		}
		nodes = append(nodes, n)
	}
	return nodes, nil
}

// MaxTenantLength is the length of the longest tenant name, in bytes.
const MaxTenantLength = 32

// ValidTenant reports whether the name can be a tenant's: [a-z0-9-]{1,32}.
func ValidTenant(name string) bool {
	if len(name) == 0 || len(name) > MaxTenantLength {
		return false
	}
	for _, c := range []byte(name) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}
