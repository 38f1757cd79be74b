package complete_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"joboutputs/functions/uploads/complete"
	"joboutputs/shared/api/apitest"
	"joboutputs/shared/auth"
	"joboutputs/shared/outputs"
	"joboutputs/shared/problem"
	"joboutputs/shared/uploads"
)

// fake completes the uploads of every job, and remembers what it was asked, and by whom.
type fake struct {
	err    error
	replay bool // what it answers was answered before
	asked  string
	key    string
}

func (f *fake) Complete(_ context.Context, p auth.Principal, job int64, id string, c uploads.Completion) (outputs.Output, error) {
	f.key = c.Key
	f.asked += fmt.Sprintf("complete %s of %d of %s, by %s for node %d: %q %v", id, job, p.Tenant, p.Username, p.Node, c.SHA256, c.Parts)
	if f.err != nil {
		return outputs.Output{}, f.err
	}
	return outputs.Output{PK: 9, Job: job, Name: "log", Type: "txt", CreationTime: time.Unix(0, 0), Size: 5, Replayed: f.replay}, nil
}

var post = apitest.Call{
	Method: http.MethodPost, Resource: "/v1/jobs/{pk}/uploads/{id}/complete", Params: map[string]string{"pk": "5", "id": "01K"},
	As: apitest.For(apitest.Alice, 2),
}

const (
	asked     = `complete 01K of 5 of demo, by alice for node 2: "" map[]`
	completed = `200 {"pk":9,"job":5,"name":"log","type":"txt","creator":null,"creation_time":"1970-01-01T00:00:00.000000Z","deletion_time":null,"size":5,"content_type":null,"sha256":null,"checksum":null}`
	forbidden = "403 permission_denied: You do not have permission to perform this action."
	takes     = "400 invalid_request: The body takes sha256 (string) and parts, an array of {number (integer), sha256 (string)}."
	hello     = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
	inBase64  = "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ="
)

func TestComplete(t *testing.T) {
	handler := func(err error) (http.Handler, func() string) {
		f := &fake{err: err}
		return complete.New(f), func() string { return f.asked }
	}
	body := func(text string) apitest.Call {
		c := post
		c.JSON = text
		return c
	}
	refused := func(kind problem.Kind, want string) apitest.Step {
		return apitest.Step{Name: "the store: " + string(kind), Call: post, Err: problem.New(kind, "So."), Want: want + ": So.", Asked: asked}
	}
	apitest.Script(t, handler, []apitest.Step{
		{Name: "the node that owns the job", Call: post, Want: completed, Asked: asked},
		{Name: "an admin", Call: post.By(apitest.Admin), Want: completed, Asked: `complete 01K of 5 of demo, by admin for node 0: "" map[]`},
		{Name: "a node that does not own it, as the store says", Call: post.By(apitest.For(apitest.Alice, 1)), Err: problem.Forbidden(), Want: forbidden,
			Asked: `complete 01K of 5 of demo, by alice for node 1: "" map[]`},
		{Name: "with checksums", Call: body(`{"sha256":"` + hello + `","parts":[{"number":2,"sha256":"` + inBase64 + `"},{"number":1,"sha256":"` + hello + `"}]}`),
			Want: completed, Asked: fmt.Sprintf("complete 01K of 5 of demo, by alice for node 2: %q map[1:%[1]s 2:%[1]s]", inBase64)},
		{Name: "nulls", Call: body(`{"sha256":null,"parts":null}`), Want: completed, Asked: asked},
		{Name: "a part twice", Call: body(`{"parts":[{"number":1,"sha256":"` + hello + `"},{"number":1,"sha256":"` + hello + `"}]}`), Want: "400 invalid_request: parts: 1 is there twice"},
		{Name: "a part without a checksum", Call: body(`{"parts":[{"number":1}]}`), Want: "400 invalid_request: parts[0].sha256: must be a SHA-256 in hex or base64"},
		{Name: "no checksum", Call: body(`{"sha256":"x"}`), Want: "400 invalid_request: sha256: must be a SHA-256 in hex"},
		{Name: "an unknown member", Call: body(`{"etag":"x"}`), Want: takes},
		{Name: "numbers for parts", Call: body(`{"parts":[1]}`), Want: takes},
		refused(problem.UploadNotFound, "404 upload_not_found"),
		refused(problem.UploadIncomplete, "409 upload_incomplete"),
		refused(problem.UploadAborted, "409 upload_aborted"),
		refused(problem.UploadExpired, "410 upload_expired"),
		refused(problem.UploadLost, "410 upload_lost"),
		refused(problem.DuplicateOutput, "409 duplicate_output"),
	},
		apitest.KeySteps(post),
		apitest.PKSteps(post, completed, asked),
		apitest.AccessSteps(auth.OwnerOrAdmin, post),
		apitest.StoreSteps(post, asked),
		apitest.BodySteps(post, completed, asked),
	)
}

// TestKey: the store learns the key as it was sent, and a replay is marked and is else the
// same answer.
func TestKey(t *testing.T) {
	for _, replay := range []bool{false, true} {
		f := &fake{replay: replay}
		answer := post.With("Idempotency-Key", "a key").Do(t, complete.New(f))
		mark := map[bool]string{true: "true"}[replay]
		if got := answer.Header.Get("Idempotent-Replay"); answer.Line() != completed || got != mark || f.key != "a key" {
			t.Errorf("%s marked %q for the key %q, want %s marked %q", answer.Line(), got, f.key, completed, mark)
		}
	}
}
