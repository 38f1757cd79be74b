package cost_test

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"joboutputs/shared/api"
	"joboutputs/shared/api/apitest"
)

// Limits of a request: API Gateway's, of all headers and of the URL, in bytes.
const (
	maxHeaders = 10_000
	maxURL     = 10_240
)

// bodies is what is sent to the actions that read one, filled to its limit.
func bodies() grammar {
	return grammar{"bodies", []gene{
		{"shape", []string{
			"array", "object", "same name", "value", "nested", "pairs", "known", "in known", "pair of names", "pair of characters", "terms", "orders", "parts",
		}},
		{"route", []string{
			"/v1/job-outputs/list", "/v1/job-outputs/{pk}/download", "/v1/jobs/create", "/v1/jobs/{pk}/finish", "/v1/jobs/{pk}/start",
			"/v1/jobs/{pk}/outputs/{name}/{type}", "/v1/jobs/{pk}/uploads", "/v1/jobs/{pk}/uploads/{id}/complete",
			"/v1/auth/obtain", "/v1/auth/refresh", "/v1/auth/verify",
		}},
		{"item", []string{
			`0`, `[]`, `{}`, `["",1]`, `"ab"`, `{"a":1,"b":2}`, `"\u0061"`, `" "`, `1e5`, `1.5`, `true`, `[[[[[[]]]]]]`, `["name",{}]`,
			`{"number":0,"sha256":""}`, `{"type":"exact","field":"pk","value":1}`, `{"field":"pk"}`,
		}},
		{"name", []string{"name", "type", "sha256", "expressions", "order_by", "cursor", "token", "username", "parts", "x"}},
		{"text", []string{"a", `\n`, `\u0061`, `\ud83c\udf89`, "é", "9", "0", " ", "2023-01-01T", "1.", "_1", "٣", "eyJhIjoxfQ."}},
		{"before", []string{"", "1", "2023-01-01T00:00:00.", "1.", "-0.", "1e", "W/", "eyJ"}},
		{"charset", []string{"", "; charset=latin-1"}},
		{"space", []string{"", " ", "\n"}},
		{"broken", []string{"", "", "", "", "]", "x"}},
	}, body}
}

func body(choice func(string) string) specimen {
	resource := choice("route")
	room := api.MaxBody - 200
	fill := func(item func(i int) string) string { // as many as there is room for, with commas
		var b strings.Builder
		for i := 0; ; i++ {
			next := item(i) + choice("space")
			if b.Len()+len(next)+1 > room {
				return b.String()
			}
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString(next)
		}
	}
	item := choice("item")
	same := func(int) string { return item }
	long := `"` + choice("before") + strings.Repeat(choice("text"), room/len(choice("text"))) + `"`
	names := func(i int) string { return strconv.Quote(strconv.FormatInt(int64(i), 36)) + ":0" }
	var text string
	switch choice("shape") {
	case "array":
		text = "[" + fill(same) + "]"
	case "object":
		text = "{" + fill(names) + "}"
	case "same name":
		text = "{" + fill(func(int) string { return strconv.Quote(choice("name")) + ":" + item }) + "}"
	case "value":
		text = strings.Trim(long, `"`)
	case "nested":
		deep := strings.Repeat("[", api.MaxDepth-2)
		text = `{"` + choice("name") + `":` + deep + fill(func(int) string { return "0" }) + strings.Repeat("]", api.MaxDepth-2) + "}"
	case "pairs":
		text = "[" + fill(func(int) string { return `["` + choice("name") + `",` + item + `]` }) + "]"
	case "known":
		text = `{"` + choice("name") + `":` + long + `}`
	case "in known":
		text = `{"` + choice("name") + `":[` + fill(same) + `]}`
	case "pair of names":
		text = "[{" + fill(names) + "}]"
	case "pair of characters":
		text = "[" + long + "]"
	case "terms":
		value := long
		if many := choice("item"); many == "[]" { // 1,200 of them
			value = long[:min(len(long)-1, 130)] + `"`
		}
		one := `{"type":"exact","field":` + map[bool]string{true: `"creation_time"`, false: `"pk"`}[choice("name") == "name"] + `,"value":` + value + `}`
		text = `{"expressions":[` + strings.TrimSuffix(strings.Repeat(one+",", max(1, min(1_200, room/(len(one)+1)))), ",") + `]}`
	case "orders":
		text = `{"order_by":[` + fill(func(int) string { return `{"field":"type","ascending":false}` }) + `]}`
	case "parts":
		text = `{"parts":[` + fill(func(i int) string {
			return fmt.Sprintf(`{"number":%d,"sha256":"47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="}`, i+1)
		}) + `]}`
	}
	text += choice("broken")
	return specimen{call: apitest.Call{
		Method: http.MethodPost, Resource: resource, Params: params(resource, "1"), JSON: text,
		Header: map[string]string{"Content-Type": "application/json" + choice("charset")}, As: apitest.Admin,
	}}
}

// params are the path's parameters, the texts among them as said.
func params(resource, text string) map[string]string {
	all := map[string]string{}
	for _, name := range []string{"pk", "name", "type", "id"} {
		if strings.Contains(resource, "{"+name+"}") {
			all[name] = text
		}
	}
	if _, ok := all["pk"]; ok {
		all["pk"] = "1"
	}
	return all
}

// heads is what is sent without a body: headers, path and query, each filled to its limit.
func heads() grammar {
	return grammar{"headers, paths and queries", []gene{
		{"route", []string{
			"GET /v1/job-outputs/{pk}", "POST /v1/job-outputs/{pk}/download", "POST /v1/job-outputs/list", "GET /v1/jobs/{pk}/outputs/{name}/{type}",
			"GET /v1/jobs/{pk}/outputs/{name}/{type}/info", "POST /v1/jobs/{pk}/outputs/{name}/{type}", "GET /v1/jobs/{pk}/outputs.zip",
			"GET /v1/jobs/{pk}/uploads/{id}", "GET /v1/jobs/{pk}/acquire", "POST /v1/jobs/{pk}/uploads/{id}/complete", "GET /v1/docs", "GET /v1/limits",
		}},
		{"header", []string{"Accept", "If-None-Match", "If-Range", "Range", "Node-Id", "Idempotency-Key", "Content-Type", "Origin", "Authorization", "X-Unknown"}},
		{"before", []string{"", "bytes=", "application/json;", "application/json,", "W/", "1", "Bearer ", `a/b;c="`}},
		{"unit", []string{",", "a", " ", "1", "_1", "-", `W/"a",`, "0-1,", "a/b;q=0.1,", `a/b;c="\a",`, ";a*0=b", ";a=b", "%41", `"`, `\a`, "é"}},
		{"path", []string{"a", "%", "%41", "é", "🎉", "\xff", " ", "\n", "\""}},
		{"query", []string{"", "from=1&sha256=", "extension=", "delivery=", "expires_in=", "sha256=", "filetype="}},
		{"query unit", []string{"a", ",", "1", "%2C", "%41", "47DEQpj8HBSa%2B%2FTImW%2B5JCeuQeRkm5NMpJWZG3hSuFU%3D,", "&a=", "é"}},
		{"rows", []string{"none", "some"}},
	}, head}
}

func head(choice func(string) string) specimen {
	method, resource, _ := strings.Cut(choice("route"), " ")
	times := func(unit string, room int) string { return strings.Repeat(unit, room/len(unit)) }
	s := specimen{call: apitest.Call{Method: method, Resource: resource, As: apitest.Admin}}
	s.call.Params = params(resource, times(choice("path"), maxURL/9)) // percent-encoded three times as long
	if query := choice("query"); query != "" {
		s.call.Query = query + times(choice("query unit"), maxURL/2)
	}
	s.call.Header = map[string]string{choice("header"): choice("before") + times(choice("unit"), maxHeaders-200)}
	if method == http.MethodPost {
		s.call.JSON = "{}"
	}
	if choice("rows") == "some" {
		s.rows, s.items = found("a", "")
	}
	return s
}
