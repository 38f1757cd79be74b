package abort_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"

	"joboutputs/functions/uploads/abort"
	"joboutputs/shared/api/apitest"
	"joboutputs/shared/auth"
	"joboutputs/shared/problem"
)

// fake aborts the uploads of every job, and remembers what it was asked, and by whom.
type fake struct {
	err   error
	asked string
}

func (f *fake) Abort(_ context.Context, p auth.Principal, job int64, id, key string) (bool, error) {
	f.asked += fmt.Sprintf("abort %s of %d of %s, by %s for node %d", id, job, p.Tenant, p.Username, p.Node) + apitest.Keyed(key)
	return key == apitest.UsedKey, f.err
}

func TestAbort(t *testing.T) {
	handler := func(err error) (http.Handler, func() string) {
		f := &fake{err: err}
		return abort.New(f), func() string { return f.asked }
	}
	del := apitest.Call{
		Method: http.MethodDelete, Resource: "/v1/jobs/{pk}/uploads/{id}", Params: map[string]string{"pk": "5", "id": "01K"},
		As: apitest.For(apitest.Alice, 2),
	}
	const (
		asked     = "abort 01K of 5 of demo, by alice for node 2"
		forbidden = "403 permission_denied: You do not have permission to perform this action."
	)
	apitest.Script(t, handler, []apitest.Step{
		{Name: "the node that owns the job", Call: del, Want: "204", Asked: asked},
		{Name: "an admin", Call: del.By(apitest.Admin), Want: "204", Asked: "abort 01K of 5 of demo, by admin for node 0"},
		{Name: "a node that does not own it, as the store says", Call: del.By(apitest.For(apitest.Alice, 1)), Err: problem.Forbidden(), Want: forbidden,
			Asked: "abort 01K of 5 of demo, by alice for node 1"},
		{Name: "the store: no such upload", Call: del, Asked: asked, Err: problem.New(problem.UploadNotFound, "No such upload."), Want: "404 upload_not_found: No such upload."},
		{Name: "the store: completed", Call: del, Asked: asked, Err: problem.New(problem.UploadCompleted, "It is output 9."), Want: "409 upload_completed: It is output 9."},
	},
		apitest.ChangeSteps(del, "204", asked),
		apitest.PKSteps(del, "204", asked),
		apitest.AccessSteps(auth.OwnerOrAdmin, del),
		apitest.StoreSteps(del, asked),
	)
}
