package main

import (
	"bytes"
	"context"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const childEnv = "JOBOUTPUTS_TEST_CHILD"

// TestMain makes the test's own binary the command, for tests that kill it.
func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		main()
	}
	os.Exit(m.Run())
}

// TestKilled: kill -9 in the middle, in both directions, costs what was under way.
func TestKilled(t *testing.T) {
	r, s := fake(t)
	s.PartSize = 1 << 20
	content := random(40<<20, 6)
	path, back := r.write("model.bin", content), r.path("back.bin")
	command := func(args ...string) *exec.Cmd {
		c := exec.Command(os.Args[0], args...)
		c.Env = append(os.Environ(), childEnv+"=1", "JOBOUTPUTS_SERVER="+s.URL, "JOBOUTPUTS_TOKEN="+s.Token(), "JOBOUTPUTS_CONFIG="+r.config)
		return c
	}
	for _, tc := range []struct {
		args   []string
		method string // of a transfer
		after  int64
		most   int64 // that is transferred again
	}{
		{[]string{"add", path, "--job", "42"}, http.MethodPut, 20, 40 - 20 + 5},
		{[]string{"get", "1", "-o", back, "--parallel", "1"}, http.MethodGet, 4, 5 - 4 + 2},
	} {
		var n atomic.Int64
		reached, hold := make(chan struct{}), make(chan struct{})
		var once sync.Once
		s.SetFault(func(req *http.Request) int {
			if req.Method == tc.method && strings.HasPrefix(req.URL.Path, "/store/") && n.Add(1) >= tc.after {
				once.Do(func() { close(reached) })
				<-hold
			}
			return 0
		})
		c := command(tc.args...)
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		select {
		case <-reached:
		case <-time.After(time.Minute):
			t.Error("it got nowhere")
		}
		_ = c.Process.Kill()
		_ = c.Wait()
		close(hold)
		if _, err := os.Stat(back); !os.IsNotExist(err) {
			t.Fatalf("%s: the file is there: %v", tc.args[0], err)
		}
		var again atomic.Int64
		s.SetFault(func(req *http.Request) int {
			if req.Method == tc.method && strings.HasPrefix(req.URL.Path, "/store/") {
				again.Add(1)
			}
			return 0
		})
		if out, err := command(tc.args...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", tc.args[0], err, out)
		}
		if got := again.Load(); got > tc.most || got == 0 {
			t.Errorf("%s: %d parts after the kill, want at most %d", tc.args[0], got, tc.most)
		}
	}
	if !bytes.Equal(s.Content("model", "bin"), content) || !bytes.Equal(r.read(back), content) {
		t.Error("other bytes")
	}
	if entries, err := os.ReadDir(r.dir); err != nil || len(entries) != 2 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}

// TestBars: on a terminal there are bars, which end with the command, done or not.
func TestBars(t *testing.T) {
	r, s := fake(t)
	content := random(6<<20, 7)
	path := r.write("model.bin", content)
	s.Add("there", "bin", content)
	bars := func(ctx context.Context, args ...string) (int, string, string) {
		t.Helper()
		var out, errs safeBuffer
		w := world{in: strings.NewReader(""), out: &out, err: &errs, env: func(n string) string { return r.env[n] }, config: func() (string, error) { return r.config, nil }, now: time.Now, errTerminal: true}
		code := run(ctx, w, args)
		return code, out.String(), errs.String()
	}
	var slow sync.Once
	s.SetFault(func(req *http.Request) int {
		if strings.HasPrefix(req.URL.Path, "/store/") {
			slow.Do(func() { time.Sleep(500 * time.Millisecond) })
		}
		return 0
	})
	code, out, errs := bars(t.Context(), "add", path, "--job", "42")
	if code != 0 || out != "added 2  42/model/bin  6.3 MB\n" || !strings.Contains(errs, "model.bin") || !strings.Contains(errs, "/ 6.3 MB") {
		t.Errorf("exit %d\n%s%q", code, out, errs)
	}
	code, _, errs = bars(t.Context(), "get", "1", "-q", "-o", r.path("quiet"))
	if code != 0 || errs != "" {
		t.Errorf("quietly: exit %d\n%q", code, errs)
	}
	ctx, cancel := context.WithCancel(t.Context())
	s.SetFault(func(req *http.Request) int {
		if req.Method == "GET" && strings.HasPrefix(req.URL.Path, "/store/") {
			cancel()
		}
		return 0
	})
	if code, _, errs = bars(ctx, "get", "1", "-o", r.path("x")); code != codeInterrupted {
		t.Errorf("interrupted: exit %d\n%q", code, errs)
	}
}
