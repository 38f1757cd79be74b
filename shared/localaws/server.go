package localaws

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"sync"
	"time"
)

// server is DynamoDB Local or VersityGW: how to start it, and the process that runs.
type server struct {
	name    string
	command func(port int) []string                          // program and arguments
	ready   func(ctx context.Context, endpoint string) error // nil once it serves; errUnfit if it never will
	other   func(failed error) bool                          // may change command after a failed start, and then says true; nil if there is one way only
	dir     string                                           // where it runs
	scratch string                                           // removed at the end, if not empty
	lock    *os.File                                         // on the data directory, or nil
	log     io.Writer

	changing sync.Mutex // held through a start, stop, kill and restart
	port     int
	stopped  bool

	mu   sync.Mutex // for proc
	proc *process
}

var (
	errEnded = errors.New("it ended by itself")
	errUnfit = errors.New("it does not work here")
)

func (s *server) endpoint() string { return "http://127.0.0.1:" + strconv.Itoa(s.port) }

// startAnywhere starts the server on a free port.
func (s *server) startAnywhere(ctx context.Context) error {
	s.changing.Lock()
	defer s.changing.Unlock()
	// Another process may take the port between our look and the server's bind.
	// The server then ends at once, and we look for another port.
	const attempts = 5
	var err error
	for range attempts {
		if s.port, err = freePort(); err != nil {
			return err
		}
		if err = s.start(ctx); err == nil || ctx.Err() != nil {
			return err
		}
		if s.other != nil && s.other(err) {
			continue
		}
		if !errors.Is(err, errEnded) {
			return err
		}
	}
	return err
}

// readyWithin bounds the wait for the first answer: a start takes 2 seconds, but on
// a machine that compiles at the same time it may be ten times that.
const readyWithin = 90 * time.Second

// start runs the server at s.port and waits until it serves. s.changing is held.
func (s *server) start(ctx context.Context) error {
	p, err := run(s.command(s.port), s.dir, s.scratch, s.lock)
	if err != nil {
		return fmt.Errorf("start %s: %w", s.name, err)
	}
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	for {
		err := s.ready(ctx, s.endpoint())
		if p.ended() { // asked after the answer, which may be another server's at this port
			return fmt.Errorf("start %s: %w; its last output:\n%s", s.name, errEnded, p.output)
		}
		if err == nil {
			break
		}
		if errors.Is(err, errUnfit) {
			p.kill()
			return fmt.Errorf("start %s: %w", s.name, err)
		}
		select {
		case <-time.After(25 * time.Millisecond):
		case <-p.done:
		case <-ctx.Done():
			p.kill()
			return fmt.Errorf("wait for %s to answer: %w; its last output:\n%s", s.name, err, p.output)
		}
	}
	s.mu.Lock()
	s.proc = p
	s.mu.Unlock()
	go s.watch(p)
	return nil
}

// watch says so when p ends without having been asked to.
func (s *server) watch(p *process) {
	<-p.done
	if !p.asked.Load() {
		fmt.Fprintf(s.log, "%s ended by itself; its last output:\n%s\n", s.name, p.output)
	}
}

func (s *server) current() *process {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.proc
}

func (s *server) done() <-chan struct{} { return s.current().done }

func (s *server) stop() {
	s.changing.Lock()
	defer s.changing.Unlock()
	s.stopped = true
	if p := s.current(); p != nil {
		p.stop()
	}
}

func (s *server) kill() {
	s.changing.Lock()
	defer s.changing.Unlock()
	s.current().kill()
}

func (s *server) restart(ctx context.Context) error {
	s.changing.Lock()
	defer s.changing.Unlock()
	if s.stopped {
		return fmt.Errorf("restart %s: the servers were stopped", s.name)
	}
	// The scratch directory must outlive an orderly stop here, so kill: both
	// servers are made to survive that.
	s.current().kill()
	if err := s.start(ctx); err != nil {
		return fmt.Errorf("restart %s: %w", s.name, err)
	}
	return nil
}

// removeScratch is for a server that was killed: one that was stopped has had its
// scratch directory removed by its supervisor.
func (s *server) removeScratch() {
	if s.scratch != "" {
		_ = os.RemoveAll(s.scratch)
	}
}

// freePort finds a port nobody listens on. It looks below the range from which
// systems give ports to outgoing connections (Linux: from 32768, others higher), so
// that none of these sits on the port when a server is restarted.
func freePort() (int, error) {
	const from, to, attempts = 20000, 32000, 100
	var err error
	for range attempts {
		port := from + rand.IntN(to-from)
		// On every interface, because that is where DynamoDB Local listens.
		var l net.Listener
		if l, err = net.Listen("tcp", ":"+strconv.Itoa(port)); err == nil {
			return port, l.Close()
		}
	}
	return 0, fmt.Errorf("find a free port: %w", err)
}
