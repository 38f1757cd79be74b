package gateway

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"joboutputs/functions"
	"joboutputs/shared/problem"
)

// route is a resource template and the functions behind its methods.
type route struct {
	template string
	segments []segment
	slash    bool                 // whether one trailing slash is the same resource
	methods  map[string]*function // nil: the method is refused
}

// segment is one part of a template between slashes.
type segment struct {
	text  string // the literal, or the parameter's name
	param bool
}

func newRoute(template string) *route {
	r := &route{template: template, slash: true, methods: map[string]*function{}}
	for text := range strings.SplitSeq(strings.TrimPrefix(template, "/"), "/") {
		if name, ok := strings.CutPrefix(text, "{"); ok {
			r.segments = append(r.segments, segment{strings.TrimSuffix(name, "}"), true})
			continue
		}
		if text == "outputs" {
			r.slash = false // below it a slash would be an output's empty name or type, which nothing has
		}
		r.segments = append(r.segments, segment{text, false})
	}
	return r
}

// allow lists the methods of the route, OPTIONS among them. A refused one is listed too:
// it is answered 403, not 405, and a browser must be let through to hear that.
func (r *route) allow() string {
	var methods []string
	for _, method := range functions.Methods() {
		if _, ok := r.methods[method]; ok || method == http.MethodOptions {
			methods = append(methods, method)
		}
	}
	return strings.Join(methods, ", ")
}

// sortRoutes puts routes in the order they are tried: segment by segment, literals first.
// The resource is found before the method is looked at, so GET /v1/job-outputs/list is a
// wrong method of that route and never the output "list".
func sortRoutes(routes []*route) {
	rank := func(r *route) []int {
		ranks := make([]int, len(r.segments))
		for i, s := range r.segments {
			if s.param {
				ranks[i] = 1
			}
		}
		return ranks
	}
	slices.SortStableFunc(routes, func(a, b *route) int { return slices.Compare(rank(a), rank(b)) })
}

// match finds the route of a path as the client sent it, and the path parameters, still
// percent-encoded. Nothing is cleaned: "." and ".." are segments like others, and an empty
// segment is nobody's. A segment that decodes to one with a slash is found nowhere.
func (g *Gateway) match(path string) (*route, map[string]string, *problem.Problem) {
	notFound := problem.Missing()
	rest, ok := strings.CutPrefix(path, "/")
	if !ok {
		return nil, nil, notFound
	}
	raw := strings.Split(rest, "/")
	decoded := make([]string, len(raw))
	for i, text := range raw {
		var err error
		if decoded[i], err = url.PathUnescape(text); err != nil {
			return nil, nil, problem.New(problem.InvalidRequest, "The path has an invalid percent-escape.")
		}
		if strings.ContainsFunc(text, func(c rune) bool { return c >= utf8.RuneSelf }) {
			return nil, nil, problem.New(problem.InvalidRequest, "The path has a character that must be percent-encoded.")
		}
	}
	for _, r := range g.routes {
		if params, ok := r.match(raw, decoded); ok {
			return r, params, nil
		}
	}
	return nil, nil, notFound
}

func (r *route) match(raw, decoded []string) (map[string]string, bool) {
	if last := len(decoded) - 1; r.slash && decoded[last] == "" {
		decoded = decoded[:last]
	}
	if len(decoded) != len(r.segments) {
		return nil, false
	}
	var params map[string]string
	for i, s := range r.segments {
		switch {
		case !s.param && decoded[i] != s.text:
			return nil, false
		case s.param && (decoded[i] == "" || strings.Contains(decoded[i], "/")):
			return nil, false
		case s.param:
			if params == nil {
				params = map[string]string{}
			}
			params[s.text] = raw[i]
		}
	}
	return params, true
}

// target splits a request target into path and query. Only the origin form (RFC 9112,
// section 3.2.1) has a path that is known here: the absolute form, which is for proxies,
// is an unknown route, as in UFDL.
func target(uri string) (path, query string) {
	path, query, _ = strings.Cut(uri, "?")
	return path, query
}
