package delivery_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"joboutputs/shared/delivery"
	"joboutputs/shared/outputs"
)

// TestAccept: who takes JSON, and nothing the bytes could be sent as, wants the link.
func TestAccept(t *testing.T) {
	for _, tc := range []struct {
		accept []string
		link   bool
	}{
		{nil, false},
		{[]string{"application/json"}, true},
		{[]string{"Application/JSON; charset=utf-8"}, true},
		{[]string{"application/json;q=0.1"}, true},
		{[]string{"application/json, text/plain"}, true}, // the bytes are never text
		{[]string{"text/html", "application/json"}, true},
		{[]string{"application/json, application/octet-stream;q=0"}, true},
		{[]string{"application/json, */*;q=0.0"}, true},
		{[]string{"application/json, nonsense"}, true},
		{[]string{"application/json, , ;"}, true},

		{[]string{"*/*"}, false},
		{[]string{"application/*"}, false},
		{[]string{"application/octet-stream"}, false},
		{[]string{"application/data"}, false}, // what UFDL calls the bytes
		{[]string{"text/html"}, false},
		{[]string{"application/json, */*"}, false},
		{[]string{"application/json, text/plain, */*"}, false}, // axios
		{[]string{"application/json", "*/*;q=0.1"}, false},
		{[]string{"application/json, application/octet-stream"}, false},
		{[]string{"application/data, application/json"}, false},
		{[]string{"application/json, application/*"}, false},
		{[]string{"application/json;q=0"}, false},
		{[]string{"application/json;q=0.000, text/html"}, false},
		{[]string{""}, false},
		{[]string{"nonsense"}, false},
		{[]string{"application/json/x"}, false},
		{[]string{"application/problem+json"}, false},
		{[]string{`application/json;q="0`}, false},
	} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			for _, mode := range []delivery.Mode{delivery.Auto, delivery.Bytes, delivery.Redirect} {
				c, r := &contents{}, request(method)
				r.Header["Accept"] = tc.accept
				if err := (delivery.Sender{Contents: c}).Send(httptest.NewRecorder(), r, "demo", &outputs.Output{Name: "n", Size: 1}, delivery.Options{Mode: mode}); err != nil {
					t.Fatal(err)
				}
				// What is asked for by name wins over what the headers say.
				want := tc.link && mode == delivery.Auto || mode == delivery.Redirect
				if got := strings.HasPrefix(c.asked, "presign"); got != want {
					t.Errorf("%s, delivery %q, Accept %q: %s; a link should be made: %v", method, mode, tc.accept, c.asked, want)
				}
			}
		}
	}
}
