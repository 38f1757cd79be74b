package load

import (
	"bufio"
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
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"joboutputs/shared/auth"
	"joboutputs/shared/jobs"
	"joboutputs/shared/localaws"
	"joboutputs/shared/localaws/fixture"
	"joboutputs/shared/outputs"
	"joboutputs/shared/table"
	"joboutputs/test/harness"
)

const (
	tenant    = "load"
	tableName = "job-outputs" // as the local run names table and bucket
	bucket    = "job-outputs"

	firstStored = 1000 // pk of the first job of those whose outputs are there from the start
	perJob      = 100  // outputs in each of these
)

// site is the program, on stores of its own that outlive it.
type site struct {
	t       *testing.T
	dir     string
	servers *localaws.Servers
	stores  table.Config
	stored  int // rows that are there from the start

	cmd   *exec.Cmd
	url   string
	ended chan struct{}

	killed atomic.Pointer[time.Time] // when a store that forgets was, the last time
}

// forgot is when a store was killed that forgets what it acknowledged last; zero = never.
func (s *site) forgot() time.Time {
	if at := s.killed.Load(); at != nil {
		return *at
	}
	return time.Time{}
}

// killForgetful kills DynamoDB Local, which answers a transaction before it has committed
// it, and forgets the last one when it is killed (infra/local/crash_test.go). DynamoDB does
// no such thing.
func (s *site) killForgetful() {
	now := time.Now()
	s.killed.Store(&now)
	s.servers.KillDynamoDB()
}

// program is the local run, built once.
var program = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "joboutputs-load")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "local")
	if out, err := exec.Command("go", "build", "-o", path, "joboutputs/infra/local").CombinedOutput(); err != nil {
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

// newSite starts stores and program, and makes rows, straight in the stores.
func newSite(t *testing.T, rows int) *site {
	t.Helper()
	s := &site{t: t, dir: t.TempDir(), stored: rows}
	var err error
	s.servers, err = localaws.Start(t.Context(), localaws.Options{DataDir: filepath.Join(s.dir, "stores")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.servers.Stop)
	var jobs []string
	for pk := 1; pk <= clients; pk++ {
		jobs = append(jobs, fmt.Sprintf(`{"pk": %d, "creator": 1, "node": 1, "creation_time": "2026-01-01T00:00:00Z", "start_time": "2026-01-01T00:00:00Z"}`, pk))
	}
	seed := fmt.Sprintf(`{"tenant": %q, "users": [{"pk": 1, "username": "admin", "password": "admin", "is_staff": true, "nodes": [1]}], "nodes": [{"pk": 1}], "jobs": [%s]}`, tenant, strings.Join(jobs, ","))
	if err := os.WriteFile(filepath.Join(s.dir, "seed.json"), []byte(seed), 0o600); err != nil {
		t.Fatal(err)
	}
	s.start()
	t.Cleanup(func() {
		s.end(syscall.SIGKILL)
		if log, err := os.ReadFile(filepath.Join(s.dir, "log")); t.Failed() && err == nil {
			t.Logf("the end of the program's log:\n%s", log[max(0, len(log)-8000):])
		}
	})
	s.stores = table.Config{
		DynamoDB: localaws.DynamoDB(s.servers.DynamoDBEndpoint), S3: localaws.S3(s.servers.S3Endpoint), Table: tableName, Bucket: bucket,
	}
	rowsOf := table.New(s.stores)
	begun := time.Now()
	for from := 0; from < rows; from += 1000 {
		if err := fixture.Load(auth.WithTenant(t.Context(), tenant), rowsOf, tenant, batch(from, min(from+1000, rows))); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d rows made in %s", rows, time.Since(begun).Round(time.Millisecond))
	return s
}

// batch is rows from one number up to another, with their jobs.
func batch(from, to int) fixture.Rows {
	began := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	var in fixture.Rows
	for i := from; i < to; i++ {
		pk, job := int64(i+1), int64(firstStored+i/perJob)
		if i%perJob == 0 {
			in.Jobs = append(in.Jobs, jobs.Job{PK: job, Node: 1, CreationTime: began, StartTime: began})
		}
		in.Outputs = append(in.Outputs, fixture.Output{
			Output:  outputs.Output{PK: pk, Job: job, Name: storedName(i), Type: "txt", Creator: 1, CreatorUsername: "admin", CreationTime: began.Add(time.Duration(i) * time.Second)},
			Content: []byte(storedContent(i)),
		})
	}
	return in
}

func storedName(i int) string { return fmt.Sprintf("stored-%d", i) }

func storedContent(i int) string { return strings.Repeat(fmt.Sprintf("line of %d\n", i), 1+i%40) }

// start runs the program and waits until it is ready.
func (s *site) start() {
	s.t.Helper()
	path, err := program()
	if err != nil {
		s.t.Fatal(err)
	}
	address := "127.0.0.1:0"
	if s.url != "" {
		address = strings.TrimPrefix(s.url, "http://") // again where clients know it
	}
	s.cmd = exec.Command(path, "-addr", address, "-data", filepath.Join(s.dir, "program"), "-seed", filepath.Join(s.dir, "seed.json"),
		"-dynamodb-endpoint", s.servers.DynamoDBEndpoint, "-s3-endpoint", s.servers.S3Endpoint)
	log, err := os.OpenFile(filepath.Join(s.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		s.t.Fatal(err)
	}
	defer log.Close() // the program has its own
	s.cmd.Stderr = log
	stdout, err := s.cmd.StdoutPipe()
	if err == nil {
		err = s.cmd.Start()
	}
	if err != nil {
		s.t.Fatal(err)
	}
	s.ended = make(chan struct{})
	ready := make(chan string, 1)
	go func() {
		for lines := bufio.NewScanner(stdout); lines.Scan(); {
			if url, ok := strings.CutPrefix(lines.Text(), "ready "); ok {
				ready <- url
			}
		}
		_ = s.cmd.Wait() // how it ended is looked at by nobody: it is told to
		close(s.ended)
	}()
	select {
	case url := <-ready:
		if s.url == "" { // else it is what clients, who are at it, know
			s.url = url
		}
	case <-s.ended:
		s.t.Fatal("the program ended before it was ready")
	}
}

// end sends the program a signal and waits until it is gone.
func (s *site) end(signal os.Signal) {
	_ = s.cmd.Process.Signal(signal) // it may be gone already
	<-s.ended
}

// login gets a token; they live for five minutes.
func (s *site) login(ctx context.Context) (harness.Caller, error) {
	return harness.Login(ctx, s.url, "admin", tenant)
}

// usage is what the serving process uses after a collection of garbage.
type usage struct {
	At         time.Time `json:"-"`
	Heap       int64     `json:"heap_bytes"`
	Goroutines int64     `json:"goroutines"`
}

func (s *site) usage() (usage, error) {
	response, err := http.Get(s.url + "/-/runtime")
	if err != nil {
		return usage{}, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	u := usage{At: time.Now()}
	if err == nil {
		err = json.Unmarshal(text, &u)
	}
	return u, err
}
