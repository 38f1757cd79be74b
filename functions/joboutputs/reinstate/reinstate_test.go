package reinstate_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"joboutputs/functions/joboutputs/reinstate"
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

func (f *fake) Reinstate(_ context.Context, p auth.Principal, pk int64, key string) (outputs.Output, error) {
	f.asked += fmt.Sprintf("reinstate %d of %s", pk, p.Tenant) + apitest.Keyed(key)
	o := f.output
	o.Replayed = key == apitest.UsedKey
	return o, f.err
}

func TestReinstate(t *testing.T) {
	handler := func(err error) (http.Handler, func() string) {
		f := &fake{err: err, output: outputs.Output{PK: 5, Job: 2, Name: "log", Type: "txt", Creator: 3, CreationTime: time.Unix(0, 0), Size: 7}}
		return reinstate.New(f), func() string { return f.asked }
	}
	del := apitest.Call{Method: http.MethodDelete, Resource: "/v1/job-outputs/{pk}/reinstate", Params: map[string]string{"pk": "5"}, As: apitest.Admin}
	post := del
	post.Method = http.MethodPost
	const (
		asked = "reinstate 5 of demo"
		want  = `200 {"pk":5,"job":2,"name":"log","type":"txt","creator":3,"creation_time":"1970-01-01T00:00:00.000000Z",` +
			`"deletion_time":null,"size":7,"content_type":null,"sha256":null,"checksum":null}`
	)
	apitest.Script(t, handler, []apitest.Step{
		{Name: "DELETE, as UFDL has it", Call: del, Want: want, Asked: asked},
		{Name: "POST", Call: post, Want: want, Asked: asked},
		{Name: "a user and a pk that cannot be", Call: post.By(apitest.Bob).On("pk", "0"), Want: "403 permission_denied: You do not have permission to perform this action."},
	},
		apitest.ChangeSteps(del, want, asked),
		apitest.PKSteps(del, want, asked),
		apitest.AccessSteps(auth.Admin, post),
		apitest.StoreSteps(del, asked),
	)
}
