package main

import (
	"archive/zip"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"testing"
)

// zips stands before the service and does to zips what next says.
type zips struct {
	next atomic.Value // func(w http.ResponseWriter, served []byte); nil = nothing
	n    atomic.Int64 // zips asked for
}

func (z *zips) do(what func(w http.ResponseWriter, served []byte)) { z.next.Store(what); z.n.Store(0) }

// before starts a server that passes everything else on.
func (z *zips) before(t *testing.T, server string) string {
	t.Helper()
	target, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(target)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		what, _ := z.next.Load().(func(http.ResponseWriter, []byte))
		if !strings.HasSuffix(r.URL.Path, "/outputs.zip") || what == nil {
			proxy.ServeHTTP(w, r)
			return
		}
		z.n.Add(1)
		served := httptest.NewRecorder()
		proxy.ServeHTTP(served, r)
		w.Header().Set("Content-Length", fmt.Sprint(served.Body.Len()))
		what(w, served.Body.Bytes())
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func tooLarge(w http.ResponseWriter, _ []byte) {
	refuse(w, http.StatusRequestEntityTooLarge, "result_too_large")
}

func refuse(w http.ResponseWriter, status int, code string) {
	w.Header().Del("Content-Length")
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"status":%d,"code":%q,"detail":"Refused."}`, status, code)
}

func TestZip(t *testing.T) {
	t.Parallel()
	r := real(t)
	var z zips
	r.env["JOBOUTPUTS_SERVER"] = z.before(t, r.env["JOBOUTPUTS_SERVER"])
	r.env["JOBOUTPUTS_USERNAME"], r.env["JOBOUTPUTS_PASSWORD"] = "admin@acme", "secret"
	r.ok("jobs", "create", "--node", "1", "--pk", "42")
	r.ok("jobs", "start", "42", "--node", "1")

	at := r.path("job.zip")
	r.prints("got "+at+"  0 outputs, 22 B\n", "zip", "42", "-o", at)

	contents := map[string][]byte{"large.bin": random(6_000_000, 3), "model.h5": random(1000, 4), "gone.txt": []byte("deleted")}
	for i := range 30 {
		contents[fmt.Sprintf("log %d.txt", i)] = fmt.Appendf(nil, "log %d", i)
	}
	var paths []string
	for name, content := range contents {
		paths = append(paths, r.write("in/"+name, content))
	}
	r.ok(append([]string{"add", "--job", "42"}, paths...)...)
	r.ok("rm", "42/gone/txt")
	delete(contents, "gone.txt")

	// From the service, into every kind of place.
	r.fails(codeConflict, "job.zip is there; give --force to replace it", "zip", "42", "-o", at)
	if out := r.ok("zip", "42", "-o", at, "--force"); !strings.HasPrefix(out, "got "+at+"  32 outputs, 6.0 MB\n") {
		t.Errorf("said %q", out)
	}
	made := r.read(at)
	same(t, made, contents)
	if out := r.ok("zip", "42", "-o", r.path("new")+"/", "--json"); out != fmt.Sprintf(`{"job":42,"file":%q,"outputs":32,"size":%d}`+"\n", r.path("new/job-42.zip"), len(made)) {
		t.Errorf("said %s", out)
	}
	if out := r.ok("zip", "42", "-o", "-"); out != string(made) {
		t.Errorf("%d other bytes on standard output", len(out))
	}

	// Composed, where the service can't: the same bytes.
	z.do(tooLarge)
	r.ok("zip", "42", "-o", r.path("composed.zip"))
	if !bytes.Equal(r.read(r.path("composed.zip")), made) || z.n.Load() != 1 {
		t.Errorf("what is composed differs from what the service makes; it was asked %d times", z.n.Load())
	}
	if out := r.ok("zip", "42", "-o", "-"); out != string(made) {
		t.Errorf("%d other bytes composed on standard output", len(out))
	}

	// Broken off, or an output deleted meanwhile: begun anew.
	half := func(w http.ResponseWriter, served []byte) {
		_, _ = w.Write(served[:len(served)/2])
		panic(http.ErrAbortHandler)
	}
	z.do(func(w http.ResponseWriter, served []byte) {
		switch z.n.Load() {
		case 1:
			half(w, served)
		case 2:
			refuse(w, http.StatusConflict, "conflict")
		default:
			_, _ = w.Write(served)
		}
	})
	r.ok("zip", "42", "-o", r.path("again.zip"))
	if !bytes.Equal(r.read(r.path("again.zip")), made) || z.n.Load() != 3 {
		t.Errorf("after two that broke off, another zip, at attempt %d", z.n.Load())
	}

	// Wrong: nothing stands under its name, and nothing is left.
	for name, wrong := range map[string]func(http.ResponseWriter, []byte){
		"another byte": func(w http.ResponseWriter, served []byte) { served[len(served)/2] ^= 1; _, _ = w.Write(served) },
		"no end": func(w http.ResponseWriter, served []byte) {
			w.Header().Set("Content-Length", fmt.Sprint(len(served)-30))
			_, _ = w.Write(served[:len(served)-30])
		},
	} {
		z.do(wrong)
		for _, to := range []string{r.path("wrong.zip"), "-"} {
			if got := r.run("zip", "42", "-o", to); got.code != codeWrong || got.out != "" || !strings.Contains(got.err, "verification failed: the zip is broken") {
				t.Errorf("%s to %s: exit %d, %d bytes\n%s", name, to, got.code, len(got.out), got.err)
			}
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	z.do(func(w http.ResponseWriter, served []byte) { cancel(); half(w, served) })
	if got := r.runContext(ctx, "zip", "42", "-o", r.path("wrong.zip")); got.code != codeInterrupted {
		t.Errorf("interrupted: exit %d\n%s", got.code, got.err)
	}
	z.do(nil)
	r.fails(codeNotFound, "Not found: there is no such job", "zip", "43", "-o", r.path("wrong.zip"))
	r.fails(codeUsage, `"x" is not the primary key of a job`, "zip", "x")
	r.fails(codeUsage, "joboutputs zip takes one job, such as 42", "zip")
	r.fails(codeUsage, "is there and is no file", "zip", "42", "-o", "/dev/null")
	entries, err := os.ReadDir(r.dir)
	var left []string
	for _, entry := range entries {
		left = append(left, entry.Name())
	}
	if got, want := strings.Join(left, " "), "again.zip composed.zip in job.zip new"; err != nil || got != want {
		t.Errorf("there are %s, want %s (%v)", got, want, err)
	}
}

// same holds that a zip has these files.
func same(t *testing.T, text []byte, want map[string][]byte) {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(text), int64(len(text)))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range z.File {
		content, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(content)
		if expected, ok := want[f.Name]; !ok || err != nil || !bytes.Equal(got, expected) {
			t.Errorf("%s has %d bytes, want %d (%v)", f.Name, len(got), len(expected), err)
		}
	}
	if len(z.File) != len(want) {
		t.Errorf("%d entries, want %d", len(z.File), len(want))
	}
}
