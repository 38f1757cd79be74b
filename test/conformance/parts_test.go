package conformance

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestPyInt(t *testing.T) {
	for text, want := range map[string]string{
		"5": "5", " 5 ": "5", "+5": "5", "-1": "-1", "1_0": "10", "٥": "5", "５": "5", "007": "7",
		"999999999999999999999999999999": "999999999999999999999999999999", "\t5\n": "5",
		"": "", "abc": "", "5.0": "", "_5": "", "5_": "", "1__0": "", "+-5": "", "True": "", "²": "", "+ 5": "", "0x5": "",
	} {
		n, ok := pyInt(text)
		got := ""
		if ok {
			got = n.String()
		}
		if got != want {
			t.Errorf("pyInt(%q) = %q, want %q", text, got, want)
		}
	}
}

func TestPyText(t *testing.T) {
	for number, want := range map[string]string{
		"5": "5", "5.0": "5.0", "1.14": "1.14", "-0": "0", "-0.0": "-0.0", "1e2": "100.0", "1e16": "1e+16", "1e-5": "1e-05",
		"123456789012345678901234567890": "123456789012345678901234567890", "1e400": "",
	} {
		if got, _ := pyText(number); got != want {
			t.Errorf("pyText(%s) = %q, want %q", number, got, want)
		}
	}
}

func TestPyTime(t *testing.T) {
	at := func(text string) time.Time {
		when, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			t.Fatal(err)
		}
		return when
	}
	for text, want := range map[string]struct {
		at     string
		offset bool
	}{
		"2023-01-04T00:00:00Z":              {"2023-01-04T00:00:00Z", true},
		"2023-01-04T13:00:00+13:00":         {"2023-01-04T00:00:00Z", true},
		"2023-01-04T13:00:00+1300":          {"2023-01-04T00:00:00Z", true},
		"2023-01-04T13:00:00+13":            {"2023-01-04T00:00:00Z", true},
		"2023-01-04 00:00:00 Z":             {"2023-01-04T00:00:00Z", true},
		"2023-01-04T00:00:00.0000009Z":      {"2023-01-04T00:00:00Z", true},
		"2023-01-04T00:00:00,123456789":     {"2023-01-04T00:00:00.123456Z", false},
		"2023-01-04":                        {"2023-01-04T00:00:00Z", false},
		"2023-1-4":                          {"2023-01-04T00:00:00Z", false},
		"2023-1-4 1:2":                      {"2023-01-04T01:02:00Z", false},
		"2023-01-04T13":                     {"2023-01-04T13:00:00Z", false},
		"20230104T000000Z":                  {"2023-01-04T00:00:00Z", true},
		"2023-W01-3":                        {"2023-01-04T00:00:00Z", false},
		"2023W013T05":                       {"2023-01-04T05:00:00Z", false},
		"2020-W53":                          {"2020-12-28T00:00:00Z", false},
		"0001-01-01":                        {"0001-01-01T00:00:00Z", false},
		"2023-01-04T00:00:00-15:59":         {"2023-01-04T15:59:00Z", true},
		"2024-02-29T23:59:59.999999+00:00Z": {"", false},
		"2023-02-29":                        {"", false},
		"2023-13-01":                        {"", false},
		"2023-01-04T24:00:00Z":              {"", false},
		"2023-01-04T00:00:00z":              {"", false},
		"2023-01-04T00:00:00+16:00":         {"", false},
		"2023-W53-1":                        {"", false},
		"2023-004":                          {"", false},
		"0000-01-01":                        {"", false},
		"10000-01-01":                       {"", false},
		"now":                               {"", false},
		"":                                  {"", false},
	} {
		got, offset, err := pyTime(text)
		switch {
		case want.at == "" && err == nil:
			t.Errorf("pyTime(%q) = %v, want an error", text, got)
		case want.at != "" && (err != nil || !got.Equal(at(want.at)) || offset != want.offset):
			t.Errorf("pyTime(%q) = %v, %v, %v, want %+v", text, got, offset, err, want)
		}
	}
}

func TestPgUpperIsOneToOne(t *testing.T) {
	if got, want := pgUpper("äßıİσςé"), "ÄßIİΣΣÉ"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestFilename(t *testing.T) {
	for _, test := range []struct{ name, extension, filename, header string }{
		{"log", "txt", "log.txt", `attachment; filename="log.txt"`},
		{"no type", "", "no type.", `attachment; filename="no type."`},
		{"say \"hi\"", `a\b`, `say "hi".a\b`, `attachment; filename="say \"hi\".a\\b"`},
		{"new\r\nline", "t\tt", "newline.tt", `attachment; filename="newline.tt"`},
		{"日本", "zip", "日本.zip", `attachment; filename="__.zip"; filename*=UTF-8''%E6%97%A5%E6%9C%AC.zip`},
		{strings.Repeat("é", 200), "t", strings.Repeat("é", 126) + ".t", ""},
		{"n", strings.Repeat("t", 300), "n." + strings.Repeat("t", 253), ""},
	} {
		got := Filename(test.name, test.extension)
		if got != test.filename {
			t.Errorf("Filename(%q, %q) = %q, want %q", test.name, test.extension, got, test.filename)
		}
		if test.header == "" {
			continue
		}
		if wrong := checkDisposition(test.header, got); wrong != "" {
			t.Error(wrong)
		}
		if wrong := checkDisposition(strings.Replace(test.header, "attachment", "inline", 1), got); wrong == "" {
			t.Errorf("inline %q goes unnoticed", got)
		}
	}
	for _, bad := range []string{
		`attachment; filename="__.zip"`,
		`attachment; filename="__.zip"; filename*=UTF-8''%E6%97%A5.zip`,
		`attachment; filename="日本.zip"`,
		`attachment; filename="__.zip"; filename*=utf-8''日本.zip`,
	} {
		if checkDisposition(bad, "日本.zip") == "" {
			t.Errorf("%s goes unnoticed", bad)
		}
	}
}

func TestTokens(t *testing.T) {
	for _, name := range []string{
		"tampered", "wrong-key", "hs512", "alg-none", "expired", "iat-future", "no-upk", "no-jtt", "no-jti", "no-exp",
		"token_type-claim", "upk-string", "upk-text", "unknown-user", "extra-claims",
	} {
		good, err := makeToken(scribe{}, "t", "access:alice")
		if err != nil {
			t.Fatal(err)
		}
		token, err := makeToken(scribe{}, "t", "access-"+name+":alice")
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if token == good || strings.Count(token, ".") != 2 {
			t.Errorf("%s is %s", name, token)
		}
	}
	if _, err := makeToken(scribe{}, "t", "access-odd:alice"); err == nil {
		t.Error("an unknown defect makes a token")
	}
}

// scribe writes claims down without signing them.
type scribe struct{}

func (scribe) Claims(tenant, username, use string) (map[string]any, error) {
	return map[string]any{
		"tenant": tenant, "username": username, "token_use": use, "upk": 2, "sub": "2", "jti": "x",
		"iat": 1, "nbf": 1, "exp": 2, "admin": false, "nodes": []int64{1},
	}, nil
}

func (scribe) Mint(claims, _ map[string]any) (string, error) {
	text, err := json.Marshal(claims)
	return "eyJhbGciOiJFUzI1NiJ9." + base64.RawURLEncoding.EncodeToString(text) + ".c2ln", err
}

// What is sent is what was recorded, byte for byte.
func TestWire(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	seen := make(chan string, 1)
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		var text bytes.Buffer
		request, err := http.ReadRequest(bufio.NewReader(io.TeeReader(conn, &text)))
		if err == nil {
			_, _ = io.Copy(io.Discard, request.Body)
		}
		seen <- text.String()
		fmt.Fprint(conn, "HTTP/1.1 418 \r\nX-A: b\r\nContent-Length: 2\r\n\r\nhi")
	}()
	body := `{"t": "{{access:alice}}", "long": true}`
	r := &Request{
		Method: "POST", Path: "/v1/a<b>'%2F", Transfer: "chunked", Body: &body,
		Headers: [][2]string{{"X-Twice", "1"}, {"x-twice", "é"}, {"Authorization", "Bearer  {{access:alice}} "}},
	}
	token := func(name string) (string, error) { return "TOKEN(" + name + ")", nil }
	request, err := wireRequest(r, r.Path, "host", func(text string) (string, error) { return fill(text, token) })
	if err != nil {
		t.Fatal(err)
	}
	got, err := exchangeBytes(context.Background(), listener.Addr().String(), r.Method, request)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(&Answer{Status: 418, Header: http.Header{"X-A": {"b"}, "Content-Length": {"2"}}, Body: []byte("hi")}, got); diff != "" {
		t.Errorf("answer (-want +got):\n%s", diff)
	}
	want := "POST /v1/a<b>'%2F HTTP/1.1\r\nHost: host\r\nConnection: close\r\nAccept: */*\r\nX-Twice: 1\r\nx-twice: é\r\n" +
		"Authorization: Bearer  TOKEN(access:alice) \r\nTransfer-Encoding: chunked\r\n\r\n7\r\n{\"t\": \"\r\n7\r\nTOKEN(a\r\n"
	if text := <-seen; !strings.HasPrefix(text, want) {
		t.Errorf("sent:\n%q\nwant:\n%q", text, want)
	}
}

// Hand-made exchanges of kinds that the committed recordings do not hold.
func TestJudgeOtherKinds(t *testing.T) {
	_, s := load(t)
	text := func(s string) *string { return &s }
	as := func(user string, more ...[2]string) [][2]string {
		return append([][2]string{{"Authorization", "Bearer {{access:" + user + "}}"}}, more...)
	}
	json415 := Response{Status: 415, JSON: json.RawMessage(`{"detail":"Unsupported media type \"text/plain\" in request."}`)}
	crash := Response{Status: 500}
	for _, test := range []struct {
		name, rule, want string
		request          Request
		response         Response
	}{
		{
			"a crash without a token", "D1", `401 not_authenticated|token_not_valid`,
			Request{Method: "GET", Path: "/v1/job-outputs/5", Headers: [][2]string{{"Accept", "text/html"}}}, crash,
		},
		{
			"an owner's node without a token", "D6", `401 not_authenticated|token_not_valid`,
			Request{Method: "POST", Path: "/v1/jobs/2/outputs/log/txt", Headers: [][2]string{{"Node-Id", "1"}}, Body: text("x")},
			Response{Status: 400, JSON: json.RawMessage(`{"detail":"Bad name 'log': Job already has an output by this name/type (log/txt)"}`)},
		},
		{
			"media type without a token", "D7", `401 not_authenticated|token_not_valid`,
			Request{Method: "POST", Path: "/v1/job-outputs/list", Headers: [][2]string{{"Content-Type", "text/plain"}}, Body: text("{}")}, json415,
		},
		{
			"a type that is too long", "D16", `400 invalid_name`,
			Request{Method: "POST", Path: "/v1/jobs/2/outputs/n/" + strings.Repeat("t", 2049), Headers: as("admin"), Body: text("x")},
			Response{Status: 200, JSON: json.RawMessage(`{"pk":68,"job":2,"name":"n","type":"t","creator":1,"creation_time":"2026-11-24T04:06:32+13:00","deletion_time":null}`)},
		},
		{
			"a deep body", "D15", `400 invalid_json|invalid_request|invalid_filter`,
			Request{Method: "POST", Path: "/v1/job-outputs/list", Headers: as("bob", [2]string{"Content-Type", "application/json"}), Body: text(strings.Repeat("[", 100000))}, crash,
		},
		{
			"a node that bob may not act for", "D6", `403 node_not_granted`,
			Request{Method: "GET", Path: "/v1/jobs/2/outputs/log/txt", Headers: as("bob", [2]string{"Node-Id", " +2"})},
			Response{Status: 200, Headers: map[string]string{"Content-Type": "application/data"}, Body: text("line 1\nline 2\n")},
		},
		{
			"refresh of an inactive user", "D19", `401 not_authenticated|token_not_valid`,
			Request{Method: "POST", Path: "/v1/auth/refresh", Headers: [][2]string{{"Content-Type", "application/json"}}, Body: text(`{"refresh": "{{refresh:carol}}"}`)},
			Response{Status: 200, JSON: json.RawMessage(`{"access":"<token>"}`)},
		},
		{
			"HEAD of binary content", "D1", `200 12 bytes as "statistics.Compressed<JSON>"`,
			Request{Method: "HEAD", Path: "/v1/jobs/2/outputs/statistics/Compressed%3CJSON%3E", Headers: as("alice")}, crash,
		},
		{
			"a range that is none", "D17", `416 range_not_satisfiable`,
			Request{Method: "GET", Path: "/v1/jobs/2/outputs/log/txt", Headers: as("alice", [2]string{"Range", "bytes=14-"})},
			Response{Status: 200, Body: text("line 1\nline 2\n")},
		},
		{
			"octet-stream is asked for", "D10", `200 20 bytes as "statistics.JSON<Map<str>>"`,
			Request{Method: "POST", Path: "/v1/job-outputs/5/download", Headers: as("alice", [2]string{"Accept", "application/octet-stream"})},
			Response{Status: 406, JSON: json.RawMessage(`{"detail":"Could not satisfy the request Accept header."}`)},
		},
		{
			"a column of the job", "D12", `400 invalid_filter`,
			Request{Method: "POST", Path: "/v1/job-outputs/list", Headers: as("alice", [2]string{"Content-Type", "application/json"}), Body: text(`{"expressions":[{"type":"exact","field":"job.node","value":1}]}`)},
			Response{Status: 200, PKs: &[]int64{1}},
		},
		{
			"the documents' is_null", "D12", `200 rows [3 9 23 51 55]`,
			Request{Method: "POST", Path: "/v1/job-outputs/list", Headers: as("alice", [2]string{"Content-Type", "application/json"}), Body: text(`{"expressions":[{"type":"is_null","field":"creator"}]}`)},
			Response{Status: 400, JSON: json.RawMessage(`{"detail":"Unable to parse JSON: …"}`)},
		},
		{
			"no Accept matters to JSON actions, but a finished job does", "D3",
			`409 job_finished "Attempted to perform the following action on a finished job: add_output"`,
			Request{Method: "POST", Path: "/v1/jobs/3/outputs/x/y", Headers: as("dave", [2]string{"Content-Disposition", "attachment; filename=x"}), Body: text("x")},
			Response{Status: 406, JSON: json.RawMessage(`{"detail":"Attempted to perform the following action on a finished job: add_output"}`)},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			x := &Exchange{Topic: "t", ID: "x", Request: test.request, Response: test.response}
			got := Judge(NewView(x, NewWorld(s, time.Now())))
			if got.Rule != test.rule || got.Want.String() != test.want {
				t.Errorf("by %q %s (%s), want by %q %s", got.Rule, got.Want, got.Note, test.rule, test.want)
			}
		})
	}
}
