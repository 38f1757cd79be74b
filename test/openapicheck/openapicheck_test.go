package openapicheck

import (
	"net/http"
	"strings"
	"testing"
)

const (
	output   = `{"pk":12,"job":3,"name":"model","type":"tflite","creator":2,"creation_time":"2026-05-06T07:08:09.123456Z","deletion_time":null,"size":5,"content_type":null,"sha256":null,"checksum":null}`
	notFound = `{"type":"urn:joboutputs:problem:not_found","title":"Not Found","status":404,"detail":"Not found.","code":"not_found","request_id":"r1"}`
)

func header(pairs ...string) http.Header {
	h := http.Header{}
	for i := 0; i < len(pairs); i += 2 {
		h.Add(pairs[i], pairs[i+1])
	}
	return h
}

func token(pairs ...string) http.Header {
	return header(append([]string{"Authorization", "Bearer x"}, pairs...)...)
}

var (
	asJSON    = header("Content-Type", "application/json")
	asProblem = header("Content-Type", "application/problem+json")
	asBytes   = header("Content-Type", "application/octet-stream", "ETag", `"a"`)
)

func problemOf(code, status string) string {
	return strings.NewReplacer("not_found", code, "404", status).Replace(notFound)
}

// retrieved is a good exchange, which cases change.
func retrieved(change func(*Exchange)) Exchange {
	x := Exchange{
		Method: "GET", Target: "/v1/job-outputs/12", RequestHeader: token(),
		Status: 200, Header: asJSON, Body: []byte(output),
	}
	change(&x)
	return x
}

func listed(body string) Exchange {
	return Exchange{
		Method: "POST", Target: "/v1/job-outputs/list", RequestHeader: token("Content-Type", "application/json"), RequestBody: []byte(body),
		Status: 200, Header: asJSON, Body: []byte("[]"),
	}
}

func got(change func(*Exchange)) Exchange {
	x := Exchange{
		Method: "GET", Target: "/v1/jobs/3/outputs/a%20b/log", RequestHeader: token(),
		Status: 200, Header: asBytes, Body: []byte("\x00\xff"),
	}
	change(&x)
	return x
}

func TestCheck(t *testing.T) {
	tests := []struct {
		name string
		x    Exchange
		want string // part of the error; "" = none
	}{
		{"retrieve", retrieved(func(*Exchange) {}), ""},
		{"by template", retrieved(func(x *Exchange) { x.Template = "/v1/job-outputs/{pk}" }), ""},
		{"trailing slash and leading zeros", retrieved(func(x *Exchange) { x.Target = "/v1/job-outputs/0012/" }), ""},
		{"a request without a token", retrieved(func(x *Exchange) { x.RequestHeader = nil }), "without a bearer token"},
		{"Node-Id", retrieved(func(x *Exchange) { x.RequestHeader = token("Node-Id", "1") }), ""},
		{"bad Node-Id", retrieved(func(x *Exchange) { x.RequestHeader = token("Node-Id", "one") }), "request: Node-Id"},
		{"pk beyond the range", retrieved(func(x *Exchange) { x.Target = "/v1/job-outputs/2147483648" }), "request: pk"},
		{"method in lower case", retrieved(func(x *Exchange) { x.Method = "get" }), ""},
		{"undocumented status", retrieved(func(x *Exchange) { x.Status = 202 }), "is not answered 202"},
		{"undocumented media type", retrieved(func(x *Exchange) { x.Header = header("Content-Type", "text/plain") }), `"text/plain" is not documented`},
		{"no media type", retrieved(func(x *Exchange) { x.Header = nil }), "media type"},
		{"undocumented header", retrieved(func(x *Exchange) { x.Header = header("Content-Type", "application/json", "Etag", `"a"`) }), "header Etag: not documented"},
		{"other headers", retrieved(func(x *Exchange) { x.Header = header("Content-Type", "application/json", "Vary", "Origin") }), ""},
		{"extra member", retrieved(func(x *Exchange) { x.Body = []byte(output[:len(output)-1] + `,"owner":1}`) }), "owner"},
		{"missing member", retrieved(func(x *Exchange) { x.Body = []byte(strings.Replace(output, `"job":3,`, "", 1)) }), "job"},
		{"null pk", retrieved(func(x *Exchange) { x.Body = []byte(strings.Replace(output, `"pk":12`, `"pk":null`, 1)) }), "pk"},
		{"time in another zone", retrieved(func(x *Exchange) { x.Body = []byte(strings.Replace(output, "123456Z", "123456+13:00", 1)) }), "creation_time"},
		{"cut body", retrieved(func(x *Exchange) { x.Body = []byte(output[:50]) }), "not JSON"},
		{"two values", retrieved(func(x *Exchange) { x.Body = []byte(output + output) }), "not JSON"},

		{"problem", retrieved(func(x *Exchange) { x.Status, x.Header, x.Body = 404, asProblem, []byte(notFound) }), ""},
		{"problem as JSON", retrieved(func(x *Exchange) { x.Status, x.Body = 404, []byte(notFound) }), "not documented"},
		{"problem without a code", retrieved(func(x *Exchange) {
			x.Status, x.Header, x.Body = 404, asProblem, []byte(strings.Replace(notFound, `"code":"not_found",`, "", 1))
		}), "code"},
		{"problem with a code of other statuses", retrieved(func(x *Exchange) {
			x.Status, x.Header, x.Body = 404, asProblem, []byte(problemOf("job_finished", "404"))
		}), "code"},
		{"problem with another status inside", retrieved(func(x *Exchange) {
			x.Status, x.Header, x.Body = 404, asProblem, []byte(problemOf("not_found", "400"))
		}), "status"},
		{"401", retrieved(func(x *Exchange) {
			x.RequestHeader, x.Status, x.Body = nil, 401, []byte(problemOf("not_authenticated", "401"))
			x.Header = header("Content-Type", "application/problem+json", "WWW-Authenticate", `Bearer realm="api"`)
		}), ""},
		{"503 without Retry-After", retrieved(func(x *Exchange) {
			x.Status, x.Header, x.Body = 503, asProblem, []byte(problemOf("unavailable", "503"))
		}), "Retry-After"},
		{"a refused request may be anything", retrieved(func(x *Exchange) {
			x.RequestHeader, x.Status, x.Header = header("Node-Id", "x"), 400, asProblem
			x.Body = []byte(problemOf("bad_node_id", "400"))
		}), ""},

		{"HEAD", retrieved(func(x *Exchange) { x.Method, x.Body = "HEAD", nil }), ""},
		{"HEAD with a body", retrieved(func(x *Exchange) { x.Method = "HEAD" }), "in answer to HEAD"},
		{"204", retrieved(func(x *Exchange) { x.Method, x.Status, x.Header, x.Body = "DELETE", 204, nil, nil }), ""},
		{"204 with a body", retrieved(func(x *Exchange) { x.Method, x.Status = "DELETE", 204 }), "want none"},
		{"refused route", retrieved(func(x *Exchange) { x.Method = "PUT" }), "is not answered 200"},

		{"bytes", got(func(*Exchange) {}), ""},
		{"bytes with a query", got(func(x *Exchange) { x.Target += "?delivery=bytes&format=xml" }), ""},
		{"unknown delivery", got(func(x *Exchange) { x.Target += "?delivery=mail" }), "request: delivery"},
		{"link", got(func(x *Exchange) {
			x.Header = asJSON
			x.Body = []byte(`{"url":"http://s3/x?y=1","method":"GET","headers":{},"expires_at":"2026-05-06T07:23:09.000000Z","filename":"a","size":5,"sha256":null,"checksum":null}`)
		}), ""},
		{"link without its end", got(func(x *Exchange) {
			x.Header, x.Body = asJSON, []byte(`{"url":"http://s3/x","method":"GET","headers":{},"filename":"a","size":5,"sha256":null,"checksum":null}`)
		}), "expires_at"},
		{"303 without a place", got(func(x *Exchange) { x.Status, x.Header, x.Body = 303, header("ETag", `"a"`), nil }), "Location: missing"},
		{"206 without its range", got(func(x *Exchange) { x.Status = 206 }), "Content-Range: missing"},
		{"weak entity tag", got(func(x *Exchange) { x.Header = header("Content-Type", "application/octet-stream", "ETag", `W/"a"`) }), "header Etag"},

		{"list", listed(`{"expressions":[{"type":"or","sub_expressions":[{"type":"isnull","field":"creator"},{"type":"exact","field":"job__pk","value":3}]}],"limit":10}`), ""},
		{"list without a body", listed(""), ""},
		{"list of everything, as UFDL has it", listed("[]"), ""},
		{"list of pairs, as UFDL has it", listed(`[["limit",5]]`), ""},
		{"list as text", func() Exchange {
			x := listed("{}")
			x.RequestHeader = token("Content-Type", "text/plain")
			return x
		}(), "request: body: media type"},
		{"or within or", listed(`{"expressions":[{"type":"or","sub_expressions":[{"type":"or","sub_expressions":[]},{"type":"isnull","field":"pk"}]}]}`), "request: body"},
		{"unknown field", listed(`{"expressions":[{"type":"exact","field":"creator.password","value":"x"}]}`), "request: body"},
		{"unknown key", listed(`{"offset":3}`), "offset"},
		{"number in another case", listed(`{"expressions":[{"type":"exact","field":"name","value":5,"case_insensitive":true}]}`), "request: body"},

		{"no route", Exchange{Method: "GET", Target: "/v1/", Status: 404, Header: asProblem, Body: []byte(notFound)}, ""},
		{"no route, answered", Exchange{Method: "GET", Target: "/v1//job-outputs/5", Status: 200}, "no route has this path"},
		{"slash in a name", Exchange{Method: "GET", Target: "/v1/jobs/3/outputs/a%2Fb/c", Status: 404, Header: asProblem, Body: []byte(notFound)}, ""},
		{"bad escape", Exchange{Method: "GET", Target: "/v1/jobs/3/outputs/a%ZZ/c", Status: 400, Header: asProblem, Body: []byte(problemOf("invalid_request", "400"))}, ""},
		{"no method", Exchange{
			Method: "PUT", Target: "/v1/job-outputs/list", Status: 405, Body: []byte(problemOf("method_not_allowed", "405")),
			Header: header("Content-Type", "application/problem+json", "Allow", "POST, OPTIONS"),
		}, ""},
		{"no method, wrong Allow", Exchange{
			Method: "PUT", Target: "/v1/job-outputs/list", Status: 405, Body: []byte(problemOf("method_not_allowed", "405")),
			Header: header("Content-Type", "application/problem+json", "Allow", "GET, POST, OPTIONS"),
		}, "methods of /v1/job-outputs/list"},
		{"no method, answered", Exchange{Method: "PUT", Target: "/v1/job-outputs/list", Status: 200}, "is not 405"},
		{"OPTIONS", Exchange{Method: "OPTIONS", Target: "/v1/job-outputs/list", Status: 200, Header: header("Allow", "POST, OPTIONS")}, ""},
		{"preflight", Exchange{
			Method: "OPTIONS", Target: "/v1/job-outputs/list", RequestHeader: header("Origin", "null", "Access-Control-Request-Method", "POST"),
			Status: 200, Header: header("Access-Control-Allow-Methods", "OPTIONS, POST"),
		}, ""},
	}
	v, err := New()
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := v.Check(tt.x)
			switch {
			case tt.want == "" && err != nil:
				t.Error(err)
			case tt.want != "" && err == nil:
				t.Errorf("no error, want one about %q", tt.want)
			case tt.want != "" && !strings.Contains(err.Error(), tt.want):
				t.Errorf("got %v, want an error about %q", err, tt.want)
			}
		})
	}
}

// TestParse shows that defects of the document itself are found.
func TestParse(t *testing.T) {
	v31 := func(rest string) string {
		return `{"openapi":"3.1.0","info":{"title":"t","version":"1"},` + rest + `}`
	}
	for name, text := range map[string]string{
		"not a document":        `[]`,
		"dangling reference":    v31(`"paths":{"/a":{"get":{"responses":{"200":{"$ref":"#/components/responses/X"}}}}}`),
		"example of no use":     v31(`"paths":{"/a":{"get":{"responses":{"200":{"description":"d","content":{"application/json":{"schema":{"type":"string"},"example":5}}}}}}}`),
		"without what all give": v31(`"paths":{}`),
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := Parse([]byte(text)); err == nil {
				t.Error("no error")
			}
		})
	}
}
