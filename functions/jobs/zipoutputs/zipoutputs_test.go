package zipoutputs_test

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"joboutputs/functions/jobs/zipoutputs"
	"joboutputs/shared/api/apitest"
	"joboutputs/shared/archive"
	"joboutputs/shared/auth"
	"joboutputs/shared/outputs"
	"joboutputs/shared/problem"
)

// fake has what it is told, and remembers what it was asked.
type fake struct {
	contents []string
	sizes    []int64 // in place of the contents' own
	err      error   // of reading the job
	openErr  error   // of opening the output gone
	gone     int64

	mu    sync.Mutex
	asked string
}

func (f *fake) ActiveOutputs(_ context.Context, tenant string, job int64, most int) ([]outputs.Output, error) {
	f.asked += fmt.Sprintf("job %d of %s, at most %d", job, tenant, most)
	var all []outputs.Output
	for i, content := range f.contents {
		o := outputs.Output{PK: int64(i + 1), Job: job, Name: fmt.Sprint("output ", i+1), Type: "txt", Size: int64(len(content)), CreationTime: time.Unix(1e9, 0)}
		if f.sizes != nil {
			o.Size = f.sizes[i]
		}
		all = append(all, o)
	}
	return all, f.err
}

func (f *fake) Open(_ context.Context, tenant string, o *outputs.Output, part *outputs.Range) (io.ReadCloser, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if tenant != "demo" || part != nil {
		f.asked += ", not what it should"
	}
	if o.PK == f.gone {
		return nil, f.openErr
	}
	return io.NopCloser(strings.NewReader(f.contents[o.PK-1])), nil
}

var get = apitest.Call{Method: http.MethodGet, Resource: "/v1/jobs/{pk}/outputs.zip", Params: map[string]string{"pk": "5"}, As: apitest.Bob}

const asked = "job 5 of demo, at most 10000"

func TestZip(t *testing.T) {
	large := strings.Repeat("x", 300_000)
	for _, contents := range [][]string{nil, {"one"}, {"one", "", large, "\x00\xff", large}} {
		f := &fake{contents: contents}
		for kind, do := range map[string]func(testing.TB, http.Handler) *apitest.Answer{"streamed": get.Stream, "buffered": get.Do} {
			f.asked = ""
			answer := do(t, zipoutputs.New(f, kind == "streamed"))
			if answer.Status != http.StatusOK || answer.Cut != nil || f.asked != asked {
				t.Fatalf("%s: %s, cut %v, after %s", kind, answer, answer.Cut, f.asked)
			}
			for name, want := range map[string]string{
				"Content-Type": "application/zip", "Content-Length": fmt.Sprint(len(answer.Body)), "Content-Disposition": `attachment; filename="job-5.zip"`,
				"Cache-Control": "private, no-cache", "X-Content-Type-Options": "nosniff",
			} {
				if got := answer.Header.Get(name); got != want {
					t.Errorf("%s: %s is %q, want %q", kind, name, got, want)
				}
			}
			z, err := zip.NewReader(bytes.NewReader(answer.Body), int64(len(answer.Body)))
			if err != nil || len(z.File) != len(contents) {
				t.Fatalf("%s: %d entries, %v; want %d", kind, len(z.File), err, len(contents))
			}
			for i, file := range z.File {
				r, err := file.Open()
				if err != nil {
					t.Fatal(err)
				}
				got, err := io.ReadAll(r)
				if want := fmt.Sprintf("output %d.txt", i+1); file.Name != want || string(got) != contents[i] || err != nil || !file.Modified.Equal(time.Unix(1e9, 0)) {
					t.Errorf("%s: entry %s of %v has %d bytes, want %s with %d (%v)", kind, file.Name, file.Modified, len(got), want, len(contents[i]), err)
				}
			}
		}
		head := get
		head.Method = http.MethodHead
		answer := head.Stream(t, zipoutputs.New(f, true))
		whole := get.Stream(t, zipoutputs.New(f, true))
		if answer.Status != http.StatusOK || len(answer.Body) != 0 || answer.Header.Get("Content-Length") != fmt.Sprint(len(whole.Body)) {
			t.Errorf("HEAD: %s, Content-Length %s, want %d", answer, answer.Header.Get("Content-Length"), len(whole.Body))
		}
	}
}

func TestRefusals(t *testing.T) {
	handler := func(err error) (http.Handler, func() string) {
		f := &fake{err: err, contents: []string{"one"}}
		return zipoutputs.New(f, true), func() string { return f.asked }
	}
	apitest.Script(t, handler,
		apitest.PKSteps(get, "", "")[1:],
		apitest.AccessSteps(auth.Authenticated, get)[:5], // the rest succeeds
		apitest.StoreSteps(get, asked),
	)
}

// TestLimits: what can't be sent is refused before anything is opened, for HEAD too.
func TestLimits(t *testing.T) {
	for _, tc := range []struct {
		streaming bool
		limit     int64
	}{{true, 200_000_000}, {false, 4 << 20}} {
		sizes := []int64{0, 10}
		for size := func() int64 { return zipSize(sizes) }; size() < tc.limit; {
			sizes[0] += max(1, (tc.limit-size())*9/10)
		}
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			call := get
			call.Method = method
			f := &fake{contents: []string{"", ""}, sizes: sizes, gone: 1, openErr: errors.New("opened")}
			sizes[0]++
			answer := call.Do(t, zipoutputs.New(f, tc.streaming))
			want := fmt.Sprintf("413 result_too_large: The zip has %d bytes, more than the %d that can be sent at once: get the outputs one by one (GET /v1/jobs/5/outputs/{name}/{type}).", tc.limit+1, tc.limit)
			if method == http.MethodHead {
				want = "413"
			}
			if answer.Line() != want {
				t.Errorf("%s, streaming %v, one byte over: %s, want %s", method, tc.streaming, answer.Line(), want)
			}
			sizes[0]--
		}
		head := get
		head.Method = http.MethodHead
		if answer := head.Do(t, zipoutputs.New(&fake{contents: []string{"", ""}, sizes: sizes}, tc.streaming)); answer.Status != http.StatusOK {
			t.Errorf("streaming %v, not a byte over: %s", tc.streaming, answer.Line())
		}
	}
}

func zipSize(sizes []int64) int64 {
	var entries []archive.Entry
	for i, size := range sizes {
		entries = append(entries, archive.Entry{Name: fmt.Sprint("output ", i+1), Type: "txt", Size: size, Created: time.Unix(1e9, 0)})
	}
	return archive.Size(entries)
}

// TestGone: an output that disappears makes the zip fail: cleanly as long as nothing was
// sent, then by breaking off.
func TestGone(t *testing.T) {
	gone := problem.New(problem.NotFound, "Not found.")
	missing := problem.New(problem.BytesMissing, "The output's content is missing.")
	large := strings.Repeat("x", 300_000)
	for _, tc := range []struct {
		gone  int64
		err   error
		clean string // "" = it breaks off
	}{
		{1, gone, "409 conflict: Output 1 was deleted for good while the zip was made. Ask again."},
		{1, missing, "500 bytes_missing: The output's content is missing."},
		{2, gone, ""},
		{2, missing, ""},
	} {
		f := &fake{contents: []string{large, "two"}, gone: tc.gone, openErr: tc.err}
		answer := get.Stream(t, zipoutputs.New(f, true))
		if tc.clean != "" {
			if answer.Line() != tc.clean || answer.Header.Get("Content-Disposition") != "" {
				t.Errorf("got %s, want %s and no file", answer, tc.clean)
			}
			continue
		}
		if answer.Status != http.StatusOK || answer.Cut == nil || len(answer.Body) < 100_000 {
			t.Errorf("%v in the middle: %d, %d bytes, cut %v", tc.err, answer.Status, len(answer.Body), answer.Cut)
		}
		if _, err := zip.NewReader(bytes.NewReader(answer.Body), int64(len(answer.Body))); err == nil {
			t.Error("what was sent is a zip")
		}
		if buffered := get.Do(t, zipoutputs.New(f, false)); buffered.Status < 400 {
			t.Errorf("buffered: %s", buffered)
		}
	}
}
