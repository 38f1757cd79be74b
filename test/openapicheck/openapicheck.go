// Package openapicheck holds what goes over the wire against the API's description,
// shared/api/openapi.yaml. Whoever talks to the service as a client, the conformance run
// and the request scripts above all, passes every exchange on:
//
//	validator, err := openapicheck.New()
//	…
//	err = validator.Check(openapicheck.Exchange{
//		Method: "GET", Target: "/v1/job-outputs/5", RequestHeader: request.Header,
//		Status: response.StatusCode, Header: response.Header, Body: body,
//	})
//
// An answer must be one that the description lists for the route and method, in status,
// headers, media type and body, to the last member. A request must fit only if it was
// accepted: what the API refuses need not.
//
// The document is read and checked by kin-openapi. Its router is not used, as it cleans
// paths, nor its own check of values, which for OpenAPI 3.1 compiles the schema at each
// call and falls back to OpenAPI 3.0's rules where it can't; schemas are compiled once, by
// the library underneath it.
package openapicheck

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"

	"joboutputs/shared/api"
)

// Validator checks exchanges. It is safe for concurrent use.
type Validator struct {
	routes []*route // literals before parameters
	every  every
	known  map[string]bool // canonical names of the headers that some answer documents
}

// every is what any path can be answered, for which OpenAPI has no place: the document
// keeps them among its reusable responses.
type every struct {
	noRoute, badPath, noMethod *response
}

// New reads the description that the service serves. An error is a defect of it.
func New() (*Validator, error) { return Parse([]byte(api.OpenAPI())) }

// Parse reads a description, in JSON or YAML.
func Parse(document []byte) (*Validator, error) {
	loader := openapi3.NewLoader()
	doc, err := loader.LoadFromData(document)
	if err != nil {
		return nil, fmt.Errorf("read the OpenAPI document: %w", err)
	}
	if err := doc.Validate(loader.Context); err != nil {
		return nil, fmt.Errorf("the OpenAPI document: %w", err)
	}
	if doc.Components == nil {
		doc.Components = &openapi3.Components{}
	}
	r, err := newReader(doc)
	if err != nil {
		return nil, err
	}
	v := &Validator{known: map[string]bool{}}
	for template, item := range doc.Paths.Map() {
		v.routes = append(v.routes, r.route(template, item))
	}
	slices.SortFunc(v.routes, compareRoutes)
	for name, response := range map[string]**response{
		"NotFound": &v.every.noRoute, "BadQuery": &v.every.badPath, "MethodNotAllowed": &v.every.noMethod,
	} {
		*response = r.response("components.responses."+name, doc.Components.Responses[name])
	}
	for _, response := range r.responses {
		for name := range response.headers {
			v.known[name] = true
		}
	}
	if err := errors.Join(r.errs...); err != nil {
		return nil, fmt.Errorf("the OpenAPI document: %w", err)
	}
	return v, nil
}

// Exchange is a request and its answer.
type Exchange struct {
	Method        string
	Target        string // as sent, path and query: "/v1/jobs/3/outputs/a%20b/log?delivery=url"
	Template      string // the route the gateway matched; "" = to be found by Target
	RequestHeader http.Header
	RequestBody   []byte

	Status int
	Header http.Header
	Body   []byte // decoded from chunks, all of it; none for HEAD

	head bool // the connection's method is HEAD, whichever the request was taken for
}

// Check reports everything in which the exchange differs from the description, nil if
// it does not.
func (v *Validator) Check(x Exchange) error {
	if err := errors.Join(v.check(x)...); err != nil {
		return fmt.Errorf("%s %s %d: %w", x.Method, x.Target, x.Status, err)
	}
	return nil
}

func (v *Validator) check(x Exchange) []error {
	x.Method = strings.ToUpper(x.Method) // as the gateway takes it
	x.head = x.Method == http.MethodHead
	x.Method = cmp.Or(strings.ToUpper(strings.TrimSpace(x.RequestHeader.Get("X-HTTP-Method-Override"))), x.Method)
	path, query, _ := strings.Cut(x.Target, "?")
	rt, params, err := v.match(path, x.Template)
	switch {
	case rt == nil && x.Status == http.StatusBadRequest:
		return v.answer(v.every.badPath, x)
	case rt == nil && x.Status == http.StatusNotFound:
		return v.answer(v.every.noRoute, x)
	case rt == nil:
		return []error{fmt.Errorf("%w: the answer is neither 404 nor 400", err)}
	}
	op, ok := rt.operations[x.Method]
	switch {
	case !ok && x.Method == http.MethodOptions:
		return options(rt, x)
	case !ok && x.Status == http.StatusMethodNotAllowed:
		return append(v.answer(v.every.noMethod, x), sameMethods(rt, x.Header.Get("Allow"))...)
	case !ok:
		return []error{fmt.Errorf("%s has no %s: the answer is not 405", rt.template, x.Method)}
	}
	documented, ok := op.responses[x.Status]
	if !ok {
		return []error{fmt.Errorf("%s of %s is not answered %d, but %v", x.Method, rt.template, x.Status, slices.Sorted(maps.Keys(op.responses)))}
	}
	errs := v.answer(documented, x)
	if x.Status < 400 {
		errs = append(errs, op.request(x, params, query)...)
	}
	return errs
}

// answer checks an answer's headers, media type and body.
func (v *Validator) answer(documented *response, x Exchange) (errs []error) {
	for _, name := range slices.Sorted(maps.Keys(documented.headers)) {
		header, values := documented.headers[name], x.Header.Values(name)
		switch {
		case len(values) > 1:
			errs = append(errs, fmt.Errorf("header %s: %d of them", name, len(values)))
		case len(values) == 1:
			errs = append(errs, within("header "+name, header.text(values[0])))
		case header.required:
			errs = append(errs, fmt.Errorf("header %s: missing", name))
		}
	}
	for name := range x.Header {
		if _, ok := documented.headers[name]; !ok && v.known[name] {
			errs = append(errs, fmt.Errorf("header %s: not documented for this answer", name))
		}
	}
	if x.head && len(x.Body) > 0 {
		errs = append(errs, fmt.Errorf("body: %d bytes in answer to HEAD", len(x.Body)))
	}
	if len(documented.content) == 0 {
		if len(x.Body) > 0 {
			errs = append(errs, fmt.Errorf("body: %d bytes, want none", len(x.Body)))
		}
		return errs
	}
	body, err := documented.content.of(x.Header.Get("Content-Type"))
	overridden := x.Method == http.MethodHead && len(x.Body) == 0 // a function's answer to HEAD, sent to another method
	if err == nil && !x.head && !overridden {
		err = body.bytes(x.Body, "")
	}
	return append(errs, within("body", err))
}

// options checks the answer to OPTIONS, which every route has and OpenAPI would have us
// repeat for each: a preflight, or the methods there are.
func options(rt *route, x Exchange) (errs []error) {
	if x.Status != http.StatusOK || len(x.Body) > 0 {
		errs = append(errs, fmt.Errorf("OPTIONS: want 200 without a body, not %d bytes", len(x.Body)))
	}
	methods := x.Header.Get("Allow")
	if x.RequestHeader.Get("Origin") != "" && x.RequestHeader.Get("Access-Control-Request-Method") != "" {
		methods = x.Header.Get("Access-Control-Allow-Methods")
	}
	return append(errs, sameMethods(rt, methods)...)
}

// sameMethods checks a list of methods against the route's and OPTIONS.
func sameMethods(rt *route, list string) []error {
	got := strings.Split(list, ",")
	for i := range got {
		got[i] = strings.TrimSpace(got[i])
	}
	slices.Sort(got)
	want := slices.Sorted(maps.Keys(rt.operations))
	want = append(want, http.MethodOptions)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		return []error{fmt.Errorf("methods of %s: %v, want %v", rt.template, got, want)}
	}
	return nil
}

// within says what an error is about; nil stays nil.
func within(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}
