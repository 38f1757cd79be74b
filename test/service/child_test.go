package service_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"runtime/metrics"
	"runtime/pprof"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"joboutputs/infra/local/gateway"
	"joboutputs/infra/local/issuer"
	"joboutputs/infra/local/service"
	"joboutputs/shared/localaws"
	"joboutputs/shared/localaws/awstest"
	"joboutputs/test/harness"
)

// served is the service in a process of its own.
type served struct {
	url   string
	stdin io.Writer
	lines *bufio.Scanner
}

// The environment of the child: that it is one, and where its stores are.
const (
	childEnv  = "JOBOUTPUTS_TEST_SERVE"
	childHeap = "JOBOUTPUTS_TEST_SERVE_HEAP" // a file for a heap profile made at each new peak; for a person who looks for one
)

type childConfig struct{ DynamoDB, S3, Table, Bucket string }

// startChild runs this test program again as a server. It ends when its standard input
// does, and so also with this process.
func startChild(t *testing.T, a *awstest.AWS) *served {
	t.Helper()
	config, err := json.Marshal(childConfig{a.DynamoDBEndpoint, a.S3Endpoint, a.Table, a.Bucket})
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program)
	for _, variable := range os.Environ() { // the collector as it is by default
		if !strings.HasPrefix(variable, "GOGC=") && !strings.HasPrefix(variable, "GOMEMLIMIT=") {
			cmd.Env = append(cmd.Env, variable)
		}
	}
	cmd.Env = append(cmd.Env, childEnv+"="+string(config))
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = stdin.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("the serving process: %v", err)
		}
	})
	s := &served{stdin: stdin, lines: bufio.NewScanner(stdout)}
	s.url = s.line(t)
	return s
}

func (s *served) line(t *testing.T) string {
	t.Helper()
	if !s.lines.Scan() {
		t.Fatalf("the serving process says nothing: %v", s.lines.Err())
	}
	return s.lines.Text()
}

// peak is the greatest heap in use since it was last asked, in bytes. What is measured
// next begins with a collected heap.
func (s *served) peak(t *testing.T) int64 {
	t.Helper()
	if _, err := io.WriteString(s.stdin, "peak\n"); err != nil {
		t.Fatal(err)
	}
	n, err := strconv.ParseInt(s.line(t), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func (s *served) login(t *testing.T, tenant string) caller {
	t.Helper()
	c, err := harness.Login(t.Context(), s.url, "admin", tenant)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// open sends a request and returns the answer's body, which it does not read.
func (s *served) open(t *testing.T, c caller, req request) io.Reader {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	response, err := c.Send(ctx, s.url, req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { response.Body.Close() })
	if response.StatusCode != http.StatusOK {
		t.Fatalf("%s %s: %s", req.Method, req.Path, response.Status)
	}
	return response.Body
}

// TestMain is the child where it is told to be.
func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		os.Exit(child())
	}
	os.Exit(m.Run())
}

// child is the serving process: it prints its address, and its peak for every line it reads.
func child() int {
	if err := serve(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func serve() error {
	var cfg childConfig
	if err := json.Unmarshal([]byte(os.Getenv(childEnv)), &cfg); err != nil {
		return err
	}
	log := slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	svc, err := service.New(service.Config{
		DynamoDB: localaws.DynamoDB(cfg.DynamoDB), S3: localaws.S3(cfg.S3), Table: cfg.Table, Bucket: cfg.Bucket, Log: log,
	})
	if err != nil {
		return err
	}
	for _, tenant := range []string{"bytes", "rows"} {
		err := svc.Issuer.AddUser(issuer.User{Tenant: tenant, PK: 1, Username: "admin", Password: "admin", Admin: true, Active: true})
		if err != nil {
			return err
		}
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	go func() { _ = gateway.NewServer(svc, log).Serve(listener) }()
	var peak atomic.Int64
	go watchHeap(&peak)
	fmt.Println("http://" + listener.Addr().String())
	for stdin := bufio.NewScanner(os.Stdin); stdin.Scan(); {
		highest := peak.Load()
		runtime.GC()
		peak.Store(0)
		time.Sleep(20 * time.Millisecond) // a few samples
		fmt.Println(highest)
	}
	return nil
}

// watchHeap keeps the greatest HeapInuse, read every millisecond without stopping the world.
func watchHeap(peak *atomic.Int64) {
	samples := []metrics.Sample{
		{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/heap/unused:bytes"},
	}
	var profiled int64
	for ; ; time.Sleep(time.Millisecond) {
		metrics.Read(samples)
		now := int64(samples[0].Value.Uint64() + samples[1].Value.Uint64()) //nolint:gosec // no heap is that large
		if now > peak.Load() {
			peak.Store(now)
		}
		if file := os.Getenv(childHeap); file != "" && now > max(profiled+1<<20, maxHeap/2) {
			profiled = now
			if f, err := os.Create(file); err == nil {
				_ = pprof.Lookup("heap").WriteTo(f, 0)
				_ = f.Close()
			}
		}
	}
}
