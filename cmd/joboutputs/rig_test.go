package main

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"joboutputs/infra/local/gateway"
	"joboutputs/infra/local/seed"
	"joboutputs/infra/local/service"
	"joboutputs/shared/client/clienttest"
	"joboutputs/shared/localaws/awstest"
	"log/slog"
)

// rig runs the command as a person would, with a home of its own.
type rig struct {
	*testing.T
	dir    string // of work
	config string
	env    map[string]string
	in     string
	tty    bool         // whether there is a person to ask
	http   *http.Client // nil = the client's own
	aws    *awstest.AWS // under the service itself
}

func newRig(t *testing.T, server string) *rig {
	t.Helper()
	r := &rig{T: t, dir: t.TempDir(), env: map[string]string{"JOBOUTPUTS_SERVER": server}}
	r.config = filepath.Join(t.TempDir(), "joboutputs", "config.json")
	return r
}

// result is what came of a run.
type result struct {
	code     int
	out, err string
}

type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}
func (b *safeBuffer) String() string { b.mu.Lock(); defer b.mu.Unlock(); return b.b.String() }

func (r *rig) runContext(ctx context.Context, args ...string) result {
	r.Helper()
	var out, errs safeBuffer
	code := run(ctx, world{
		in: strings.NewReader(r.in), out: &out, err: &errs, env: func(name string) string { return r.env[name] },
		config: func() (string, error) { return r.config, nil }, now: func() time.Time { return time.Date(2026, 5, 31, 12, 0, 0, 0, time.UTC) },
		http: r.http, inTerminal: r.tty, password: func() (string, error) { return "secret", nil },
	}, args)
	for _, text := range []string{out.String(), errs.String()} {
		if len(text) > 1<<20 {
			continue // a content
		}
		if strings.Contains(text, "access-") || strings.Contains(text, "eyJ") || strings.Contains(text, "signature=") {
			r.Errorf("%v prints a secret:\n%s", args, text)
		}
	}
	return result{code, out.String(), errs.String()}
}

func (r *rig) run(args ...string) result { r.Helper(); return r.runContext(r.Context(), args...) }

// ok is a run that must succeed; its output.
func (r *rig) ok(args ...string) string {
	r.Helper()
	got := r.run(args...)
	if got.code != 0 {
		r.Fatalf("joboutputs %s: exit %d\n%s%s", strings.Join(args, " "), got.code, got.out, got.err)
	}
	return got.out
}

// fails is a run that must fail with a code and say something.
func (r *rig) fails(code int, says string, args ...string) {
	r.Helper()
	got := r.run(args...)
	if got.code != code || !strings.Contains(got.err, says) {
		r.Errorf("joboutputs %s: exit %d, want %d and %q in\n%s", strings.Join(args, " "), got.code, code, says, got.err)
	}
}

func (r *rig) prints(want string, args ...string) {
	r.Helper()
	if got := r.ok(args...); got != want {
		r.Errorf("joboutputs %s:\n%s\nwant\n%s", strings.Join(args, " "), got, want)
	}
}

func (r *rig) path(name string) string { return filepath.Join(r.dir, filepath.FromSlash(name)) }

func (r *rig) write(name string, content []byte) string {
	r.Helper()
	path := r.path(name)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, content, 0o600)); err != nil {
		r.Fatal(err)
	}
	return path
}

func (r *rig) read(path string) []byte {
	r.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		r.Fatal(err)
	}
	return content
}

// fake is a rig over the fake service, logged in.
func fake(t *testing.T) (*rig, *clienttest.Service) {
	t.Helper()
	s := clienttest.New(t)
	r := newRig(t, s.URL)
	r.env["JOBOUTPUTS_TOKEN"] = s.Token()
	return r, s
}

const people = `{
 "tenant": "acme",
 "users": [
  {"pk": 1, "username": "admin", "password": "secret", "is_staff": true, "nodes": [1]},
  {"pk": 2, "username": "bob", "password": "secret", "nodes": []}
 ],
 "nodes": [{"pk": 1}]
}`

// real is the service itself, over real local stores.
func real(t *testing.T) *rig {
	t.Helper()
	aws := awstest.New(t)
	svc, err := service.New(service.Config{DynamoDB: aws.DynamoDB, S3: aws.S3, Table: aws.Table, Bucket: aws.Bucket})
	if err != nil {
		t.Fatal(err)
	}
	users, err := seed.Read("people", strings.NewReader(people))
	if err != nil {
		t.Fatal(err)
	}
	if err := svc.Load(t.Context(), users); err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := gateway.NewServer(svc, slog.New(slog.DiscardHandler))
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	t.Cleanup(func() {
		_ = server.Close()
		<-served
	})
	r := newRig(t, "http://"+listener.Addr().String())
	r.aws = aws
	return r
}
