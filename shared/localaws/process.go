package localaws

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// graceToEnd is how long a server may take to end after SIGTERM. The supervisor below
// kills it after about as long: 25 sleeps and what starting them takes.
const graceToEnd = 3 * time.Second

// supervisor is the shell program a server runs under. No Unix but Linux has a way
// to say "end my child when I die", but everywhere the pipe at our stdin reads EOF
// once the process that holds its other end is gone, even by SIGKILL. Then the
// server is ended, and $1, if not empty, removed: a killed parent cannot do it.
//
// The shell gives a background command /dev/null for stdin, so the pipe is moved to
// descriptor 4 (3 is the lock on the data directory, which the server inherits).
// The watcher signals both the shell, which interrupts its wait, and the server,
// because a signal that arrives just before a wait is only seen after it.
const supervisor = `
scratch=$1; shift
exec 4<&0
"$@" </dev/null 4<&- &
server=$!
stopping=
trap 'stopping=1; kill -TERM $server 2>/dev/null' TERM INT HUP
(
	trap - TERM INT HUP
	read -r _ <&4
	kill -TERM $$ $server
	n=0
	while [ $n -lt 25 ] && kill -0 $server; do
		sleep 0.1 || sleep 1
		n=$((n+1))
	done
	kill -KILL $server
) </dev/null >/dev/null 2>&1 &
watcher=$!
exec 4<&-
wait $server
code=$?
while kill -0 $server 2>/dev/null; do
	wait $server
	code=$?
done
kill -KILL $watcher 2>/dev/null
if [ -n "$stopping" ] && [ -n "$scratch" ]; then
	rm -rf "$scratch"
fi
exit $code
`

// process is one run of a server under its supervisor.
type process struct {
	cmd    *exec.Cmd
	pipe   *os.File // the supervisor ends the server when this is closed
	output *tail
	asked  atomic.Bool   // to end, by stop or kill
	done   chan struct{} // closed when the process has ended
}

// run starts argv in the directory dir. scratch, if not empty, is a directory that
// is removed when the server was ended by stop or by the death of this process.
func run(argv []string, dir, scratch string, lock *os.File) (*process, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("make a pipe: %w", err)
	}
	defer r.Close()
	p := &process{pipe: w, output: &tail{}, done: make(chan struct{})}
	p.cmd = exec.Command("/bin/sh", append([]string{"-c", supervisor, "supervisor", scratch}, argv...)...)
	p.cmd.Dir = dir
	p.cmd.Stdin = r
	p.cmd.Stdout, p.cmd.Stderr = p.output, p.output
	p.cmd.WaitDelay = time.Second
	if lock != nil {
		p.cmd.ExtraFiles = []*os.File{lock}
	}
	// A process group of its own: Ctrl-C at the terminal reaches us and not the
	// servers, so that we may finish what needs them before we end them.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.cmd.Start(); err != nil {
		w.Close()
		return nil, fmt.Errorf("start %s: %w", argv[0], err)
	}
	go func() {
		_ = p.cmd.Wait() // how it ended stands in its output
		close(p.done)
	}()
	return p, nil
}

func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// stop ends the server in an orderly way, and by force when that takes too long.
func (p *process) stop() {
	p.asked.Store(true)
	_ = p.pipe.Close()
	select {
	case <-p.done:
	case <-time.After(graceToEnd + 700*time.Millisecond):
		p.kill()
	}
}

// kill ends the server and its supervisor at once.
func (p *process) kill() {
	p.asked.Store(true)
	if !p.ended() {
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	}
	<-p.done
	_ = p.pipe.Close()
}

// tail keeps the last of what a server printed, for the error that says it ended.
type tail struct {
	mu   sync.Mutex
	text []byte
}

const tailBytes = 4 << 10

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, b...)
	if over := len(t.text) - tailBytes; over > 0 {
		t.text = append(t.text[:0], t.text[over:]...)
	}
	return len(b), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(string(t.text))
}
