package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"joboutputs/functions"
	"joboutputs/infra/local/gateway"
	"joboutputs/shared/api"
)

// TestAsTheLocalGateway holds that what API Gateway answers by itself is, header for
// header and member for member, what the gateway of `make run` answers.
func TestAsTheLocalGateway(t *testing.T) {
	tmpl := synthesized[dev.stack()]
	responses := map[string]resource{}
	for _, r := range tmpl.all("AWS::ApiGateway::GatewayResponse") {
		responses[str(r.get("ResponseType"))] = r
	}
	mocks := tmpl.methods()
	for _, tt := range []struct {
		method, path, token string
		coding              string // Content-Encoding
		kind                string // of the gateway response, or
		mock                string // the mock method that answers
	}{
		{method: "GET", path: "/v1/nowhere", kind: "MISSING_AUTHENTICATION_TOKEN"},
		{method: "GET", path: "/v1/nowhere", token: "good", kind: "DEFAULT_4XX"},
		{method: "GET", path: "/v1/job-outputs/5", kind: "UNAUTHORIZED"},
		{method: "GET", path: "/v1/job-outputs/5", token: "bad", kind: "UNAUTHORIZED"},
		{method: "GET", path: "/v1/job-outputs/5", token: "denied", kind: "ACCESS_DENIED"},
		{method: "GET", path: "/v1/job-outputs/5", token: "broken", kind: "AUTHORIZER_FAILURE"},
		{method: "POST", path: "/v1/job-outputs/list", token: "good", coding: "br", kind: "UNSUPPORTED_MEDIA_TYPE"},
		{method: "POST", path: "/v1/job-outputs/list", token: "good", kind: "INTEGRATION_TIMEOUT"},
		{method: "POST", path: "/v1/job-outputs/list", token: "good", kind: "INTEGRATION_FAILURE"},
		{method: "POST", path: "/v1/job-outputs/list", token: "good", kind: "DEFAULT_5XX"},
		{method: "POST", path: "/v1/job-outputs/create", token: "good", mock: "POST /v1/job-outputs/create"},
		{method: "PUT", path: "/v1/job-outputs/5", token: "good", mock: "PUT /v1/job-outputs/{pk}"},
		{method: "PATCH", path: "/v1/job-outputs/5", token: "good", mock: "PATCH /v1/job-outputs/{pk}"},
		{method: "POST", path: "/v1/job-outputs/5", mock: "ANY /v1/job-outputs/{pk}"},
	} {
		t.Run(tt.method+" "+tt.path+" "+tt.token, func(t *testing.T) {
			got := locally(t, tt.method, tt.path, tt.token, tt.coding)
			if tt.mock != "" {
				m := mocks[tt.mock]
				compare(t, got, m.status(), m.get("Integration.IntegrationResponses.0"), "method.response.header.")
			} else {
				r := responses[tt.kind]
				compare(t, got, str(r.get("StatusCode")), r.Properties, "gatewayresponse.header.")
			}
		})
	}
	for key, m := range mocks {
		name, path, _ := strings.Cut(key, " ")
		path = regexp.MustCompile(`\{\w+\}`).ReplaceAllString(path, "5")
		switch name {
		case "ANY":
			if !strings.Contains(m.header("Allow"), http.MethodPatch) {
				compare(t, locally(t, http.MethodPatch, path, "", ""), m.status(), m.get("Integration.IntegrationResponses.0"), "method.response.header.")
			}
		case http.MethodOptions:
			got := locally(t, name, path, "", "")
			for header := range got.Header {
				if header != "Date" && header != "Content-Length" && m.header(header) != got.Header.Get(header) {
					t.Errorf("%s: %s is %q, and locally %q", key, header, m.header(header), got.Header.Get(header))
				}
			}
		}
	}
}

// compare holds that an answer's status, headers and document are those of the template.
func compare(t *testing.T, local *http.Response, status string, r any, prefix string) {
	t.Helper()
	if want, _, _ := strings.Cut(local.Status, " "); status != want {
		t.Errorf("status %s, and locally %s", status, want)
	}
	headers := get(r, "ResponseParameters").(map[string]any)
	for name := range local.Header {
		if name == "Date" || name == "Content-Length" {
			continue
		}
		value := headers[prefix+name]
		if name == "Www-Authenticate" {
			value = headers[prefix+"WWW-Authenticate"]
		}
		if got := strings.TrimSuffix(strings.TrimPrefix(str(value), "'"), "'"); got != local.Header.Get(name) {
			t.Errorf("%s is %q, and locally %q", name, got, local.Header.Get(name))
		}
	}
	body, err := io.ReadAll(local.Body)
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		RequestID string `json:"request_id"`
	}
	if err := json.Unmarshal(body, &doc); err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	want := strings.ReplaceAll(string(body), doc.RequestID, "$context.requestId")
	want = strings.ReplaceAll(want, local.Request.Method, "$context.httpMethod")
	if got := strings.ReplaceAll(str(get(r, "ResponseTemplates.application/json")), local.Request.Method, "$context.httpMethod"); got != want {
		t.Errorf("document\n%s\nand locally\n%s", got, want)
	}
}

// locally asks the local gateway, whose authorizer knows a few tokens, and whose functions
// crash.
func locally(t *testing.T, method, path, token, coding string) *http.Response {
	t.Helper()
	authorizer := func(_ context.Context, e events.APIGatewayCustomAuthorizerRequest) (events.APIGatewayCustomAuthorizerResponse, error) {
		var answer events.APIGatewayCustomAuthorizerResponse
		switch e.AuthorizationToken {
		case "good":
			answer.PolicyDocument.Statement = []events.IAMPolicyStatement{{Effect: "Allow", Action: []string{"*"}, Resource: []string{"*"}}}
		case "bad":
			return answer, errors.New("Unauthorized") //nolint:staticcheck // API Gateway's text
		case "broken":
			return answer, errors.New("the issuer is down")
		}
		return answer, nil
	}
	rows := functions.Catalogue()
	for i := range rows {
		if rows[i].HTTP != nil {
			rows[i].HTTP = func(functions.Deps) http.Handler {
				return http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("crashed") })
			}
			rows[i].Streamed = false
		}
		if rows[i].Authorizer != nil {
			rows[i].Authorizer = func(functions.Deps) functions.Authorizer { return authorizer }
		}
	}
	g := gateway.New(gateway.Config{
		Functions: rows, Refused: functions.Refused, Log: slog.New(slog.DiscardHandler), Edge: api.Edge{Log: slog.New(slog.DiscardHandler), Now: time.Now},
	})
	r := httptest.NewRequest(method, path, nil)
	r.Header.Set("Origin", "https://a.test")
	if method == http.MethodOptions {
		r.Header.Set("Access-Control-Request-Method", "POST")
	}
	if token != "" {
		r.Header.Set("Authorization", token)
	}
	if coding != "" {
		r.Header.Set("Content-Encoding", coding)
	}
	w := httptest.NewRecorder()
	g.ServeHTTP(w, r)
	answer := w.Result()
	answer.Request = r
	return answer
}
