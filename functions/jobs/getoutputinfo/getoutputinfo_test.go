package getoutputinfo_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"joboutputs/functions/jobs/getoutputinfo"
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

func (f *fake) OutputByName(_ context.Context, tenant string, job int64, name, typ string) (outputs.Output, error) {
	f.asked += fmt.Sprintf("%q/%q of job %d of %s", name, typ, job, tenant)
	return outputs.Output{PK: 9, Job: job, Name: name, Type: typ, CreationTime: time.Unix(0, 0), DeletionTime: time.Unix(1, 0), ContentType: "text/plain", SHA256: "ab"}, f.err
}

func TestGetOutputInfo(t *testing.T) {
	handler := func(err error) (http.Handler, func() string) {
		f := &fake{err: err}
		return getoutputinfo.New(f), func() string { return f.asked }
	}
	get := apitest.Call{
		Method: http.MethodGet, Resource: "/v1/jobs/{pk}/outputs/{name}/{type}/info",
		Params: map[string]string{"pk": "5", "name": "log", "type": "txt"}, As: apitest.Bob,
	}
	const (
		asked = `"log"/"txt" of job 5 of demo`
		want  = `200 {"pk":9,"job":5,"name":"log","type":"txt","creator":null,"creation_time":"1970-01-01T00:00:00.000000Z",` +
			`"deletion_time":"1970-01-01T00:00:01.000000Z","size":0,"content_type":"text/plain","sha256":"ab","checksum":null}`
	)
	apitest.Script(t, handler, []apitest.Step{
		{Name: "any user", Call: get, Want: want, Asked: asked},
		{Name: "names arrive decoded, once", Call: get.On("name", "a%20b c").On("type", "M<'x y'>+"), Asked: `"a%20b c"/"M<'x y'>+" of job 5 of demo`,
			Want: `200 {"pk":9,"job":5,"name":"a%20b c","type":"M<'x y'>+","creator":null,"creation_time":"1970-01-01T00:00:00.000000Z",` +
				`"deletion_time":"1970-01-01T00:00:01.000000Z","size":0,"content_type":"text/plain","sha256":"ab","checksum":null}`},
		{Name: "a slash is in no name", Call: get.On("name", "a/b"), Want: "404 not_found: Not found."},
		{Name: "the store: no such name", Call: get, Asked: asked,
			Err:  problem.New(problem.OutputNotFound, "Bad name 'log': Job has no output by this name/type (log/txt)"),
			Want: "404 output_not_found: Bad name 'log': Job has no output by this name/type (log/txt)"},
	},
		apitest.PKSteps(get, want, asked),
		apitest.AccessSteps(auth.Authenticated, get),
		apitest.StoreSteps(get, asked),
	)

	head := get
	head.Method = http.MethodHead
	answer := head.Do(t, getoutputinfo.New(&fake{}))
	if answer.Status != http.StatusOK || len(answer.Body) != 0 || answer.Header.Get("Content-Length") != fmt.Sprint(len(want)-len("200 ")) {
		t.Errorf("HEAD answers %s, want the headers of GET", answer)
	}
}
