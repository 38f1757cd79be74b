package acquire_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"joboutputs/functions/jobs/acquire"
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

func (f *fake) Acquire(_ context.Context, p auth.Principal, pk int64, key string) (jobs.Job, error) {
	f.asked += fmt.Sprintf("acquire job %d of %s for node %d", pk, p.Tenant, p.Node) + apitest.Keyed(key)
	return jobs.Job{PK: pk, Description: "train", Creator: 3, CreationTime: time.Unix(0, 0), Node: p.Node, Outputs: []jobs.OutputRef{}, Replayed: key == apitest.UsedKey}, f.err
}

func TestAcquire(t *testing.T) {
	handler := func(err error) (http.Handler, func() string) {
		f := &fake{err: err}
		return acquire.New(f), func() string { return f.asked }
	}
	call := apitest.Call{Method: http.MethodGet, Resource: "/v1/jobs/{pk}/acquire", Params: map[string]string{"pk": "5"}, As: apitest.For(apitest.Alice, 2)}
	admin := apitest.For(apitest.Admin, 2)
	admin.Nodes = []int64{2}
	const (
		asked = "acquire job 5 of demo for node 2"
		want  = `200 {"pk":5,"description":"train","node":2,"creator":3,"creation_time":"1970-01-01T00:00:00.000000Z",` +
			`"start_time":null,"end_time":null,"error_reason":null,"deletion_time":null,"is_cancelled":false,"outputs":[]}`
	)
	apitest.Script(t, handler, []apitest.Step{
		{Name: "a node", Call: call, Want: want, Asked: asked},
		{Name: "a node given with blanks and zeros", Call: call.By(apitest.Alice).With("Node-Id", " 02 "), Want: want, Asked: asked},
		{Name: "an admin for a node", Call: call.By(admin), Want: want, Asked: asked},
		{Name: "nobody and a pk that cannot be", Call: call.By(apitest.Bob).On("pk", "0"), Want: "403 permission_denied: You do not have permission to perform this action."},
		{Name: "the store: taken", Call: call, Err: problem.New(problem.JobAcquired, "The job has been acquired by another node."), Want: "409 job_acquired: The job has been acquired by another node.", Asked: asked},
		{Name: "the store: ended", Call: call, Err: problem.New(problem.IllegalTransition, "It has ended."), Want: "409 illegal_transition: It has ended.", Asked: asked},
	},
		apitest.ChangeSteps(call, want, asked),
		apitest.PKSteps(call, want, asked),
		apitest.AccessSteps(auth.Node, call),
		apitest.StoreSteps(call, asked),
	)
}
