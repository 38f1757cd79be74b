package getoutput_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"joboutputs/functions/jobs/getoutput"
	"joboutputs/shared/api/apitest"
	"joboutputs/shared/auth"
	"joboutputs/shared/outputs"
	"joboutputs/shared/problem"
)

// fake answers what it is told, and remembers what it was asked.
type fake struct {
	size    int64
	err     error // of reading the row
	openErr error // of opening the bytes
	asked   string
}

var content = []byte("\x00\xff\xfe\r\n")

func (f *fake) OutputByName(_ context.Context, tenant string, job int64, name, typ string) (outputs.Output, error) {
	f.asked += fmt.Sprintf("%q/%q of job %d of %s", name, typ, job, tenant)
	if f.size == 0 {
		f.size = int64(len(content))
	}
	return outputs.Output{PK: 9, Job: job, Name: name, Type: typ, Size: f.size}, f.err
}

func (f *fake) Open(_ context.Context, tenant string, o *outputs.Output, part *outputs.Range) (io.ReadCloser, error) {
	f.asked += fmt.Sprintf(", open %d of %s", o.PK, tenant)
	b := content
	if part != nil {
		b = content[part.First : part.Last+1]
	}
	return io.NopCloser(bytes.NewReader(b)), f.openErr
}

func (f *fake) Presign(_ context.Context, tenant string, o *outputs.Output, disposition string, life time.Duration) (outputs.Link, error) {
	f.asked += fmt.Sprintf(", presign %d of %s for %s: %s", o.PK, tenant, life, disposition)
	return outputs.Link{URL: "https://bucket.test/x?sig=1", Method: http.MethodGet, Expires: time.Unix(900, 0)}, nil
}

var get = apitest.Call{
	Method: http.MethodGet, Resource: "/v1/jobs/{pk}/outputs/{name}/{type}",
	Params: map[string]string{"pk": "5", "name": "model", "type": "M<'x y'>"}, As: apitest.Bob,
}

func query(text string) apitest.Call {
	c := get
	c.Query = text
	return c
}

func head(c apitest.Call) apitest.Call {
	c.Method = http.MethodHead
	return c
}

const row = `"model"/"M<'x y'>" of job 5 of demo`

func TestGetOutput(t *testing.T) {
	const (
		opened = row + ", open 9 of demo"
		linked = row + `, presign 9 of demo for 15m0s: attachment; filename="model.M<'x y'>"`
		link   = `{"url":"https://bucket.test/x?sig=1","method":"GET","headers":{},"expires_at":"1970-01-01T00:15:00.000000Z","filename":"model.M<'x y'>","size":5,"sha256":null,"checksum":null}`
	)
	for _, tc := range []struct {
		name   string
		call   apitest.Call
		status int
		body   string
		asked  string
	}{
		{"any user", get, 200, string(content), opened},
		{"HEAD", head(get), 200, "", row},
		{"an unknown query", query("format=xml&x=y"), 200, string(content), opened},
		{"delivery=bytes", query("delivery=bytes"), 200, string(content), opened},
		{"delivery=url", query("delivery=url"), 200, link, linked},
		{"delivery=redirect", query("delivery=redirect"), 303, "", linked},
		{"a link for a minute", query("delivery=url&expires_in=60"), 200, link, strings.Replace(linked, "15m0s", "1m0s", 1)},
		{"a redirect for a second", query("delivery=redirect&expires_in=1"), 303, "", strings.Replace(linked, "15m0s", "1s", 1)},
		{"the longest link", query("delivery=url&expires_in=900"), 200, link, linked},
		{"expires_in means nothing to bytes", query("expires_in=60"), 200, string(content), opened},
		{"Accept: application/json", get.With("Accept", "application/json"), 200, link, linked},
		{"delivery wins over Accept", query("delivery=bytes").With("Accept", "application/json"), 200, string(content), opened},
		{"a part", get.With("Range", "bytes=1-2"), 206, "\xff\xfe", opened},
		{"what the client has", get.With("If-None-Match", `"x", *`), 304, "", row},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := &fake{}
			answer := tc.call.Stream(t, getoutput.New(f, true))
			if answer.Status != tc.status || string(answer.Body) != tc.body || f.asked != tc.asked {
				t.Errorf("got %s after %s\nwant %d %s after %s", answer, f.asked, tc.status, tc.body, tc.asked)
			}
			if got := answer.Header.Get("Content-Disposition"); tc.body == string(content) && got != `attachment; filename="model.M<'x y'>"` {
				t.Errorf("Content-Disposition is %s", got)
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	handler := func(err error) (http.Handler, func() string) {
		f := &fake{err: err}
		return getoutput.New(f, true), func() string { return f.asked }
	}
	const life = "400 invalid_request: expires_in: must be an integer from 1 to 900"
	const unknown = `400 invalid_request: delivery: "%s" is not one of bytes, redirect, url`
	apitest.Script(t, handler, []apitest.Step{
		{Name: "unknown delivery", Call: query("delivery=mail"), Want: fmt.Sprintf(unknown, "mail")},
		{Name: "empty delivery", Call: query("delivery="), Want: fmt.Sprintf(unknown, "")},
		{Name: "a link that ends at once", Call: query("expires_in=0"), Want: life},
		{Name: "a link for too long", Call: query("delivery=url&expires_in=901"), Want: life},
		{Name: "a link for half a second", Call: query("expires_in=0.5"), Want: life},
		{Name: "a link for ever", Call: query("expires_in="), Want: life},
		{Name: "a slash is in no name", Call: get.On("name", "a/b"), Want: "404 not_found: Not found."},
		{Name: "the store: no such name", Call: get, Asked: row,
			Err:  problem.New(problem.OutputNotFound, "Bad name 'model': Job has no output by this name/type (model/t)"),
			Want: "404 output_not_found: Bad name 'model': Job has no output by this name/type (model/t)"},
		{Name: "a range beyond the content", Call: get.With("Range", "bytes=5-"), Asked: row,
			Want: "416 range_not_satisfiable: The content has 5 bytes; none of them is in the range."},
	},
		apitest.PKSteps(get, "", "")[1:],
		apitest.AccessSteps(auth.Authenticated, get),
		apitest.StoreSteps(get, row),
	)
}

func TestBytesMissing(t *testing.T) {
	f := &fake{openErr: problem.New(problem.BytesMissing, "The output's content is missing.")}
	answer := get.Stream(t, getoutput.New(f, true))
	if want := "500 bytes_missing: The output's content is missing."; answer.Line() != want || answer.Header.Get("ETag") != "" {
		t.Errorf("got %s, want %s and no ETag", answer, want)
	}
}

func TestLarge(t *testing.T) {
	for _, tc := range []struct {
		call      apitest.Call
		streaming bool
		want      string
	}{
		{get, true, "303"},
		{get, false, "303"},
		{head(get), false, "200"},
		{query("delivery=bytes"), false, "413 result_too_large: The content is 4194305 bytes, more than can be sent in an answer: ask for a link (delivery: url)."},
	} {
		answer := tc.call.Do(t, getoutput.New(&fake{size: 4<<20 + 1}, tc.streaming))
		if answer.Line() != tc.want {
			t.Errorf("%s ?%s, streaming %v: %s, want %s", tc.call.Method, tc.call.Query, tc.streaming, answer.Line(), tc.want)
		}
	}
}
