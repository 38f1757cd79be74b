package openapicheck

import (
	"errors"
	"net/url"
	"slices"
	"strings"
)

// route is a path template of the document, matched as the gateways match it.
type route struct {
	template   string
	segments   []string // a parameter keeps its braces
	slash      bool     // whether one trailing slash is the same resource
	operations map[string]*operation
}

func newRoute(template string) *route {
	segments := strings.Split(strings.TrimPrefix(template, "/"), "/")
	return &route{
		template: template, segments: segments, slash: !slices.Contains(segments, "outputs"),
		operations: map[string]*operation{},
	}
}

func isParam(segment string) bool { return strings.HasPrefix(segment, "{") }

// compareRoutes orders literals before parameters, segment by segment.
func compareRoutes(a, b *route) int {
	rank := func(r *route) []int {
		ranks := make([]int, len(r.segments))
		for i, s := range r.segments {
			if isParam(s) {
				ranks[i] = 1
			}
		}
		return ranks
	}
	if c := slices.Compare(rank(a), rank(b)); c != 0 {
		return c
	}
	return strings.Compare(a.template, b.template)
}

var (
	errNoRoute = errors.New("no route has this path")
	errBadPath = errors.New("the path has an invalid percent-escape")
)

// match finds the route of a path as it was sent, and its parameters, decoded. With a
// template only that route is asked. Nothing is cleaned.
func (v *Validator) match(path, template string) (*route, map[string]string, error) {
	segments := strings.Split(strings.TrimPrefix(path, "/"), "/")
	for i, s := range segments {
		decoded, err := url.PathUnescape(s)
		if err != nil {
			return nil, nil, errBadPath
		}
		segments[i] = strings.ToValidUTF8(decoded, "\uFFFD")
	}
	for _, r := range v.routes {
		if template != "" && r.template != template {
			continue
		}
		if params, ok := r.match(segments); ok {
			return r, params, nil
		}
	}
	return nil, nil, errNoRoute
}

func (r *route) match(segments []string) (map[string]string, bool) {
	if last := len(segments) - 1; r.slash && segments[last] == "" {
		segments = segments[:last]
	}
	if len(segments) != len(r.segments) {
		return nil, false
	}
	params := map[string]string{}
	for i, s := range r.segments {
		switch {
		case !isParam(s) && segments[i] != s:
			return nil, false
		case isParam(s) && (segments[i] == "" || strings.Contains(segments[i], "/")):
			return nil, false
		case isParam(s):
			params[strings.Trim(s, "{}")] = segments[i]
		}
	}
	return params, true
}
