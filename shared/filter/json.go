package filter

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"joboutputs/shared/problem"
)

// newDecoder takes the last of several members of one name, as Python does.
func newDecoder(text []byte) *jsontext.Decoder {
	return jsontext.NewDecoder(bytes.NewBuffer(text), jsontext.AllowDuplicateNames(true))
}

// A value is a JSON value with valid syntax, and where it stands in the body. Its methods
// return a problem if it is not of the kind they return.
type value struct {
	path string // such as expressions[1].operator; empty for the body itself
	raw  jsontext.Value
}

func (v value) fail(format string, args ...any) error {
	message := fmt.Sprintf(format, args...)
	if v.path != "" {
		message = v.path + ": " + message
	}
	return problem.New(problem.InvalidFilter, "%s", message)
}

func (v value) bool() (bool, error) {
	if kind := v.raw.Kind(); kind != 't' && kind != 'f' {
		return false, v.fail("must be true or false")
	}
	return v.raw.Kind() == 't', nil
}

func (v value) string() (string, error) {
	if v.raw.Kind() != '"' {
		return "", v.fail("must be a string")
	}
	s, err := jsontext.AppendUnquote(nil, v.raw)
	if err != nil {
		return "", v.fail("is not a string: %v", err)
	}
	if bytes.IndexByte(s, 0) >= 0 {
		return "", v.fail("must not contain NUL")
	}
	return string(s), nil
}

// filled is string, and not an empty one.
func (v value) filled() (string, error) {
	s, err := v.string()
	if err == nil && s == "" {
		err = v.fail("must not be empty")
	}
	return s, err
}

func (v value) array() ([]value, error) {
	if v.raw.Kind() != '[' {
		return nil, v.fail("must be an array")
	}
	var elements []value
	err := v.each(func(dec *jsontext.Decoder) error {
		raw, err := v.next(dec)
		elements = append(elements, value{fmt.Sprintf("%s[%d]", v.path, len(elements)), raw})
		return err
	})
	return elements, err
}

// An object is the members of a value by name; of several with one name, the last.
type object struct {
	value
	members map[string]value
	names   []string // as they come
}

func (v value) object() (object, error) {
	o := object{v, map[string]value{}, nil}
	if v.raw.Kind() != '{' {
		if v.path == "" {
			return o, v.fail("the body must be a JSON object")
		}
		return o, v.fail("must be an object")
	}
	err := v.each(func(dec *jsontext.Decoder) error {
		token, err := dec.ReadToken()
		if err != nil {
			return err
		}
		name := token.String()
		raw, err := v.next(dec)
		o.members[name] = value{strings.TrimPrefix(v.path+"."+name, "."), raw}
		o.names = append(o.names, name)
		return err
	})
	return o, err
}

// only refuses members other than those named.
func (o object) only(names ...string) error {
	for _, name := range o.names {
		if !slices.Contains(names, name) {
			return o.fail("unknown key %s; known are %s", excerpt(name), strings.Join(names, ", "))
		}
	}
	return nil
}

// required returns a member that must be there.
func (o object) required(name string) (value, error) {
	v, ok := o.members[name]
	if !ok {
		return v, o.fail("%s is required", name)
	}
	return v, nil
}

// flag returns a member that is a bool, and otherwise if it is missing.
func (o object) flag(name string, otherwise bool) (bool, error) {
	v, ok := o.members[name]
	if !ok {
		return otherwise, nil
	}
	return v.bool()
}

// each calls f for every element or member of v, which reads it.
func (v value) each(f func(*jsontext.Decoder) error) error {
	dec := newDecoder(v.raw)
	_, err := dec.ReadToken() // the opening bracket
	for err == nil && dec.PeekKind() != ']' && dec.PeekKind() != '}' {
		err = f(dec)
	}
	return err
}

// next reads a value without copying it: what the decoder returns it may overwrite.
func (v value) next(dec *jsontext.Decoder) (jsontext.Value, error) {
	raw, err := dec.ReadValue()
	end := int(dec.InputOffset())
	return v.raw[end-len(raw) : end], err
}

// excerpt quotes the beginning of what a caller wrote.
func excerpt(s string) string {
	const most = 60
	if utf8.RuneCountInString(s) > most {
		s = string([]rune(s)[:most]) + "…"
	}
	return fmt.Sprintf("%q", s)
}
