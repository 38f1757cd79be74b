//go:build e2e

package e2e

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// staged is the JSON of an upload, as far as it is looked at here.
type staged struct {
	ID      string
	State   string
	Arrived []struct{ Number int }
	Parts   []struct {
		Number  int
		Method  string
		URL     *string
		Headers map[string]string
	}
	Output *struct{ PK int }
}

// Content goes to the bucket by links that the functions sign with their own role, and
// becomes an output when its parts are verified; called again with the same key, nothing
// happens twice.
func TestUploads(t *testing.T) {
	admin, node, user := tenant(t, "uploads")
	begun(t, admin, node)
	worker := node.node("7")
	const uploads = "/v1/jobs/1/uploads"
	part := 5 << 20
	content := strings.Repeat("0123456789abcde\xff", part/16) + "the rest"

	begin := func(by caller, body string) staged {
		t.Helper()
		var u staged
		got := by.do(t, "POST", uploads, body)
		if got.status != http.StatusCreated {
			t.Fatalf("begin: %s", got.line())
		}
		got.decode(t, &u)
		return u
	}
	status := func(u staged, query string) (now staged) {
		t.Helper()
		worker.do(t, "GET", uploads+"/"+u.ID+query, "").decode(t, &now)
		return now
	}
	send := func(u staged, number int, content string) int {
		t.Helper()
		sum := sha256.Sum256([]byte(content))
		linked := status(u, fmt.Sprintf("?from=%d&sha256=%x", number, sum))
		if len(linked.Parts) != 1 || linked.Parts[0].URL == nil {
			t.Fatalf("the link of part %d: %+v", number, linked)
		}
		return put(t, *linked.Parts[0].URL, linked.Parts[0].Headers, content)
	}

	keyed := worker.with("Idempotency-Key", "once")
	body := fmt.Sprintf(`{"name":"model","type":"bin","size":%d,"part_size":%d}`, len(content), part)
	u := begin(keyed, body)
	if again := begin(keyed, body); again.ID != u.ID {
		t.Errorf("begun again it is %s, was %s", again.ID, u.ID)
	}
	script(t, []step{
		{user, "POST", uploads, body, forbidden},
		{keyed, "POST", uploads, strings.Replace(body, "model", "other", 1), "422 idempotency_mismatch: The Idempotency-Key was used for another request here."},
		{worker, "POST", uploads + "/" + u.ID + "/complete", "", "409 upload_incomplete: The upload is not complete: 2 parts are missing, 0 are wrong."},
	})
	if code := send(u, 2, content[part:]); code != 200 {
		t.Fatalf("part 2 is answered %d", code)
	}
	if now := status(u, ""); now.State != "open" || len(now.Arrived) != 1 || now.Arrived[0].Number != 2 || len(now.Parts) != 1 || now.Parts[0].Number != 1 {
		t.Errorf("with one part of two: %+v", now)
	}
	if code := send(u, 1, content[:part]); code != 200 {
		t.Fatalf("part 1 is answered %d", code)
	}
	first, last := sha256.Sum256([]byte(content[:part])), sha256.Sum256([]byte(content[part:]))
	composite := sha256.Sum256(append(first[:], last[:]...))
	output := fmt.Sprintf(`{"pk":1,"job":1,"name":"model","type":"bin","creator":2,"creation_time":"now","deletion_time":null,"size":%d,"content_type":null,"sha256":null,`+
		`"checksum":{"algorithm":"SHA256","type":"composite","value":"%s-2","part_size":%d}}`, len(content), base64.StdEncoding.EncodeToString(composite[:]), part)
	script(t, []step{
		{keyed, "POST", uploads + "/" + u.ID + "/complete", "", "200 " + output},
		{keyed, "POST", uploads + "/" + u.ID + "/complete", "", "200 " + output},
		{user, "GET", "/v1/jobs/1/outputs/model/bin/info", "", "200 " + output},
		{worker, "DELETE", uploads + "/" + u.ID, "", "409 upload_completed: The upload has been completed: it is output 1."},
	})
	if now := status(u, ""); now.State != "completed" || now.Output == nil || now.Output.PK != 1 {
		t.Errorf("completed: %+v", now)
	}
	got := user.do(t, "GET", "/v1/jobs/1/outputs/model/bin", "")
	if code, _, back := follow(t, got.header.Get("Location"), nil); got.status != 303 || code != 200 || back != content {
		t.Errorf("get is %d and leads to %d with %d bytes, want %d", got.status, code, len(back), len(content))
	}

	small := begin(worker, `{"name":"small","type":"txt","size":5}`)
	if code := send(small, 1, "hello"); code != 200 {
		t.Fatalf("an only part is answered %d", code)
	}
	script(t, []step{
		{worker, "POST", uploads + "/" + small.ID + "/complete", "", "200 " + strings.Replace(object(2, 1, 2, "small", "txt", "null", "hello"), `"application/octet-stream"`, "null", 1)},
	})
	aborted := begin(worker, fmt.Sprintf(`{"name":"aborted","type":"bin","size":%d,"part_size":%d}`, len(content), part))
	script(t, []step{
		{worker, "DELETE", uploads + "/" + aborted.ID, "", "204"},
		{worker, "DELETE", uploads + "/" + aborted.ID, "", "204"},
		{worker, "POST", uploads + "/" + aborted.ID + "/complete", "", "409 upload_aborted: The upload was aborted."},
		{user, "GET", "/v1/jobs/1/outputs/aborted/bin/info", "", "404 output_not_found: Bad name 'aborted': Job has no output by this name/type (aborted/bin)"},
	})
}

// put sends a part as whoever has nothing but its link.
func put(t *testing.T, url string, headers map[string]string, content string) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, url, strings.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range headers {
		r.Header.Set(name, value)
	}
	response, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	return response.StatusCode
}
