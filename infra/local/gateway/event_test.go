package gateway

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"

	"joboutputs/functions"
	"joboutputs/shared/auth"
)

// recorded serves one route by a function that hands the event out.
func recorded(t *testing.T, name auth.Action, resource, method string) (*fixture, func() events.APIGatewayProxyRequest) {
	t.Helper()
	return recordedAs(t, nil, name, resource, method)
}

// recordedAs does so after change had its way with the configuration.
func recordedAs(t *testing.T, change func(*fixture), name auth.Action, resource, method string) (*fixture, func() events.APIGatewayProxyRequest) {
	t.Helper()
	f := start(t, []functions.Function{row(name, resource, nil, method)}, change)
	seen := make(chan events.APIGatewayProxyRequest, 1)
	f.becomes(method, resource, func(_ context.Context, e events.APIGatewayProxyRequest) (events.APIGatewayProxyResponse, error) {
		seen <- e
		return events.APIGatewayProxyResponse{StatusCode: 204}, nil
	})
	return f, func() events.APIGatewayProxyRequest { return <-seen }
}

func TestEvent(t *testing.T) {
	f, event := recorded(t, auth.JobsAddOutput, "/v1/jobs/{pk}/outputs/{name}/{type}", "POST")
	path := "/v1/jobs/7/outputs/a%20b%2B+%C3%A9/%4aSON%3C%3E"
	got := f.raw(t, "POST "+path+"?b=1&a+b=%26%2B+x&b=%C3%A9&flag;d=3;;b=4&&c=%7C%7B%3B%7D HTTP/1.1\r\n"+
		"Host: example.test:99\r\nnode-id: 1\r\nNode_Id: 2\r\nx-twice: one\r\nX-Twice: two\r\nX-Forwarded-For: 192.0.2.9\r\n"+
		"Connection: close, X-Hop\r\nX-Hop: gone\r\nTE: gzip\r\nUser-Agent: ua\r\n"+bearer+"\r\nContent-Length: 4\r\n\r\n\x00\xff\xfeZ")
	if got.status != 204 {
		t.Fatalf("%d %s", got.status, got.body)
	}
	e := event()
	id := e.RequestContext.RequestID
	if !regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`).MatchString(id) {
		t.Errorf("request id %q", id)
	}
	want := events.APIGatewayProxyRequest{
		Resource:   "/v1/jobs/{pk}/outputs/{name}/{type}",
		Path:       path,
		HTTPMethod: "POST",
		Headers: map[string]string{
			"Host": "example.test:99", "Node-Id": "1", "Node_id": "2", "X-Twice": "two", "X-Forwarded-For": "192.0.2.9, 127.0.0.1",
			"X-Forwarded-Proto": "http", "User-Agent": "ua", "Authorization": "Bearer good", "Content-Length": "4",
		},
		MultiValueHeaders: map[string][]string{
			"Host": {"example.test:99"}, "Node-Id": {"1"}, "Node_id": {"2"}, "X-Twice": {"one", "two"}, "X-Forwarded-For": {"192.0.2.9, 127.0.0.1"},
			"X-Forwarded-Proto": {"http"}, "User-Agent": {"ua"}, "Authorization": {"Bearer good"}, "Content-Length": {"4"},
		},
		QueryStringParameters:           map[string]string{"b": "4", "a b": "&+ x", "flag": "", "d": "3", "c": "|{;}"},
		MultiValueQueryStringParameters: map[string][]string{"b": {"1", "é", "4"}, "a b": {"&+ x"}, "flag": {""}, "d": {"3"}, "c": {"|{;}"}},
		PathParameters:                  map[string]string{"pk": "7", "name": "a%20b%2B+%C3%A9", "type": "%4aSON%3C%3E"},
		RequestContext: events.APIGatewayProxyRequestContext{
			AccountID: account, Stage: "local", DomainName: domain, APIID: apiID, RequestID: id, Protocol: "HTTP/1.1",
			Identity:     events.APIGatewayRequestIdentity{SourceIP: "127.0.0.1", UserAgent: "ua"},
			ResourcePath: "/v1/jobs/{pk}/outputs/{name}/{type}", Path: path, HTTPMethod: "POST",
			Authorizer:  map[string]any{"principalId": "somebody", "token": "Bearer good", "admin": "true", "upk": "12"},
			RequestTime: "06/May/2026:07:08:09 +0000", RequestTimeEpoch: 1778051289000,
		},
		Body:            base64.StdEncoding.EncodeToString([]byte("\x00\xff\xfeZ")),
		IsBase64Encoded: true,
	}
	if diff := cmp.Diff(want, e); diff != "" {
		t.Errorf("event (-want +got):\n%s", diff)
	}
}

func TestEventOfLittle(t *testing.T) {
	f, event := recorded(t, auth.AuthVerify, "/v1/auth/verify", "POST")
	if got := f.send(t, "POST /v1/auth/verify?", ""); got.status != 204 {
		t.Fatalf("%d %s", got.status, got.body)
	}
	e := event()
	if e.QueryStringParameters != nil || e.MultiValueQueryStringParameters != nil || e.PathParameters != nil ||
		e.RequestContext.Authorizer != nil || e.Body != "" || !e.IsBase64Encoded || e.Path != "/v1/auth/verify" {
		t.Errorf("absent things: %+v", e)
	}
}

// On the wire absent maps and an empty body are null, and nothing else is.
func TestPayload(t *testing.T) {
	f, event := recorded(t, auth.AuthVerify, "/v1/auth/verify", "POST")
	f.send(t, "POST /v1/auth/verify", "")
	e := event()
	wire, err := encodeEvent(e)
	if err != nil {
		t.Fatal(err)
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(wire, &members); err != nil {
		t.Fatal(err)
	}
	for name, value := range members {
		null := map[string]bool{
			"queryStringParameters": true, "multiValueQueryStringParameters": true, "pathParameters": true, "stageVariables": true, "body": true,
		}[name]
		if (string(value) == "null") != null {
			t.Errorf("%s is %s", name, value)
		}
	}
	if strings.Count(string(wire), `"body":`) != 1 {
		t.Errorf("body stands twice in %s", wire)
	}
}

// TestRawQuery: characters that API Gateway refuses in a query are refused here.
func TestRawQuery(t *testing.T) {
	f, event := recorded(t, auth.AuthVerify, "/v1/auth/verify", "POST")
	for _, query := range []string{"a=|", "a=b|c", "{a}=1", "a={", "a=}", "|"} {
		if got := f.send(t, "POST /v1/auth/verify?"+query, ""); got.status != 400 || got.code() != "invalid_request" {
			t.Errorf("%s: %d %s", query, got.status, got.body)
		}
	}
	for query, want := range map[string]map[string]string{
		"a=%7C%7b%7D":   {"a": "|{}"},
		"a=1;b=2":       {"a": "1", "b": "2"},
		"a=1;":          {"a": "1"},
		"a=1%3Bb=2":     {"a": "1;b=2"},
		"a=\"<>[]^`\\'": {"a": "\"<>[]^`\\'"},
	} {
		if got := f.send(t, "POST /v1/auth/verify?"+query, ""); got.status != 204 {
			t.Errorf("%s: %d %s", query, got.status, got.body)
			continue
		}
		if diff := cmp.Diff(want, event().QueryStringParameters); diff != "" {
			t.Errorf("%s (-want +got):\n%s", query, diff)
		}
	}
}

func TestChunkedBody(t *testing.T) {
	f, event := recorded(t, auth.AuthVerify, "/v1/auth/verify", "POST")
	got := f.raw(t, "POST /v1/auth/verify HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n")
	if e := event(); got.status != 204 || e.Body != base64.StdEncoding.EncodeToString([]byte("abcde")) || e.Headers["Transfer-Encoding"] != "" {
		t.Errorf("%d, %+v", got.status, e)
	}
	got = f.raw(t, "POST /v1/auth/verify HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n\r\n")
	if got.status != 400 || got.code() != "invalid_request" {
		t.Errorf("malformed chunks: %d %s", got.status, got.body)
	}
}
