package download_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"joboutputs/functions/joboutputs/download"
	"joboutputs/shared/api/apitest"
	"joboutputs/shared/auth"
	"joboutputs/shared/outputs"
	"joboutputs/shared/problem"
)

// fake answers what it is told, and remembers what it was asked.
type fake struct {
	output  outputs.Output
	content []byte
	err     error // of reading the row
	openErr error // of opening the bytes
	asked   string
}

func (f *fake) Output(_ context.Context, tenant string, pk int64) (outputs.Output, error) {
	f.asked += fmt.Sprintf("output %d of %s", pk, tenant)
	return f.output, f.err
}

func (f *fake) Open(_ context.Context, tenant string, o *outputs.Output, part *outputs.Range) (io.ReadCloser, error) {
	f.asked += fmt.Sprintf(", open %d of %s", o.PK, tenant)
	if part != nil {
		f.asked += fmt.Sprintf(" from %d to %d", part.First, part.Last)
	}
	return io.NopCloser(bytes.NewReader(f.content)), f.openErr
}

func (f *fake) Presign(_ context.Context, tenant string, o *outputs.Output, disposition string, life time.Duration) (outputs.Link, error) {
	f.asked += fmt.Sprintf(", presign %d of %s for %s: %s", o.PK, tenant, life, disposition)
	return outputs.Link{URL: "https://bucket.test/x?sig=1", Method: http.MethodGet, Expires: time.Unix(900, 0)}, nil
}

var model = outputs.Output{PK: 5, Job: 2, Name: "model", Type: "Model<'x'>", Size: 5}

var post = apitest.Call{Method: http.MethodPost, Resource: "/v1/job-outputs/{pk}/download", Params: map[string]string{"pk": "5"}, As: apitest.Bob}

func body(text string) apitest.Call {
	c := post
	c.JSON = text
	return c
}

func TestBytes(t *testing.T) {
	for _, tc := range []struct {
		name        string
		call        apitest.Call
		disposition string
	}{
		{"no body", post, `attachment; filename="model.Model<'x'>"`},
		{"no options", body(`{}`), `attachment; filename="model.Model<'x'>"`},
		{"an empty array", body(`[]`), `attachment; filename="model.Model<'x'>"`},
		{"filetype", body(`{"filetype":"zip"}`), `attachment; filename="model.zip"`},
		{"an empty filetype", body(`{"filetype":""}`), `attachment; filename="model."`},
		{"the last of two counts", body(`{"filetype":"a","filetype":"b"}`), `attachment; filename="model.b"`},
		{"pairs", body(`[["filetype","zip"]]`), `attachment; filename="model.zip"`},
		{"255 bytes, of which the file name has room for 249", body(`{"filetype":"` + strings.Repeat("z", 255) + `"}`), `attachment; filename="model.` + strings.Repeat("z", 249) + `"`},
		{"params", body(`{"params":{"a":"b","c":["d","e"],"f":[],"self":"x","a":"z"}}`), `attachment; filename="model.Model<'x'>"`},
		{"unknown names, as UFDL's TypeScript client sends", body(`{"Filetype":"zip","pk":5,"x":{"y":null}}`), `attachment; filename="model.Model<'x'>"`},
		{"bytes", body(`{"delivery":"bytes"}`), `attachment; filename="model.Model<'x'>"`},
		{"delivery wins over Accept", body(`{"delivery":"bytes"}`).With("Accept", "application/json"), `attachment; filename="model.Model<'x'>"`},
		{"conditions are for GET", post.With("If-None-Match", "*").With("Range", "bytes=0-1"), `attachment; filename="model.Model<'x'>"`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := &fake{output: model, content: []byte("\x00\xff\xfe\r\n")}
			answer := tc.call.Stream(t, download.New(f, true))
			if answer.Status != http.StatusOK || string(answer.Body) != "\x00\xff\xfe\r\n" || answer.Cut != nil {
				t.Errorf("got %s, cut %v, want 200 with the bytes", answer, answer.Cut)
			}
			if got := answer.Header.Get("Content-Disposition"); got != tc.disposition {
				t.Errorf("Content-Disposition is %s, want %s", got, tc.disposition)
			}
			if want := "output 5 of demo, open 5 of demo"; f.asked != want {
				t.Errorf("the store was asked %q, want %q", f.asked, want)
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	handler := func(err error) (http.Handler, func() string) {
		f := &fake{output: model, err: err}
		return download.New(f, true), func() string { return f.asked }
	}
	const (
		invalid = "400 invalid_request: "
		params  = invalid + "params: must be an object whose values are strings or arrays of strings"
	)
	steps := []apitest.Step{
		{Name: "filetype of 256 bytes", Call: body(`{"filetype":"` + strings.Repeat("é", 128) + `"}`), Want: invalid + "filetype: must not be longer than 255 bytes"},
		{Name: "unknown delivery", Call: body(`{"delivery":"mail"}`), Want: invalid + `delivery: "mail" is not one of bytes, redirect, url`},
		{Name: "empty delivery", Call: body(`{"delivery":""}`), Want: invalid + `delivery: "" is not one of bytes, redirect, url`},
		{Name: "delivery in other letters", Call: body(`{"delivery":"URL"}`), Want: invalid + `delivery: "URL" is not one of bytes, redirect, url`},
		{Name: "params is told before filetype", Call: body(`{"filetype":1,"params":1}`), Want: params},
		{Name: "options are read before the row", Call: body(`{"filetype":1}`), Err: problem.New(problem.NotFound, "Not found."), Want: invalid + "filetype: must be a string"},
		{Name: "the pk is read before the options", Call: body(`{"filetype":1}`).On("pk", "0"), Want: "404 not_found: Not found."},
	}
	for _, value := range []string{`null`, `1`, `true`, `["zip"]`, `{}`} {
		steps = append(steps,
			apitest.Step{Name: "filetype " + value, Call: body(`{"filetype":` + value + `}`), Want: invalid + "filetype: must be a string"},
			apitest.Step{Name: "delivery " + value, Call: body(`{"delivery":` + value + `}`), Want: invalid + "delivery: must be a string"})
	}
	for _, value := range []string{`null`, `0`, `-1`, `901`, `60.0`, `6e1`, `"60"`, `[60]`, `99999999999999999999`} {
		steps = append(steps, apitest.Step{Name: "expires_in " + value, Call: body(`{"expires_in":` + value + `}`), Want: invalid + "expires_in: must be an integer from 1 to 900"})
	}
	for _, value := range []string{`null`, `1`, `"x"`, `[]`, `{"a":null}`, `{"a":1}`, `{"a":["b",1]}`, `{"a":{}}`, `{"a":[["b"]]}`} {
		steps = append(steps, apitest.Step{Name: "params " + value, Call: body(`{"params":` + value + `}`), Want: params})
	}
	apitest.Script(t, handler, steps,
		apitest.AccessSteps(auth.Authenticated, post)[:5], // the rest succeeds, in bytes
		apitest.StoreSteps(post, "output 5 of demo"),
		apitest.PKSteps(post, "", "")[1:],
	)
}

func TestBytesMissing(t *testing.T) {
	f := &fake{output: model, openErr: problem.New(problem.BytesMissing, "The output's content is missing.")}
	answer := post.Stream(t, download.New(f, true))
	if want := "500 bytes_missing: The output's content is missing."; answer.Line() != want || answer.Header.Get("Content-Disposition") != "" {
		t.Errorf("got %s, want %s and no file", answer, want)
	}
}

func TestLinks(t *testing.T) {
	const asked = `output 5 of demo, presign 5 of demo for 15m0s: attachment; filename="model.zip"`
	for _, call := range []apitest.Call{
		body(`{"filetype":"zip","delivery":"url"}`),
		body(`{"filetype":"zip"}`).With("Accept", "application/json"),
	} {
		f := &fake{output: model}
		answer := call.Do(t, download.New(f, false))
		want := `200 {"url":"https://bucket.test/x?sig=1","method":"GET","headers":{},"expires_at":"1970-01-01T00:15:00.000000Z",` +
			`"filename":"model.zip","size":5,"sha256":null,"checksum":null}`
		if answer.Line() != want || f.asked != asked {
			t.Errorf("got %s after %q\nwant %s after %q", answer.Line(), f.asked, want, asked)
		}
	}
	for _, call := range []apitest.Call{
		body(`{"filetype":"zip","delivery":"url","expires_in":1}`),
		body(`{"filetype":"zip","delivery":"redirect","expires_in":1}`),
	} {
		f := &fake{output: model}
		if call.Do(t, download.New(f, false)); f.asked != strings.Replace(asked, "15m0s", "1s", 1) {
			t.Errorf("%s: the store was asked %s", call.JSON, f.asked)
		}
	}
	f := &fake{output: model}
	answer := body(`{"filetype":"zip","delivery":"redirect"}`).Do(t, download.New(f, false))
	if answer.Status != http.StatusSeeOther || answer.Header.Get("Location") != "https://bucket.test/x?sig=1" || f.asked != asked {
		t.Errorf("redirect: %s after %q, want 303 after %q", answer, f.asked, asked)
	}
}

// TestStreamingOff: what is too large for a buffered answer is refused when it must be
// bytes, and redirected when it need not.
func TestStreamingOff(t *testing.T) {
	large := model
	large.Size = 4<<20 + 1
	answer := body(`{"delivery":"bytes"}`).Do(t, download.New(&fake{output: large}, false))
	if answer.Code() != problem.ResultTooLarge || !strings.Contains(answer.Detail(), "delivery: url") {
		t.Errorf("bytes: %s, want 413 naming url", answer.Line())
	}
	if answer := post.Do(t, download.New(&fake{output: large}, false)); answer.Status != http.StatusSeeOther {
		t.Errorf("without options: %s, want 303", answer.Line())
	}
}
