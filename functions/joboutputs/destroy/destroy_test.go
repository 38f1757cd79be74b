package destroy_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"joboutputs/functions/joboutputs/destroy"
	"joboutputs/shared/api/apitest"
	"joboutputs/shared/auth"
	"joboutputs/shared/outputs"
)

// fake answers what it is told, and remembers what it was asked.
type fake struct {
	output outputs.Output
	err    error
	asked  string
}

func (f *fake) Destroy(_ context.Context, p auth.Principal, pk int64, key string) (outputs.Output, error) {
	f.asked += fmt.Sprintf("destroy %d of %s", pk, p.Tenant) + apitest.Keyed(key)
	o := f.output
	o.Replayed = key == apitest.UsedKey
	return o, f.err
}

func TestDestroy(t *testing.T) {
	handler := func(err error) (http.Handler, func() string) {
		f := &fake{output: outputs.Output{PK: 5, DeletionTime: time.Now()}, err: err}
		return destroy.New(f), func() string { return f.asked }
	}
	del := apitest.Call{Method: http.MethodDelete, Resource: "/v1/job-outputs/{pk}", Params: map[string]string{"pk": "5"}, As: apitest.Admin}
	const asked = "destroy 5 of demo"
	apitest.Script(t, handler, []apitest.Step{
		{Name: "an admin", Call: del, Want: "204", Asked: asked},
		{Name: "an admin for a node", Call: del.By(granted(apitest.Admin, 4)), Want: "204", Asked: asked},
		{Name: "a user and a pk that cannot be", Call: del.By(apitest.Bob).On("pk", "0"), Want: "403 permission_denied: You do not have permission to perform this action."},
		{Name: "a body is ignored", Call: body(del, "not JSON"), Want: "204", Asked: asked},
	},
		apitest.ChangeSteps(del, "204", asked),
		apitest.PKSteps(del, "204", asked),
		apitest.AccessSteps(auth.Admin, del),
		apitest.StoreSteps(del, asked),
	)
}

// TestNoContent: 204 has no body, so it says nothing of one.
func TestNoContent(t *testing.T) {
	del := apitest.Call{Method: http.MethodDelete, Resource: "/v1/job-outputs/{pk}", Params: map[string]string{"pk": "5"}, As: apitest.Admin}
	answer := del.Do(t, destroy.New(&fake{}))
	for _, name := range []string{"Content-Type", "Content-Length"} {
		if got := answer.Header.Get(name); got != "" {
			t.Errorf("%s is %q, want none", name, got)
		}
	}
}

// granted is the principal acting for a node the token grants.
func granted(p auth.Principal, node int64) auth.Principal {
	p.Nodes, p.Node = []int64{node}, node
	return p
}

func body(c apitest.Call, text string) apitest.Call {
	c.Body = text
	return c
}
