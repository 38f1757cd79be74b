package create_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"joboutputs/functions/jobs/create"
	"joboutputs/shared/api/apitest"
	"joboutputs/shared/auth"
	"joboutputs/shared/jobs"
	"joboutputs/shared/problem"
)

// fake makes every job with pk 5, and remembers what it was asked.
type fake struct {
	err   error
	asked string
}

func (f *fake) Create(_ context.Context, tenant string, n jobs.NewJob) (jobs.Job, error) {
	f.asked += fmt.Sprintf("create %d of %s: %.20q for node %d by %+v", n.PK, tenant, n.Description, n.Node, n.Creator) + apitest.Keyed(n.Key)
	return jobs.Job{PK: 5, Description: "train", Node: 2, Creator: 1, CreationTime: time.Unix(0, 0), Outputs: []jobs.OutputRef{}, Replayed: n.Key == apitest.UsedKey}, f.err
}

const (
	byAdmin = " by {PK:1 Issuer:https://issuer.test Subject:admin Username:admin}"
	want    = `201 {"pk":5,"description":"train","node":2,"creator":1,"creation_time":"1970-01-01T00:00:00.000000Z",` +
		`"start_time":null,"end_time":null,"error_reason":null,"deletion_time":null,"is_cancelled":false,"outputs":[]}`
)

func TestCreate(t *testing.T) {
	handler := func(err error) (http.Handler, func() string) {
		f := &fake{err: err}
		return create.New(f), func() string { return f.asked }
	}
	call := apitest.Call{Method: http.MethodPost, Resource: "/v1/jobs/create", As: apitest.Admin}
	body := func(text string) apitest.Call {
		c := call
		c.JSON = text
		return c
	}
	asked := func(pk int64, description string, node int64) string {
		return fmt.Sprintf("create %d of demo: %.20q for node %d", pk, description, node) + byAdmin
	}
	// Without upk in the token the creator is who the issuer says, for the directory to name.
	foreign := apitest.Admin
	foreign.UserPK = 0
	steps := []apitest.Step{
		{Name: "everything", Call: body(`{"description":"train \"é\"","node":2,"pk":5}`), Want: want, Asked: asked(5, `train "é"`, 2)},
		{Name: "null is absent", Call: body(`{"description":null,"node":null,"pk":null}`), Want: want, Asked: asked(0, "", 0)},
		{Name: "pairs", Call: body(`[["pk",7],["node",1]]`), Want: want, Asked: asked(7, "", 1)},
		{Name: "the last of two counts", Call: body(`{"pk":7,"pk":8}`), Want: want, Asked: asked(8, "", 0)},
		{Name: "the largest pk", Call: body(`{"pk":2147483647,"node":2147483647}`), Want: want, Asked: asked(2147483647, "", 2147483647)},
		{Name: "10,000 characters", Call: body(`{"description":"` + strings.Repeat("é", 10_000) + `"}`), Want: want, Asked: asked(0, strings.Repeat("é", 20), 0)},
		{Name: "10,001 characters", Call: body(`{"description":"` + strings.Repeat("é", 10_001) + `"}`), Want: "400 invalid_request: description: must not be longer than 10000 characters"},
		{Name: "a user the token has no pk of", Call: call.By(foreign), Want: want, Asked: strings.Replace(asked(0, "", 0), "PK:1", "PK:0", 1)},
		{Name: "permission is before the body", Call: body(`{`).By(apitest.Bob), Want: "403 permission_denied: You do not have permission to perform this action."},
		{Name: "the store: the pk is taken", Call: body(`{"pk":7}`), Asked: asked(7, "", 0),
			Err:  problem.New(problem.Conflict, "There is a job with the primary key 7 already."),
			Want: "409 conflict: There is a job with the primary key 7 already."},
	}
	for _, name := range []string{"pk", "node"} {
		for _, value := range []string{"0", "-1", "2147483648"} {
			text := `{"` + name + `":` + value + `}`
			steps = append(steps, apitest.Step{Name: text, Call: body(text), Want: "400 invalid_request: " + name + ": must be from 1 to 2147483647"})
		}
	}
	steps = append(steps, apitest.Step{Name: "two mistakes: the first is told", Call: body(`{"pk":0,"node":0}`), Want: "400 invalid_request: node: must be from 1 to 2147483647"})
	for _, text := range []string{`{"pk":"7"}`, `{"pk":1.5}`, `{"pk":1e400}`, `{"pk":true}`, `{"node":[1]}`, `{"description":5}`, `{"PK":7}`, `{"template":7}`} {
		steps = append(steps, apitest.Step{Name: text, Call: body(text), Want: "400 invalid_request: The body takes description (string), node (integer) and pk (integer)."})
	}
	apitest.Script(t, handler, steps,
		apitest.ChangeSteps(call, want, asked(0, "", 0)),
		apitest.BodySteps(call, want, asked(0, "", 0)),
		apitest.AccessSteps(auth.Admin, call),
		apitest.StoreSteps(call, asked(0, "", 0)),
	)
}
