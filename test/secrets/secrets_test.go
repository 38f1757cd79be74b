// Package secrets proves that logs hold none: everything a request can carry is a canary, on
// every route, going well, refused, and with stores that fail at every call.
package secrets_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/aws/smithy-go/middleware"

	"joboutputs/functions"
	"joboutputs/test/harness"
	"joboutputs/test/report"
)

const seed = `{
 "tenant": "{tenant}",
 "users": [{"pk": 1, "username": "admin", "password": "admin", "is_staff": true, "nodes": [1]}],
 "nodes": [{"pk": 1, "current_job": 1}],
 "jobs": [{"pk": 1, "description": "canary description", "node": 1, "creator": 1, "creation_time": "2026-01-01T00:00:00Z", "start_time": "2026-01-02T00:00:00Z"}],
 "job_outputs": [{"pk": 1, "job": 1, "name": "canary-name", "type": "canary-type", "creator": 1, "creation_time": "2026-01-02T01:00:00Z",
  "data_b64": "Y2FuYXJ5", "data_sha256": "{sha256}"}]
}`

// failing is a store that is told to fail: the n-th call of a request, 0 = none.
type failing struct{ at, calls atomic.Int64 }

func (f *failing) add(stack *middleware.Stack) error {
	return stack.Finalize.Add(middleware.FinalizeMiddlewareFunc("fail", func(
		ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler,
	) (middleware.FinalizeOutput, middleware.Metadata, error) {
		if n := f.calls.Add(1); n == f.at.Load() {
			return middleware.FinalizeOutput{}, middleware.Metadata{}, errors.New("the store broke on purpose")
		}
		return next.HandleFinalize(ctx, in)
	}), middleware.Before)
}

// TestLogs sends what must not be logged to every route. The log is checked line by line;
// that lines are written, errors among them, is held here.
func TestLogs(t *testing.T) {
	check := report.Begin(t, "secrets", 0)
	var f failing
	rig := harness.New(t, f.add)
	rig.Load(t, strings.Replace(seed, "{sha256}", sum("canary"), 1), "acme")
	admin := rig.Login(t, "admin", "acme")
	callers := []harness.Caller{
		{}, {Token: admin.Token[:len(admin.Token)-9]}, {Token: admin.Token + "canary"}, admin, admin.As("1"), admin.As("canary"), admin.As("canary-7"),
	}
	bodies := []string{
		"", "canary content", "{canary", `{"canary":"canary"}`, `{"username":"canary@acme","password":"canary"}`, `{"username":"admin@acme","password":"admin"}`,
		fmt.Sprintf(`{"token":%q,"refresh":%[1]q}`, admin.Token), `{"delivery":"url"}`, `{"description":"canary","node":1}`,
		`{"name":"canary-new","type":"t","size":6,"sha256":"` + sum("canary") + `"}`, `{"error":"canary error"}`,
		`{"expressions":[{"type":"contains","field":"name","sub_string":"canary"}]}`, `{"cursor":"canary","limit":1}`,
	}
	before, requests := rig.Log.Lines(), 0
	send := func(c harness.Caller, method, path, body string) int {
		requests++
		f.calls.Store(0)
		a := c.Do(t, rig.URL, harness.Request{Method: method, Path: path, Body: body, Header: map[string]string{
			"Origin": "https://canary.test", "If-None-Match": `"canary"`, "Idempotency-Key": "canary", "X-Canary": "canary",
		}})
		return a.Status
	}
	fill := strings.NewReplacer("{pk}", "1", "{name}", "canary-name", "{type}", url.PathEscape("canary-type"), "{id}", "01"+strings.Repeat("0", 24)).Replace
	for _, fn := range functions.Catalogue() {
		for _, route := range fn.Routes {
			for _, method := range route.Methods {
				path := fill(route.Resource)
				for _, body := range bodies {
					for _, c := range callers {
						send(c, method, path, body)
					}
				}
				send(admin, method, path+"?delivery=url&canary=canary&X-Amz-Signature=canary", "")
				send(admin, method, path+"%2Fcanary", "")
				send(admin, method, path+"/canary", "")
				send(admin, method, fill(strings.Replace(route.Resource, "{name}", "canary-missing", 1)), "")
			}
		}
	}
	// The same with a store that fails, at the first call, the second, and so on.
	internal := 0
	for _, fn := range functions.Catalogue() {
		for _, route := range fn.Routes {
			for _, method := range route.Methods {
				for _, body := range []string{"", `{"delivery":"url"}`, `{"name":"canary-new","type":"t","size":6}`} {
					for at := range int64(6) {
						f.at.Store(at + 1)
						if send(admin.As("1"), method, fill(route.Resource), body) == 500 {
							internal++
						}
					}
				}
			}
		}
	}
	f.at.Store(0)
	t.Logf("%d requests, %d of them answered 500", requests, internal)
	check.AtLeast("requests of which every part is a canary, on every route", requests, 1_000)
	check.AtLeast("of these that failed for want of a store, which logs the error", internal, 20)
	check.AtLeast("log lines of these, each looked at", rig.Log.Lines()-before, requests*9/10)
}

func sum(text string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(text))) }
