package openapicheck

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// reader turns a document into what is checked, with its schemas compiled.
type reader struct {
	doc       *openapi3.T
	schemas   *jsonschema.Compiler
	inline    int         // schemas compiled that have no name
	responses []*response // all that were read
	errs      []error
}

// location is where the compiler finds the document, for references among its schemas.
const location = "openapi.json"

func newReader(doc *openapi3.T) (*reader, error) {
	text, err := doc.MarshalJSON()
	if err != nil {
		return nil, fmt.Errorf("write the OpenAPI document: %w", err)
	}
	tree, err := jsonschema.UnmarshalJSON(strings.NewReader(string(text)))
	if err != nil {
		return nil, fmt.Errorf("write the OpenAPI document: %w", err)
	}
	r := &reader{doc: doc, schemas: jsonschema.NewCompiler()}
	r.schemas.DefaultDraft(jsonschema.Draft2020) // OpenAPI 3.1's dialect but for annotations
	r.schemas.AssertFormat()
	return r, r.schemas.AddResource(location, tree)
}

func (r *reader) fail(where string, err error) { r.errs = append(r.errs, within(where, err)) }

func (r *reader) route(template string, item *openapi3.PathItem) *route {
	rt := newRoute(template)
	for method, op := range item.Operations() {
		where := method + " " + template
		out := &operation{secured: secured(r.doc.Security, op.Security), responses: map[int]*response{}}
		for _, ref := range append(item.Parameters, op.Parameters...) {
			p := ref.Value
			out.params = append(out.params, parameter{
				name: p.Name, in: p.In, value: r.value(where+": "+p.Name, p.Schema, p.Required),
			})
		}
		if op.RequestBody != nil {
			out.body = r.content(where+": request", op.RequestBody.Value.Content)
			out.bodyRequired = op.RequestBody.Value.Required
		}
		for text, ref := range op.Responses.Map() {
			status, err := strconv.Atoi(text)
			if err != nil {
				r.fail(where, fmt.Errorf("%q is not a status", text))
				continue
			}
			out.responses[status] = r.response(where+": "+text, ref)
		}
		rt.operations[method] = out
	}
	return rt
}

func secured(all openapi3.SecurityRequirements, own *openapi3.SecurityRequirements) bool {
	if own != nil {
		all = *own
	}
	return len(all) > 0
}

func (r *reader) response(where string, ref *openapi3.ResponseRef) *response {
	if ref == nil || ref.Value == nil {
		r.fail(where, fmt.Errorf("missing"))
		return nil
	}
	out := &response{headers: map[string]value{}, content: r.content(where, ref.Value.Content)}
	for name, header := range ref.Value.Headers {
		out.headers[http.CanonicalHeaderKey(name)] = r.value(where+": "+name, header.Value.Schema, header.Value.Required)
	}
	r.responses = append(r.responses, out)
	return out
}

func (r *reader) content(where string, all openapi3.Content) content {
	out := content{}
	for mediaType, documented := range all {
		out[mediaType] = media{json: mediaType == "application/json" || strings.HasSuffix(mediaType, "+json")}
		if documented.Schema != nil {
			out[mediaType] = media{json: out[mediaType].json, schema: r.compile(where+": "+mediaType, documented.Schema)}
		}
	}
	return out
}

func (r *reader) value(where string, ref *openapi3.SchemaRef, required bool) value {
	if ref == nil {
		r.fail(where, fmt.Errorf("has no schema"))
		return value{}
	}
	return value{schema: r.compile(where, ref), integer: ref.Value.Type.Is("integer"), required: required}
}

// compile makes a schema ready: by its name, so that it is compiled once, or as it stands.
func (r *reader) compile(where string, ref *openapi3.SchemaRef) *jsonschema.Schema {
	at := location + ref.Ref
	if ref.Ref == "" {
		var err error
		if at, err = r.add(ref.Value); err != nil {
			r.fail(where, err)
			return nil
		}
	}
	schema, err := r.schemas.Compile(at)
	if err != nil {
		r.fail(where, err)
	}
	return schema
}

func (r *reader) add(schema *openapi3.Schema) (at string, err error) {
	text, err := json.Marshal(schema)
	if err != nil {
		return "", err
	}
	absolute := strings.ReplaceAll(string(text), `"$ref":"#/`, `"$ref":"`+location+`#/`)
	tree, err := jsonschema.UnmarshalJSON(strings.NewReader(absolute))
	if err != nil {
		return "", err
	}
	r.inline++
	at = fmt.Sprintf("inline%d.json", r.inline)
	return at, r.schemas.AddResource(at, tree)
}
