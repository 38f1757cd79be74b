package begin_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"joboutputs/functions/uploads/begin"
	"joboutputs/shared/api/apitest"
	"joboutputs/shared/auth"
	"joboutputs/shared/problem"
	"joboutputs/shared/uploads"
)

// fake begins uploads to every job, and remembers what it was asked, and by whom.
type fake struct {
	err    error
	replay bool // what it answers was answered before
	asked  string
	by     auth.Principal
	begun  uploads.NewUpload
}

func (f *fake) Begin(_ context.Context, p auth.Principal, n uploads.NewUpload) (uploads.Upload, error) {
	f.asked += fmt.Sprintf("begin %q/%q of %d in %d for %d of %s, by %s for node %d", n.Name, n.Type, n.Size, n.PartSize, n.Job, p.Tenant, p.Username, p.Node)
	f.by, f.begun = p, n
	if f.err != nil {
		return uploads.Upload{}, f.err
	}
	url := "https://s3.test/x"
	return uploads.Upload{
		ID: "01KQREZ053EYETV1PF1PXYKNXX", Job: n.Job, Name: n.Name, Type: n.Type, Size: n.Size, PartSize: 3, PartCount: 2, State: "open",
		Expires: time.Unix(0, 0), Arrived: []uploads.ArrivedPart{},
		Parts: []uploads.Part{
			{Number: 1, Size: 3, Method: "PUT", URL: &url, Headers: map[string]string{"A": "b"}},
			{Number: 2, Offset: 3, Size: 2, Method: "PUT", Headers: map[string]string{}},
		},
		Replayed: f.replay,
	}, nil
}

var post = apitest.Call{
	Method: http.MethodPost, Resource: "/v1/jobs/{pk}/uploads", Params: map[string]string{"pk": "5"},
	JSON: `{"name":"log","type":"txt","size":5}`, As: apitest.For(apitest.Alice, 2),
}

const (
	asked = `begin "log"/"txt" of 5 in 0 for 5 of demo, by alice for node 2`
	begun = `201 {"id":"01KQREZ053EYETV1PF1PXYKNXX","job":5,"name":"log","type":"txt","size":5,"part_size":3,"part_count":2,"state":"open",` +
		`"expires_at":"1970-01-01T00:00:00.000000Z","arrived":[],"parts":[` +
		`{"number":1,"offset":0,"size":3,"method":"PUT","url":"https://s3.test/x","headers":{"A":"b"}},` +
		`{"number":2,"offset":3,"size":2,"method":"PUT","url":null,"headers":{}}],"output":null}`
	forbidden = "403 permission_denied: You do not have permission to perform this action."
	takes     = "400 invalid_request: The body takes name, type (strings), size (integer), sha256, content_type (strings) and part_size (integer)."
)

func TestBegin(t *testing.T) {
	handler := func(err error) (http.Handler, func() string) {
		f := &fake{err: err}
		return begin.New(f), func() string { return f.asked }
	}
	body := func(text string) apitest.Call {
		c := post
		c.JSON = text
		return c
	}
	refused := func(kind problem.Kind, text, want string) apitest.Step {
		return apitest.Step{Name: "the store: " + string(kind), Call: post, Err: problem.New(kind, "%s", text), Want: want + ": " + text, Asked: asked}
	}
	apitest.Script(t, handler, []apitest.Step{
		{Name: "the node that owns the job", Call: post, Want: begun, Asked: asked},
		{Name: "an admin", Call: post.By(apitest.Admin), Want: begun, Asked: `begin "log"/"txt" of 5 in 0 for 5 of demo, by admin for node 0`},
		{Name: "a node that does not own it, as the store says", Call: post.By(apitest.For(apitest.Alice, 1)), Err: problem.Forbidden(), Want: forbidden,
			Asked: `begin "log"/"txt" of 5 in 0 for 5 of demo, by alice for node 1`},
		{Name: "a user who sends no node", Call: post.By(apitest.Alice), Want: forbidden},
		{Name: "no body", Call: body(""), Want: "400 invalid_name: The output's type is empty."},
		{Name: "no type", Call: body(`{"name":"log","size":5}`), Want: "400 invalid_name: The output's type is empty."},
		{Name: "no size", Call: body(`{"name":"log","type":"txt"}`), Want: "400 invalid_request: size: is required"},
		{Name: "a size below 0", Call: body(`{"name":"log","type":"txt","size":-1}`), Want: "400 invalid_request: size: must not be negative"},
		{Name: "half a byte", Call: body(`{"name":"log","type":"txt","size":0.5}`), Want: takes},
		{Name: "an unknown member", Call: body(`{"name":"log","type":"txt","size":5,"path":"x"}`), Want: takes},
		{Name: "parts of 0", Call: body(`{"name":"log","type":"txt","size":5,"part_size":0}`), Want: "400 invalid_request: part_size: must be from 5242880 to 5368709120"},
		{Name: "half a checksum", Call: body(`{"name":"log","type":"txt","size":5,"sha256":"abcd"}`), Want: "400 invalid_request: sha256: must be a SHA-256 in hex"},
		{Name: "no checksum", Call: body(`{"name":"log","type":"txt","size":5,"sha256":"` + strings.Repeat("g", 64) + `"}`), Want: "400 invalid_request: sha256: must be a SHA-256 in hex"},
		{Name: "a long media type", Call: body(`{"name":"log","type":"txt","size":5,"content_type":"` + strings.Repeat("a", 256) + `"}`), Want: "400 invalid_request: content_type: must not be longer than 255 bytes"},
		refused(problem.InvalidName, "The output's name is empty.", "400 invalid_name"),
		refused(problem.PayloadTooLarge, "The content is 9 bytes; at most 8 can be uploaded.", "413 payload_too_large"),
		refused(problem.JobFinished, "Attempted to perform the following action on a finished job: add_output", "409 job_finished"),
		refused(problem.DuplicateOutput, "Bad name 'log': Job already has an output by this name/type (log/txt)", "409 duplicate_output"),
	},
		apitest.KeySteps(post),
		apitest.PKSteps(post, begun, asked),
		apitest.AccessSteps(auth.OwnerOrAdmin, post),
		apitest.StoreSteps(post, asked),
	)
}

// TestAll: everything that is said reaches the store, and who says it; null is absent.
func TestAll(t *testing.T) {
	call := post
	call.JSON = `{"name":"日本 🎉","type":"é","content_type":null,"size":0,"sha256":"2CF24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824","content_type":"image/png","part_size":5242880}`
	f := &fake{}
	call.Do(t, begin.New(f))
	want := uploads.NewUpload{
		Job: 5, Name: "日本 🎉", Type: "é", ContentType: "image/png", PartSize: 5 << 20, SHA256: "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=",
	}
	if diff := cmp.Diff(want, f.begun); diff != "" {
		t.Errorf("begun (-want +got):\n%s", diff)
	}
	caller := auth.Principal{
		Tenant: "demo", Issuer: "https://issuer.test", Subject: "alice", UserPK: 2, Username: "alice", Nodes: []int64{1, 2}, Node: 2,
		Expires: f.by.Expires,
	}
	if diff := cmp.Diff(caller, f.by); diff != "" {
		t.Errorf("the caller (-want +got):\n%s", diff)
	}
}

// TestKey: the store learns the key as it was sent, and a replay is marked and is else the
// same answer.
func TestKey(t *testing.T) {
	for _, replay := range []bool{false, true} {
		f := &fake{replay: replay}
		answer := post.With("Idempotency-Key", "a key").Do(t, begin.New(f))
		mark := map[bool]string{true: "true"}[replay]
		if got := answer.Header.Get("Idempotent-Replay"); answer.Line() != begun || got != mark || f.begun.Key != "a key" {
			t.Errorf("%s marked %q for the key %q, want %s marked %q", answer.Line(), got, f.begun.Key, begun, mark)
		}
	}
}
