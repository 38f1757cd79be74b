package status_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"joboutputs/functions/uploads/status"
	"joboutputs/shared/api/apitest"
	"joboutputs/shared/auth"
	"joboutputs/shared/outputs"
	"joboutputs/shared/problem"
	"joboutputs/shared/uploads"
)

// fake returns one upload, and remembers what it was asked, and by whom.
type fake struct {
	err   error
	asked string
}

func (f *fake) Status(_ context.Context, p auth.Principal, job int64, id string, w uploads.Wanted) (uploads.Upload, error) {
	f.asked += fmt.Sprintf("upload %s of %d of %s, by %s for node %d, from %d %v", id, job, p.Tenant, p.Username, p.Node, w.From, w.SHA256)
	if f.err != nil {
		return uploads.Upload{}, f.err
	}
	sum := "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ="
	return uploads.Upload{
		ID: id, Job: job, Name: "log", Type: "txt", Size: 5, PartSize: 3, PartCount: 2, State: "completed", Expires: time.Unix(0, 0),
		Arrived: []uploads.ArrivedPart{{Number: 1, Size: 3, SHA256: &sum}, {Number: 2, Size: 2}}, Parts: []uploads.Part{},
		Output: &outputs.Output{PK: 9, Job: job, Name: "log", Type: "txt", CreationTime: time.Unix(0, 0), Size: 5},
	}, nil
}

var get = apitest.Call{
	Method: http.MethodGet, Resource: "/v1/jobs/{pk}/uploads/{id}", Params: map[string]string{"pk": "5", "id": "01K"},
	As: apitest.For(apitest.Alice, 2),
}

const (
	asked = `upload 01K of 5 of demo, by alice for node 2, from 1 []`
	found = `200 {"id":"01K","job":5,"name":"log","type":"txt","size":5,"part_size":3,"part_count":2,"state":"completed",` +
		`"expires_at":"1970-01-01T00:00:00.000000Z","arrived":[{"number":1,"size":3,"sha256":"LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ="},{"number":2,"size":2,"sha256":null}],` +
		`"parts":[],"output":{"pk":9,"job":5,"name":"log","type":"txt","creator":null,"creation_time":"1970-01-01T00:00:00.000000Z","deletion_time":null,"size":5,"content_type":null,"sha256":null,"checksum":null}}`
	forbidden = "403 permission_denied: You do not have permission to perform this action."
	badFrom   = "400 invalid_request: from: must be from 1 to 10000"
	badSum    = "400 invalid_request: sha256: must be at most 100 SHA-256 in hex, separated by commas"
	hello     = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
	inBase64  = "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ="
)

func TestStatus(t *testing.T) {
	handler := func(err error) (http.Handler, func() string) {
		f := &fake{err: err}
		return status.New(f), func() string { return f.asked }
	}
	query := func(text string) apitest.Call {
		c := get
		c.Query = text
		return c
	}
	apitest.Script(t, handler, []apitest.Step{
		{Name: "the node that owns the job", Call: get, Want: found, Asked: asked},
		{Name: "an admin", Call: get.By(apitest.Admin), Want: found, Asked: `upload 01K of 5 of demo, by admin for node 0, from 1 []`},
		{Name: "a node that does not own it, as the store says", Call: get.By(apitest.For(apitest.Alice, 1)), Err: problem.Forbidden(), Want: forbidden,
			Asked: `upload 01K of 5 of demo, by alice for node 1, from 1 []`},
		{Name: "from a part on", Call: query("from=101"), Want: found, Asked: `upload 01K of 5 of demo, by alice for node 2, from 101 []`},
		{Name: "links", Call: query("from=7&sha256=" + hello + "," + strings.ToUpper(hello)), Want: found, Asked: `upload 01K of 5 of demo, by alice for node 2, from 7 [` + inBase64 + " " + inBase64 + `]`},
		{Name: "from 0", Call: query("from=0"), Want: badFrom},
		{Name: "from beyond", Call: query("from=10001"), Want: badFrom},
		{Name: "from a word", Call: query("from=one"), Want: badFrom},
		{Name: "no checksum", Call: query("sha256="), Want: badSum},
		{Name: "half a checksum", Call: query("sha256=" + hello + ",ab"), Want: badSum},
		{Name: "too many", Call: query("sha256=" + strings.Repeat(hello+",", 100) + hello), Want: badSum},
		{Name: "the store: no such upload", Call: get, Asked: asked, Err: problem.New(problem.UploadNotFound, "No such upload."), Want: "404 upload_not_found: No such upload."},
	},
		apitest.PKSteps(get, found, asked),
		apitest.AccessSteps(auth.OwnerOrAdmin, get),
		apitest.StoreSteps(get, asked),
	)
}
