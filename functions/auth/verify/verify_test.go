package verify_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"

	"joboutputs/functions/auth/verify"
	"joboutputs/shared/api"
	"joboutputs/shared/api/apitest"
	"joboutputs/shared/problem"
)

// good is a verifier of the tokens it names; none = of every token.
type good []string

func (g good) Verify(_ context.Context, raw string) error {
	switch {
	case raw == "down":
		return problem.New(problem.Unavailable, "no keys").After(5 * time.Second)
	case len(g) > 0 && !cmp.Equal([]string(g), []string{raw}):
		return problem.New(problem.TokenNotValid, "Token is invalid or expired")
	}
	return nil
}

func TestVerify(t *testing.T) {
	for _, tt := range []struct {
		body   string
		status int
		code   problem.Kind
		detail string
	}{
		{`{"token":"a.a.a"}`, 200, "", ""},
		{`{"token":"\u00a0a.a.a\u001f","access":1}`, 200, "", ""},
		{`{"token":"b.b.b"}`, 401, problem.TokenNotValid, "Token is invalid or expired"},
		{`{"token":1.50}`, 401, problem.TokenNotValid, "Token is invalid or expired"},
		{`{"token":"down"}`, 503, problem.Unavailable, "no keys"},
		{`{"access":"a.a.a"}`, 400, problem.InvalidRequest, "token: This field is required."},
		{`{`, 400, problem.InvalidJSON, ""},
	} {
		answer := apitest.Call{Method: "POST", Resource: "/v1/auth/verify", JSON: tt.body}.Do(t, verify.New(good{"a.a.a"}))
		if answer.Status != tt.status || answer.Code() != tt.code || tt.detail != "" && answer.Detail() != tt.detail {
			t.Errorf("%s: got %v, want %d %s %s", tt.body, answer, tt.status, tt.code, tt.detail)
		}
		if tt.status == 200 && string(answer.Body) != `{}` {
			t.Errorf("%s: got %s, want {}", tt.body, answer.Body)
		}
	}
}

func TestEvent(t *testing.T) {
	text, err := os.ReadFile("../../../events/auth-verify.json")
	if err != nil {
		t.Fatal(err)
	}
	var event events.APIGatewayProxyRequest
	if err := json.Unmarshal(text, &event); err != nil {
		t.Fatal(err)
	}
	edge := api.Edge{Log: slog.New(slog.DiscardHandler), Now: time.Now}
	answer, err := edge.Buffered(verify.New(good{}))(t.Context(), event)
	if err != nil || answer.StatusCode != 200 {
		t.Errorf("got %+v, %v", answer, err)
	}
}
