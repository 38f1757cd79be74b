package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// program is the local run, built once for all tests.
var program = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "joboutputs-local")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "local")
	out, err := exec.Command("go", "build", "-o", path, ".").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("go build: %v\n%s", err, out)
	}
	return path, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if path, err := program(); err == nil {
		_ = os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(code)
}

// running is the program as a child process.
type running struct {
	t      *testing.T
	cmd    *exec.Cmd
	url    string
	stdout string // what was printed before the last line
	ended  chan struct{}
}

// start runs the program with the flags and waits for its last start-up line.
func start(t *testing.T, flags ...string) *running {
	t.Helper()
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	r := &running{t: t, cmd: exec.Command(path, append([]string{"-addr", "127.0.0.1:0"}, flags...)...), ended: make(chan struct{})}
	var stderr bytes.Buffer
	r.cmd.Stderr = &stderr
	t.Cleanup(func() { // after it has ended: cleanups run last to first
		if t.Failed() && stderr.Len() > 0 {
			t.Logf("stderr of local %v:\n%s", flags, stderr.String())
		}
	})
	stdout, err := r.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.kill)
	ready := make(chan error, 1)
	go func() {
		lines := bufio.NewScanner(stdout)
		for lines.Scan() {
			if url, ok := strings.CutPrefix(lines.Text(), "ready "); ok {
				r.url = url
				ready <- nil
				break
			}
			r.stdout += lines.Text() + "\n"
		}
		if r.url == "" {
			ready <- fmt.Errorf("it ended before it was ready")
		}
		_, _ = io.Copy(io.Discard, stdout)
		_ = r.cmd.Wait()
		close(r.ended)
	}()
	select {
	case err = <-ready:
	case <-time.After(3 * time.Minute): // a start takes seconds, but for a machine that does much else
		err = fmt.Errorf("it was not ready within three minutes")
	}
	if err != nil {
		r.kill() // only then nobody writes to stderr any more
		t.Fatalf("local %v: %v\n%s%s", flags, err, r.stdout, stderr.String())
	}
	return r
}

func (r *running) kill() {
	_ = r.cmd.Process.Kill()
	<-r.ended
}

// stop asks the program to end and reports how long that took.
func (r *running) stop(sig os.Signal) time.Duration {
	r.t.Helper()
	begun := time.Now()
	if err := r.cmd.Process.Signal(sig); err != nil {
		r.t.Fatal(err)
	}
	<-r.ended
	return time.Since(begun)
}

// call makes a request and answers status, header and body.
func (r *running) call(method, path, token, body string) (int, http.Header, []byte, error) {
	req, err := http.NewRequest(method, r.url+path, strings.NewReader(body))
	if err != nil {
		return 0, nil, nil, err
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	if strings.HasPrefix(body, "{") {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	return resp.StatusCode, resp.Header, answer, err
}

// must is call for what succeeds, decoded.
func must[T any](r *running, method, path, token, body string) T {
	r.t.Helper()
	status, _, answer, err := r.call(method, path, token, body)
	if err != nil || status > 299 {
		r.t.Fatalf("%s %s: %d %v %s", method, path, status, err, answer)
	}
	var v T
	if err := json.Unmarshal(answer, &v); err != nil {
		r.t.Fatalf("%s %s: %v in %s", method, path, err, answer)
	}
	return v
}

func (r *running) token() string {
	r.t.Helper()
	return must[struct{ Access string }](r, "POST", "/v1/auth/obtain", "", `{"username":"admin","password":"admin"}`).Access
}

// children are the processes of the stores that keep their data in the directory.
func children(t *testing.T, dir string) []string {
	t.Helper()
	out, _ := exec.Command("pgrep", "-f", dir).Output() // exits 1 when there are none
	return strings.Fields(string(out))
}

func waitGone(t *testing.T, dir string) {
	t.Helper()
	for range 100 {
		if len(children(t, dir)) == 0 {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Errorf("processes are left: %v", children(t, dir))
}

func TestRun(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := start(t, "-data", dir)

	script := r.stdout[strings.Index(r.stdout, "TOKEN="):]
	out, err := exec.CommandContext(t.Context(), "sh", "-e", "-c", script).CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte(`"name":"metrics"`)) || !bytes.Contains(out, []byte(`"name":"greeting-`)) {
		t.Errorf("the printed commands answer %s (%v)", out, err)
	}
	if len(children(t, dir)) == 0 {
		t.Error("no stores are running: the test can't see them")
	}
	token := r.token()
	if took := r.stop(syscall.SIGTERM); took > 5*time.Second {
		t.Errorf("SIGTERM took %s", took)
	}
	waitGone(t, dir)

	// Data and tokens are kept; the demo tenant is not made a second time.
	r = start(t, "-data", dir)
	rows := must[[]struct{ Name string }](r, "POST", "/v1/job-outputs/list", token, `{"include_inactive":true}`)
	if len(rows) != 5 || !strings.HasPrefix(rows[4].Name, "greeting-") {
		t.Errorf("after a restart: %v", rows)
	}
	if took := r.stop(os.Interrupt); took > 5*time.Second {
		t.Errorf("Ctrl-C took %s", took)
	}
	waitGone(t, dir)

	// kill -9 leaves nobody behind.
	r = start(t, "-data", dir)
	r.kill()
	waitGone(t, dir)
}

func TestEphemeral(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := start(t, "-ephemeral", "-data", dir)
	must[any](r, "POST", "/v1/jobs/1/outputs/a/b", r.token(), "x")
	r.stop(syscall.SIGTERM)
	left, err := os.ReadDir(dir)
	if err != nil || len(left) > 0 {
		t.Errorf("left in the data directory: %v, %v", left, err)
	}
}

func TestSeeds(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "seed.json")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	seed := strings.Replace(demoSeed, `"tenant": "demo"`, `"tenant": "acme"`, 1)
	write(seed)
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(dir, "data")
	for range 2 {
		r := start(t, "-data", data, "-seed", file)
		token := must[struct{ Access string }](r, "POST", "/v1/auth/obtain", "", `{"username":"alice@acme","password":"alice"}`).Access
		if rows := must[[]any](r, "POST", "/v1/job-outputs/list", token, ""); len(rows) != 3 {
			t.Errorf("%d rows, want 3", len(rows))
		}
		r.stop(syscall.SIGTERM)
	}
	for want, text := range map[string]string{
		"another name": strings.Replace(seed, `"name": "log"`, `"name": "lag"`, 1),
		"seed.json:3":  "{\n \"tenant\": \"acme\",\n \"usres\": []\n}",
	} {
		write(text)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		out, err := exec.CommandContext(ctx, path, "-addr", "127.0.0.1:0", "-data", data, "-seed", file).CombinedOutput()
		cancel()
		if err == nil || !strings.Contains(string(out), want) {
			t.Errorf("got %q (%v), want a message with %q", out, err, want)
		}
	}
}
