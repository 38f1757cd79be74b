package refresh_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"

	"joboutputs/functions/auth/refresh"
	"joboutputs/shared/api"
	"joboutputs/shared/api/apitest"
	"joboutputs/shared/problem"
)

// renewal is an issuer that knows one refresh token; an empty one is every token.
type renewal string

func (n renewal) Refresh(_ context.Context, raw string) (string, error) {
	if n != "" && raw != string(n) {
		return "", problem.New(problem.TokenNotValid, "Token is invalid or expired")
	}
	return "a.a.a", nil
}

func TestRefresh(t *testing.T) {
	const sentence = "Token is invalid or expired"
	for _, tt := range []struct {
		body   string
		status int
		code   problem.Kind
		want   string // the body, the detail, or the field's error
	}{
		{`{"refresh":"r.r.r"}`, 200, "", `{"access":"a.a.a"}`},
		{`{"refresh":" r.r.r "}`, 200, "", `{"access":"a.a.a"}`},
		{`{"refresh":"garbage"}`, 401, problem.TokenNotValid, sentence},
		{`{"refresh":5}`, 401, problem.TokenNotValid, sentence},
		{`{}`, 400, problem.InvalidRequest, "This field is required."},
		{``, 400, problem.InvalidRequest, "This field is required."},
		{`{"token":"r.r.r"}`, 400, problem.InvalidRequest, "This field is required."},
		{`{"refresh":["x"]}`, 400, problem.InvalidRequest, "Not a valid string."},
		{`{"refresh":null}`, 400, problem.InvalidRequest, "This field may not be null."},
	} {
		answer := apitest.Call{Method: "POST", Resource: "/v1/auth/refresh", JSON: tt.body}.Do(t, refresh.New(renewal("r.r.r")))
		if answer.Status != tt.status || answer.Code() != tt.code {
			t.Errorf("%s: got %v, want %d %s", tt.body, answer, tt.status, tt.code)
		}
		switch tt.status {
		case 200:
			if string(answer.Body) != tt.want {
				t.Errorf("%s: got %s", tt.body, answer.Body)
			}
		case 401:
			if answer.Detail() != tt.want || answer.Header.Get("WWW-Authenticate") == "" {
				t.Errorf("%s: got %v", tt.body, answer)
			}
		default:
			want := any(map[string]any{"refresh": []any{tt.want}})
			if diff := cmp.Diff(want, answer.Problem()["errors"]); diff != "" {
				t.Errorf("%s: errors (-want +got):\n%s", tt.body, diff)
			}
		}
	}
}

func TestEvent(t *testing.T) {
	text, err := os.ReadFile("../../../events/auth-refresh.json")
	if err != nil {
		t.Fatal(err)
	}
	var event events.APIGatewayProxyRequest
	if err := json.Unmarshal(text, &event); err != nil {
		t.Fatal(err)
	}
	edge := api.Edge{Log: slog.New(slog.DiscardHandler), Now: time.Now}
	answer, err := edge.Buffered(refresh.New(renewal("")))(t.Context(), event)
	if err != nil || answer.StatusCode != 200 {
		t.Errorf("got %+v, %v", answer, err)
	}
}
