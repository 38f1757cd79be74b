//go:build e2e

package e2e

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// object is the JSON of an output.
func object(pk, job, creator int, name, kind, deleted, content string) string {
	sum := sha256.Sum256([]byte(content))
	return fmt.Sprintf(`{"pk":%d,"job":%d,"name":%q,"type":%q,"creator":%d,"creation_time":"now","deletion_time":%s,"size":%d,"content_type":"application/octet-stream","sha256":%q,"checksum":{"algorithm":"SHA256","type":"full","value":%q}}`,
		pk, job, name, kind, creator, deleted, len(content), hex.EncodeToString(sum[:]), base64.StdEncoding.EncodeToString(sum[:]))
}

// The life of an output, from the first byte to the last.
func TestOutputs(t *testing.T) {
	admin, node, user := tenant(t, "outputs")
	worker := node.node("7")
	before, err := objects(t.Context(), own.outputs["BucketName"])
	if err != nil {
		t.Fatal(err)
	}
	model := "\x00\xff\xfe binary \r\n"
	active, deleted := object(1, 1, 2, "model", "bin", "null", model), object(1, 1, 2, "model", "bin", `"now"`, model)
	log := object(2, 1, 1, "log", "txt", "null", "done")

	script(t, []step{
		{user, "POST", "/v1/job-outputs/list", "", "200 []"},
		{admin, "POST", "/v1/jobs/create", `{"node":7}`, `201 {"pk":1,"description":"","node":7,"creator":1,"creation_time":"now","start_time":null,"end_time":null,"error_reason":null,"deletion_time":null,"is_cancelled":false,"outputs":[]}`},
		{worker, "POST", "/v1/jobs/1/outputs/model/bin", model, "409 job_not_started: Attempted to perform the following action on an un-started job: add_output"},
		{worker, "POST", "/v1/jobs/1/start", "", `200 {"pk":1,"description":"","node":7,"creator":1,"creation_time":"now","start_time":"now","end_time":null,"error_reason":null,"deletion_time":null,"is_cancelled":false,"outputs":[]}`},

		{user, "POST", "/v1/jobs/1/outputs/model/bin", model, forbidden},
		{worker, "POST", "/v1/jobs/1/outputs/model/bin", model, "200 " + active},
		{worker, "POST", "/v1/jobs/1/outputs/model/bin", "other", "409 duplicate_output: Bad name 'model': Job already has an output by this name/type (model/bin)"},
		{admin, "POST", "/v1/jobs/1/outputs/log/txt", "done", "200 " + log},

		{user, "GET", "/v1/jobs/1/outputs/model/bin", "", "200 " + strings.TrimSpace(model)}, // as the line is
		{user, "GET", "/v1/jobs/1/outputs/model/bin/info", "", "200 " + active},
		{user, "GET", "/v1/jobs/1/outputs/model/txt/info", "", "404 output_not_found: Bad name 'model': Job has no output by this name/type (model/txt)"},
		{user, "GET", "/v1/job-outputs/1", "", "200 " + active},
		{user, "HEAD", "/v1/job-outputs/1", "", "200"},
		{user, "GET", "/v1/job-outputs/3", "", notFound},
		{user, "POST", "/v1/job-outputs/list", `{"limit":10}`, "200 [" + active + "," + log + "]"},
		{user, "POST", "/v1/job-outputs/list", `{"filter":{}}`, `400 invalid_filter: unknown key "filter"; known are expressions, order_by, include_inactive, limit, cursor`},

		{user, "DELETE", "/v1/job-outputs/1", "", forbidden},
		{admin, "DELETE", "/v1/job-outputs/1", "", "204"},
		{admin, "DELETE", "/v1/job-outputs/1", "", "204"},
		{user, "GET", "/v1/job-outputs/1", "", "200 " + deleted},
		{user, "POST", "/v1/job-outputs/list", `{}`, "200 [" + log + "]"},
		{user, "POST", "/v1/job-outputs/list", `{"include_inactive":true}`, "200 [" + deleted + "," + log + "]"},
		{worker, "POST", "/v1/jobs/1/outputs/model/bin", model, "409 duplicate_output: Bad name 'model': Job already has an output by this name/type (model/bin)"},

		{user, "DELETE", "/v1/job-outputs/1/reinstate", "", forbidden},
		{admin, "POST", "/v1/job-outputs/1/reinstate", "", "200 " + active},
		{admin, "DELETE", "/v1/job-outputs/1/reinstate", "", "200 " + active},
		{admin, "DELETE", "/v1/jobs/1/outputs/model/bin", "", "200 " + deleted},

		{user, "DELETE", "/v1/job-outputs/1/hard", "", forbidden},
		{admin, "DELETE", "/v1/job-outputs/1/hard", "", "200 " + deleted},
		{admin, "DELETE", "/v1/job-outputs/1/hard", "", notFound},
		{user, "GET", "/v1/job-outputs/1", "", notFound},
		{user, "GET", "/v1/jobs/1/outputs/model/bin", "", "404 output_not_found: Bad name 'model': Job has no output by this name/type (model/bin)"},
		{worker, "POST", "/v1/jobs/1/outputs/model/bin", model, "200 " + object(3, 1, 2, "model", "bin", "null", model)}, // the name is free, the pk is not
		{admin, "DELETE", "/v1/job-outputs/3/hard", "", "200 " + object(3, 1, 2, "model", "bin", `"now"`, model)},
		{admin, "DELETE", "/v1/job-outputs/2/hard", "", "200 " + object(2, 1, 1, "log", "txt", `"now"`, "done")},
	})

	after, err := objects(t.Context(), own.outputs["BucketName"])
	if err != nil {
		t.Fatal(err)
	}
	if len(after) != len(before) {
		t.Errorf("the bucket has %d objects after the hard deletes, want %d as before", len(after), len(before))
	}
}

func TestJobs(t *testing.T) {
	admin, node, user := tenant(t, "jobs")
	seven, eight := node.node("7"), node.node("8")
	job := func(node, start, end, reason string) string {
		return fmt.Sprintf(`200 {"pk":1,"description":"x","node":%s,"creator":1,"creation_time":"now","start_time":%s,"end_time":%s,"error_reason":%s,"deletion_time":null,"is_cancelled":false,"outputs":[]}`, node, start, end, reason)
	}
	const null, now = "null", `"now"`
	script(t, []step{
		{user, "POST", "/v1/jobs/create", `{"description":"x"}`, forbidden},
		{admin, "POST", "/v1/jobs/create", `{"description":"x"}`, strings.Replace(job(null, null, null, null), "200", "201", 1)},
		{user, "GET", "/v1/jobs/1", "", job(null, null, null, null)},
		{user, "HEAD", "/v1/jobs/1", "", "200"},
		{user, "GET", "/v1/jobs/2", "", notFound},

		{user, "GET", "/v1/jobs/1/acquire", "", forbidden},
		{user.node("7"), "GET", "/v1/jobs/1/acquire", "", "403 node_not_granted: The token does not grant node 7."},
		{node.node("seven"), "GET", "/v1/jobs/1/acquire", "", "400 bad_node_id: Bad Node-Id header 'seven': Unable to parse into an integer primary-key"},
		{seven, "GET", "/v1/jobs/1/acquire", "", job("7", null, null, null)},
		{seven, "GET", "/v1/jobs/1/acquire", "", job("7", null, null, null)},
		{eight, "GET", "/v1/jobs/1/acquire", "", "409 job_acquired: The job has been acquired by another node."},
		{seven, "DELETE", "/v1/jobs/1/release", "", job(null, null, null, null)},
		{eight, "GET", "/v1/jobs/1/acquire", "", job("8", null, null, null)},

		{seven, "POST", "/v1/jobs/1/start", "", forbidden},
		{eight, "POST", "/v1/jobs/1/start", "", job("8", now, null, null)},
		{eight, "POST", "/v1/jobs/1/start", "", job("8", now, null, null)}, // again, it changes nothing
		{eight, "POST", "/v1/jobs/1/finish", `{"error":"out of memory"}`, job("8", now, now, `"out of memory"`)},
		{eight, "POST", "/v1/jobs/1/outputs/core/dump", "late", "200 " + object(1, 1, 2, "core", "dump", "null", "late")}, // an errored job may still add
		{eight, "POST", "/v1/jobs/1/finish", `{}`, "409 illegal_transition: The job can't take the action finish: it has ended."},
	})
}

// Names and types arrive as they were meant, however they are escaped.
func TestNames(t *testing.T) {
	admin, node, user := tenant(t, "names")
	begun(t, admin, node)
	for i, name := range []struct{ sent, meant string }{
		{"a%20b", "a b"},
		{"a+b", "a+b"},
		{"%C3%A9t%C3%A9", "été"},
		{"100%25", "100%"},
		{"%2541", "%41"}, // decoded once, not twice
		{"a;b=c", "a;b=c"},
		{"a%3Fb%23c", "a?b#c"},
		{"%22quoted%22", `"quoted"`},
		{"..", ".."},
		{"%F0%9F%8E%89", "🎉"},
		{"a:b@c", "a:b@c"},
	} {
		path := "/v1/jobs/1/outputs/" + name.sent + "/" + name.sent
		want := "200 " + object(i+1, 1, 2, name.meant, name.meant, "null", "x")
		script(t, []step{
			{node.node("7"), "POST", path, "x", want},
			{user, "GET", path + "/info", "", want},
		})
	}
}

func TestDownload(t *testing.T) {
	admin, node, user := tenant(t, "download")
	begun(t, admin, node)
	small, large := "0123456789", strings.Repeat("0123456789abcde\xff", 264<<10) // 4.125 MiB: over what an answer carries, under what a request may
	script(t, []step{
		{node.node("7"), "POST", "/v1/jobs/1/outputs/small%20%C3%A9/txt", small, "200 " + object(1, 1, 2, "small é", "txt", "null", small)},
		{node.node("7"), "POST", "/v1/jobs/1/outputs/large/bin", large, "200 " + object(2, 1, 2, "large", "bin", "null", large)},
		{node.node("7"), "POST", "/v1/jobs/1/outputs/huge/bin", large + large, "413 payload_too_large: The content is over 4400000 bytes: use a staged upload (POST /v1/jobs/1/uploads)."},
		{user, "POST", "/v1/job-outputs/1/download", `{"delivery":"pigeon"}`, `400 invalid_request: delivery: "pigeon" is not one of bytes, redirect, url`},
		{user, "POST", "/v1/job-outputs/2/download", `{"delivery":"bytes"}`, "413 result_too_large: The content is 4325376 bytes, more than can be sent in an answer: ask for a link (delivery: url)."}, // nothing streams here
	})

	got := user.do(t, "POST", "/v1/job-outputs/1/download", "")
	if got.status != 200 || string(got.body) != small ||
		got.header.Get("Content-Disposition") != `attachment; filename="small _.txt"; filename*=UTF-8''small%20%C3%A9.txt` {
		t.Errorf("a small download is %d %q with %v", got.status, got.body, got.header)
	}
	etag := got.header.Get("Etag")
	if got := user.with("Range", "bytes=2-4").do(t, "GET", "/v1/jobs/1/outputs/small%20%C3%A9/txt", ""); got.status != 206 || string(got.body) != "234" {
		t.Errorf("a range is %d %q", got.status, got.body)
	}
	if got := user.with("If-None-Match", etag).do(t, "GET", "/v1/jobs/1/outputs/small%20%C3%A9/txt", ""); got.status != 304 || len(got.body) != 0 {
		t.Errorf("what the client has is %d %q", got.status, got.body)
	}

	for _, ask := range []func() answer{
		func() answer { return user.do(t, "POST", "/v1/job-outputs/2/download", "") },
		func() answer { return user.do(t, "GET", "/v1/jobs/1/outputs/large/bin", "") },
		func() answer { return user.do(t, "POST", "/v1/job-outputs/2/download", `{"delivery":"redirect"}`) },
	} {
		got := ask()
		if got.status != http.StatusSeeOther || got.header.Get("Referrer-Policy") != "no-referrer" || got.header.Get("Cache-Control") != "no-store" {
			t.Fatalf("a large download is %d with %v", got.status, got.header)
		}
		if status, header, body := follow(t, got.header.Get("Location"), nil); status != 200 || body != large || header.Get("Content-Disposition") != `attachment; filename="large.bin"` {
			t.Errorf("the redirect leads to %d, %d bytes, %v", status, len(body), header)
		}
	}

	var link struct {
		URL, Method, Filename, SHA256 string
		Size                          int
	}
	user.do(t, "POST", "/v1/job-outputs/1/download", `{"delivery":"url"}`).decode(t, &link)
	if status, _, body := follow(t, link.URL, nil); status != 200 || body != small || link.Method != "GET" || link.Size != len(small) {
		t.Errorf("the link %+v leads to %d %q", link, status, body)
	}
	user.with("Accept", "application/json").do(t, "POST", "/v1/job-outputs/2/download", "").decode(t, &link)
	if status, _, body := follow(t, link.URL, http.Header{"Range": {"bytes=14-17"}}); status != 206 || body != "e\xff01" {
		t.Errorf("a range of the link is %d %q", status, body)
	}
	for what, url := range map[string]string{
		"another object":    strings.Replace(link.URL, "/t/download/", "/t/outputs/", 1),
		"another signature": link.URL[:strings.Index(link.URL, "X-Amz-Signature=")] + "X-Amz-Signature=" + strings.Repeat("0", 64),
		"another file name": strings.Replace(link.URL, "large.bin", "evil.exe", 1),
		"no signature":      link.URL[:strings.Index(link.URL, "?")],
	} {
		if status, _, body := follow(t, url, nil); status != http.StatusForbidden {
			t.Errorf("the link to %s: %d %.200q, want 403", what, status, body)
		}
	}
	// The emulator takes this header for how a request arrived; the bucket's policy wants TLS.
	if status, _, body := follow(t, link.URL, http.Header{"X-Forwarded-Proto": {"http"}}); status != http.StatusForbidden {
		t.Errorf("the link without TLS: %d %.200q, want 403", status, body)
	}
}

func follow(t *testing.T, url string, header http.Header) (int, http.Header, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if header != nil {
		r.Header = header
	}
	response, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var body bytes.Buffer
	if _, err := io.Copy(&body, response.Body); err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, response.Header, body.String()
}
