package gateway

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"

	"joboutputs/functions"
	"joboutputs/shared/api"
	"joboutputs/shared/auth"
)

// TestRequestHeaders: which headers reach a function, by the guide's table (important notes).
func TestRequestHeaders(t *testing.T) {
	f, event := recorded(t, auth.AuthVerify, "/v1/auth/verify", "POST")
	passed := []string{
		"Accept", "Accept-Charset", "Accept-Encoding", "Age", "Authorization", "Content-Encoding", "Content-Type", "Date", "Pragma", "Range", "Referer",
		"Repr-Digest", "User-Agent", "Via", "Warn", "X-Amz-Checksum-Sha256",
	}
	dropped := []string{
		"Connection", "Content-MD5", "Expect", "Max-Forwards", "Proxy-Authenticate", "Server", "TE", "Trailer", "Upgrade", "WWW-Authenticate", "X-HTTP-Method-Override",
	}
	var lines []string
	for _, name := range append(passed, dropped...) {
		value := map[string]string{"Content-Encoding": "identity", "Expect": "100-continue", "X-HTTP-Method-Override": "POST", "Connection": "close"}[name]
		if value == "" {
			value = "1"
		}
		lines = append(lines, name+": "+value)
	}
	if got := f.send(t, "POST /v1/auth/verify", "", lines...); got.status != 204 {
		t.Fatalf("%d %s", got.status, got.body)
	}
	headers := http.Header(event().MultiValueHeaders)
	for _, name := range passed {
		if headers.Get(name) == "" {
			t.Errorf("%s did not arrive", name)
		}
	}
	for _, name := range dropped {
		if headers.Get(name) != "" {
			t.Errorf("%s arrived", name)
		}
	}
	if got := headers.Get("X-Amzn-Remapped-Content-MD5"); got != "1" {
		t.Errorf("X-Amzn-Remapped-Content-MD5 is %q, want the request's Content-MD5", got)
	}
}

// TestResponseHeaders: which headers of a function reach the client, and as what.
func TestResponseHeaders(t *testing.T) {
	f := start(t, []functions.Function{row(auth.AuthVerify, "/v1/auth/verify", nil, "POST")}, nil)
	sent := map[string][]string{}
	for _, name := range []string{
		"Accept", "Authorization", "Connection", "Content-Encoding", "Content-MD5", "Content-Type", "Date", "Expect", "Host", "Max-Forwards", "Proxy-Authenticate", "Server",
		"TE", "Trailer", "Transfer-Encoding", "Upgrade", "User-Agent", "Via", "WWW-Authenticate", "X-Mine",
	} {
		sent[name] = []string{"1"}
	}
	f.becomes("POST", "/v1/auth/verify", func(context.Context, events.APIGatewayProxyRequest) (events.APIGatewayProxyResponse, error) {
		return events.APIGatewayProxyResponse{StatusCode: 401, MultiValueHeaders: sent}, nil
	})
	got := f.send(t, "POST /v1/auth/verify", "")
	if got.header.Get("Date") == "1" {
		t.Error("Date is the function's")
	}
	got.header.Del("Date")
	want := http.Header{"Content-Length": {"0"}}
	for _, name := range []string{"Accept", "Content-Encoding", "Content-Type", "X-Mine"} {
		want[name] = []string{"1"}
	}
	for _, name := range []string{"Authorization", "Connection", "Content-Md5", "Date", "Max-Forwards", "Server", "User-Agent", "Www-Authenticate"} {
		want["X-Amzn-Remapped-"+name] = []string{"1"}
	}
	if diff := cmp.Diff(want, got.header); diff != "" {
		t.Errorf("headers (-want +got):\n%s", diff)
	}
}

// TestMethodOverride: the header decides on the method, and so on the function and on what
// its caller must be allowed to do.
func TestMethodOverride(t *testing.T) {
	f := start(t, house(), nil)
	const output = "/v1/job-outputs/5"
	for _, tt := range []struct {
		line, override string
		want           string // the status and the function
	}{
		{"POST " + output, "DELETE", "200 joboutputs-destroy"},
		{"POST " + output, " delete ", "200 joboutputs-destroy"},
		{"GET " + output, "DELETE", "200 joboutputs-destroy"},
		{"OPTIONS " + output, "DELETE", "200 joboutputs-destroy"},
		{"DELETE " + output, "GET", "200 joboutputs-retrieve"},
		{"GET " + output, "HEAD", "200 joboutputs-retrieve"},
		{"GET " + output, "GET", "200 joboutputs-retrieve"},
		{"GET " + output, "", "200 joboutputs-retrieve"},
		{"HEAD " + output, "DELETE", "200 joboutputs-destroy"},
		{"DELETE " + output, "OPTIONS", "200 "},
		{"GET " + output, "PURGE", "405 "},
		{"GET /v1/job-outputs/list", "POST", "200 joboutputs-list"},
	} {
		got := f.send(t, tt.line, "", bearer, "X-HTTP-Method-Override: "+tt.override)
		if text := fmt.Sprintf("%d %s", got.status, got.header.Get("X-Function")); text != tt.want || got.err != nil {
			t.Errorf("%s as %q: %s %s (%v), want %s", tt.line, tt.override, text, got.body, got.err, tt.want)
		}
	}

	// An overridden method needs the same token and permission as the method itself.
	readOnly := func(string) events.APIGatewayCustomAuthorizerPolicy {
		return policyOf(events.IAMPolicyStatement{Effect: "Allow", Action: []string{"execute-api:Invoke"}, Resource: []string{"arn:aws:execute-api:*:*:*/local/GET/*"}})
	}
	f = start(t, house(), func(f *fixture) { f.policy = readOnly })
	for _, tt := range []struct {
		line, override string
		token          bool
		want           int
	}{
		{"GET " + output, "GET", true, 200},
		{"DELETE " + output, "GET", true, 200}, // which reads
		{"GET " + output, "DELETE", true, 403},
		{"OPTIONS " + output, "DELETE", true, 403},
		{"GET " + output, "DELETE", false, 401},
		{"OPTIONS " + output, "DELETE", false, 401},
		{"POST /v1/job-outputs/5", "PUT", true, 403}, // refused to everybody
	} {
		headers := []string{"X-HTTP-Method-Override: " + tt.override}
		if tt.token {
			headers = append(headers, bearer)
		}
		if got := f.send(t, tt.line, "", headers...); got.status != tt.want {
			t.Errorf("%s as %s: %d %s, want %d", tt.line, tt.override, got.status, got.body, tt.want)
		}
	}

	// A page cannot send the header: preflights do not allow it.
	if strings.Contains(strings.ToLower(api.AllowHeaders), "override") {
		t.Errorf("browsers may send %s", api.AllowHeaders)
	}
}

// TestOverriddenHead: a response is framed for the method on the connection, whichever the
// function saw.
func TestOverriddenHead(t *testing.T) {
	for _, streamed := range []bool{false, true} {
		f := start(t, []functions.Function{func() functions.Function {
			r := row(auth.OutputsRetrieve, "/v1/job-outputs/{pk}", func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Length", "5")
				if r.Method != http.MethodHead {
					_, _ = w.Write([]byte("hello"))
				}
			}, "GET", "HEAD")
			r.Streamed = streamed
			return r
		}()}, nil)
		for _, tt := range []struct{ line, override, body string }{
			{"GET /v1/job-outputs/5", "GET", "hello"},
			{"GET /v1/job-outputs/5", "HEAD", ""},
			{"HEAD /v1/job-outputs/5", "GET", ""},
			{"HEAD /v1/job-outputs/5", "HEAD", ""},
		} {
			got := f.send(t, tt.line, "", bearer, "X-HTTP-Method-Override: "+tt.override)
			if got.status != 200 || string(got.body) != tt.body || got.err != nil {
				t.Errorf("streamed %t, %s as %s: %d %q (%v), want %q", streamed, tt.line, tt.override, got.status, got.body, got.err, tt.body)
			}
		}
	}
}
