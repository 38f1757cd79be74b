package obtain_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"

	"joboutputs/functions/auth/obtain"
	"joboutputs/shared/api"
	"joboutputs/shared/api/apitest"
	"joboutputs/shared/problem"
	"joboutputs/shared/token"
)

// door is an issuer that lets alice in.
type door struct{ err error }

func (d door) Obtain(_ context.Context, username, password string) (token.Pair, error) {
	if d.err != nil {
		return token.Pair{}, d.err
	}
	if username != "alice" || password != "alice-pw" {
		return token.Pair{}, problem.New(problem.NotAuthenticated, "No active account found with the given credentials")
	}
	return token.Pair{Refresh: "r.r.r", Access: "a.a.a"}, nil
}

func call(body string) apitest.Call {
	return apitest.Call{Method: "POST", Resource: "/v1/auth/obtain", JSON: body}
}

func TestObtain(t *testing.T) {
	for _, body := range []string{
		`{"username": "alice", "password": "alice-pw"}`,
		`{"username": " alice ", "password": "\talice-pw\n"}`,
		`{"username": "x", "password": "alice-pw", "extra": [1], "username": "alice"}`,
	} {
		answer := call(body).Do(t, obtain.New(door{}))
		if answer.Status != 200 || string(answer.Body) != `{"refresh":"r.r.r","access":"a.a.a"}` {
			t.Errorf("%s: got %v", body, answer)
		}
		if answer.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("tokens may be cached: %v", answer.Header)
		}
		if strings.Contains(answer.Log, "alice-pw") || strings.Contains(answer.Log, "a.a.a") {
			t.Errorf("the log holds a secret: %s", answer.Log)
		}
	}
}

func TestEvent(t *testing.T) {
	text, err := os.ReadFile("../../../events/auth-obtain.json")
	if err != nil {
		t.Fatal(err)
	}
	var event events.APIGatewayProxyRequest
	if err := json.Unmarshal(text, &event); err != nil {
		t.Fatal(err)
	}
	edge := api.Edge{Log: slog.New(slog.DiscardHandler), Now: time.Now}
	answer, err := edge.Buffered(obtain.New(door{}))(t.Context(), event)
	if err != nil || answer.StatusCode != 200 {
		t.Errorf("got %+v, %v", answer, err)
	}
}

func TestRefusals(t *testing.T) {
	for _, tt := range []struct {
		name   string
		call   apitest.Call
		status int
		code   problem.Kind
		detail string
	}{
		{"wrong password", call(`{"username":"alice","password":"x"}`), 401, problem.NotAuthenticated, "No active account found with the given credentials"},
		{"malformed", call(`{`), 400, problem.InvalidJSON, ""},
		{"a form", apitest.Call{Method: "POST", Resource: "/v1/auth/obtain", Body: "username=alice", Header: map[string]string{"Content-Type": "application/x-www-form-urlencoded"}}, 415, problem.UnsupportedMediaType, ""},
		{"undeclared", apitest.Call{Method: "POST", Resource: "/v1/auth/obtain", Body: "{}"}, 415, problem.UnsupportedMediaType, ""},
		{"too large", call(`{"username":"` + strings.Repeat("x", api.MaxBody) + `"}`), 413, problem.PayloadTooLarge, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			answer := tt.call.Do(t, obtain.New(door{}))
			if answer.Status != tt.status || answer.Code() != tt.code || tt.detail != "" && answer.Detail() != tt.detail {
				t.Errorf("got %v, want %d %s", answer, tt.status, tt.code)
			}
			if challenge := answer.Header.Get("WWW-Authenticate"); (tt.status == 401) != (challenge != "") {
				t.Errorf("WWW-Authenticate: %q", challenge)
			}
		})
	}
}

func TestFieldErrors(t *testing.T) {
	const required, blank, null, noText = "This field is required.", "This field may not be blank.", "This field may not be null.", "Not a valid string."
	both := func(text string) map[string]any {
		return map[string]any{"username": []any{text}, "password": []any{text}}
	}
	whole := func(text string) map[string]any { return map[string]any{"non_field_errors": []any{text}} }
	for body, want := range map[string]map[string]any{
		``:                                    both(required),
		`{}`:                                  both(required),
		`{"user":"alice"}`:                    both(required),
		`{"username":"","password":""}`:       both(blank),
		`{"username":" ","password":"\t"}`:    both(blank),
		`{"username":null,"password":null}`:   both(null),
		`{"username":[1],"password":{}}`:      both(noText),
		`{"username":true,"password":"x"}`:    {"username": []any{noText}},
		`{"username":"alice"}`:                {"password": []any{required}},
		`{"username":"a\u0000","password":1}`: {"username": []any{"Null characters are not allowed."}},
		`null`:                                whole("No data provided"),
		`[]`:                                  whole("Invalid data. Expected a dictionary, but got list."),
		`"x"`:                                 whole("Invalid data. Expected a dictionary, but got str."),
		`5`:                                   whole("Invalid data. Expected a dictionary, but got int."),
		` 5e0 `:                               whole("Invalid data. Expected a dictionary, but got float."),
		`false`:                               whole("Invalid data. Expected a dictionary, but got bool."),
	} {
		answer := call(body).Do(t, obtain.New(door{}))
		if answer.Status != 400 || answer.Code() != problem.InvalidRequest || answer.Detail() == "" {
			t.Errorf("%s: got %v", body, answer)
		}
		if diff := cmp.Diff(any(want), answer.Problem()["errors"]); diff != "" {
			t.Errorf("%s: errors (-want +got):\n%s", body, diff)
		}
	}
}

func TestIssuerFails(t *testing.T) {
	answer := call(`{"username":"alice","password":"p"}`).Do(t, obtain.New(door{err: problem.New(problem.Throttled, "wait").After(5 * time.Second)}))
	if answer.Status != 429 || answer.Header.Get("Retry-After") != "5" {
		t.Errorf("got %v", answer)
	}
	answer = call(`{"username":"alice","password":"p"}`).Do(t, obtain.New(door{err: errors.New("secret")}))
	if answer.Status != 500 || strings.Contains(string(answer.Body), "secret") {
		t.Errorf("got %v", answer)
	}
}
