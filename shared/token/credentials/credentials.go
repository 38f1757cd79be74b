// Package credentials reads what users and clients send to obtain, refresh and verify: a
// JSON object of texts, with the rules and sentences of UFDL's serializers (Django REST
// framework, CharField).
package credentials

import (
	"bytes"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"joboutputs/shared/problem"
)

// nonField is where errors of the body as a whole are told.
const nonField = "non_field_errors"

// Read returns the named fields of a body, all of which must be there and not be blank.
// The body is well-formed JSON, or nil for none. Blanks around values are cut off, also of
// a password; a number is taken as Python writes it; other members are ignored; of
// repeated names the last counts. The error is problem.InvalidRequest with a member errors:
// the sentences for each field.
func Read(body []byte, names ...string) (map[string]string, error) {
	members := map[string]jsontext.Value{}
	if body != nil {
		value := jsontext.Value(bytes.TrimSpace(body))
		if value.Kind() == 'n' {
			return nil, refuse([]string{nonField}, map[string][]string{nonField: {"No data provided"}})
		}
		if value.Kind() != '{' {
			text := "Invalid data. Expected a dictionary, but got " + pythonType(value) + "."
			return nil, refuse([]string{nonField}, map[string][]string{nonField: {text}})
		}
		if err := json.Unmarshal(value, &members, jsontext.AllowDuplicateNames(true)); err != nil {
			return nil, fmt.Errorf("read the body's members: %w", err)
		}
	}
	fields, wrong := map[string]string{}, map[string][]string{}
	for _, name := range names {
		text, complaint := field(members[name])
		if complaint != "" {
			wrong[name] = []string{complaint}
		}
		fields[name] = text
	}
	if len(wrong) > 0 {
		return nil, refuse(names, wrong)
	}
	return fields, nil
}

// refuse tells the errors in the order of the fields, and field by field.
func refuse(names []string, errors map[string][]string) error {
	var told []string
	for _, name := range names {
		for _, text := range errors[name] {
			if name != nonField {
				text = name + ": " + text
			}
			told = append(told, text)
		}
	}
	return problem.New(problem.InvalidRequest, "%s", strings.Join(told, " ")).With("errors", errors)
}

// field returns a member's text, or what is wrong with it.
func field(value jsontext.Value) (text, complaint string) {
	switch value.Kind() {
	case '"':
		if err := json.Unmarshal(value, &text); err != nil {
			return "", "Not a valid string."
		}
	case '0':
		text = pythonNumber(string(value))
	case 'n':
		return "", "This field may not be null."
	case 't', 'f', '[', '{':
		return "", "Not a valid string."
	default:
		return "", "This field is required."
	}
	text = strings.TrimFunc(text, blank)
	if text == "" {
		return "", "This field may not be blank."
	}
	if strings.ContainsRune(text, 0) {
		return "", "Null characters are not allowed."
	}
	return text, ""
}

// blank is what Python's str.strip cuts off: white space and the four separators.
func blank(r rune) bool { return unicode.IsSpace(r) || r >= 0x1c && r <= 0x1f }

// pythonType is the name of the type that Python's parser makes of a value.
func pythonType(value jsontext.Value) string {
	switch value.Kind() {
	case '[':
		return "list"
	case '"':
		return "str"
	case 't', 'f':
		return "bool"
	}
	if bytes.ContainsAny(value, ".eE") {
		return "float"
	}
	return "int"
}

// pythonNumber writes a JSON number as Python's str does once it was parsed.
func pythonNumber(literal string) string {
	if !strings.ContainsAny(literal, ".eE") {
		if literal == "-0" {
			return "0"
		}
		return literal
	}
	f, err := strconv.ParseFloat(literal, 64)
	switch {
	case err != nil && f < 0: // beyond a float64's range
		return "-inf"
	case err != nil:
		return "inf"
	}
	if size := math.Abs(f); size != 0 && (size < 1e-4 || size >= 1e16) {
		return strconv.FormatFloat(f, 'e', -1, 64)
	}
	text := strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(text, ".") {
		text += ".0"
	}
	return text
}
