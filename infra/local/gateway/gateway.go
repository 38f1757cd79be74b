// Package gateway stands in for API Gateway REST on a tester's machine: it routes a
// request, asks the authorizer, turns the request into the proxy event, calls the
// function as Lambda does and turns its answer back, with AWS's limits. What it answers
// itself is what the stack configures API Gateway to answer. The local run serves it;
// tests call it to reach every function as a client would.
//
// It decides in this order: route (404), method (405), token (401), refused routes (403),
// query (400), content coding (415), size (413), function.
package gateway

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"joboutputs/functions"
	"joboutputs/shared/api"
	"joboutputs/shared/auth"
	"joboutputs/shared/problem"
)

// Config is what a gateway is made of.
type Config struct {
	Functions []functions.Function // the catalogue; at most one authorizer
	Deps      functions.Deps       // what its functions are made from
	Refused   []functions.Route    // routes answered 403 to whoever is authenticated
	Edge      api.Edge             // what functions are served with; its Now is also the gateway's
	Log       *slog.Logger
	Coded     Coding // what becomes of request bodies with a content coding

	TokenTTL   time.Duration // how long an authorizer's answer is used again; 0 = 60 s, < 0 = never
	TokenCache int           // how many such answers are kept; 0 = 1,000
}

// Gateway serves the functions of a catalogue over HTTP. It reads the request's target as
// the client sent it, so it must not be put behind an http.ServeMux, which cleans paths.
type Gateway struct {
	routes []*route
	tokens *tokens
	now    func() time.Time
	coded  Coding
	log    *slog.Logger
}

// New makes a gateway. It panics if two rows of the catalogue claim one method of one
// route, or if there are two authorizers.
func New(c Config) *Gateway {
	g := &Gateway{now: c.Edge.Now, log: c.Log, coded: c.Coded, tokens: newTokens(c)}
	for _, row := range c.Functions {
		if row.HTTP == nil {
			continue
		}
		fn := newFunction(row, c.Deps, c.Edge)
		for _, r := range row.Routes {
			g.add(r, fn)
		}
	}
	for _, r := range c.Refused {
		g.add(r, nil)
	}
	sortRoutes(g.routes)
	return g
}

func (g *Gateway) add(row functions.Route, fn *function) {
	var at *route
	for _, known := range g.routes {
		if known.template == row.Resource {
			at = known
		}
	}
	if at == nil {
		at = newRoute(row.Resource)
		g.routes = append(g.routes, at)
	}
	for _, method := range row.Methods {
		if _, taken := at.methods[method]; taken {
			panic(fmt.Sprintf("gateway: %s %s is in the catalogue twice", method, row.Resource))
		}
		at.methods[method] = fn
	}
}

// ServeHTTP answers one request.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if method := strings.ToUpper(r.Method); method != r.Method { // "get" is taken for GET, as in UFDL
		r = r.Clone(r.Context())
		r.Method = method
	}
	x := &exchange{w: w, r: r, id: newRequestID(), start: g.now(), coded: g.coded}
	x.method = cmp.Or(strings.ToUpper(strings.TrimSpace(r.Header.Get(override))), r.Method)
	x.path, x.query = target(r.RequestURI)
	if f := g.serve(x); f != nil {
		g.refuse(x, f)
	}
}

// exchange is one request on its way through the gateway.
type exchange struct {
	w           http.ResponseWriter
	r           *http.Request
	id          string // the request's id, in the event, in problem documents and in logs
	start       time.Time
	coded       Coding
	method      string // that the request is for: its own, or that of X-HTTP-Method-Override
	path, query string // as the client sent them

	route      *route
	params     map[string]string // percent-encoded, as the client sent them
	authorizer map[string]any    // what the authorizer said about the caller; nil where nobody asked
}

// serve answers the request, or says why the gateway itself must.
func (g *Gateway) serve(x *exchange) *problem.Problem {
	var f *problem.Problem
	if x.route, x.params, f = g.match(x.path); f != nil {
		return f
	}
	if x.method == http.MethodOptions {
		g.options(x)
		return nil
	}
	fn, known := x.route.methods[x.method]
	if !known {
		x.w.Header().Set("Allow", x.route.allow())
		return problem.New(problem.MethodNotAllowed, "Method \"%s\" not allowed.", x.method)
	}
	if fn == nil || !fn.open() {
		if x.authorizer, f = g.tokens.check(x); f != nil {
			return f
		}
	}
	if fn == nil {
		return problem.Forbidden()
	}
	payload, f := x.payload()
	if f != nil {
		return f
	}
	return g.call(x, fn, payload)
}

// open reports whether the function is for callers without a token too.
func (fn *function) open() bool {
	access, _ := auth.AccessOf(fn.name)
	return access == auth.Anyone
}

// options answers OPTIONS of a known route: a CORS preflight, or the methods there are.
func (g *Gateway) options(x *exchange) {
	h := x.w.Header()
	h["Content-Type"] = nil
	h.Set("Vary", "Origin")
	if x.r.Header.Get("Origin") != "" {
		h.Set("Access-Control-Allow-Origin", "*")
	}
	if x.r.Header.Get("Origin") != "" && x.r.Header.Get("Access-Control-Request-Method") != "" {
		h.Set("Access-Control-Allow-Methods", x.route.allow())
		h.Set("Access-Control-Allow-Headers", api.AllowHeaders)
		h.Set("Access-Control-Max-Age", api.PreflightAge)
	} else {
		h.Set("Allow", x.route.allow())
	}
	x.drain()
	x.w.WriteHeader(http.StatusOK)
}

// refuse responds to a request with a problem document, or as API Gateway does where its
// response cannot be customized.
func (g *Gateway) refuse(x *exchange, f *problem.Problem) {
	status := api.Status(f.Kind)
	level := slog.LevelInfo
	attrs := []slog.Attr{
		slog.String("method", x.method), slog.Int("status", status),
		slog.String("code", string(f.Kind)), slog.String("request_id", x.id),
	}
	if x.route != nil {
		attrs = append(attrs, slog.String("resource", x.route.template))
	}
	if status >= http.StatusInternalServerError {
		level = slog.LevelError
		attrs = append(attrs, slog.String("error", f.Error()))
	}
	g.log.LogAttrs(context.WithoutCancel(x.r.Context()), level, "gateway", attrs...)

	h := x.w.Header()
	if f.Kind == problem.PayloadTooLarge { // no problem document, and closed to browsers
		h.Set("Content-Type", "application/json")
		if f.Message == overRequest {
			h.Set("Content-Type", "text; charset=utf-8")
		}
		x.drain()
		x.w.WriteHeader(status)
		_, _ = io.WriteString(x.w, f.Message)
		return
	}
	h.Set("Vary", "Origin")
	if x.r.Header.Get("Origin") != "" {
		h.Set("Access-Control-Allow-Origin", "*")
		h.Set("Access-Control-Expose-Headers", "Allow, Retry-After")
	}
	x.drain()
	api.WriteProblem(x.w, f, x.id)
}

// maxDrain bounds what is read of a body that nobody wants.
const maxDrain = 64 << 20

// drain reads what is left of the body before an early answer: many clients look for an
// answer only after they have sent everything, and a connection closed under them would
// hide it. A client that asked whether to go on is told by the answer, and sends nothing.
func (x *exchange) drain() {
	if x.r.Header.Get("Expect") == "" {
		_, _ = io.CopyN(io.Discard, x.r.Body, maxDrain) // at worst the client misses the answer
	}
}

// newRequestID is a random (version 4) UUID, as API Gateway's ids are.
func newRequestID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
