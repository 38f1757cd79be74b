package harddelete_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"joboutputs/functions/joboutputs/harddelete"
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

func (f *fake) HardDelete(_ context.Context, p auth.Principal, pk int64, key string) (outputs.Output, error) {
	f.asked += fmt.Sprintf("hard-delete %d of %s", pk, p.Tenant) + apitest.Keyed(key)
	o := f.output
	o.Replayed = key == apitest.UsedKey
	return o, f.err
}

func TestHardDelete(t *testing.T) {
	at := time.Date(2026, 5, 6, 7, 8, 9, 12_000_000, time.UTC)
	handler := func(err error) (http.Handler, func() string) {
		f := &fake{err: err, output: outputs.Output{PK: 5, Job: 2, Name: "log", Type: "txt", Creator: 3, CreationTime: at.Add(-time.Hour), DeletionTime: at, Size: 7}}
		return harddelete.New(f), func() string { return f.asked }
	}
	del := apitest.Call{Method: http.MethodDelete, Resource: "/v1/job-outputs/{pk}/hard", Params: map[string]string{"pk": "5"}, As: apitest.Admin}
	const (
		asked = "hard-delete 5 of demo"
		// The real pk, where UFDL has null: D4.
		want = `200 {"pk":5,"job":2,"name":"log","type":"txt","creator":3,"creation_time":"2026-05-06T06:08:09.012000Z",` +
			`"deletion_time":"2026-05-06T07:08:09.012000Z","size":7,"content_type":null,"sha256":null,"checksum":null}`
	)
	apitest.Script(t, handler, []apitest.Step{
		{Name: "an admin", Call: del, Want: want, Asked: asked},
		{Name: "a user and a pk that cannot be", Call: del.By(apitest.Bob).On("pk", "0"), Want: "403 permission_denied: You do not have permission to perform this action."},
	},
		apitest.ChangeSteps(del, want, asked),
		apitest.PKSteps(del, want, asked),
		apitest.AccessSteps(auth.Admin, del),
		apitest.StoreSteps(del, asked),
	)
}
