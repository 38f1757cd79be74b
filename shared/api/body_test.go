package api_test

import (
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"joboutputs/shared/api"
	"joboutputs/shared/api/apitest"
	"joboutputs/shared/auth"
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

// TestCodedBody: a body that has a content coding is read by no action, whatever it holds.
func TestCodedBody(t *testing.T) {
	reads := map[string]func(*http.Request) error{
		"JSON":    func(r *http.Request) error { _, err := api.Body(r); return err },
		"content": func(r *http.Request) error { _, err := io.ReadAll(r.Body); return err },
	}
	for _, tt := range []struct {
		name  string
		lines []string // of Content-Encoding
		want  int
	}{
		{"no header", nil, 200},
		{"empty", []string{""}, 200},
		{"identity", []string{"identity"}, 200},
		{"identity in capitals", []string{"IDENTITY"}, 200},
		{"identity twice, and nothing", []string{"identity, , identity", ""}, 200},
		{"gzip", []string{"gzip"}, 415},
		{"gzip in capitals", []string{"GZIP"}, 415},
		{"deflate", []string{"deflate"}, 415},
		{"an unknown coding", []string{"x"}, 415},
		{"in a list", []string{"identity,gzip"}, 415},
		{"in a second line", []string{"identity", "br"}, 415},
	} {
		for kind, read := range reads {
			h := api.Handle(auth.JobsAddOutput, func(w http.ResponseWriter, r *http.Request, _ auth.Principal) error {
				if err := read(r); err != nil {
					return err
				}
				return api.JSON(w, http.StatusOK, "read")
			})
			event := apitest.Call{Method: "POST", Resource: named, Params: add, As: apitest.Admin, JSON: "{}"}.Event(t)
			if tt.lines != nil {
				event.MultiValueHeaders["content-encoding"] = tt.lines
			}
			edge := api.Edge{Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return apitest.Now }}
			got, err := edge.Buffered(h)(t.Context(), event)
			if err != nil || got.StatusCode != tt.want {
				t.Errorf("%s, %s: %d %s (%v), want %d", tt.name, kind, got.StatusCode, got.Body, err, tt.want)
			}
		}
	}
	// The permission is checked before the coding.
	h := api.Handle(auth.OutputsDestroy, func(_ http.ResponseWriter, r *http.Request, _ auth.Principal) error {
		_, err := api.Body(r)
		return err
	})
	call := apitest.Call{Method: "DELETE", Resource: outputs, Params: map[string]string{"pk": "1"}, Body: "x", Header: map[string]string{"Content-Encoding": "gzip"}}
	for _, tt := range []struct {
		as   auth.Principal
		want int
	}{{auth.Principal{}, 401}, {apitest.Bob, 403}, {apitest.Admin, 415}} {
		call.As = tt.as
		if got := call.Do(t, h); got.Status != tt.want {
			t.Errorf("%q: %s, want %d", tt.as.Username, got.Line(), tt.want)
		}
	}
}
