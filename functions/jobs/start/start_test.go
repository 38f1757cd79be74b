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
	"joboutputs/shared/outputs"
	"joboutputs/shared/problem"
)

// fake has one job, of node 2, and asks as the store does whether its caller is admitted.
type fake struct {
	err   error
	asked string
}

func (f *fake) Start(_ context.Context, tenant string, pk, node int64, admit func(outputs.Job) error) (outputs.Job, error) {
	f.asked += fmt.Sprintf("start job %d of %s for node %d", pk, tenant, node)
	if f.err != nil {
		return outputs.Job{}, f.err
	}
	j := outputs.Job{PK: pk, Description: "train", Node: 2, CreationTime: time.Unix(0, 0), StartTime: time.Unix(1, 0), Outputs: []outputs.JobOutput{{PK: 9, Name: "b", Type: "t"}, {PK: 8, Name: "a", Type: ""}}}
	return j, admit(j)
}

func TestStart(t *testing.T) {
	handler := func(err error) (http.Handler, func() string) {
		f := &fake{err: err}
		return start.New(f), func() string { return f.asked }
	}
	call := apitest.Call{Method: http.MethodPost, Resource: "/v1/jobs/{pk}/start", Params: map[string]string{"pk": "5"}, As: apitest.For(apitest.Alice, 2)}
	withBody := call
	withBody.Body = "not JSON"
	const (
		asked = "start job 5 of demo for node 2"
		want  = `200 {"pk":5,"description":"train","node":2,"creator":null,"creation_time":"1970-01-01T00:00:00.000000Z",` +
			`"start_time":"1970-01-01T00:00:01.000000Z","end_time":null,"error_reason":null,"deletion_time":null,"is_cancelled":false,` +
			`"outputs":[{"pk":8,"name":"a","type":""},{"pk":9,"name":"b","type":"t"}]}`
	)
	apitest.Script(t, handler, []apitest.Step{
		{Name: "the node that owns the job", Call: call, Want: want, Asked: asked},
		{Name: "a body is ignored", Call: withBody, Want: want, Asked: asked},
		{Name: "a node that does not own it", Call: call.By(apitest.For(apitest.Alice, 1)), Want: "403 permission_denied: You do not have permission to perform this action.", Asked: "start job 5 of demo for node 1"},
		{Name: "the store: started", Call: call, Err: problem.New(problem.IllegalTransition, "It was started already."), Want: "409 illegal_transition: It was started already.", Asked: asked},
		{Name: "the store: busy", Call: call, Err: problem.New(problem.NodeAlreadyWorking, "The node is working another job."), Want: "409 node_already_working: The node is working another job.", Asked: asked},
	},
		apitest.PKSteps(call, want, asked),
		apitest.AccessSteps(auth.Owner, call),
		apitest.StoreSteps(call, asked),
	)
}

// TestOwnerAlone: an admin who acts for a node starts the jobs of that node and no others.
func TestOwnerAlone(t *testing.T) {
	for node, want := range map[int64]int{1: http.StatusForbidden, 2: http.StatusOK} {
		admin := apitest.Admin
		admin.Nodes, admin.Node = []int64{1, 2}, node
		call := apitest.Call{Method: http.MethodPost, Resource: "/v1/jobs/{pk}/start", Params: map[string]string{"pk": "5"}, As: admin}
		if answer := call.Do(t, start.New(&fake{})); answer.Status != want {
			t.Errorf("an admin for node %d: %s, want %d", node, answer.Line(), want)
		}
	}
}
