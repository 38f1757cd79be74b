package api_test

import (
	"net/http"
	"strings"
	"testing"

	"joboutputs/shared/api"
	"joboutputs/shared/problem"
)

// reading is what Body or Object makes of a request.
func reading(read func(*http.Request) ([]byte, error), contentType, body string) (string, error) {
	r, err := http.NewRequest(http.MethodPost, "/", strings.NewReader(body))
	if err != nil {
		return "", err
	}
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	got, err := read(r)
	if got == nil {
		return "<nil>", err
	}
	return string(got), err
}

func TestBody(t *testing.T) {
	const j = "application/json"
	nested := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	for _, tt := range []struct {
		name, contentType, body string
		want                    string       // "" where it is refused
		code                    problem.Kind // of the refusal
		detail                  string       // a part of its sentence
	}{
		{name: "none", body: "", want: "<nil>"},
		{name: "none, of any type", contentType: "text/plain", body: "", want: "<nil>"},
		{name: "object", contentType: j, body: `{"a":1}`, want: `{"a":1}`},
		{name: "blanks around are kept", contentType: j, body: " \n{}\t", want: " \n{}\t"},
		{name: "null", contentType: j, body: `null`, want: `null`},
		{name: "repeated names", contentType: j, body: `{"a":1,"a":2}`, want: `{"a":1,"a":2}`},
		{name: "type in capitals, with charset", contentType: "Application/JSON; charset=UTF-8", body: `1`, want: `1`},
		{name: "type with a bad parameter", contentType: "application/json; charset", body: `1`, want: `1`},
		{name: "Latin-1", contentType: "application/json; charset=ISO-8859-1", body: "\"caf\xe9\"", want: `"café"`},

		{name: "no type", body: `{}`, code: problem.UnsupportedMediaType, detail: `Unsupported media type "" in request.`},
		{name: "text", contentType: "text/plain", body: `{}`, code: problem.UnsupportedMediaType, detail: `"text/plain"`},
		{name: "a kind of JSON", contentType: "application/vnd.api+json", body: `{}`, code: problem.UnsupportedMediaType},
		{name: "no type at all", contentType: ";;", body: `{}`, code: problem.UnsupportedMediaType},

		{name: "only blanks", contentType: j, body: "  ", code: problem.InvalidJSON, detail: "line 1, column 3"},
		{name: "cut off", contentType: j, body: "{\"a\":\n 1", code: problem.InvalidJSON, detail: "line 2"},
		{name: "position counts characters", contentType: j, body: "{\n\"ä\": nope}", code: problem.InvalidJSON, detail: "line 2, column 7"},
		{name: "text after", contentType: j, body: `{} {}`, code: problem.InvalidJSON, detail: "text after the value"},
		{name: "junk after", contentType: j, body: `{}x`, code: problem.InvalidJSON},
		{name: "NaN", contentType: j, body: `NaN`, code: problem.InvalidJSON, detail: "line 1, column 1"},
		{name: "BOM", contentType: j, body: "\xef\xbb\xbf{}", code: problem.InvalidJSON},
		{name: "UTF-16", contentType: j, body: "{\x00}\x00", code: problem.InvalidJSON},
		{name: "bytes that are not UTF-8", contentType: j, body: "\"caf\xe9\"", code: problem.InvalidJSON},
		{name: "lone surrogate", contentType: j, body: `"\ud800"`, code: problem.InvalidJSON},
		{name: "single quotes", contentType: j, body: `{'a':1}`, code: problem.InvalidJSON},

		{name: "deep enough", contentType: j, body: nested(api.MaxDepth), want: nested(api.MaxDepth)},
		{name: "too deep", contentType: j, body: nested(api.MaxDepth + 1), code: problem.InvalidJSON, detail: "nested more than 16 deep"},
		{name: "far too deep", contentType: j, body: nested(100_000), code: problem.InvalidJSON, detail: "nested more than 16 deep"},
		{name: "as large as may be", contentType: j, body: `"` + strings.Repeat("a", api.MaxBody-2) + `"`, want: `"` + strings.Repeat("a", api.MaxBody-2) + `"`},
		{name: "too large", contentType: j, body: `"` + strings.Repeat("a", api.MaxBody-1) + `"`, code: problem.PayloadTooLarge, detail: "262144 bytes"},
		{name: "too large, of another type", contentType: "text/plain", body: strings.Repeat("a", api.MaxBody+1), code: problem.PayloadTooLarge},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := reading(api.Body, tt.contentType, tt.body)
			check(t, got, err, tt.want, tt.code, tt.detail)
		})
	}
}

// What Python's dict() takes for options, UFDL takes, and so do we.
func TestObject(t *testing.T) {
	for _, tt := range []struct {
		name, body string
		want       string
		detail     string
	}{
		{name: "none", body: ``, want: "<nil>"},
		{name: "empty object", body: `{}`, want: `{}`},
		{name: "empty array", body: `[]`, want: "<nil>"},
		{name: "empty array with blanks", body: " [ ] ", want: "<nil>"},
		{name: "empty string", body: `""`, want: "<nil>"},
		{name: "object", body: ` {"a": [1]} `, want: `{"a": [1]}`},
		{name: "pairs", body: `[["filetype","zip"],["x",{"y":null}]]`, want: `{"filetype":"zip","x":{"y":null}}`},
		{name: "repeated pairs stay", body: `[["a",1],["a",2]]`, want: `{"a":1,"a":2}`},
		{name: "strings of two characters", body: `["ab","é🎉"]`, want: `{"a":"b","é":"🎉"}`},
		{name: "string of two escapes", body: `["\"\\"]`, want: `{"\"":"\\"}`},
		{name: "objects of two names", body: `[{"a":1,"b":2}]`, want: `{"a":"b"}`},
		{name: "objects of two names, one twice", body: `[{"a":1,"b":2,"a":3}]`, want: `{"a":"b"}`},

		{name: "object of one name, twice", body: `[{"a":1,"a":2}]`, detail: "element 0"},
		{name: "pair of a number", body: `[["a",1],[2,"b"]]`, detail: "element 1"},
		{name: "triple", body: `[["a","b","c"]]`, detail: "element 0"},
		{name: "long string", body: `["abc"]`, detail: "element 0"},
		{name: "number in an array", body: `[1]`, detail: "element 0"},
		{name: "null in an array", body: `[null]`, detail: "element 0"},
		{name: "empty pair", body: `[[]]`, detail: "element 0"},
		{name: "null", body: `null`, detail: "must be a JSON object"},
		{name: "number", body: `0`, detail: "must be a JSON object"},
		{name: "bool", body: `true`, detail: "must be a JSON object"},
		{name: "string", body: `"ab"`, detail: "must be a JSON object"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := reading(api.Object, "application/json", tt.body)
			code := problem.Kind("")
			if tt.want == "" {
				code = problem.InvalidRequest
			}
			check(t, got, err, tt.want, code, tt.detail)
		})
	}
	_, err := reading(api.Object, "application/json", `{`)
	check(t, "", err, "", problem.InvalidJSON, "line 1")
}

// check compares a value, or the problem in its place.
func check(t *testing.T, got string, err error, want string, code problem.Kind, detail string) {
	t.Helper()
	if want != "" {
		if err != nil || got != want {
			t.Errorf("got %.200q, %v; want %.200q", got, err, want)
		}
		return
	}
	f, ok := problem.As(err)
	if !ok || f.Kind != code || !strings.Contains(f.Message, detail) {
		t.Errorf("got %.200q, %v; want %s with %q", got, err, code, detail)
	}
}
