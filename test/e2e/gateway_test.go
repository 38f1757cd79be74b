//go:build e2e

package e2e

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"joboutputs/infra/local/issuer"
)

// The deployed authorizer, and what the functions make of whom it names.
func TestAuthorizer(t *testing.T) {
	admin, node, user := tenant(t, "authorizer")
	begun(t, admin, node)
	output := object(1, 1, 2, "model", "bin", "null", "x")
	script(t, []step{{node.node("7"), "POST", "/v1/jobs/1/outputs/model/bin", "x", "200 " + output}})

	mint := func(change func(claims, header map[string]any)) string {
		t.Helper()
		claims, err := tokens.Claims("authorizer", "admin", issuer.UseAccess)
		if err != nil {
			t.Fatal(err)
		}
		header := map[string]any{}
		change(claims, header)
		token, err := tokens.Mint(claims, header)
		if err != nil {
			t.Fatal(err)
		}
		return "Bearer " + token
	}
	good := mint(func(_, _ map[string]any) {})
	parts := strings.Split(good, ".")
	refused := map[string]string{
		"nothing":         "",
		"garbage":         "Bearer garbage",
		"three parts":     "Bearer a.b.c",
		"no scheme":       strings.TrimPrefix(good, "Bearer "),
		"another scheme":  strings.Replace(good, "Bearer", "Basic", 1),
		"two tokens":      good + " " + good,
		"too long":        good + strings.Repeat("x", 9000),
		"expired":         mint(func(c, _ map[string]any) { c["exp"] = time.Now().Add(-time.Hour).Unix() }),
		"no expiry":       mint(func(c, _ map[string]any) { delete(c, "exp") }),
		"not yet":         mint(func(c, _ map[string]any) { c["nbf"] = time.Now().Add(time.Hour).Unix() }),
		"another issuer":  mint(func(c, _ map[string]any) { c["iss"] = "https://127.0.0.1/" }),
		"for another":     mint(func(c, _ map[string]any) { c["aud"] = "somebody" }),
		"refresh token":   mint(func(c, _ map[string]any) { c["token_use"] = "refresh" }),
		"inactive user":   mint(func(c, _ map[string]any) { c["active"] = false }),
		"no tenant":       mint(func(c, _ map[string]any) { delete(c, "tenant") }),
		"unsound tenant":  mint(func(c, _ map[string]any) { c["tenant"] = "a#b" }),
		"unknown key":     mint(func(_, h map[string]any) { h["kid"] = "another" }),
		"no algorithm":    mint(func(_, h map[string]any) { h["alg"] = "none" }),
		"no signature":    parts[0] + "." + parts[1] + ".",
		"changed":         parts[0] + "." + base64.RawURLEncoding.EncodeToString([]byte(`{"tenant":"authorizer","admin":true,"exp":9999999999}`)) + "." + parts[2],
		"another's key":   "Bearer " + forged(t),
		"twice the limit": "Bearer " + strings.Repeat("y", 16<<10),
	}
	for what, token := range refused {
		script(t, []step{{caller{name: what, door: own.door, token: token}, "GET", "/v1/job-outputs/1", "", unauthenticated}})
	}
	for what, token := range map[string]string{
		"good":           good,
		"two blanks":     strings.Replace(good, " ", "  ", 1),
		"another user":   mint(func(c, _ map[string]any) { c["upk"], c["username"], c["sub"] = 99, "stranger", "99" }),
		"the same again": good,
	} {
		script(t, []step{{caller{name: what, door: own.door, token: token}, "GET", "/v1/job-outputs/1", "", "200 " + output}})
	}

	// Another tenant's rows and rows that are not there look the same.
	stranger, _, _ := tenant(t, "authorizer-2")
	for _, pk := range []string{"1", "2"} {
		script(t, []step{
			{stranger, "GET", "/v1/job-outputs/" + pk, "", notFound},
			{stranger, "POST", "/v1/job-outputs/" + pk + "/download", "", notFound},
			{stranger, "DELETE", "/v1/job-outputs/" + pk, "", notFound},
			{stranger, "DELETE", "/v1/job-outputs/" + pk + "/hard", "", notFound},
			{stranger, "DELETE", "/v1/job-outputs/" + pk + "/reinstate", "", notFound},
			{stranger, "GET", "/v1/jobs/" + pk, "", notFound},
			{stranger, "GET", "/v1/jobs/" + pk + "/outputs/model/bin/info", "", notFound},
		})
	}
	script(t, []step{
		{stranger, "POST", "/v1/job-outputs/list", `{"include_inactive":true}`, "200 []"},
		{user, "GET", "/v1/job-outputs/1", "", "200 " + output},

		// A kept answer of the authorizer is for the whole stage and for one token alone.
		{user, "DELETE", "/v1/job-outputs/1", "", forbidden},
		{admin, "GET", "/v1/job-outputs/1", "", "200 " + output},
		{user, "DELETE", "/v1/job-outputs/1", "", forbidden},
	})
}

// forged is a token as the issuer's, but for the key.
func forged(t *testing.T) string {
	t.Helper()
	claims, err := tokens.Claims("authorizer", "admin", issuer.UseAccess)
	if err != nil {
		t.Fatal(err)
	}
	real, err := tokens.Mint(claims, nil)
	if err != nil {
		t.Fatal(err)
	}
	head, _ := base64.RawURLEncoding.DecodeString(strings.Split(real, ".")[0])
	var header struct{ Kid string }
	if err := json.Unmarshal(head, &header); err != nil {
		t.Fatal(err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	token := jwt.NewWithClaims(jwt.SigningMethodES256, jwt.MapClaims(claims))
	token.Header["kid"] = header.Kid
	signed, err := token.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

// What API Gateway answers by itself.
func TestRoutes(t *testing.T) {
	_, _, user := tenant(t, "routes")
	nobody := caller{name: "nobody", door: own.door}
	script(t, []step{
		{nobody, "GET", "/v1/", "", notFound},
		{nobody, "GET", "/v1/nothing", "", notFound},
		{user, "GET", "/v1/nothing", "", notFound},
		{user, "GET", "/v1/job-outputs/1/nothing", "", notFound},
		{nobody, "POST", "/v1/auth/obtain", `{"username":"a","password":"b"}`, notFound}, // with an issuer of one's own
		{nobody, "POST", "/v1/job-outputs/create", `{}`, unauthenticated},
		{user, "POST", "/v1/job-outputs/create", `{}`, forbidden},
		{user, "PUT", "/v1/job-outputs/1", `{}`, forbidden},
		{user, "PATCH", "/v1/job-outputs/1", "bytes", forbidden},
		{nobody, "GET", "/v1/job-outputs/1", "", unauthenticated},
		{nobody, "POST", "/v1/auth/verify", `{"token":"` + strings.TrimPrefix(user.token, "Bearer ") + `"}`, "200 {}"},
		{nobody, "POST", "/v1/auth/verify", `{"token":"a.b.c"}`, "401 token_not_valid: Token is invalid or expired"},
	})
	for path, allow := range map[string]string{
		"/v1/job-outputs/list":        "POST, OPTIONS",
		"/v1/job-outputs/1/hard":      "DELETE, OPTIONS",
		"/v1/jobs/1/outputs/a/b":      "GET, HEAD, POST, DELETE, OPTIONS",
		"/v1/jobs/1/acquire":          "GET, OPTIONS",
		"/v1/job-outputs/1":           "GET, HEAD, PUT, PATCH, DELETE, OPTIONS",
		"/v1/auth/verify":             "POST, OPTIONS",
		"/v1/openapi.json":            "GET, HEAD, OPTIONS",
		"/v1/job-outputs/1/reinstate": "POST, DELETE, OPTIONS",
	} {
		got := nobody.do(t, "TRACE", path, "")
		if !strings.HasPrefix(got.line(), "405 method_not_allowed: ") || got.header.Get("Allow") != allow {
			t.Errorf("TRACE %s: %s with Allow %q, want 405 with %q", path, got.line(), got.header.Get("Allow"), allow)
		}
		got.checkHeaders(t, step{by: nobody, method: "TRACE", path: path})

		preflight := nobody.with("Origin", "https://example.org").with("Access-Control-Request-Method", "POST").do(t, "OPTIONS", path, "")
		if preflight.status != 200 || preflight.header.Get("Access-Control-Allow-Origin") != "*" || preflight.header.Get("Access-Control-Allow-Methods") != allow ||
			!strings.Contains(preflight.header.Get("Access-Control-Allow-Headers"), "Node-Id") {
			t.Errorf("preflight of %s: %d with %v", path, preflight.status, preflight.header)
		}
	}
	for path, media := range map[string]string{"/v1/openapi.json": "application/json", "/v1/docs": "text/html; charset=utf-8"} {
		if got := nobody.do(t, "GET", path, ""); got.status != 200 || got.header.Get("Content-Type") != media || len(got.body) < 10_000 {
			t.Errorf("%s: %d %s, %d bytes", path, got.status, got.header.Get("Content-Type"), len(got.body))
		}
	}
}

// What API Gateway keeps of a token outlives it; the function looks at the time itself.
func TestExpiry(t *testing.T) {
	admin, node, _ := tenant(t, "expiry")
	begun(t, admin, node)
	claims, err := tokens.Claims("expiry", "user", issuer.UseAccess)
	if err != nil {
		t.Fatal(err)
	}
	const life = 3 * time.Second
	claims["exp"] = time.Now().Add(life).Unix()
	token, err := tokens.Mint(claims, nil)
	if err != nil {
		t.Fatal(err)
	}
	short := caller{name: "a short token", door: own.door, token: "Bearer " + token}
	script(t, []step{{short, "POST", "/v1/job-outputs/list", "", "200 []"}})
	time.Sleep(life)
	script(t, []step{{short, "POST", "/v1/job-outputs/list", "", "401 token_not_valid: Authentication credentials were not provided or are not valid."}})
}

// A function has its own role's rights and no others: with one refused it fails, and says
// in its log what was refused.
func TestRoles(t *testing.T) {
	admin, node, user := tenant(t, "roles")
	begun(t, admin, node)
	output := "200 " + object(1, 1, 2, "a", "b", "null", "x")
	script(t, []step{{node.node("7"), "POST", "/v1/jobs/1/outputs/a/b", "x", output}})

	function := own.stack + "-joboutputs-retrieve"
	var configuration struct{ Role string }
	if err := call(t.Context(), awsRequest{service: "lambda", method: http.MethodGet, path: "/2015-03-31/functions/" + function + "/configuration"}, &configuration); err != nil {
		t.Fatal(err)
	}
	role := configuration.Role[strings.LastIndexByte(configuration.Role, '/')+1:]
	const name = "refuse"
	iam := func(action string, in url.Values) {
		t.Helper()
		in.Set("RoleName", role)
		in.Set("PolicyName", name)
		if err := call(context.WithoutCancel(t.Context()), awsQuery("iam", "2010-05-08", action, in), nil); err != nil {
			t.Fatal(err)
		}
	}
	iam("PutRolePolicy", url.Values{"PolicyDocument": {`{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"dynamodb:GetItem","Resource":"*"}]}`}})
	t.Cleanup(func() { iam("DeleteRolePolicy", url.Values{}) })
	script(t, []step{
		{user, "GET", "/v1/job-outputs/1", "", "500 internal: Something went wrong on our side. It was logged under the request_id."},
		{user, "GET", "/v1/jobs/1/outputs/a/b/info", "", output}, // another function, another role
	})
	var log struct{ Events []struct{ Message string } }
	err := call(t.Context(), awsJSON("logs", "Logs_20140328.FilterLogEvents", map[string]any{"logGroupName": "/aws/lambda/" + function}), &log)
	if err != nil {
		t.Fatal(err)
	}
	told := false
	for _, e := range log.Events {
		told = told || strings.Contains(e.Message, "AccessDeniedException") && strings.Contains(e.Message, "dynamodb:GetItem")
	}
	if !told {
		t.Errorf("the log of %s does not tell which action was refused: %v", function, log)
	}
}

// The cleanup runs with its own role.
func TestCleanup(t *testing.T) {
	var cleaned map[string]any
	event := awsRequest{service: "lambda", method: http.MethodPost, path: "/2015-03-31/functions/" + own.stack + "-cleanup/invocations", body: []byte("{}")}
	if err := call(t.Context(), event, &cleaned); err != nil {
		t.Fatal(err)
	}
	if cleaned["intents"] == nil || cleaned["tombstones"] == nil {
		t.Errorf("the cleanup answers %v", cleaned)
	}
}
