package start_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"joboutputs/functions/jobs/start"
	"joboutputs/shared/api/apitest"
	"joboutputs/shared/auth"
	"joboutputs/shared/jobs"
	"joboutputs/shared/problem"
)

// fake starts every job, and remembers what it was asked, and by whom.
type fake struct {
	err   error
	asked string
}

func (f *fake) Start(_ context.Context, p auth.Principal, pk int64, key string) (jobs.Job, error) {
	f.asked += fmt.Sprintf("start job %d of %s, by %s for node %d", pk, p.Tenant, p.Username, p.Node) + apitest.Keyed(key)
	if f.err != nil {
		return jobs.Job{}, f.err
	}
	j := jobs.Job{PK: pk, Description: "train", Node: 2, CreationTime: time.Unix(0, 0), StartTime: time.Unix(1, 0), Outputs: []jobs.OutputRef{{PK: 9, Name: "b", Type: "t"}, {PK: 8, Name: "a", Type: ""}}, Replayed: key == apitest.UsedKey}
	return j, nil
}

func TestStart(t *testing.T) {
	handler := func(err error) (http.Handler, func() string) {
		f := &fake{err: err}
		return start.New(f), func() string { return f.asked }
	}
	call := apitest.Call{Method: http.MethodPost, Resource: "/v1/jobs/{pk}/start", Params: map[string]string{"pk": "5"}, As: apitest.For(apitest.Alice, 2)}
	withBody := call
	withBody.Body = "not JSON"
	admin := apitest.For(apitest.Admin, 2)
	admin.Nodes = []int64{1, 2}
	const (
		asked = "start job 5 of demo, by alice for node 2"
		want  = `200 {"pk":5,"description":"train","node":2,"creator":null,"creation_time":"1970-01-01T00:00:00.000000Z",` +
			`"start_time":"1970-01-01T00:00:01.000000Z","end_time":null,"error_reason":null,"deletion_time":null,"is_cancelled":false,` +
			`"outputs":[{"pk":8,"name":"a","type":""},{"pk":9,"name":"b","type":"t"}]}`
	)
	apitest.Script(t, handler, []apitest.Step{
		{Name: "the node that owns the job", Call: call, Want: want, Asked: asked},
		{Name: "a body is ignored", Call: withBody, Want: want, Asked: asked},
		{Name: "an admin for a node", Call: call.By(admin), Want: want, Asked: "start job 5 of demo, by admin for node 2"},
		{Name: "a node that does not own it, as the store says", Call: call.By(apitest.For(apitest.Alice, 1)), Err: problem.Forbidden(),
			Want: "403 permission_denied: You do not have permission to perform this action.", Asked: "start job 5 of demo, by alice for node 1"},
		{Name: "the store: started", Call: call, Err: problem.New(problem.IllegalTransition, "It was started already."), Want: "409 illegal_transition: It was started already.", Asked: asked},
		{Name: "the store: busy", Call: call, Err: problem.New(problem.NodeAlreadyWorking, "The node is working another job."), Want: "409 node_already_working: The node is working another job.", Asked: asked},
	},
		apitest.ChangeSteps(call, want, asked),
		apitest.PKSteps(call, want, asked),
		apitest.AccessSteps(auth.Owner, call),
		apitest.StoreSteps(call, asked),
	)
}
