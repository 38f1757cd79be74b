package api

import (
	"bytes"
	"net/http"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"joboutputs/shared/problem"
)

// Object reads a JSON body that is a set of options: the text of an object, or nil for
// none. Like UFDL, which hands the value to Python's dict, it takes an empty array or
// string for no options and an array of pairs for an object.
func Object(r *http.Request) ([]byte, error) {
	body, err := Body(r)
	if err != nil {
		return nil, err
	}
	switch value := jsontext.Value(bytes.TrimSpace(body)); {
	case len(value) == 0, string(value) == `""`:
		return nil, nil
	case value.Kind() == '{':
		return value, nil
	case value.Kind() == '[':
		return pairs(value)
	default:
		return nil, problem.New(problem.InvalidRequest, "The body must be a JSON object.")
	}
}

// Members decodes such a body into a struct; without a body nothing changes. Of members that
// are not the struct's, or of other types, the caller is told what the body takes.
func Members(r *http.Request, into any, takes string) error {
	body, err := Object(r)
	if err != nil || body == nil {
		return err
	}
	if err := json.Unmarshal(body, into, jsontext.AllowDuplicateNames(true), json.RejectUnknownMembers(true)); err != nil {
		return problem.New(problem.InvalidRequest, "The body takes %s.", takes).Because(err)
	}
	return nil
}

// pairs is dict(array): every element gives a name and a value, as an array of two, an
// object of two (its names) or a string of two characters. It takes one pass, and memory
// for the result alone.
func pairs(array jsontext.Value) ([]byte, error) {
	dec := jsontext.NewDecoder(bytes.NewBuffer(array), jsontext.AllowDuplicateNames(true))
	if _, err := dec.ReadToken(); err != nil {
		return nil, malformed(array, err)
	}
	if dec.PeekKind() == ']' {
		return nil, nil
	}
	out := []byte{'{'}
	for i := 0; dec.PeekKind() != ']'; i++ {
		pair, err := readPair(dec)
		if err != nil {
			return nil, malformed(array, err)
		}
		if len(pair) != 2 || pair[0].Kind() != '"' {
			return nil, problem.New(problem.InvalidRequest, "The body must be a JSON object: element %d of the array is not a pair of a name and a value.", i)
		}
		if i > 0 {
			out = append(out, ',')
		}
		out = append(append(append(out, pair[0]...), ':'), pair[1]...)
	}
	return append(out, '}'), nil
}

// readPair reads an element's parts. If there are more than two, it stops at the third, in
// the middle of the element.
func readPair(dec *jsontext.Decoder) (parts []jsontext.Value, err error) {
	kind := dec.PeekKind()
	if kind == '"' {
		text, err := dec.ReadToken()
		if err != nil {
			return nil, err
		}
		for _, c := range text.String() {
			if len(parts) > 2 {
				break
			}
			quoted, _ := jsontext.AppendQuote(nil, string(c))
			parts = append(parts, quoted)
		}
		return parts, nil
	}
	if kind != '[' && kind != '{' {
		return nil, dec.SkipValue()
	}
	if _, err := dec.ReadToken(); err != nil {
		return nil, err
	}
	for dec.PeekKind() != ']' && dec.PeekKind() != '}' {
		part, err := dec.ReadValue()
		if err != nil {
			return nil, err
		}
		// A repeated name is one name.
		if kind == '[' || !slices.ContainsFunc(parts, func(name jsontext.Value) bool { return string(name) == string(part) }) {
			parts = append(parts, part.Clone())
		}
		if len(parts) > 2 {
			return parts, nil
		}
		if kind == '{' {
			if err := dec.SkipValue(); err != nil {
				return nil, err
			}
		}
	}
	_, err = dec.ReadToken()
	return parts, err
}
