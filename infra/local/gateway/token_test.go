package gateway

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"joboutputs/shared/api"
)

const retrieve = "GET /v1/job-outputs/5"

func TestTokenRefusals(t *testing.T) {
	f := start(t, house(), nil)
	for _, tt := range []struct {
		name    string
		headers []string
		status  int
		asked   int64
	}{
		{"none", nil, 401, 0},
		{"empty", []string{"Authorization:"}, 401, 0},
		{"blank", []string{"Authorization:   "}, 401, 0},
		{"two", []string{bearer, bearer}, 401, 0},
		{"two, one empty", []string{bearer, "Authorization:"}, 401, 0},
		{"too long", []string{"Authorization: Bearer " + strings.Repeat("x", 8<<10+1)}, 401, 0},
		{"as long as may be", []string{"Authorization: Bearer " + strings.Repeat("x", 8<<10)}, 200, 1},
		{"refused", []string{"Authorization: Bearer refused"}, 401, 1},
		{"refused again: not remembered", []string{"Authorization: Bearer refused"}, 401, 1},
		{"another scheme is the authorizer's to refuse", []string{"Authorization: Basic x"}, 200, 1},
		{"broken authorizer", []string{"Authorization: Bearer broken"}, 503, 1},
		{"panicking authorizer", []string{"Authorization: Bearer panic"}, 503, 1},
		{"slow authorizer", []string{"Authorization: Bearer slow"}, 503, 1},
		{"context that is not flat", []string{"Authorization: Bearer nested"}, 500, 1},
	} {
		before := f.asked.Load()
		got := f.send(t, retrieve, "", append(tt.headers, "Origin: https://a.test")...)
		if got.status != tt.status || f.asked.Load()-before != tt.asked {
			t.Errorf("%s: got %d %s, asked %d times; want %d, %d", tt.name, got.status, got.body, f.asked.Load()-before, tt.status, tt.asked)
		}
		switch h := got.header; tt.status {
		case 401:
			if got.code() != "not_authenticated" || got.detail() != api.UnauthorizedText || h.Get("WWW-Authenticate") != api.Challenge || h.Get("Access-Control-Allow-Origin") != "*" {
				t.Errorf("%s: not the fixed answer: %v %s", tt.name, h, got.body)
			}
		case 503:
			if got.code() != "unavailable" || h.Get("Retry-After") == "" {
				t.Errorf("%s: not the fixed answer: %v %s", tt.name, h, got.body)
			}
		}
		if strings.Contains(string(got.body), "secret") {
			t.Errorf("%s: %s", tt.name, got.body)
		}
	}
	if log := f.logged(); !strings.Contains(log, "the issuer is down") || strings.Contains(log, "Bearer") {
		t.Errorf("log %s", log)
	}
}

func TestAnyoneNeedsNoToken(t *testing.T) {
	f := start(t, house(), nil)
	for _, headers := range [][]string{nil, {"Authorization: Bearer refused"}, {bearer, bearer}, {"Authorization:"}} {
		if got := f.send(t, "POST /v1/auth/verify", "{}", headers...); got.status != 200 {
			t.Errorf("%v: %d %s", headers, got.status, got.body)
		}
	}
	if f.asked.Load() != 0 {
		t.Error("the authorizer was asked")
	}
}

func TestTokenCache(t *testing.T) {
	f := start(t, house(), func(f *fixture) { f.TokenCache = 3 })
	ask := func(token string, want int64) {
		t.Helper()
		before := f.asked.Load()
		if got := f.send(t, retrieve, "", "Authorization: Bearer "+token); got.status != 200 {
			t.Fatalf("%s: %d %s", token, got.status, got.body)
		}
		if got := f.asked.Load() - before; got != want {
			t.Errorf("%s: asked %d times, want %d", token, got, want)
		}
	}
	ask("a", 1)
	ask("a", 0)
	if f.send(t, "DELETE /v1/job-outputs/7/hard", "", "Authorization: Bearer a"); f.asked.Load() != 1 {
		t.Error("another method and path: asked again")
	}
	ask("A", 1) // another token
	f.advance(59 * time.Second)
	ask("a", 0)
	ask("c", 1)
	ask("d", 1) // the oldest goes
	f.advance(time.Second - time.Nanosecond)
	ask("c", 0)
	f.advance(time.Nanosecond)
	ask("a", 1) // over 60 s
	for i := range 20 {
		f.advance(time.Millisecond)
		ask(fmt.Sprint("t", i), 1)
	}
	ask("t19", 0)
	ask("t17", 0)
	ask("t16", 1)

	f = start(t, house(), func(f *fixture) { f.TokenTTL = -1 })
	ask("a", 1)
	ask("a", 1)

	f = start(t, house(), nil)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() { f.send(t, retrieve, "", bearer) })
	}
	wg.Wait()
	ask("good", 0)
}

// The policy is kept with the token: one that names the first request refuses the next.
func TestPolicy(t *testing.T) {
	allow := func(action string, resources ...string) events.IAMPolicyStatement {
		return events.IAMPolicyStatement{Effect: "Allow", Action: []string{action}, Resource: resources}
	}
	deny := events.IAMPolicyStatement{Effect: "Deny", Action: []string{"*"}, Resource: []string{"*DELETE*"}}
	for _, tt := range []struct {
		name          string
		policy        func(arn string) events.APIGatewayCustomAuthorizerPolicy
		first, second int // GET …/5, then DELETE …/5/hard
	}{
		{"the stage", everything, 200, 200},
		{"the request's own ARN", func(arn string) events.APIGatewayCustomAuthorizerPolicy {
			return policyOf(allow("execute-api:Invoke", arn))
		}, 200, 403},
		{"none", func(string) events.APIGatewayCustomAuthorizerPolicy { return policyOf() }, 403, 403},
		{"another action", func(string) events.APIGatewayCustomAuthorizerPolicy { return policyOf(allow("s3:*", "*")) }, 403, 403},
		{"another stage", func(string) events.APIGatewayCustomAuthorizerPolicy {
			return policyOf(allow("execute-api:*", "arn:aws:execute-api:*/prod/*"))
		}, 403, 403},
		{"a deny wins", func(string) events.APIGatewayCustomAuthorizerPolicy { return policyOf(allow("*", "*"), deny) }, 200, 403},
	} {
		f := start(t, house(), func(f *fixture) { f.policy = tt.policy })
		first, second := f.send(t, retrieve, "", bearer), f.send(t, "DELETE /v1/job-outputs/5/hard", "", bearer)
		if first.status != tt.first || second.status != tt.second || f.asked.Load() != 1 {
			t.Errorf("%s: got %d, %d, asked %d times; want %d, %d, 1", tt.name, first.status, second.status, f.asked.Load(), tt.first, tt.second)
		}
	}
}

func TestNoAuthorizer(t *testing.T) {
	f := start(t, house(), func(f *fixture) { f.Functions = house() })
	if got := f.send(t, retrieve, "", bearer); got.status != 503 {
		t.Errorf("a catalogue without an authorizer lets in: %d %s", got.status, got.body)
	}
	if got := f.send(t, "POST /v1/auth/verify", ""); got.status != 200 {
		t.Errorf("anyone: %d %s", got.status, got.body)
	}
}
