package retrieve_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"joboutputs/functions/jobs/retrieve"
	"joboutputs/shared/api/apitest"
	"joboutputs/shared/auth"
	"joboutputs/shared/jobs"
)

// fake answers what it is told, and remembers what it was asked.
type fake struct {
	job   jobs.Job
	err   error
	asked string
}

func (f *fake) WithOutputs(_ context.Context, tenant string, pk int64) (jobs.Job, error) {
	f.asked += fmt.Sprintf("job %d of %s", pk, tenant)
	return f.job, f.err
}

func TestRetrieve(t *testing.T) {
	with := func(j jobs.Job) func(error) (http.Handler, func() string) {
		return func(err error) (http.Handler, func() string) {
			f := &fake{job: j, err: err}
			return retrieve.New(f), func() string { return f.asked }
		}
	}
	reason := ""
	at := time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC)
	full := jobs.Job{
		PK: 5, Description: "train <é>", Node: 2, Creator: 3, CreationTime: at, StartTime: at.Add(time.Hour), EndTime: at.Add(2 * time.Hour),
		ErrorReason: &reason, DeletionTime: at.Add(3 * time.Hour), Cancelled: true,
		Outputs: []jobs.OutputRef{{PK: 12, Name: "log", Type: "txt"}, {PK: 3, Name: "model", Type: "Model<'x'>"}},
	}
	bare := jobs.Job{PK: 5, CreationTime: at, Outputs: []jobs.OutputRef{}}
	const (
		asked    = "job 5 of demo"
		fullJSON = `200 {"pk":5,"description":"train <é>","node":2,"creator":3,"creation_time":"2026-01-02T03:04:05.000006Z",` +
			`"start_time":"2026-01-02T04:04:05.000006Z","end_time":"2026-01-02T05:04:05.000006Z","error_reason":"",` +
			`"deletion_time":"2026-01-02T06:04:05.000006Z","is_cancelled":true,` +
			`"outputs":[{"pk":3,"name":"model","type":"Model<'x'>"},{"pk":12,"name":"log","type":"txt"}]}`
		bareJSON = `200 {"pk":5,"description":"","node":null,"creator":null,"creation_time":"2026-01-02T03:04:05.000006Z",` +
			`"start_time":null,"end_time":null,"error_reason":null,"deletion_time":null,"is_cancelled":false,"outputs":[]}`
	)
	get := apitest.Call{Method: http.MethodGet, Resource: "/v1/jobs/{pk}", Params: map[string]string{"pk": "5"}, As: apitest.Bob}
	apitest.Script(t, with(full), []apitest.Step{
		{Name: "any user", Call: get, Want: fullJSON, Asked: asked},
		{Name: "an admin", Call: get.By(apitest.Admin), Want: fullJSON, Asked: asked},
	},
		apitest.PKSteps(get, fullJSON, asked),
		apitest.AccessSteps(auth.Authenticated, get),
		apitest.StoreSteps(get, asked),
	)
	apitest.Script(t, with(bare), []apitest.Step{{Name: "what is not known is null", Call: get, Want: bareJSON, Asked: asked}})

	head := get
	head.Method = http.MethodHead
	answer := head.Do(t, retrieve.New(&fake{job: bare}))
	if answer.Status != http.StatusOK || len(answer.Body) != 0 || answer.Header.Get("Content-Length") != fmt.Sprint(len(bareJSON)-len("200 ")) {
		t.Errorf("HEAD answers %s, want the headers of GET", answer)
	}
}
