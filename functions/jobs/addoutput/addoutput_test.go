package addoutput_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"joboutputs/functions/jobs/addoutput"
	"joboutputs/shared/api/apitest"
	"joboutputs/shared/auth"
	"joboutputs/shared/outputs"
	"joboutputs/shared/problem"
)

// fake adds to every job, and remembers what it was asked, and by whom.
type fake struct {
	err    error
	replay bool // what it answers was answered before
	asked  string
	by     auth.Principal
	added  outputs.Addition
}

func (f *fake) Add(_ context.Context, p auth.Principal, a outputs.Addition) (outputs.Output, error) {
	f.asked += fmt.Sprintf("add %q/%q to %d of %s, by %s for node %d", a.Name, a.Type, a.Job, p.Tenant, p.Username, p.Node)
	f.by, f.added = p, a
	if f.err != nil {
		return outputs.Output{}, f.err
	}
	return outputs.Output{PK: 68, Job: a.Job, Name: a.Name, Type: a.Type, Creator: 2, CreationTime: time.Unix(0, 0), Size: int64(len(a.Content)), ContentType: a.ContentType, Replayed: f.replay}, nil
}

var post = apitest.Call{
	Method: http.MethodPost, Resource: "/v1/jobs/{pk}/outputs/{name}/{type}",
	Params: map[string]string{"pk": "5", "name": "log", "type": "txt"},
	Body:   "bytes", As: apitest.For(apitest.Alice, 2),
}

const (
	asked = `add "log"/"txt" to 5 of demo, by alice for node 2`
	added = `200 {"pk":68,"job":5,"name":"log","type":"txt","creator":2,"creation_time":"1970-01-01T00:00:00.000000Z","deletion_time":null,` +
		`"size":5,"content_type":null,"sha256":null,"checksum":null}`
	forbidden = "403 permission_denied: You do not have permission to perform this action."
)

func TestAddOutput(t *testing.T) {
	handler := func(err error) (http.Handler, func() string) {
		f := &fake{err: err}
		return addoutput.New(f), func() string { return f.asked }
	}
	refused := func(kind problem.Kind, text, want string) apitest.Step {
		return apitest.Step{Name: "the store: " + string(kind), Call: post, Err: problem.New(kind, "%s", text), Want: want + ": " + text, Asked: asked}
	}
	apitest.Script(t, handler, []apitest.Step{
		{Name: "the node that owns the job", Call: post, Want: added, Asked: asked},
		{Name: "an admin", Call: post.By(apitest.Admin), Want: added, Asked: `add "log"/"txt" to 5 of demo, by admin for node 0`},
		{Name: "an admin for a node", Call: post.By(granted(apitest.Admin, 1)), Want: added, Asked: `add "log"/"txt" to 5 of demo, by admin for node 1`},
		{Name: "a node that does not own it, as the store says", Call: post.By(apitest.For(apitest.Alice, 1)), Err: problem.Forbidden(), Want: forbidden,
			Asked: `add "log"/"txt" to 5 of demo, by alice for node 1`},
		{Name: "coded content", Call: post.With("Content-Encoding", "gzip"),
			Want: `415 unsupported_media_type: Content-Encoding: the body must be sent without a content coding, not in "gzip".`},
		{Name: "a user who sends no node", Call: post.By(apitest.Alice), Want: forbidden},
		{Name: "a user and a pk that cannot be", Call: post.By(apitest.Bob).On("pk", "0"), Want: forbidden},
		refused(problem.InvalidName, "The output's name is empty.", "400 invalid_name"),
		refused(problem.JobNotStarted, "Attempted to perform the following action on an un-started job: add_output", "409 job_not_started"),
		refused(problem.JobFinished, "Attempted to perform the following action on a finished job: add_output", "409 job_finished"),
		refused(problem.DuplicateOutput, "Bad name 'log': Job already has an output by this name/type (log/txt)", "409 duplicate_output"),
	},
		apitest.KeySteps(post),
		apitest.PKSteps(post, added, asked),
		apitest.AccessSteps(auth.OwnerOrAdmin, post),
		apitest.StoreSteps(post, asked),
	)
}

// granted is the principal acting for a node the token grants.
func granted(p auth.Principal, node int64) auth.Principal {
	p.Nodes, p.Node = []int64{node}, node
	return p
}

// TestDuplicateNamesTheHolder: an uploader can tell from the answer whether it was its own
// first attempt that won.
func TestDuplicateNamesTheHolder(t *testing.T) {
	taken := problem.New(problem.DuplicateOutput, "Taken.").With("pk", int64(7)).With("sha256", "ab").With("deletion_time", nil)
	answer := post.Do(t, addoutput.New(&fake{err: taken}))
	var got map[string]any
	answer.Into(t, &got)
	want := map[string]any{
		"type": "urn:joboutputs:problem:duplicate_output", "title": "Conflict", "status": 409.0, "detail": "Taken.",
		"code": "duplicate_output", "request_id": "00000000-0000-4000-8000-000000000001",
		"pk": 7.0, "sha256": "ab", "deletion_time": nil,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the answer (-want +got):\n%s", diff)
	}
}

// TestNames: both arrive decoded once, whatever they hold.
func TestNames(t *testing.T) {
	for _, tc := range []struct{ name, typ string }{
		{"model", "Model<Domain<'Image Classification'>, Framework<'tensorflow', '1.14'>>"},
		{"a+b c", "100%25"},
		{"日本 🎉", "é"},
		{"what?x=y#z;", `"q\`},
		{"line\r\nbreak\ttab", "info"},
		{"..", "."},
	} {
		f := &fake{}
		answer := post.On("name", tc.name).On("type", tc.typ).Do(t, addoutput.New(f))
		if got, want := f.asked, fmt.Sprintf("add %q/%q to 5 of demo, by alice for node 2", tc.name, tc.typ); answer.Status != http.StatusOK || got != want {
			t.Errorf("%s: the store was asked %s, want %s", answer.Line(), got, want)
		}
		var got struct{ Name, Type string }
		answer.Into(t, &got)
		if got.Name != tc.name || got.Type != tc.typ {
			t.Errorf("the answer says %q/%q, want %q/%q", got.Name, got.Type, tc.name, tc.typ)
		}
	}
}

// TestContent: the body is what it is, and is described as declared.
func TestContent(t *testing.T) {
	for _, tc := range []struct {
		name, content, declared, want string
	}{
		{"text", "hello", "text/plain; charset=utf-8", "text/plain; charset=utf-8"},
		{"binary", "\x00\xff\xfe\r\n\x80", "application/octet-stream", "application/octet-stream"},
		{"empty", "", "", ""},
		{"empty, declared", "", "image/png", "image/png"},
		{"JSON is not read", `{"a":`, "application/json", "application/json"},
		{"a form is not read", "a=b&c=%zz", "application/x-www-form-urlencoded", "application/x-www-form-urlencoded"},
		{"nor a multipart one", "--x", "multipart/form-data", "multipart/form-data"},
		{"the declaration is not judged", "x", "nonsense", "nonsense"},
		{"255 bytes of declaration", "x", strings.Repeat("a", 255), strings.Repeat("a", 255)},
		{"more are dropped", "x", strings.Repeat("a", 256), ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			call := post
			call.Body = tc.content
			if tc.declared != "" {
				call = call.With("Content-Type", tc.declared)
			}
			f := &fake{}
			// UFDL wants a file name; we read none, so none can be wrong.
			answer := call.With("Content-Disposition", "attachment; filename=..").Do(t, addoutput.New(f))
			if answer.Status != http.StatusOK || string(f.added.Content) != tc.content || f.added.ContentType != tc.want {
				t.Errorf("%s: stored %q as %q, want %q as %q", answer.Line(), f.added.Content, f.added.ContentType, tc.content, tc.want)
			}
		})
	}
}

func TestSizes(t *testing.T) {
	call := post
	call.Body = strings.Repeat("\xff", 4_400_000)
	f := &fake{}
	if answer := call.Do(t, addoutput.New(f)); answer.Status != http.StatusOK || len(f.added.Content) != 4_400_000 {
		t.Errorf("4,400,000 bytes: %s, %d stored", answer.Line(), len(f.added.Content))
	}
	// The event the largest content makes stays under a Lambda's 6 MB.
	event, err := json.Marshal(call.With("X-Padding", strings.Repeat("h", 10<<10)).Event(t))
	if err != nil || len(event) >= 6_000_000 {
		t.Errorf("the event has %d bytes (%v), more than a Lambda takes", len(event), err)
	}

	call.Body += "\xff"
	f = &fake{}
	answer := call.Do(t, addoutput.New(f))
	want := "413 payload_too_large: The content is over 4400000 bytes: use a staged upload (POST /v1/jobs/5/uploads)."
	if answer.Line() != want || f.asked != "" {
		t.Errorf("one more: %s after %q, want %s and nothing stored", answer.Line(), f.asked, want)
	}
}

// TestCaller: the store learns who the caller is, from the token and Node-Id alone.
func TestCaller(t *testing.T) {
	f := &fake{}
	post.Do(t, addoutput.New(f))
	want := auth.Principal{
		Tenant: "demo", Issuer: "https://issuer.test", Subject: "alice", UserPK: 2, Username: "alice", Nodes: []int64{1, 2}, Node: 2,
		Expires: f.by.Expires,
	}
	if diff := cmp.Diff(want, f.by); diff != "" {
		t.Errorf("the caller (-want +got):\n%s", diff)
	}
}

// TestKey: the store learns the key as it was sent, and a replay is marked and is else the
// same answer.
func TestKey(t *testing.T) {
	for _, replay := range []bool{false, true} {
		f := &fake{replay: replay}
		answer := post.With("Idempotency-Key", "a key").Do(t, addoutput.New(f))
		mark := map[bool]string{true: "true"}[replay]
		if got := answer.Header.Get("Idempotent-Replay"); answer.Line() != added || got != mark || f.added.Key != "a key" {
			t.Errorf("%s marked %q for the key %q, want %s marked %q", answer.Line(), got, f.added.Key, added, mark)
		}
	}
}
