package openapicheck

import (
	"bytes"
	"fmt"
	"mime"
	"net/http"
	"net/textproto"
	"net/url"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// operation is one method of a route.
type operation struct {
	secured      bool
	params       []parameter
	body         content // nil: what is sent is not looked at
	bodyRequired bool
	responses    map[int]*response
}

type parameter struct {
	name, in string
	value
}

type response struct {
	headers map[string]value // by canonical name
	content content
}

// value is what a header or parameter may be.
type value struct {
	schema   *jsonschema.Schema
	integer  bool
	required bool
}

// text checks a value as it stands in a path, query or header.
func (v value) text(text string) error {
	if !v.integer {
		return plain(v.schema.Validate(text))
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return fmt.Errorf("%q is not an integer", text)
	}
	return plain(v.schema.Validate(n))
}

// content is the bodies there may be, by media type.
type content map[string]media

// media is what a body of one media type may be. Without a schema it may be anything.
type media struct {
	json   bool
	schema *jsonschema.Schema
}

// of finds the media type of a body.
func (c content) of(contentType string) (media, error) {
	if m, ok := c["*/*"]; ok {
		return m, nil
	}
	mediaType, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		return media{}, fmt.Errorf("media type %q: %w", contentType, err)
	}
	m, ok := c[mediaType]
	if !ok {
		return media{}, fmt.Errorf("media type %q is not documented", mediaType)
	}
	return m, nil
}

// bytes checks a body; bytes of other media types than JSON's are nobody's concern.
func (m media) bytes(body []byte, charset string) error {
	if !m.json || m.schema == nil {
		return nil
	}
	switch strings.ToLower(charset) { // which the API takes, although RFC 8259 does not
	case "latin-1", "latin1", "iso-8859-1", "l1":
		runes := make([]rune, len(body))
		for i, c := range body {
			runes[i] = rune(c)
		}
		body = []byte(string(runes))
	}
	tree, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("not JSON: %w", err)
	}
	return plain(m.schema.Validate(tree))
}

// plain drops the first line of a schema error, which names a URL that nobody knows.
func plain(err error) error {
	if err == nil {
		return nil
	}
	_, rest, ok := strings.Cut(err.Error(), "\n")
	if !ok {
		return err
	}
	return fmt.Errorf("%s", strings.TrimSpace(rest))
}

// request checks a request that was accepted.
func (op *operation) request(x Exchange, path map[string]string, rawQuery string) (errs []error) {
	query, err := url.ParseQuery(strings.ReplaceAll(rawQuery, ";", "&")) // to the gateways both separate
	if err != nil {
		errs = append(errs, fmt.Errorf("query: %w", err))
	}
	for _, p := range op.params {
		var values []string
		switch p.in {
		case "path":
			values = []string{path[p.name]}
		case "query":
			values = query[p.name]
		case "header":
			values = x.RequestHeader[textproto.CanonicalMIMEHeaderKey(p.name)]
		}
		if len(values) == 0 && p.required {
			errs = append(errs, fmt.Errorf("request: %s: missing", p.name))
		}
		for _, value := range values {
			errs = append(errs, within("request: "+p.name, p.text(value)))
		}
	}
	if op.secured && !bearer(x.RequestHeader) {
		errs = append(errs, fmt.Errorf("request: accepted without a bearer token"))
	}
	return append(errs, within("request: body", op.requestBody(x)))
}

func (op *operation) requestBody(x Exchange) error {
	switch {
	case op.body == nil:
		return nil
	case len(x.RequestBody) == 0 && op.bodyRequired:
		return fmt.Errorf("missing")
	case len(x.RequestBody) == 0:
		return nil
	}
	contentType := x.RequestHeader.Get("Content-Type")
	m, err := op.body.of(contentType)
	if err != nil {
		return err
	}
	_, params, _ := mime.ParseMediaType(contentType) // read well once already, or of no concern
	return m.bytes(x.RequestBody, params["charset"])
}

func bearer(h http.Header) bool {
	values := h.Values("Authorization")
	if len(values) != 1 {
		return false
	}
	words := strings.Fields(values[0])
	return len(words) == 2 && words[0] == "Bearer"
}
