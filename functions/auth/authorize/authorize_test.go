package authorize_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"

	"joboutputs/functions/auth/authorize"
	"joboutputs/shared/auth"
	"joboutputs/shared/problem"
)

// proof is a verifier that answers the same for every token, and keeps the last.
type proof struct {
	principal auth.Principal
	err       error
	asked     []string
}

func (p *proof) Principal(_ context.Context, raw string) (auth.Principal, error) {
	p.asked = append(p.asked, raw)
	return p.principal, p.err
}

var alice = auth.Principal{
	Tenant: "demo", Issuer: "https://issuer.test", Subject: "s-1", UserPK: 2, Username: "alice",
	Nodes: []int64{1, 2}, Expires: time.Unix(1_800_000_000, 0),
}

const arn = "arn:aws:execute-api:eu-central-1:123456789012:abcdef1234/v1/GET/v1/job-outputs/5"

func request(header string) events.APIGatewayCustomAuthorizerRequest {
	return events.APIGatewayCustomAuthorizerRequest{Type: "TOKEN", AuthorizationToken: header, MethodArn: arn}
}

// TestEvent replays what API Gateway sends.
func TestEvent(t *testing.T) {
	text, err := os.ReadFile("../../../events/auth-authorize.json")
	if err != nil {
		t.Fatal(err)
	}
	var event events.APIGatewayCustomAuthorizerRequest
	if err := json.Unmarshal(text, &event); err != nil {
		t.Fatal(err)
	}
	verifier := &proof{principal: alice}
	got, err := authorize.New(verifier)(t.Context(), event)
	if err != nil {
		t.Fatal(err)
	}
	want := events.APIGatewayCustomAuthorizerResponse{
		PrincipalID: "demo/s-1",
		PolicyDocument: events.APIGatewayCustomAuthorizerPolicy{
			Version: "2012-10-17",
			Statement: []events.IAMPolicyStatement{{
				Action: []string{"execute-api:Invoke"}, Effect: "Allow",
				Resource: []string{"arn:aws:execute-api:eu-central-1:123456789012:abcdef1234/prod/*/*"},
			}},
		},
		Context: map[string]any{
			"tenant": "demo", "iss": "https://issuer.test", "sub": "s-1", "upk": "2", "username": "alice",
			"admin": "false", "nodes": "1,2", "exp": "1800000000",
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("answer (-want +got):\n%s", diff)
	}
	if len(verifier.asked) != 1 || "Bearer "+verifier.asked[0] != event.AuthorizationToken {
		t.Errorf("asked about %q", verifier.asked)
	}
}

func TestHeader(t *testing.T) {
	for header, want := range map[string]string{
		"Bearer x":       "x",
		"Bearer  x":      "x",
		"Bearer\tx":      "x",
		"Bearer \t x \t": "x",
		" Bearer x":      "x",
		"Bearer é":       "é", // for the verifier to refuse

		"":                 "",
		"Bearer":           "",
		"Bearer ":          "",
		"x":                "",
		"bearer x":         "",
		"BEARER x":         "",
		"JWT x":            "",
		"Basic eDp4":       "",
		"Bearer x y":       "",
		"Bearer x, y":      "",
		"Bearer,x":         "",
		"Bearerx":          "",
		"Bearer\nx":        "",
		"Bearer\u00a0x":    "",
		"Token Bearer x":   "",
		"Bearer x\tBearer": "",
	} {
		verifier := &proof{principal: alice}
		_, err := authorize.New(verifier)(t.Context(), request(header))
		switch {
		case want != "" && (err != nil || !cmp.Equal(verifier.asked, []string{want})):
			t.Errorf("%q: asked about %q, %v, want %q", header, verifier.asked, err, want)
		case want == "" && (err == nil || err.Error() != "Unauthorized" || len(verifier.asked) != 0):
			t.Errorf("%q: asked about %q, got %v, want Unauthorized", header, verifier.asked, err)
		}
	}
}

func TestRefusals(t *testing.T) {
	refused := problem.New(problem.TokenNotValid, "Token is invalid or expired").Because(errors.New("expired"))
	if _, err := authorize.New(&proof{err: refused})(t.Context(), request("Bearer x")); err == nil || err.Error() != "Unauthorized" {
		t.Errorf("a refused token: got %v", err)
	}
	for _, cause := range []error{problem.New(problem.Unavailable, "no keys"), context.DeadlineExceeded} {
		_, err := authorize.New(&proof{err: cause})(t.Context(), request("Bearer x"))
		if !errors.Is(err, cause) || err.Error() == "Unauthorized" {
			t.Errorf("got %v, want %v", err, cause)
		}
	}
}

func TestPrincipalID(t *testing.T) {
	withoutSubject := alice
	withoutSubject.Subject = ""
	got, err := authorize.New(&proof{principal: withoutSubject})(t.Context(), request("Bearer x"))
	if err != nil || got.PrincipalID != "demo/2" {
		t.Errorf("got %q, %v", got.PrincipalID, err)
	}
}

func TestMethodARN(t *testing.T) {
	const api = "arn:aws:execute-api:eu-central-1:123456789012:abcdef1234"
	for arn, want := range map[string]string{
		api + "/prod/GET/":                     api + "/prod/*/*",
		api + "/prod/POST/v1/jobs/5/a%2Fb/x/y": api + "/prod/*/*",
		api + "/test-invoke-stage/GET/v1":      api + "/test-invoke-stage/*/*",
		"":                                     "",
		"*":                                    "",
		api:                                    "",
		api + "/prod":                          "",
		api + "//GET/":                         "",
		"*/prod/GET/":                          "",
	} {
		event := request("Bearer x")
		event.MethodArn = arn
		got, err := authorize.New(&proof{principal: alice})(t.Context(), event)
		if want == "" {
			if err == nil || err.Error() == "Unauthorized" {
				t.Errorf("%q: got %v", arn, err)
			}
			continue
		}
		if err != nil || got.PolicyDocument.Statement[0].Resource[0] != want {
			t.Errorf("%q: got %v, %v, want %s", arn, got.PolicyDocument.Statement, err, want)
		}
	}
}
