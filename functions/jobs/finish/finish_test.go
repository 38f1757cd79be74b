package finish_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"joboutputs/functions/jobs/finish"
	"joboutputs/shared/api/apitest"
	"joboutputs/shared/auth"
	"joboutputs/shared/jobs"
	"joboutputs/shared/problem"
)

// fake finishes every job, and remembers what it was asked, and by whom.
type fake struct {
	err   error
	asked string
}

func (f *fake) Finish(_ context.Context, p auth.Principal, pk int64, reason *string, key string) (jobs.Job, error) {
	f.asked += fmt.Sprintf("finish job %d of %s, by %s for node %d", pk, p.Tenant, p.Username, p.Node)
	if reason != nil {
		f.asked += fmt.Sprintf(": %.20q", *reason)
	}
	f.asked += apitest.Keyed(key)
	if f.err != nil {
		return jobs.Job{}, f.err
	}
	j := jobs.Job{PK: pk, Node: 2, CreationTime: time.Unix(0, 0), StartTime: time.Unix(1, 0), EndTime: time.Unix(2, 0), ErrorReason: reason, Outputs: []jobs.OutputRef{}, Replayed: key == apitest.UsedKey}
	return j, nil
}

func TestFinish(t *testing.T) {
	handler := func(err error) (http.Handler, func() string) {
		f := &fake{err: err}
		return finish.New(f), func() string { return f.asked }
	}
	call := apitest.Call{Method: http.MethodPost, Resource: "/v1/jobs/{pk}/finish", Params: map[string]string{"pk": "5"}, As: apitest.For(apitest.Alice, 2)}
	body := func(text string) apitest.Call {
		c := call
		c.JSON = text
		return c
	}
	job := func(reason string) string {
		return `200 {"pk":5,"description":"","node":2,"creator":null,"creation_time":"1970-01-01T00:00:00.000000Z",` +
			`"start_time":"1970-01-01T00:00:01.000000Z","end_time":"1970-01-01T00:00:02.000000Z","error_reason":` + reason + `,` +
			`"deletion_time":null,"is_cancelled":false,"outputs":[]}`
	}
	const (
		asked   = "finish job 5 of demo, by alice for node 2"
		invalid = "400 invalid_request: The body takes success (boolean), send_notification and error (string)."
	)
	steps := []apitest.Step{
		{Name: "UFDL's client, well", Call: body(`{"success":true,"send_notification":false}`), Want: job("null"), Asked: asked},
		{Name: "UFDL's client, with an error", Call: body(`{"success":false,"send_notification":true,"error":"boom \"é\""}`), Want: job(`"boom \"é\""`), Asked: asked + `: "boom \"é\""`},
		{Name: "send_notification is whatever it is", Call: body(`{"send_notification":"false"}`), Want: job("null"), Asked: asked},
		{Name: "an error alone", Call: body(`{"error":"boom"}`), Want: job(`"boom"`), Asked: asked + `: "boom"`},
		{Name: "an error wins over success", Call: body(`{"success":true,"error":"boom"}`), Want: job(`"boom"`), Asked: asked + `: "boom"`},
		{Name: "an empty error is an error", Call: body(`{"error":""}`), Want: job(`""`), Asked: asked + `: ""`},
		{Name: "failure without a text", Call: body(`{"success":false}`), Want: job(`""`), Asked: asked + `: ""`},
		{Name: "null is absent", Call: body(`{"success":null,"send_notification":null,"error":null}`), Want: job("null"), Asked: asked},
		{Name: "pairs", Call: body(`[["error","boom"]]`), Want: job(`"boom"`), Asked: asked + `: "boom"`},
		{Name: "the last of two counts", Call: body(`{"error":"a","error":"b"}`), Want: job(`"b"`), Asked: asked + `: "b"`},
		{Name: "64 KiB of error", Call: body(`{"error":"` + strings.Repeat("e", 64<<10) + `"}`), Want: job(`"` + strings.Repeat("e", 64<<10) + `"`), Asked: asked + `: "` + strings.Repeat("e", 20) + `"`},
		{Name: "more of it", Call: body(`{"error":"` + strings.Repeat("e", 64<<10+1) + `"}`), Want: "400 invalid_request: error: must not be longer than 65536 bytes"},
		{Name: "a node that does not own it, as the store says", Call: call.By(apitest.For(apitest.Alice, 1)), Err: problem.Forbidden(),
			Want: "403 permission_denied: You do not have permission to perform this action.", Asked: "finish job 5 of demo, by alice for node 1"},
		{Name: "permission is before the body", Call: body(`{`).By(apitest.Bob), Want: "403 permission_denied: You do not have permission to perform this action."},
		{Name: "the store: never started", Call: call, Err: problem.New(problem.IllegalTransition, "It was never started."), Want: "409 illegal_transition: It was never started.", Asked: asked},
	}
	for _, text := range []string{`{"success":"true"}`, `{"success":1}`, `{"error":1}`, `{"error":["a"]}`, `{"Error":"a"}`, `{"pk":5}`} {
		steps = append(steps, apitest.Step{Name: text, Call: body(text), Want: invalid})
	}
	apitest.Script(t, handler, steps,
		apitest.BodySteps(call, job("null"), asked),
		apitest.ChangeSteps(call, job("null"), asked),
		apitest.PKSteps(call, job("null"), asked),
		apitest.AccessSteps(auth.Owner, call),
		apitest.StoreSteps(call, asked),
	)
}
