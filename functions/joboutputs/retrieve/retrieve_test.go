package retrieve_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"joboutputs/functions/joboutputs/retrieve"
	"joboutputs/shared/api/apitest"
	"joboutputs/shared/auth"
	"joboutputs/shared/outputs"
	"joboutputs/shared/table"
)

// fake answers what it is told, and remembers what it was asked.
type fake struct {
	output outputs.Output
	err    error
	asked  string
}

func (f *fake) Output(_ context.Context, tenant string, pk int64) (outputs.Output, error) {
	f.asked += fmt.Sprintf("output %d of %s", pk, tenant)
	return f.output, f.err
}

var full = outputs.Output{
	PK: 5, Job: 2, Name: "say \"hé\" <&>", Type: "Model<Domain<'Image Classification'>>", Creator: 2, CreatorUsername: "alice",
	CreationTime: time.Date(2023, 1, 2, 16, 4, 5, 678901000, time.FixedZone("NZDT", 13*3600)),
	DeletionTime: time.Date(2023, 1, 3, 0, 0, 0, 0, time.UTC),
	Size:         3, ContentType: "text/plain", SHA256: "ba7816bf",
	Checksum: &table.Checksum{Algorithm: "SHA256", Type: "full", Value: "ungWv48="},
}

const fullJSON = `{"pk":5,"job":2,"name":"say \"hé\" <&>","type":"Model<Domain<'Image Classification'>>","creator":2,` +
	`"creation_time":"2023-01-02T03:04:05.678901Z","deletion_time":"2023-01-03T00:00:00.000000Z",` +
	`"size":3,"content_type":"text/plain","sha256":"ba7816bf","checksum":{"algorithm":"SHA256","type":"full","value":"ungWv48="}}`

// bare is an output of which nothing is known that need not be.
var bare = outputs.Output{PK: 1, Job: 2, Name: "n", CreationTime: time.Date(2023, 1, 2, 3, 4, 5, 0, time.UTC)}

const bareJSON = `{"pk":1,"job":2,"name":"n","type":"","creator":null,` +
	`"creation_time":"2023-01-02T03:04:05.000000Z","deletion_time":null,` +
	`"size":0,"content_type":null,"sha256":null,"checksum":null}`

var get = apitest.Call{Method: http.MethodGet, Resource: "/v1/job-outputs/{pk}", Params: map[string]string{"pk": "5"}, As: apitest.Bob}

func TestRetrieve(t *testing.T) {
	with := func(o outputs.Output) func(error) (http.Handler, func() string) {
		return func(err error) (http.Handler, func() string) {
			f := &fake{output: o, err: err}
			return retrieve.New(f), func() string { return f.asked }
		}
	}
	stranger := apitest.Bob
	stranger.Tenant = "other"
	apitest.Script(t, with(full), []apitest.Step{
		{Name: "any user", Call: get, Want: "200 " + fullJSON, Asked: "output 5 of demo"},
		{Name: "an admin", Call: get.By(apitest.Admin), Want: "200 " + fullJSON, Asked: "output 5 of demo"},
		{Name: "for a granted node", Call: get.By(apitest.For(apitest.Alice, 2)), Want: "200 " + fullJSON, Asked: "output 5 of demo"},
		{Name: "the tenant is the token's", Call: get.By(stranger), Want: "200 " + fullJSON, Asked: "output 5 of other"},
		{Name: "a body is ignored", Call: get.With("Content-Type", "text/plain"), Want: "200 " + fullJSON, Asked: "output 5 of demo"},
		{Name: "Accept is ignored", Call: get.With("Accept", "text/html"), Want: "200 " + fullJSON, Asked: "output 5 of demo"},
	},
		apitest.PKSteps(get, "200 "+fullJSON, "output 5 of demo"),
		apitest.AccessSteps(auth.Authenticated, get),
		apitest.StoreSteps(get, "output 5 of demo"),
	)
	apitest.Script(t, with(bare), []apitest.Step{
		{Name: "what is not known is null", Call: get, Want: "200 " + bareJSON, Asked: "output 5 of demo"},
	})
}

func TestHead(t *testing.T) {
	head := get
	head.Method = http.MethodHead
	answer := head.Do(t, retrieve.New(&fake{output: full}))
	if answer.Status != http.StatusOK || len(answer.Body) != 0 || answer.Header.Get("Content-Length") != fmt.Sprint(len(fullJSON)) {
		t.Errorf("HEAD answers %s, want 200, no body and the Content-Length %d of GET", answer, len(fullJSON))
	}
	answer = head.On("pk", "0").Do(t, retrieve.New(&fake{}))
	if answer.Status != http.StatusNotFound || len(answer.Body) != 0 {
		t.Errorf("HEAD of pk 0 answers %s, want 404 and no body", answer)
	}
}
