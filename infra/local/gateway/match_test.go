package gateway

import (
	"bufio"
	"encoding/base64"
	"io"
	"strconv"
	"strings"
	"testing"

	"joboutputs/shared/api"
)

func TestPaths(t *testing.T) {
	f := start(t, house(), nil)
	const (
		notFound = "404 not_found"
		bad      = "400 invalid_request"
	)
	for _, tt := range []struct {
		line string
		want string // the function and the parameters it got, or a refusal
	}{
		{"GET /v1/job-outputs/5", "joboutputs-retrieve pk=5"},
		{"HEAD /v1/job-outputs/5", "joboutputs-retrieve pk=5"},
		{"GET /v1/job-outputs/5/", "joboutputs-retrieve pk=5"},
		{"GET /v1/job-outputs/abc", "joboutputs-retrieve pk=abc"},
		{"GET /v1/job-outputs/%35", "joboutputs-retrieve pk=5"},
		{"GET /v1/job-outputs/5?x=/a/b", "joboutputs-retrieve pk=5"},
		{"GET /v1/job-outputs/5/?", "joboutputs-retrieve pk=5"},
		{"get /v1/job-outputs/5", "joboutputs-retrieve pk=5"},
		{"GET /v1/job-outputs/5?x=http://elsewhere/v1/jobs/1", "joboutputs-retrieve pk=5"},
		{"GET /v1/job%2Doutputs/5", "joboutputs-retrieve pk=5"},
		{"GET /v1/job-outputs/5+6", "joboutputs-retrieve pk=5+6"},
		{"GET /v1/job-outputs/5%2B6", "joboutputs-retrieve pk=5+6"},
		{"GET /v1/job-outputs/a%2525", "joboutputs-retrieve pk=a%25"},
		{"GET /v1/job-outputs/.", "joboutputs-retrieve pk=."},
		{"GET /v1/job-outputs/..", "joboutputs-retrieve pk=.."},
		{"GET /v1/job-outputs/%2e%2E", "joboutputs-retrieve pk=.."},
		{"GET /v1/job-outputs/a:b;c=d,e", "joboutputs-retrieve pk=a:b;c=d,e"},
		{"GET /v1/job-outputs/<\"'{}|^`>", "joboutputs-retrieve pk=<\"'{}|^`>"},
		{"GET /v1/job-outputs/a#b", "joboutputs-retrieve pk=a#b"},
		{"GET /v1/job-outputs/%C3%A9", "joboutputs-retrieve pk=é"},
		{"GET /v1/job-outputs/%FF", "joboutputs-retrieve pk=\uFFFD"},
		{"GET /v1/job-outputs/%00", "joboutputs-retrieve pk=\x00"},
		{"DELETE /v1/job-outputs/5", "joboutputs-destroy pk=5"},
		{"DELETE /v1/job-outputs/5/hard", "joboutputs-harddelete pk=5"},
		{"DELETE /v1/job-outputs/5/hard/", "joboutputs-harddelete pk=5"},
		{"POST /v1/job-outputs/5/reinstate", "joboutputs-reinstate pk=5"},

		// Literals first, for every method.
		{"POST /v1/job-outputs/list", "joboutputs-list"},
		{"POST /v1/job-outputs/list/", "joboutputs-list"},
		{"POST /v1/job-outputs/%6Cist", "joboutputs-list"},
		{"GET /v1/job-outputs/list", "405 method_not_allowed POST, OPTIONS"},
		{"DELETE /v1/job-outputs/list", "405 method_not_allowed POST, OPTIONS"},
		{"PATCH /v1/job-outputs/list", "405 method_not_allowed POST, OPTIONS"},
		{"GET /v1/job-outputs/create", "405 method_not_allowed POST, OPTIONS"},
		{"GET /v1/jobs/create/", "405 method_not_allowed POST, OPTIONS"},
		{"GET /v1/job-outputs/List", "joboutputs-retrieve pk=List"},
		{"GET /v1/jobs/create/outputs/n/t", "jobs-getoutput pk=create name=n type=t"},

		{"GET /v1/jobs/1/outputs.zip", "jobs-zipoutputs pk=1"},
		{"GET /v1/jobs/1/outputs.zip/", "jobs-zipoutputs pk=1"},
		{"GET /v1/jobs/1/outputs%2Ezip", "jobs-zipoutputs pk=1"},
		{"GET /v1/jobs/1/outputs.zip/n", notFound},
		{"DELETE /v1/jobs/1/outputs.zip", "405 method_not_allowed GET, HEAD, OPTIONS"},

		// Below outputs/ every slash counts.
		{"GET /v1/jobs/1/outputs/n/t", "jobs-getoutput pk=1 name=n type=t"},
		{"GET /v1/jobs/1/outputs/n/info", "jobs-getoutput pk=1 name=n type=info"},
		{"GET /v1/jobs/1/outputs/n/t/info", "jobs-getoutputinfo pk=1 name=n type=t"},
		{"GET /v1/jobs/1/outputs/info/info/info", "jobs-getoutputinfo pk=1 name=info type=info"},
		{"GET /v1/jobs/1/outputs/../..", "jobs-getoutput pk=1 name=.. type=.."},
		{"GET /v1/jobs/1/outputs/%20a%20/JSON%3CMap%3E", "jobs-getoutput pk=1 name= a  type=JSON<Map>"},
		{"POST /v1/jobs/1/outputs/n/t", "jobs-addoutput pk=1 name=n type=t"},
		{"GET /v1/jobs/1/outputs/n/t/", notFound},
		{"GET /v1/jobs/1/outputs/n/t/info/", notFound},
		{"GET /v1/jobs/1/outputs/n/", notFound},
		{"GET /v1/jobs/1/outputs//t", notFound},
		{"GET /v1/jobs/1/outputs//", notFound},
		{"GET /v1/jobs/1/outputs/n/t/u", notFound},
		{"GET /v1/jobs/1/outputs/a%2Fb/t", notFound},
		{"GET /v1/jobs/1/outputs/a/%2f", notFound},
		{"GET /v1/jobs//outputs/n/t", notFound},
		{"GET /v1/jobs/1/outputs/./../n/t", notFound},

		{"GET /", notFound},
		{"GET //", notFound},
		{"GET /v1", notFound},
		{"GET /v1/", notFound},
		{"GET /v1/job-outputs", notFound},
		{"GET /v1/job-outputs/", notFound},
		{"GET /v1/job-outputs//", notFound},
		{"GET /v1/job-outputs/5//", notFound},
		{"GET //v1/job-outputs/5", notFound},
		{"GET /v1//job-outputs/5", notFound},
		{"GET /v1/./job-outputs/5", notFound},
		{"GET /v1/x/../job-outputs/5", notFound},
		{"GET /V1/job-outputs/5", notFound},
		{"GET /x/v1/job-outputs/5", notFound},
		{"GET /v1/job-outputs/5/x", notFound},
		{"GET /v1/job-outputs/5%2F", notFound},
		{"GET /v1%2Fjob-outputs/5", notFound},
		{"POST /x/v1/auth/verify", notFound},
		{"POST /v1/auth/verifyABC", notFound},
		{"GET http://elsewhere", notFound},
		{"GET http://elsewhere:1/v1/job-outputs/5?a", notFound},
		{"OPTIONS *", notFound},
		{"CONNECT elsewhere:443", notFound},
		{"PUT /v1/nothing", notFound},

		{"GET /v1/job-outputs/é", bad},
		{"GET /v1/job-outputs/\xff", bad},
		{"GET /v1/job-outputs/a%ZZ", bad},
		{"GET /v1/job-outputs/a%", bad},
		{"GET /v1/job-outputs/%2", bad},
		{"GET /nothing/%", bad},
		{"GET /v1/job-outputs/5?a=%ZZ", bad},
		{"GET /v1/job-outputs/5?%", bad},
		{"GET nothing", bad},
	} {
		answer := f.send(t, tt.line, "", bearer)
		var got string
		if fn := answer.header.Get("X-Function"); fn != "" {
			got = fn
			for _, name := range []string{"pk", "name", "type"} {
				if value, _ := base64.StdEncoding.DecodeString(answer.header.Get("X-" + name)); len(value) > 0 {
					got += " " + name + "=" + string(value)
				}
			}
		} else {
			got = strings.TrimSpace(map[int]string{404: "404 ", 405: "405 ", 400: "400 "}[answer.status] + answer.code() + " " + answer.header.Get("Allow"))
		}
		if got != tt.want {
			t.Errorf("%q: got %q (%d %s), want %q", tt.line, got, answer.status, answer.body, tt.want)
		}
	}
}

// What net/http refuses on its own is a problem document too, and ends the connection
// without disturbing the answers before it.
func TestUnreadableRequests(t *testing.T) {
	const whole = "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n400 Bad Request"
	f := start(t, house(), nil)
	for _, request := range []string{
		"GET /a%ZZ HTTP/1.1\r\nHost: h\r\n\r\n",
		"GET /v1/job-outputs/5\r\n\r\n",
		"GET /v1/job-outputs/5 HTTP/9\r\nHost: h\r\n\r\n",
		"GET /v1/job-outputs/5 HTTP/1.1\r\n\r\n", // no Host
		"GET /v1/job-outputs/5 HTTP/1.1\r\nHost: h\r\nno colon\r\n\r\n",
		"GET /v1/job-outputs/5 HTTP/1.1\r\nHost: h\r\nBad Name: x\r\n\r\n",
		"POST /v1/job-outputs/list HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip\r\n\r\n",
		"POST /v1/job-outputs/list HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n",
		"POST /v1/job-outputs/list HTTP/1.1\r\nHost: h\r\nExpect: miracles\r\n\r\n",
		"G\x00T / HTTP/1.1\r\nHost: h\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: h\r\nX: " + strings.Repeat("x", 2<<20) + "\r\n\r\n",
	} {
		answer := f.raw(t, request)
		if answer.status != 400 || answer.code() != "invalid_request" || answer.err != nil || answer.problem("request_id") == "" {
			t.Errorf("%.60q: got %d %v %s", request, answer.status, answer.header, answer.body)
		}
	}

	c := f.dial(t) // three requests at once, of which the last is bad
	good := "POST /v1/auth/verify HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
	if _, err := io.WriteString(c, good+good+"GET /%ZZ HTTP/1.1\r\nHost: h\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewReader(c)
	for _, want := range []int{200, 200, 400} {
		if got := read(t, in, "POST"); got.status != want || want == 400 && got.code() == "" {
			t.Errorf("pipelined: got %d %s, want %d", got.status, got.body, want)
		}
	}
	if _, err := in.ReadByte(); err != io.EOF {
		t.Errorf("the connection goes on: %v", err)
	}

	// A stored text that looks like net/http's own answer is an answer's body like others.
	f = start(t, streaming(func(w *answering) {
		w.Header().Set("Content-Length", strconv.Itoa(len(whole)))
		w.WriteHeader(200)
		w.text(whole)
	}), nil)
	if got := f.send(t, "GET /v1/job-outputs/5", "", bearer); string(got.body) != whole {
		t.Errorf("got %s (%d bytes)", got.body, len(whole))
	}
}

func TestMethods(t *testing.T) {
	f := start(t, house(), nil)
	const all = "GET, HEAD, PUT, PATCH, DELETE, OPTIONS"
	for method, want := range map[string]int{
		"GET": 200, "HEAD": 200, "DELETE": 200, "PUT": 403, "PATCH": 403, "OPTIONS": 200,
		"POST": 405, "TRACE": 405, "LINK": 405, "get": 200, "Delete": 200,
	} {
		answer := f.send(t, method+" /v1/job-outputs/5", "", bearer)
		if answer.status != want {
			t.Errorf("%s: got %d %s, want %d", method, answer.status, answer.body, want)
		}
		if want == 405 && (answer.header.Get("Allow") != all || answer.detail() != `Method "`+method+`" not allowed.`) {
			t.Errorf("%s: Allow %q, %s", method, answer.header.Get("Allow"), answer.body)
		}
		if want == 403 && answer.detail() != "You do not have permission to perform this action." {
			t.Errorf("%s: %s", method, answer.body)
		}
	}
	if n := f.asked.Load(); n != 1 {
		t.Errorf("the authorizer was asked %d times", n)
	}
	for _, line := range []string{"PUT /v1/job-outputs/5", "POST /v1/job-outputs/create"} { // refused: to nobody first of all 401
		if got := f.send(t, line, ""); got.status != 401 {
			t.Errorf("%s: %d", line, got.status)
		}
	}
	for _, line := range []string{"GET /nothing", "POST /v1/job-outputs/5"} { // before the token is looked at
		if got := f.send(t, line, "", "Authorization: Bearer refused"); got.status != 404 && got.status != 405 || f.asked.Load() != 1 {
			t.Errorf("%s: %d, asked %d times", line, got.status, f.asked.Load())
		}
	}
}

func TestOptions(t *testing.T) {
	f := start(t, house(), nil)
	got := f.send(t, "OPTIONS /v1/jobs/1/outputs/n/t", "", "Origin: https://a.test", "Access-Control-Request-Method: POST", "Access-Control-Request-Headers: node-id")
	if h := got.header; got.status != 200 || h.Get("Access-Control-Allow-Origin") != "*" || h.Get("Access-Control-Allow-Methods") != "GET, HEAD, POST, OPTIONS" ||
		h.Get("Access-Control-Max-Age") == "" || len(got.body) != 0 || h.Get("Content-Type") != "" {
		t.Errorf("preflight: %d %v %q", got.status, h, got.body)
	}
	for _, name := range []string{"Authorization", "Content-Type", "Node-Id", "Idempotency-Key", "Range", "If-None-Match", "Repr-Digest", "Content-Digest", "Content-MD5", "X-Amz-Checksum-Sha256"} {
		if !strings.Contains(", "+got.header.Get("Access-Control-Allow-Headers")+",", ", "+name+",") {
			t.Errorf("preflight does not allow %s", name)
		}
	}
	got = f.send(t, "OPTIONS /v1/jobs/1/outputs/n/t", "", "Origin: https://a.test")
	if h := got.header; got.status != 200 || h.Get("Allow") != "GET, HEAD, POST, OPTIONS" || h.Get("Access-Control-Allow-Methods") != "" {
		t.Errorf("no preflight: %d %v", got.status, h)
	}
	got = f.send(t, "OPTIONS /nothing", "", "Origin: https://a.test", "Access-Control-Request-Method: POST")
	if got.status != 404 || got.header.Get("Access-Control-Allow-Origin") != "*" || got.header.Get("Content-Type") != api.ProblemType {
		t.Errorf("unknown route: %d %v", got.status, got.header)
	}
	if f.asked.Load() != 0 {
		t.Error("the authorizer was asked")
	}
}
