package lambda

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// process is a bootstrap that runs against a Runtime API of its own.
// https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
type process struct {
	cmd    *exec.Cmd
	server *http.Server
	log    *bytes.Buffer
	begun  time.Time

	polls   chan time.Time // when it asked for the next invocation
	events  chan []byte
	answers chan answer
	gone    chan error // it ended
}

// answer is what a function answered to an invocation.
type answer struct {
	body     []byte
	streamed bool // as the integration of API Gateway's response streaming takes it
	err      error
	at       time.Time // when its last byte had arrived
}

// startupLimit bounds a start; Lambda gives ten seconds.
const startupLimit = 10 * time.Second

// start runs a bootstrap and returns when it has asked for its first invocation.
func start(ctx context.Context, bootstrap string, env []string) (*process, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &process{
		log:     &bytes.Buffer{},
		polls:   make(chan time.Time, 1),
		events:  make(chan []byte),
		answers: make(chan answer, 1),
		gone:    make(chan error, 1),
	}
	p.server = &http.Server{Handler: p.api(), ReadHeaderTimeout: startupLimit}
	go func() { _ = p.server.Serve(listener) }()

	p.cmd = exec.CommandContext(ctx, bootstrap)
	p.cmd.Env = append([]string{"AWS_LAMBDA_RUNTIME_API=" + listener.Addr().String()}, env...)
	p.cmd.Stdout, p.cmd.Stderr = io.Discard, p.log
	p.begun = time.Now()
	if err := p.cmd.Start(); err != nil {
		_ = p.server.Close()
		return nil, err
	}
	go func() { p.gone <- p.cmd.Wait() }()
	return p, nil
}

// ready waits for the process's next poll and returns how long after its start it came.
func (p *process) ready(ctx context.Context) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, startupLimit)
	defer cancel()
	select {
	case at := <-p.polls:
		return at.Sub(p.begun), nil
	case a := <-p.answers:
		return 0, fmt.Errorf("%s failed to start: %w", p.cmd.Path, a.err)
	case err := <-p.gone:
		p.gone <- err
		return 0, fmt.Errorf("%s ended: %w: %s", p.cmd.Path, err, p.log)
	case <-ctx.Done():
		return 0, fmt.Errorf("%s asks for no invocation: %w", p.cmd.Path, ctx.Err())
	}
}

// invoke sends an event and returns the answer and how long it took. The process must
// have polled.
func (p *process) invoke(ctx context.Context, event []byte) (answer, time.Duration, error) {
	begun := time.Now()
	select {
	case p.events <- event:
	case err := <-p.gone:
		p.gone <- err
		return answer{}, 0, fmt.Errorf("%s ended: %w: %s", p.cmd.Path, err, p.log)
	case <-ctx.Done():
		return answer{}, 0, ctx.Err()
	}
	select {
	case a := <-p.answers:
		if a.err != nil {
			return a, 0, fmt.Errorf("%s: %w", p.cmd.Path, a.err)
		}
		_, err := p.ready(ctx) // an invocation is over when the next is asked for
		return a, a.at.Sub(begun), err
	case err := <-p.gone:
		p.gone <- err
		return answer{}, 0, fmt.Errorf("%s ended: %w: %s", p.cmd.Path, err, p.log)
	case <-ctx.Done():
		return answer{}, 0, ctx.Err()
	}
}

// stop ends the process and returns the CPU time it took.
func (p *process) stop() time.Duration {
	_ = p.cmd.Process.Kill()
	<-p.gone
	_ = p.server.Close()
	return p.cmd.ProcessState.UserTime() + p.cmd.ProcessState.SystemTime()
}

func (p *process) api() http.Handler {
	const id = "8476a536-e9f4-11e8-9739-2dfe598c3fcd"
	mux := http.NewServeMux()
	mux.HandleFunc("GET /2018-06-01/runtime/invocation/next", func(w http.ResponseWriter, r *http.Request) {
		p.polls <- time.Now()
		select {
		case event := <-p.events:
			header := w.Header()
			header.Set("Content-Type", "application/json")
			header.Set("Content-Length", strconv.Itoa(len(event)))
			header.Set("Lambda-Runtime-Aws-Request-Id", id)
			header.Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(time.Now().Add(time.Minute).UnixMilli(), 10))
			header.Set("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:us-east-1:123456789012:function:bench")
			header.Set("Lambda-Runtime-Trace-Id", "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=0")
			_, _ = w.Write(event)
		case <-r.Context().Done():
		}
	})
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/response", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if kind := r.Trailer.Get("Lambda-Runtime-Function-Error-Type"); err == nil && kind != "" {
			err = fmt.Errorf("the answer was cut off: %s", kind)
		}
		p.answers <- answer{body: body, err: err, at: time.Now(), streamed: r.Header.Get("Lambda-Runtime-Function-Response-Mode") == "streaming" ||
			r.Header.Get("Content-Type") == "application/vnd.awslambda.http-integration-response"}
		w.WriteHeader(http.StatusAccepted)
	})
	failed := func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		p.answers <- answer{err: errors.New(string(body)), at: time.Now()}
		w.WriteHeader(http.StatusAccepted)
	}
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/error", failed)
	mux.HandleFunc("POST /2018-06-01/runtime/init/error", failed)
	return mux
}

// cpu is the CPU time of all the process's threads so far.
func (p *process) cpu() (time.Duration, error) {
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	var total time.Duration
	for _, file := range files {
		text, err := os.ReadFile(file)
		if errors.Is(err, os.ErrNotExist) {
			continue // the thread ended
		}
		if err != nil {
			return 0, err
		}
		first, _, _ := strings.Cut(string(text), " ")
		ns, err := strconv.ParseInt(first, 10, 64)
		if err != nil {
			return 0, err
		}
		total += time.Duration(ns)
	}
	return total, nil
}

// peak is the most memory that was ever resident, in bytes.
func (p *process) peak() (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) == 3 && fields[0] == "VmHWM:" {
			kb, err := strconv.ParseInt(fields[1], 10, 64)
			return kb << 10, err
		}
	}
	return 0, errors.New("the system does not say VmHWM")
}
