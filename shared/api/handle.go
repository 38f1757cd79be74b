// Package api is the HTTP edge of every function: it turns a gateway's event into a
// request with a proved caller, an action's error into a problem document, and serves
// the result as a Lambda, buffered or streamed. Only this package knows statuses.
package api

import (
	"net/http"
	"regexp"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"time"

	"joboutputs/shared/auth"
	"joboutputs/shared/problem"
)

// Func is an action's code: it decodes, makes one call, encodes and writes exactly once.
// A returned error becomes a problem document; once bytes were written it ends the
// answer so that it cannot be taken for a whole one.
type Func func(w http.ResponseWriter, r *http.Request, p auth.Principal) error

// Handle makes an action's code a handler. Before the code runs, the order of checks is
// the API's: the token (401), the permission that needs no row (403), Node-Id (400, 403).
// Route and method were checked by the gateway, the body and the row are the code's.
func Handle(action auth.Action, fn Func) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rec := recordOf(r.Context())
		rec.action = action
		defer func() {
			if v := recover(); v != nil && v != http.ErrAbortHandler { //nolint:errorlint // net/http's own sentinel, compared as it does
				rec.panicked, rec.stack = v, string(debug.Stack())
				fail(w, r, problem.New(problem.Internal, internalText))
			} else if v != nil {
				panic(v)
			}
		}()
		allowCrossOrigin(w, r)
		p, err := admit(r, action, rec)
		if err == nil {
			refuseCoded(r)
			if p.Tenant != "" { // from here on, whatever is called is called on behalf of this tenant
				r = r.WithContext(auth.WithTenant(r.Context(), p.Tenant))
			}
			err = fn(w, r, p)
		}
		if err != nil {
			fail(w, r, err)
		}
	})
}

// admit is everything about the caller that can be said before the body is read.
func admit(r *http.Request, action auth.Action, rec *record) (auth.Principal, error) {
	if rec.badEvent != nil {
		return auth.Principal{}, rec.badEvent
	}
	if access, _ := auth.AccessOf(action); access == auth.Anyone {
		return auth.Principal{}, nil
	}
	p, err := auth.FromContext(rec.authorizer)
	if err != nil {
		return auth.Principal{}, problem.New(problem.NotAuthenticated, UnauthorizedText).Because(err)
	}
	rec.tenant = p.Tenant
	if !rec.now.Before(p.Expires) { // the gateway's cache of the authorizer's answer outlives the token
		return auth.Principal{}, problem.New(problem.TokenNotValid, UnauthorizedText)
	}

	node, nodeErr := nodeID(r, p)
	claimed := p
	claimed.Node = node
	if nodeErr != nil {
		claimed.Node = -1 // some node, which is all the first question needs
	}
	if !auth.May(claimed, action, auth.Unread) {
		return auth.Principal{}, problem.Forbidden()
	}
	if nodeErr != nil {
		return auth.Principal{}, nodeErr
	}
	p.Node = node
	return p, nil
}

// nodeID reads the Node-Id header: the node the request acts for, which counts only if
// the token grants it. No node is looked up, so nobody learns which exist.
func nodeID(r *http.Request, p auth.Principal) (int64, error) {
	values := r.Header.Values("Node-Id")
	if len(values) == 0 {
		return 0, nil
	}
	text := strings.Join(values, ",")
	trimmed := strings.TrimSpace(text)
	if !integer().MatchString(trimmed) {
		return 0, problem.New(problem.BadNodeID, "Bad Node-Id header '%s': Unable to parse into an integer primary-key", text)
	}
	node, err := strconv.ParseInt(strings.ReplaceAll(trimmed, "_", ""), 10, 64)
	if err != nil || !p.Grants(node) { // an error: a number beyond any node
		return 0, problem.New(problem.NodeNotGranted, "The token does not grant node %s.", trimmed)
	}
	return node, nil
}

// integer is what UFDL reads as one: Python's int().
var integer = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[+-]?[0-9]+(_[0-9]+)*$`) })

// exposed are the answer's headers a browser's script may read, besides the safelisted.
const exposed = "Content-Disposition, Content-Range, ETag, Idempotent-Replay, Location, Repr-Digest, Repr-Length, Retry-After, X-Next-Cursor"

// What the response to a preflight says, besides the methods and origins: which headers a
// page may send, and for how many seconds the response is good, the most that Chrome honours.
// Preflights end at the gateway, local or API Gateway.
const (
	AllowHeaders = "Authorization, Content-Type, Node-Id, Idempotency-Key, Range, If-Range, If-None-Match, Repr-Digest, Content-Digest, Content-MD5, X-Amz-Checksum-Sha256"
	PreflightAge = "7200"
)

// allowCrossOrigin lets browsers of any origin read the answer: the API authenticates by
// a header a page must hold, never by cookies, so an origin proves nothing.
func allowCrossOrigin(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Vary", "Origin")
	if r.Header.Get("Origin") != "" {
		w.Header().Set("Access-Control-Allow-Origin", "*")
		w.Header().Set("Access-Control-Expose-Headers", exposed)
	}
}

// PK reads a path parameter that is a primary key. Leading zeros are fine; anything that
// cannot be one is not found, as UFDL's routes have it.
func PK(r *http.Request, name string) (int64, error) {
	text := r.PathValue(name)
	for _, c := range []byte(text) {
		if c < '0' || c > '9' {
			return 0, problem.Missing()
		}
	}
	pk, err := strconv.ParseInt(text, 10, 64)
	if err != nil || pk < 1 || pk > auth.MaxPK {
		return 0, problem.Missing()
	}
	return pk, nil
}

func seconds(d time.Duration) string {
	return strconv.Itoa(int((d + time.Second - 1) / time.Second))
}
