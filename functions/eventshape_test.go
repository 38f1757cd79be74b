package functions_test

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"

	"joboutputs/functions"
	"joboutputs/shared/auth"
)

// TestEventShape holds that the events of HTTP functions are what API Gateway sends: the
// REST proxy format, payload 1.0, behind a stage with binaryMediaTypes */*.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html
func TestEventShape(t *testing.T) {
	for _, f := range functions.Catalogue() {
		if f.HTTP == nil {
			continue
		}
		t.Run(string(f.Name), func(t *testing.T) {
			text, err := os.ReadFile("../events/" + string(f.Name) + ".json")
			if err != nil {
				t.Fatal(err)
			}
			var names map[string]json.RawMessage
			var event events.APIGatewayProxyRequest
			if err := json.Unmarshal(text, &names); err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(text, &event); err != nil {
				t.Fatal(err)
			}
			checkNames(t, names)
			checkRoute(t, f, event)
			checkMaps(t, event)
			checkBody(t, event, string(names["body"]))
			checkAuthorizer(t, f, event)
		})
	}
}

// checkNames: API Gateway leaves nothing out, what is absent is null.
func checkNames(t *testing.T, names map[string]json.RawMessage) {
	t.Helper()
	got := make([]string, 0, len(names))
	for name := range names {
		got = append(got, name)
	}
	slices.Sort(got)
	want := []string{
		"body", "headers", "httpMethod", "isBase64Encoded", "multiValueHeaders", "multiValueQueryStringParameters",
		"path", "pathParameters", "queryStringParameters", "requestContext", "resource", "stageVariables",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("members (-want +got):\n%s", diff)
	}
}

func checkRoute(t *testing.T, f functions.Function, event events.APIGatewayProxyRequest) {
	t.Helper()
	if !slices.ContainsFunc(f.Routes, func(r functions.Route) bool {
		return r.Resource == event.Resource && slices.Contains(r.Methods, event.HTTPMethod)
	}) {
		t.Errorf("%s %s is not one of its routes %v", event.HTTPMethod, event.Resource, f.Routes)
	}
	path := event.Resource
	for name, value := range event.PathParameters {
		path = strings.ReplaceAll(path, "{"+name+"}", value)
	}
	c := event.RequestContext
	if path != event.Path || strings.Contains(path, "{") || c.Path != "/"+c.Stage+path {
		t.Errorf("paths %s and %s, want %s with and without the stage", event.Path, c.Path, path)
	}
	if _, err := url.ParseRequestURI(path); err != nil {
		t.Errorf("the path is not percent-encoded: %v", err)
	}
	if c.ResourcePath != event.Resource || c.HTTPMethod != event.HTTPMethod {
		t.Errorf("the context is of %s %s", c.HTTPMethod, c.ResourcePath)
	}
	for name, value := range map[string]string{
		"accountId": c.AccountID, "apiId": c.APIID, "resourceId": c.ResourceID, "requestId": c.RequestID, "extendedRequestId": c.ExtendedRequestID,
		"protocol": c.Protocol, "domainName": c.DomainName, "identity.sourceIp": c.Identity.SourceIP, "identity.userAgent": c.Identity.UserAgent,
	} {
		if value == "" {
			t.Errorf("requestContext.%s is empty", name)
		}
	}
	at, err := time.Parse("02/Jan/2006:15:04:05 -0700", c.RequestTime)
	if err != nil || at.Unix() != c.RequestTimeEpoch/1000 {
		t.Errorf("the times %q and %d differ (%v)", c.RequestTime, c.RequestTimeEpoch, err)
	}
}

// checkMaps: the single-valued maps keep the last of the many.
func checkMaps(t *testing.T, event events.APIGatewayProxyRequest) {
	t.Helper()
	last := func(multi map[string][]string) map[string]string {
		if multi == nil {
			return nil
		}
		single := map[string]string{}
		for name, values := range multi {
			single[name] = values[len(values)-1]
		}
		return single
	}
	if diff := cmp.Diff(last(event.MultiValueHeaders), event.Headers); diff != "" {
		t.Errorf("headers (-of many +single):\n%s", diff)
	}
	if diff := cmp.Diff(last(event.MultiValueQueryStringParameters), event.QueryStringParameters); diff != "" {
		t.Errorf("query (-of many +single):\n%s", diff)
	}
}

// checkBody: with binaryMediaTypes */* every body is in base64; no body is null.
func checkBody(t *testing.T, event events.APIGatewayProxyRequest, raw string) {
	t.Helper()
	if !event.IsBase64Encoded {
		if raw != "null" {
			t.Errorf("the body is %s, want null or base64", raw)
		}
		return
	}
	if body, err := base64.StdEncoding.DecodeString(event.Body); err != nil || len(body) == 0 {
		t.Errorf("the body %s is not base64 (%v)", raw, err)
	}
}

// checkAuthorizer: routes with an authorizer carry its context, texts but for what API
// Gateway adds; the others carry none.
func checkAuthorizer(t *testing.T, f functions.Function, event events.APIGatewayProxyRequest) {
	t.Helper()
	context := event.RequestContext.Authorizer
	if access, _ := auth.AccessOf(f.Name); access == auth.Anyone {
		if context != nil {
			t.Errorf("there is an authorizer context, %v", context)
		}
		return
	}
	p, err := auth.FromContext(context)
	if err != nil {
		t.Fatal(err)
	}
	if p.Expires.Before(time.Now().AddDate(10, 0, 0)) {
		t.Errorf("the event is good until %s; it is to be used for years", p.Expires)
	}
	got := make([]string, 0, len(context))
	for name, value := range context {
		got = append(got, name)
		if _, ok := value.(string); ok == (name == "integrationLatency") {
			t.Errorf("the authorizer's %s is %T", name, value)
		}
	}
	slices.Sort(got)
	want := []string{"admin", "exp", "integrationLatency", "iss", "nodes", "principalId", "sub", "tenant", "upk", "username"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the authorizer's context (-want +got):\n%s", diff)
	}
}
