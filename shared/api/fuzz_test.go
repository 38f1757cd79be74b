package api_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/aws/aws-lambda-go/events"

	"joboutputs/shared/api"
	"joboutputs/shared/api/apitest"
	"joboutputs/shared/auth"
	"joboutputs/shared/problem"
)

// FuzzParams: path parameters are decoded once. A bad escape in any of them is 400, else
// an encoded slash 404, and what the action gets is UTF-8.
func FuzzParams(f *testing.F) {
	f.Add("1", "a%20b", "t")
	f.Add("%2531", "%2F", "%zz")
	f.Add("é", "%FF%C3", "%00%0d%0A")
	f.Add("..", "%2e%2e", "+")
	f.Fuzz(func(t *testing.T, pk, name, typ string) {
		sent := map[string]string{"pk": pk, "name": name, "type": typ}
		got := map[string]string{}
		handler := api.Handle(auth.JobsGetOutput, func(w http.ResponseWriter, r *http.Request, _ auth.Principal) error {
			for key := range sent {
				got[key] = r.PathValue(key)
			}
			return api.JSON(w, http.StatusOK, got)
		})
		event := apitest.Call{Method: "GET", Resource: named, Params: add, As: apitest.Bob}.Event(t)
		event.PathParameters = sent
		quiet := api.Edge{Log: slog.New(slog.DiscardHandler), Now: edge(t).Now}
		response, err := quiet.Buffered(handler)(t.Context(), event)
		if err != nil {
			t.Fatal(err)
		}
		want := http.StatusOK
		for _, raw := range sent {
			text, err := url.PathUnescape(raw)
			if err != nil {
				want = http.StatusBadRequest
			} else if strings.Contains(text, "/") && want == http.StatusOK {
				want = http.StatusNotFound
			}
		}
		if response.StatusCode != want {
			t.Fatalf("%q is answered %d, want %d", sent, response.StatusCode, want)
		}
		for key, value := range got {
			text, _ := url.PathUnescape(sent[key])
			if !utf8.ValidString(value) || utf8.ValidString(text) && value != text {
				t.Fatalf("%q is decoded to %q", sent[key], value)
			}
		}
	})
}

// FuzzEvent: whatever JSON Lambda hands over, there is an answer that HTTP takes or an
// error, and the action reads the body that was sent.
func FuzzEvent(f *testing.F) {
	for _, call := range []apitest.Call{
		one, {Method: "POST", Resource: named, Params: add, Body: "\x00\xff", As: apitest.Admin, Query: "a=1&a=2&%C3=%A9"},
		{Method: "HEAD", Resource: outputs, Params: map[string]string{"pk": "é/"}, Header: map[string]string{"Node-Id": "1"}, As: apitest.Alice},
	} {
		text, err := json.Marshal(call.Event(f))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte(`{"httpMethod":"G T","resource":"%zz","body":"!","isBase64Encoded":true}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var event events.APIGatewayProxyRequest
		if json.Unmarshal(text, &event) != nil {
			return
		}
		var read []byte
		handler := api.Handle(auth.AuthVerify, func(w http.ResponseWriter, r *http.Request, _ auth.Principal) error {
			var err error
			if read, err = io.ReadAll(r.Body); err != nil {
				return err
			}
			return api.JSON(w, http.StatusOK, len(read))
		})
		quiet := api.Edge{Log: slog.New(slog.DiscardHandler), Now: edge(t).Now}
		response, err := quiet.Buffered(handler)(context.Background(), event)
		if err != nil {
			return // nobody's request: Lambda reports it
		}
		sent, malformed := []byte(event.Body), error(nil)
		if event.IsBase64Encoded {
			sent, malformed = base64.StdEncoding.DecodeString(event.Body)
		}
		if malformed != nil && response.StatusCode == 500 {
			return // found when it is read; no gateway sends it
		}
		if !slices.Contains([]int{200, 400, 404, 415}, response.StatusCode) {
			t.Fatalf("answered %d", response.StatusCode)
		}
		if response.StatusCode != 200 {
			return
		}
		if !slices.Equal(sent, read) {
			t.Fatalf("%q was sent and %q read", sent, read)
		}
	})
}

// FuzzObject: a body that is taken for a set of options is one JSON object, not too large
// or deep; what is refused is the caller's to know.
func FuzzObject(f *testing.F) {
	for _, body := range []string{
		"", `{}`, `[]`, `""`, `{"a":{"b":[1,2.5e3,null,"\ud83c\udf89"]}}`, `[["a",1],{"b":1,"c":2},"de"]`, `{"a":1,"a":2}`, "\xff", `{"a":1} x`,
		strings.Repeat("[", 17), `[["a","` + "\xe9" + `"]]`,
	} {
		f.Add("application/json", []byte(body))
	}
	f.Add("application/json; charset=latin1", []byte("{\"a\":\"\xe9\"}"))
	f.Add("text/plain", []byte(`{}`))
	f.Fuzz(func(t *testing.T, contentType string, body []byte) {
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(string(body)))
		r.Header.Set("Content-Type", contentType)
		object, err := api.Object(r)
		if err != nil {
			f, ok := problem.As(err)
			if !ok || !slices.Contains([]problem.Kind{problem.InvalidJSON, problem.InvalidRequest, problem.PayloadTooLarge, problem.UnsupportedMediaType}, f.Kind) {
				t.Fatalf("not a problem with a body: %v", err)
			}
			return
		}
		if object == nil {
			return
		}
		var members map[string]any
		reader := json.NewDecoder(bytes.NewReader(object))
		reader.UseNumber() // JSON's numbers have no greatest
		if err := reader.Decode(&members); err != nil {
			t.Fatalf("%q became %q: %v", body, object, err)
		}
		if len(body) > api.MaxBody || depth(members) > api.MaxDepth {
			t.Fatalf("%d bytes, %d deep", len(body), depth(members))
		}
	})
}

// depth is how deep arrays and objects are nested.
func depth(v any) int {
	deepest := 0
	switch v := v.(type) {
	case map[string]any:
		for _, member := range v {
			deepest = max(deepest, depth(member))
		}
	case []any:
		for _, item := range v {
			deepest = max(deepest, depth(item))
		}
	default:
		return 0
	}
	return deepest + 1
}
