package localaws

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// stubborn prints its pid and does not heed SIGTERM.
var stubborn = []string{"/bin/sh", "-c", `trap "" TERM; echo $$; while :; do sleep 0.1; done`}

func TestStopKillsWhatIgnoresSIGTERM(t *testing.T) {
	t.Parallel()
	scratch := filepath.Join(t.TempDir(), "scratch")
	if err := os.Mkdir(scratch, 0o755); err != nil {
		t.Fatal(err)
	}
	p := runTest(t, stubborn, scratch)
	pid := printedPID(t, p)
	began := time.Now()
	p.stop()
	if took := time.Since(began); took < graceToEnd/2 || took > 5*time.Second {
		t.Errorf("stop took %v, want about %v", took, graceToEnd)
	}
	wantNoProcess(t, pid)
	if _, err := os.Stat(scratch); !os.IsNotExist(err) {
		t.Errorf("the scratch directory is left (%v)", err)
	}
}

func TestKillKeepsScratch(t *testing.T) {
	t.Parallel()
	scratch := t.TempDir()
	p := runTest(t, stubborn, scratch)
	pid := printedPID(t, p)
	p.kill()
	p.kill() // does nothing
	wantNoProcess(t, pid)
	if _, err := os.Stat(scratch); err != nil {
		t.Errorf("the scratch directory is gone: %v", err)
	}
}

func TestDoneWhenTheServerEnds(t *testing.T) {
	t.Parallel()
	scratch := t.TempDir()
	p := runTest(t, []string{"/bin/sh", "-c", "echo for want of a port >&2; exit 3"}, scratch)
	select {
	case <-p.done:
	case <-time.After(5 * time.Second):
		t.Fatal("not done 5s after the server ended")
	}
	if got := p.cmd.ProcessState.ExitCode(); got != 3 {
		t.Errorf("exit code %d, want the server's 3", got)
	}
	if got, want := p.output.String(), "for want of a port"; got != want {
		t.Errorf("output %q, want %q", got, want)
	}
	if _, err := os.Stat(scratch); err != nil {
		t.Errorf("the scratch directory is gone: %v", err)
	}
}

// A person may end the supervisor by its pid; the server must not be left.
func TestSupervisorHeedsSIGTERM(t *testing.T) {
	t.Parallel()
	p := runTest(t, []string{"/bin/sh", "-c", "echo $$; exec sleep 60"}, "")
	pid := printedPID(t, p)
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case <-p.done:
	case <-time.After(5 * time.Second):
		t.Fatal("the supervisor runs 5s after SIGTERM")
	}
	wantNoProcess(t, pid)
}

func TestTailKeepsTheEnd(t *testing.T) {
	var out tail
	for range 3 {
		_, _ = out.Write([]byte(strings.Repeat("a", tailBytes)))
	}
	_, _ = out.Write([]byte("end"))
	if got := out.String(); len(got) != tailBytes || !strings.HasSuffix(got, "aend") {
		t.Errorf("tail holds %d bytes ending in %q", len(got), got[len(got)-4:])
	}
}

func runTest(t *testing.T, argv []string, scratch string) *process {
	t.Helper()
	p, err := run(argv, t.TempDir(), scratch, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.kill)
	return p
}

func printedPID(t *testing.T, p *process) int {
	t.Helper()
	for range 500 {
		if pid, err := strconv.Atoi(p.output.String()); err == nil {
			return pid
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("no pid printed, but %q", p.output)
	return 0
}

// wantNoProcess looks with ps, not with signal 0, which a zombie takes: how soon an
// orphan's zombie goes is init's affair, and in a container it may stay.
func wantNoProcess(t *testing.T, pid int) {
	t.Helper()
	var state string
	for range 100 {
		out, _ := exec.Command("ps", "-o", "stat=", "-p", strconv.Itoa(pid)).Output()
		if state = strings.TrimSpace(string(out)); state == "" || state[0] == 'Z' {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("process %d is still there, in state %s", pid, state)
}
