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
// object of two (its names) or a string of two characters.
func pairs(array jsontext.Value) ([]byte, error) {
	elements, err := items(array)
	if err != nil {
		return nil, err
	}
	if len(elements) == 0 {
		return nil, nil
	}
	out := []byte{'{'}
	for i, element := range elements {
		pair, err := pairOf(element)
		if err != nil {
			return nil, err
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

func pairOf(element jsontext.Value) ([]jsontext.Value, error) {
	switch element.Kind() {
	case '[':
		return items(element)
	case '{':
		all, err := items(element)
		if err != nil {
			return nil, err
		}
		var names []jsontext.Value
		for i := 0; i < len(all); i += 2 { // a repeated name is one name
			if !slices.ContainsFunc(names, func(name jsontext.Value) bool { return string(name) == string(all[i]) }) {
				names = append(names, all[i])
			}
		}
		return names, nil
	case '"':
		text, err := jsontext.AppendUnquote(nil, element)
		if err != nil {
			return nil, malformed(element, err)
		}
		var chars []jsontext.Value
		for _, c := range string(text) {
			quoted, _ := jsontext.AppendQuote(nil, string(c))
			chars = append(chars, quoted)
		}
		return chars, nil
	default:
		return nil, nil
	}
}

// items are the values in an array, or the names and values in an object, in order.
func items(value jsontext.Value) ([]jsontext.Value, error) {
	dec := jsontext.NewDecoder(bytes.NewReader(value), jsontext.AllowDuplicateNames(true))
	if _, err := dec.ReadToken(); err != nil {
		return nil, malformed(value, err)
	}
	var all []jsontext.Value
	for dec.PeekKind() != ']' && dec.PeekKind() != '}' {
		item, err := dec.ReadValue()
		if err != nil {
			return nil, malformed(value, err)
		}
		all = append(all, item.Clone())
	}
	return all, nil
}
