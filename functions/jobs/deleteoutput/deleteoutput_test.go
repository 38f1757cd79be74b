package deleteoutput_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"joboutputs/functions/jobs/deleteoutput"
	"joboutputs/shared/api/apitest"
	"joboutputs/shared/auth"
	"joboutputs/shared/outputs"
	"joboutputs/shared/problem"
)

// fake answers what it is told, and remembers what it was asked.
type fake struct {
	err   error
	asked string
}

func (f *fake) DestroyByName(_ context.Context, p auth.Principal, job int64, name, typ, key string) (outputs.Output, error) {
	f.asked += fmt.Sprintf("destroy %q/%q of job %d of %s", name, typ, job, p.Tenant) + apitest.Keyed(key)
	return outputs.Output{PK: 9, Job: job, Name: name, Type: typ, Creator: 1, CreationTime: time.Unix(0, 0), DeletionTime: time.Unix(1, 0), Replayed: key == apitest.UsedKey}, f.err
}

func TestDeleteOutput(t *testing.T) {
	handler := func(err error) (http.Handler, func() string) {
		f := &fake{err: err}
		return deleteoutput.New(f), func() string { return f.asked }
	}
	del := apitest.Call{
		Method: http.MethodDelete, Resource: "/v1/jobs/{pk}/outputs/{name}/{type}",
		Params: map[string]string{"pk": "5", "name": "log", "type": "M<'x y'>"}, As: apitest.Admin,
	}
	const (
		asked = `destroy "log"/"M<'x y'>" of job 5 of demo`
		want  = `200 {"pk":9,"job":5,"name":"log","type":"M<'x y'>","creator":1,"creation_time":"1970-01-01T00:00:00.000000Z",` +
			`"deletion_time":"1970-01-01T00:00:01.000000Z","size":0,"content_type":null,"sha256":null,"checksum":null}`
	)
	apitest.Script(t, handler, []apitest.Step{
		{Name: "an admin", Call: del, Want: want, Asked: asked},
		{Name: "a user and a pk that cannot be", Call: del.By(apitest.Bob).On("pk", "0"), Want: "403 permission_denied: You do not have permission to perform this action."},
		{Name: "a slash is in no name", Call: del.On("type", "a/b"), Want: "404 not_found: Not found."},
		{Name: "the store: no such name", Call: del, Asked: asked,
			Err:  problem.New(problem.OutputNotFound, "Bad name 'log': Job has no output by this name/type (log/t)"),
			Want: "404 output_not_found: Bad name 'log': Job has no output by this name/type (log/t)"},
	},
		apitest.ChangeSteps(del, want, asked),
		apitest.PKSteps(del, want, asked),
		apitest.AccessSteps(auth.Admin, del),
		apitest.StoreSteps(del, asked),
	)
}
