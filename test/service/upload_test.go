package service_test

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"joboutputs/shared/cleanup"
	"joboutputs/shared/uploads"
	"joboutputs/test/harness"
	"joboutputs/test/openapicheck"
)

// described holds every exchange to the API's description.
type described struct {
	script
	check *openapicheck.Validator
}

func (d described) OK(v any, status int, c caller, method, path, body string) {
	d.Helper()
	d.told(method, path, d.script.OK(v, status, c, method, path, body))
}

func (d described) Refused(status int, code string, c caller, method, path, body string) {
	d.Helper()
	a := d.script.Do(c, method, path, body)
	var problem struct{ Code string }
	a.Want(d, status)
	a.Decode(d, &problem)
	d.Same(method+" "+path, code, problem.Code)
	d.told(method, path, a)
}

// keys makes calls again, with the keys they had.
func (d described) keys(job string, node, bob caller) {
	d.Helper()
	again := func(status int, path, body, key string) answer {
		d.Helper()
		a := d.script.OK(nil, status, node, "POST", path, body, "Idempotency-Key", key)
		d.told("POST", path, a)
		return a
	}
	refused := func(status int, code string, c caller, path, body, key string) {
		d.Helper()
		a := d.script.Do(c, "POST", path, body, "Idempotency-Key", key)
		var problem struct{ Code string }
		a.Want(d, status)
		a.Decode(d, &problem)
		d.Same("POST "+path, code, problem.Code)
		d.told("POST", path, a)
	}
	replayed := func(what string, first, second answer) {
		d.Helper()
		d.Same(what, []string{string(first.Body), "", "true"},
			[]string{string(second.Body), first.Header.Get("Idempotent-Replay"), second.Header.Get("Idempotent-Replay")})
	}
	path, body := job+"/outputs/keyed/txt", "some text"
	replayed("added again", again(200, path, body, "key"), again(200, path, body, "key"))
	refused(422, "idempotency_mismatch", node, path, "other text", "key")
	refused(409, "duplicate_output", node, path, body, "another key")
	refused(400, "invalid_request", node, path, body, strings.Repeat("k", 256))
	refused(403, "permission_denied", bob, path, body, "key")
	admin := d.Rig.Login(d.T, "admin", "acme") // whose key it is not
	refused(409, "duplicate_output", admin, path, body, "key")

	path, body = job+"/uploads", `{"name":"keyed","type":"bin","size":5}`
	begun := again(201, path, body, "key")
	replayed("begun again", begun, again(201, path, body, "key"))
	refused(422, "idempotency_mismatch", node, path, `{"name":"keyed","type":"bin","size":6}`, "key")
	var u struct{ ID string }
	begun.Decode(d, &u)
	path += "/" + u.ID
	var linked struct{ Parts []uploads.Part }
	d.OK(&linked, 200, node, "GET", fmt.Sprintf("%s?sha256=%x", path, sha256.Sum256([]byte("hello"))), "")
	caller{}.Do(d, *linked.Parts[0].URL, request{Method: "PUT", Body: "hello", Header: linked.Parts[0].Headers}).Want(d, 200)
	path += "/complete"
	replayed("completed again", again(200, path, "", "key"), again(200, path, "", "key"))
	refused(422, "idempotency_mismatch", node, path, fmt.Sprintf(`{"sha256":"%x"}`, sha256.Sum256([]byte("hello"))), "key")
}

func (d described) told(method, path string, a answer) {
	d.Helper()
	header := http.Header{"Authorization": {"Bearer token"}}
	if strings.HasPrefix(a.Request.Body, "{") {
		header.Set("Content-Type", "application/json")
	}
	err := d.check.Check(openapicheck.Exchange{
		Method: method, Target: path, RequestHeader: header, RequestBody: []byte(a.Request.Body), Status: a.Status, Header: a.Header, Body: a.Body,
	})
	if err != nil {
		d.Errorf("%s %s is not as the API is described: %v\n%.1000s", method, path, err, a.Body)
	}
}

// TestUploads stages contents as a client does, interrupted and resumed.
func TestUploads(t *testing.T) {
	t.Parallel()
	r := harness.New(t)
	r.Load(t, peopleSeed, "acme")
	check, err := openapicheck.New()
	if err != nil {
		t.Fatal(err)
	}
	s := described{script{r.Script(t)}, check}
	job, node := s.started()
	bob := r.Login(t, "bob", "acme")
	whole := strings.Repeat("0123456789abcdef", 5<<20/16) + "the rest"
	body := fmt.Sprintf(`{"name":"model","type":"bin","size":%d,"part_size":%d,"content_type":"image/png"}`, len(whole), 5<<20)

	s.Refused(403, "permission_denied", bob, "POST", job+"/uploads", body)
	s.Refused(400, "invalid_name", node, "POST", job+"/uploads", `{"name":"a/b","type":"t","size":1}`)
	s.Refused(400, "invalid_request", node, "POST", job+"/uploads", `{"name":"a","type":"t"}`)
	s.Refused(400, "invalid_name", node, "POST", job+"/uploads", `{"name":"a","size":1}`)
	s.Refused(413, "payload_too_large", node, "POST", job+"/uploads", fmt.Sprintf(`{"name":"a","type":"t","size":%d}`, uploads.DefaultMaxSize+1))
	s.Refused(404, "upload_not_found", node, "GET", job+"/uploads/none", "")
	s.Refused(404, "upload_not_found", node, "DELETE", job+"/uploads/01K00000000000000000000000", "")

	type upload struct {
		ID, State string
		PartCount int `json:"part_count"`
		Arrived   *[]uploads.ArrivedPart
		Parts     []uploads.Part
		Output    *output
	}
	begin := func(body string) (path string) {
		t.Helper()
		var u upload
		s.OK(&u, 201, node, "POST", job+"/uploads", body)
		return job + "/uploads/" + u.ID
	}
	send := func(path string, number int, content string) {
		t.Helper()
		var u upload
		s.OK(&u, 200, node, "GET", fmt.Sprintf("%s?from=%d&sha256=%x", path, number, sha256.Sum256([]byte(content))), "")
		if u.Arrived != nil || len(u.Parts) != 1 {
			t.Fatalf("the link of part %d: %+v", number, u)
		}
		caller{}.Do(t, *u.Parts[0].URL, request{Method: "PUT", Body: content, Header: u.Parts[0].Headers}).Want(t, 200)
	}
	path := begin(body)
	send(path, 2, whole[5<<20:])
	var u upload
	s.OK(&u, 200, node, "GET", path, "")
	s.Same("what is missing", []int{1}, []int{u.Parts[0].Number})
	s.Same("what arrived", 1, len(*u.Arrived))
	s.Refused(409, "upload_incomplete", node, "POST", path+"/complete", "")
	s.Refused(404, "output_not_found", node, "GET", job+"/outputs/model/bin/info", "")
	send(path, 1, whole[:5<<20])
	s.Refused(403, "permission_denied", bob, "POST", path+"/complete", "")
	s.Refused(400, "invalid_request", node, "POST", path+"/complete", `{"parts":[1]}`)
	var first, again output
	s.OK(&first, 200, node, "POST", path+"/complete", "")
	s.OK(&again, 200, node, "POST", path+"/complete", `{}`)
	s.Same("completed again", first, again)
	s.OK(&u, 200, node, "GET", path, "")
	s.Same("the output in the status", first, *u.Output)
	s.OK(nil, 200, node, "HEAD", path, "")
	s.Refused(409, "upload_completed", node, "DELETE", path, "")
	s.Refused(409, "duplicate_output", node, "POST", job+"/uploads", body)
	s.Same("the content", whole, string(s.script.OK(nil, 200, node, "GET", job+"/outputs/model/bin?delivery=bytes", "").Body))

	small := begin(fmt.Sprintf(`{"name":"small","type":"txt","size":5,"sha256":"%x"}`, sha256.Sum256([]byte("hello"))))
	s.Refused(400, "invalid_request", node, "GET", fmt.Sprintf("%s?sha256=%x", small, sha256.Sum256([]byte("other"))), "")
	send(small, 1, "hello")
	s.OK(&first, 200, node, "POST", small+"/complete", "")
	s.Same("its checksum", fmt.Sprintf("%x", sha256.Sum256([]byte("hello"))), *first.SHA256)

	s.keys(job, node, bob)

	aborted := begin(`{"name":"aborted","type":"t","size":5}`)
	s.OK(nil, 204, node, "DELETE", aborted, "")
	s.OK(nil, 204, node, "DELETE", aborted, "")
	s.Refused(409, "upload_aborted", node, "POST", aborted+"/complete", "")
	late := begin(`{"name":"late","type":"t","size":5}`)
	r.Clock.Tick(uploads.DefaultLife)
	r.Clock.Now()
	r.Clock.Tick(0)
	node = r.Login(t, "alice", "acme").As("1")
	s.Refused(410, "upload_expired", node, "POST", late+"/complete", "")
	s.OK(&u, 200, node, "GET", late, "")
	s.Same("the state of one that expired", "aborted", u.State)

	var cleaned cleanup.Counts
	s.script.OK(&cleaned, 200, caller{}, "POST", "/-/cleanup?grace=0s", "")
	s.Same("cleaned up", cleanup.Counts{Uploads: 2, Oldest: 86_400}, cleaned) // begun a day ago
	s.Same("objects after the cleanup", 4, len(objects(t, r)))
}
