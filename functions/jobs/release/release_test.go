package release_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"joboutputs/functions/jobs/release"
	"joboutputs/shared/api/apitest"
	"joboutputs/shared/auth"
	"joboutputs/shared/jobs"
	"joboutputs/shared/problem"
)

// fake answers what it is told, and remembers what it was asked.
type fake struct {
	err   error
	asked string
}

func (f *fake) Release(_ context.Context, p auth.Principal, pk int64, key string) (jobs.Job, error) {
	f.asked += fmt.Sprintf("release job %d of %s for node %d", pk, p.Tenant, p.Node) + apitest.Keyed(key)
	return jobs.Job{PK: pk, Description: "train", Creator: 3, CreationTime: time.Unix(0, 0), Outputs: []jobs.OutputRef{}, Replayed: key == apitest.UsedKey}, f.err
}

func TestRelease(t *testing.T) {
	handler := func(err error) (http.Handler, func() string) {
		f := &fake{err: err}
		return release.New(f), func() string { return f.asked }
	}
	call := apitest.Call{Method: http.MethodDelete, Resource: "/v1/jobs/{pk}/release", Params: map[string]string{"pk": "5"}, As: apitest.For(apitest.Alice, 2)}
	admin := apitest.For(apitest.Admin, 2)
	admin.Nodes = []int64{2}
	const (
		asked = "release job 5 of demo for node 2"
		want  = `200 {"pk":5,"description":"train","node":null,"creator":3,"creation_time":"1970-01-01T00:00:00.000000Z",` +
			`"start_time":null,"end_time":null,"error_reason":null,"deletion_time":null,"is_cancelled":false,"outputs":[]}`
	)
	apitest.Script(t, handler, []apitest.Step{
		{Name: "a node", Call: call, Want: want, Asked: asked},
		{Name: "a node given with blanks and zeros", Call: call.By(apitest.Alice).With("Node-Id", " 02 "), Want: want, Asked: asked},
		{Name: "an admin for a node", Call: call.By(admin), Want: want, Asked: asked},
		{Name: "nobody and a pk that cannot be", Call: call.By(apitest.Bob).On("pk", "0"), Want: "403 permission_denied: You do not have permission to perform this action."},
		{Name: "the store: running", Call: call, Err: problem.New(problem.IllegalTransition, "It is running."), Want: "409 illegal_transition: It is running.", Asked: asked},
	},
		apitest.ChangeSteps(call, want, asked),
		apitest.PKSteps(call, want, asked),
		apitest.AccessSteps(auth.Node, call),
		apitest.StoreSteps(call, asked),
	)
}
