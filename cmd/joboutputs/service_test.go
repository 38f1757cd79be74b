package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"joboutputs/shared/client"
	"joboutputs/shared/client/clienttest"
)

func random(n int, seed byte) []byte {
	content := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{seed}).Read(content) // never fails
	return content
}

// TestService is a job's life by the command, on the service itself.
func TestService(t *testing.T) {
	t.Parallel()
	r := real(t)

	// Not logged in, then logged in; the file is the owner's alone.
	r.fails(codeNotPermitted, "log in: joboutputs login", "list")
	r.in = "wrong"
	r.fails(codeNotPermitted, "No active account", "login", "--username", "nobody@acme", "--password-stdin")
	r.in = "secret\n"
	r.ok("login", "--username", "admin@acme", "--password-stdin")
	r.in = ""
	if info, err := os.Stat(r.config); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the configuration file's mode is %v (%v)", info.Mode(), err)
	}
	delete(r.env, "JOBOUTPUTS_SERVER") // the login remembers it

	// A job.
	var job client.Job
	r.decode(&job, "jobs", "create", "--description", "train", "--node", "1", "--pk", "42", "--json")
	if job.PK != 42 || job.Node == nil || *job.Node != 1 || job.Description != "train" {
		t.Errorf("created %+v", job)
	}
	one := r.write("model.tflite", random(1000, 1))
	r.fails(codeConflict, "jobs start JOB --node", "add", one, "--job", "42")
	r.fails(codeNotFound, "Not found: there is no such job or output", "add", one, "--job", "43")
	r.fails(codeUsage, "which node", "jobs", "start", "42")
	if out := r.ok("jobs", "start", "42", "--node", "1"); !regexp.MustCompile(`state +running\n`).MatchString(out) {
		t.Errorf("started:\n%s", out)
	}
	r.ok("jobs", "start", "42", "--node", "1") // again, it changes nothing
	r.fails(codeConflict, "jobs show", "jobs", "release", "42", "--node", "1")

	// Many files at once, in directories.
	const many = 40
	for i := range many {
		r.write(fmt.Sprintf("run/%d/log%d.txt", i%3, i), fmt.Appendf(nil, "log %d", i))
	}
	r.write("run/.hidden/x", nil)
	out := r.ok("add", r.path("run"), one, "--job", "42")
	if n := strings.Count(out, "added "); n != many+1 || !strings.Contains(out, "  42/model/tflite  1.0 kB\n") {
		t.Errorf("%d added:\n%s", n, out)
	}
	out = r.ok("add", r.path("run"), one, "--job", "42", "--node", "1")
	if n := strings.Count(out, "was there "); n != many+1 {
		t.Errorf("%d were there:\n%s", n, out)
	}
	r.in = "from a pipe"
	r.ok("add", "-", "--name", "pipe d", "--type", "Text<X>", "--job", "42")
	r.in = ""
	changed := r.write("other/model.tflite", []byte("other"))
	r.fails(codeConflict, "has other content under this name", "add", changed, "--job", "42")
	large := r.write("large.bin", random(4_300_000, 2))
	r.ok("add", large, "--job", "42")

	// Lists.
	names := func(args ...string) string {
		t.Helper()
		var all []client.Output
		r.decode(&all, append([]string{"list", "--json"}, args...)...)
		var names []string
		for _, o := range all {
			names = append(names, o.Name+"."+o.Type)
		}
		return strings.Join(names, " ")
	}
	for _, tc := range []struct{ args, want string }{
		{"--job 42 --type tflite", "model.tflite"},
		{"--job 42 --name log1? --sort -name --limit 3", "log19.txt log18.txt log17.txt"},
		{"--name *ode*", "model.tflite"},
		{"--name *O*D*L -i", "model.tflite"},
		{"--name *l*d*o*m", ""},
		{"--name m*l --creator admin@acme --job 42 --job 43", ""},
		{"--name m*l --creator admin --job 42 --job 43", "model.tflite"},
		{"--name m*l --creator 1", "model.tflite"},
		{"--name m*l --creator 2", ""},
		{"--name m*l --until 2001-01-01", ""},
		{"--name m*l --since 2001-01-01", "model.tflite"},
		{"--sort -size --limit 2", "large.bin model.tflite"},
		{"--deleted", ""},
	} {
		if got := names(strings.Fields(tc.args)...); got != tc.want {
			t.Errorf("list %s: %s, want %s", tc.args, got, tc.want)
		}
	}
	if n := len(strings.Fields(names("--name", "log*"))); n != many {
		t.Errorf("%d logs, want %d", n, many)
	}
	r.in = `{"expressions": [{"type": "exact", "field": "type", "value": "Text<X>"}]}`
	if got := names("--spec", "-"); got != "pipe d.Text<X>" {
		t.Errorf("by the specification: %s", got)
	}
	r.in = `{"expressions": [{"type": "exact", "field": "color", "value": 1}]}`
	r.fails(codeError, "/v1/docs", "list", "--spec", "-")

	// Info and get, by name and by primary key.
	var o client.Output
	r.decode(&o, "info", "42/model/tflite", "--json")
	if o.Size != 1000 || o.SHA256 == nil {
		t.Errorf("info %+v", o)
	}
	if out := r.ok("info", fmt.Sprint(o.PK)); !strings.Contains(out, "sha256        "+*o.SHA256) {
		t.Errorf("info:\n%s", out)
	}
	if out := r.ok("get", "42/pipe d/Text<X>", "-o", "-"); out != "from a pipe" {
		t.Errorf("got %q", out)
	}
	got := r.path("got.bin")
	r.prints("got "+got+"  4.3 MB\n", "get", "42/large/bin", "-o", got)
	if !bytes.Equal(r.read(got), r.read(large)) {
		t.Error("got other bytes")
	}
	r.prints("was there "+got+"  4.3 MB\n", "get", "42/large/bin", "-o", got)
	r.fails(codeConflict, "--force", "get", "42/model/tflite", "-o", got)
	r.prints("got "+r.path("new/dir/model.tflite")+"  1.0 kB\n", "get", "42/model/tflite", "-o", r.path("new/dir")+"/")
	r.fails(codeNotFound, "there is no such job", "add", r.write("huge.bin", random(client.MaxAdd+1, 9)), "--job", "43")
	r.ok("get", "42/model/tflite", "-o", got, "--force")
	if !bytes.Equal(r.read(got), r.read(one)) {
		t.Error("got other bytes by force")
	}
	r.fails(codeNotFound, "list --job JOB", "get", "42/nothing/here")

	// Delete, restore, purge.
	pk := fmt.Sprint(o.PK)
	r.prints("deleted "+pk+"\n", "rm", pk)
	if got := names("--deleted"); got != "model.tflite" {
		t.Errorf("deleted: %s", got)
	}
	r.fails(codeConflict, "joboutputs restore "+pk, "add", one, "--job", "42")
	r.prints("restored "+pk+"  42/model/tflite\n", "restore", "42/model/tflite")
	r.fails(codeUsage, "--yes", "purge", pk)
	r.tty, r.in = true, "n\n"
	r.fails(codeError, "not purged", "purge", pk)
	r.in = "y\n"
	r.prints("purged "+pk+"  42/model/tflite\n", "purge", pk)
	r.tty, r.in = false, ""
	r.fails(codeNotFound, "Not found: there is no such job or output", "purge", "--yes", pk)

	// The job ends, and with it the watch.
	r.ok("jobs", "finish", "42", "--node", "1")
	if out := r.ok("watch", "--job", "42"); strings.Count(out, "\n") != many+2 {
		t.Errorf("watched:\n%s", out)
	}
	r.fails(codeConflict, "takes no more outputs", "add", one, "--job", "42")

	// Another user may less.
	r.in = "secret"
	r.ok("login", "--username", "bob@acme", "--password-stdin")
	r.fails(codeNotPermitted, "administrator", "rm", "42/large/bin")
	r.fails(codeNotPermitted, "leave --node away", "list", "--node", "1")
	r.ok("logout")
	r.fails(codeNotPermitted, "joboutputs login", "list")
}

func (r *rig) decode(v any, args ...string) {
	r.Helper()
	if err := json.Unmarshal([]byte(r.ok(args...)), v); err != nil {
		r.Fatalf("joboutputs %s: %v", strings.Join(args, " "), err)
	}
}

// started is real, logged in, with job 1 running on node 1.
func started(t *testing.T) *rig {
	t.Helper()
	r := real(t)
	r.in = "secret"
	r.ok("login", "--username", "admin@acme", "--password-stdin")
	r.ok("jobs", "create", "--pk", "1", "--node", "1")
	r.ok("jobs", "start", "1", "--node", "1")
	r.in = ""
	return r
}

// TestParts sends a file in parts to the service and the object store themselves,
// interrupted once, and gets it back.
func TestParts(t *testing.T) {
	t.Parallel()
	r := started(t)

	content := random(5*8<<20+7, 6) // six parts
	path := r.write("model.bin", content)
	args := []string{"add", path, "--job", "1", "--part-size", fmt.Sprint(8 << 20)}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	puts := &putCounter{stop: 3, end: cancel}
	r.http = &http.Client{Transport: puts}
	if got := r.runContext(ctx, append(args, "--parallel", "1")...); got.code != codeInterrupted {
		t.Fatalf("exit %d, want %d\n%s", got.code, codeInterrupted, got.err)
	}
	r.fails(codeNotFound, "", "info", "1/model/bin") // nothing of it is visible
	r.ok(args...)
	if n := puts.n.Load(); n != 6 {
		t.Errorf("%d parts were sent, 3 before the interruption; want 6", n)
	}
	var o client.Output
	r.decode(&o, "info", "1/model/bin", "--json")
	if o.Size != int64(len(content)) || o.SHA256 != nil || o.Checksum == nil || !strings.HasSuffix(o.Checksum.Value, "-6") {
		t.Errorf("the output is %+v", o)
	}
	if out := r.ok(args...); !strings.HasPrefix(out, "was there ") || puts.n.Load() != 6 {
		t.Errorf("again, after %d parts: %s", puts.n.Load(), out)
	}

	// Back, verified by the checksum of the parts.
	back := r.path("back.bin")
	got := r.run("get", "1/model/bin", "-o", back)
	if got.code != 0 || got.err != "" || !bytes.Equal(r.read(back), content) {
		t.Errorf("exit %d\n%s", got.code, got.err)
	}
	if out := r.ok("get", "1/model/bin", "-o", back); !strings.HasPrefix(out, "was there ") {
		t.Errorf("got again: %s", out)
	}

	// Parts of any size are verified, too.
	odd := r.write("odd.bin", content[:15_000_000])
	r.ok("add", odd, "--job", "1", "--part-size", "7000000")
	got = r.run("get", "1/odd/bin", "-o", r.path("odd.back"))
	if got.code != 0 || got.err != "" || !bytes.Equal(r.read(r.path("odd.back")), content[:15_000_000]) {
		t.Errorf("exit %d\n%s", got.code, got.err)
	}

	// One part has a SHA-256. An answer that is lost does not matter.
	puts.n.Store(0)
	puts.lose.Store(true)
	r.ok("add", r.write("one.bin", content[:10_000_000]), "--job", "1")
	r.decode(&o, "info", "1/one/bin", "--json")
	if sum := fmt.Sprintf("%x", sha256.Sum256(content[:10_000_000])); o.SHA256 == nil || *o.SHA256 != sum || puts.n.Load() != 2 {
		t.Errorf("after %d sends the output is %+v, want the SHA-256 %s", puts.n.Load(), o, sum)
	}
	if entries, err := os.ReadDir(r.dir); err != nil || len(entries) != 5 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}

// putCounter counts what the object store has answered to, ends something after some of it,
// and loses an answer.
type putCounter struct {
	n    atomic.Int64
	stop int64
	end  func()
	lose atomic.Bool
}

func (p *putCounter) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := http.DefaultTransport.RoundTrip(request)
	if request.Method != http.MethodPut || err != nil {
		return response, err
	}
	if n := p.n.Add(1); n == p.stop {
		p.end()
	}
	if p.lose.CompareAndSwap(true, false) {
		response.Body.Close()
		return nil, io.ErrUnexpectedEOF
	}
	return response, err
}

// TestGetResumed: a get from the real object store that is killed leaves no file under
// its name and goes on where it was. The content is above what one add takes, so it is
// put by the store's way in.
func TestGetResumed(t *testing.T) {
	r, s := fake(t)
	content := random(50<<20, 3)
	s.Add("model", "bin", content)
	path := r.path("model.bin")
	ctx, cancel := context.WithCancel(t.Context())
	gets := make(chan struct{}, 100)
	s.Fault = func(req *http.Request) int {
		if req.Header.Get("Range") != "" {
			if gets <- struct{}{}; len(gets) == 4 {
				cancel()
			}
		}
		return 0
	}
	if got := r.runContext(ctx, "get", "1", "-o", path, "--parallel", "1"); got.code != codeInterrupted || !strings.Contains(got.err, "goes on where") {
		t.Fatalf("exit %d, want %d\n%s", got.code, codeInterrupted, got.err)
	}
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Fatalf("the file is there: %v", err)
	}
	before := len(gets)
	r.prints("got "+path+"  52.4 MB\n", "get", "1", "-o", path)
	if n := len(gets) - before; n > 4 || !bytes.Equal(r.read(path), content) {
		t.Errorf("%d of 7 segments were got again", n)
	}
	if entries, err := os.ReadDir(r.dir); err != nil || len(entries) != 1 {
		t.Errorf("left behind: %v, %v", entries, err)
	}

	// Wrong bytes.
	s2 := clienttest.New(t)
	s2.Body = func(_ *http.Request, content []byte) []byte { content[0] ^= 1; return content }
	s2.Add("model", "bin", content[:10<<20])
	r.env["JOBOUTPUTS_SERVER"] = s2.URL
	r.fails(codeWrong, "verification failed", "get", "1", "-o", r.path("wrong"))
	if entries, err := os.ReadDir(r.dir); err != nil || len(entries) != 1 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}

// TestAddResumed: an add that is killed goes on where it was.
func TestAddResumed(t *testing.T) {
	r, s := fake(t)
	s.PartSize = 1 << 20
	content := random(12<<20, 4)
	path := r.write("model.bin", content)
	ctx, cancel := context.WithCancel(t.Context())
	puts := make(chan struct{}, 100)
	s.Fault = func(req *http.Request) int {
		if req.Method == "PUT" {
			if puts <- struct{}{}; len(puts) == 7 {
				cancel()
			}
		}
		return 0
	}
	if got := r.runContext(ctx, "add", path, "--job", "42"); got.code != codeInterrupted {
		t.Fatalf("exit %d, want %d\n%s", got.code, codeInterrupted, got.err)
	}
	before := len(puts)
	r.prints("added 1  42/model/bin  12.6 MB\n", "add", path, "--job", "42")
	if n := len(puts) - before; n > 9 || !bytes.Equal(s.Content("model", "bin"), content) {
		t.Errorf("%d of 12 parts were sent again", n)
	}
	if entries, err := os.ReadDir(r.dir); err != nil || len(entries) != 1 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
	r.in = string(content)
	r.prints("added 2  42/piped/tar  12.6 MB\n", "add", "-", "--job", "42", "--name", "piped", "--type", "tar")
}

// TestAddLost: add begins a lost upload again by itself, once; after that, the same command
// does.
func TestAddLost(t *testing.T) {
	r, s := fake(t)
	s.PartSize = 1 << 20
	content := random(6<<20, 5)
	path := r.write("model.bin", content)
	left := 0 // how often the upload is lost
	s.Fault = func(req *http.Request) int {
		if strings.HasSuffix(req.URL.Path, "/complete") && left > 0 {
			left--
			s.Lose()
		}
		return 0
	}
	left = 2
	r.fails(codeConflict, "upload_lost.\n  the object store has lost what was sent; the same command", "add", path, "--job", "42")
	r.prints("added 1  42/model/bin  6.3 MB\n", "add", path, "--job", "42")
	left = 1
	r.prints("added 2  42/again/bin  6.3 MB\n", "add", path, "--job", "42", "--name", "again")
	left, r.in = 1, string(content)
	r.prints("added 3  42/piped/tar  6.3 MB\n", "add", "-", "--job", "42", "--name", "piped", "--type", "tar")
	for _, ref := range [][2]string{{"model", "bin"}, {"again", "bin"}, {"piped", "tar"}} {
		if !bytes.Equal(s.Content(ref[0], ref[1]), content) {
			t.Errorf("%s: other bytes", ref)
		}
	}
	if entries, err := os.ReadDir(r.dir); err != nil || len(entries) != 1 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}

// TestLost: the upload is aborted at the object store itself, behind the service's back.
func TestLost(t *testing.T) {
	t.Parallel()
	r := started(t)
	content := random(3*5<<20+7, 8) // four parts
	path := r.write("model.bin", content)
	for _, tc := range []struct {
		name, before string // the method before whose first request to the upload it is lost
		times        int
		begins       int64
	}{
		{"parts", http.MethodPut, 1, 2},
		{"complete", http.MethodPost, 1, 2},
		{"twice", http.MethodPost, 2, 2},
	} {
		saboteur := &saboteur{r: r, before: tc.before}
		saboteur.left.Store(int64(tc.times))
		r.http = &http.Client{Transport: saboteur}
		args := []string{"add", path, "--job", "1", "--name", tc.name, "--part-size", fmt.Sprint(5 << 20)}
		if tc.times > 1 {
			r.fails(codeConflict, "the same command begins another", args...)
			r.fails(codeNotFound, "", "info", "1/"+tc.name+"/bin") // nothing of it is visible
		} else {
			r.ok(args...)
		}
		if n := saboteur.begins.Load(); n != tc.begins || saboteur.aborted.Load() != int64(tc.times) {
			t.Errorf("%s: %d uploads were begun and %d aborted, want %d and %d", tc.name, n, saboteur.aborted.Load(), tc.begins, tc.times)
		}
		r.http = nil
		if tc.times > 1 {
			r.ok(args...)
		}
		back := r.path(tc.name + ".back")
		r.ok("get", "1/"+tc.name+"/bin", "-o", back)
		if !bytes.Equal(r.read(back), content) {
			t.Errorf("%s: other bytes came back", tc.name)
		}
	}
	if entries, err := os.ReadDir(r.dir); err != nil || len(entries) != 4 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}

// saboteur aborts all uploads at the object store before a part is sent or an upload
// completed, some times over.
type saboteur struct {
	r       *rig
	before  string
	left    atomic.Int64
	begins  atomic.Int64
	aborted atomic.Int64
}

func (s *saboteur) RoundTrip(request *http.Request) (*http.Response, error) {
	if request.Method == http.MethodPost && strings.HasSuffix(request.URL.Path, "/uploads") {
		s.begins.Add(1)
	} else if request.Method == s.before && s.left.Add(-1) >= 0 {
		aws := s.r.aws
		all, err := aws.S3.ListMultipartUploads(request.Context(), &s3.ListMultipartUploadsInput{Bucket: &aws.Bucket})
		if err != nil {
			return nil, err
		}
		for _, u := range all.Uploads {
			if _, err := aws.S3.AbortMultipartUpload(request.Context(), &s3.AbortMultipartUploadInput{Bucket: &aws.Bucket, Key: u.Key, UploadId: u.UploadId}); err != nil {
				return nil, err
			}
			s.aborted.Add(1)
		}
	}
	return http.DefaultTransport.RoundTrip(request)
}

// TestRenewal: a login that expired is renewed and saved, for its server alone.
func TestRenewal(t *testing.T) {
	s := clienttest.New(t)
	s.Add("a", "b", []byte("x"))
	r := newRig(t, s.URL)
	r.tty = true
	r.ok("login", "--username", "alice")
	first := string(r.read(r.config))
	s.ExpireToken()
	r.ok("info", "1")
	if now := string(r.read(r.config)); now == first || !strings.Contains(now, s.Token()) || strings.Contains(now, `"secret"`) {
		t.Errorf("the configuration after a renewal:\n%s", now)
	}
	stranger := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		t.Errorf("a stranger was asked %s, Authorization %q", req.URL, req.Header.Get("Authorization"))
	}))
	defer stranger.Close()
	r.fails(codeNotPermitted, "not logged in", "info", "1", "--server", stranger.URL)
}

// TestLargeFromService gets, through the links of the real object store, what one add
// just takes: above 4 MiB they are the way.
func TestLargeFromService(t *testing.T) {
	t.Parallel()
	r := started(t)
	content := random(client.MaxAdd, 5)
	path := r.write("large.bin", content)
	r.ok("add", path, "--job", "1")
	r.ok("get", "1/large/bin", "-o", r.path("back"))
	if !bytes.Equal(r.read(r.path("back")), content) {
		t.Error("other bytes came back")
	}
	if out := r.ok("get", "1/large/bin", "-o", "-"); out != string(content) {
		t.Error("other bytes came to standard output")
	}

	// A proxy that loses every second answer: adds still happen once, and are recovered.
	target, err := url.Parse(r.env["JOBOUTPUTS_SERVER"])
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.ModifyResponse = func(response *http.Response) error {
		if n++; n%2 == 1 && strings.Contains(response.Request.URL.Path, "/outputs/") {
			_, _ = io.Copy(io.Discard, response.Body)
			return fmt.Errorf("lost")
		}
		return nil
	}
	proxy.ErrorHandler = func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) }
	lossy := httptest.NewServer(proxy)
	defer lossy.Close()
	r.in = "secret"
	r.env["JOBOUTPUTS_SERVER"] = lossy.URL
	r.ok("login", "--username", "admin@acme", "--password-stdin")
	for i := range 5 {
		r.ok("add", r.write(fmt.Sprintf("small%d.txt", i), []byte{byte(i)}), "--job", "1")
	}
	if out := r.ok("list", "--job", "1", "--name", "small*"); strings.Count(out, "\n") != 6 {
		t.Errorf("listed\n%s", out)
	}
}
