package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
)

// crash is what is killed in the middle of many adds.
type crash struct {
	name    string
	pattern string // of the process's command line, %s being the data directory; "" = the program itself
	forgets int    // so many adds that were acknowledged may be lost
}

// lastOne is what DynamoDB Local may forget: it answers a transaction when it has queued its
// COMMIT (SQLiteDBAccess.commitTransaction does not wait for the job), so that the last one
// is rolled back, whole, when it is killed. It is only one: the reads of the next wait in the
// same queue. DynamoDB does no such thing.
const lastOne = 1

// TestKilledInTheMiddleOfAdds kills a process with -9 while 200 adds are under way. After
// a restart and one cleanup no row is without its bytes, and no bytes are without a row.
func TestKilledInTheMiddleOfAdds(t *testing.T) {
	for _, c := range []crash{
		{"the program", "", 0},
		{"DynamoDB", "^[^ ]*java .*%s/dynamodb", lastOne},
		{"the object store", "^[^ ]*versitygw[^ ]* .*%s/s3", 0},
	} {
		t.Run(c.name, func(t *testing.T) { killInTheMiddle(t, c) })
	}
}

func killInTheMiddle(t *testing.T, c crash) {
	dir := t.TempDir()
	r := start(t, "-data", dir)
	token := r.token()
	const adds = 200
	var done atomic.Int64
	half := make(chan struct{})
	var once sync.Once
	answers := make([]int, adds)
	var wg sync.WaitGroup
	slots := make(chan struct{}, 32)
	for i := range adds {
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			status, header, body, err := r.call("POST", fmt.Sprintf("/v1/jobs/1/outputs/n%d/t", i), token, strings.Repeat(fmt.Sprint(i), 1000))
			if done.Add(1) == adds/4 {
				once.Do(func() { close(half) })
			}
			switch {
			case err != nil: // the program is gone, or went while it answered
				if c.pattern != "" {
					t.Errorf("add %d: %v", i, err)
				}
			case status == http.StatusServiceUnavailable:
				if header.Get("Retry-After") == "" {
					t.Errorf("add %d: 503 without Retry-After", i)
				}
			case status != http.StatusOK:
				t.Errorf("add %d: %d %s", i, status, body)
			}
			answers[i] = status
		})
	}
	<-half
	if c.pattern == "" {
		r.kill()
	} else if out, err := exec.Command("pkill", "-9", "-f", fmt.Sprintf(c.pattern, dir)).CombinedOutput(); err != nil {
		t.Fatalf("kill %s: %v %s", c.name, err, out)
	}
	wg.Wait()
	if c.pattern != "" {
		r.stop(syscall.SIGTERM)
	}
	waitGone(t, dir)

	r = start(t, "-data", dir)
	token = r.token()
	cleaned := must[struct{ Intents, Tombstones int }](r, "POST", "/-/cleanup?grace=0s", "", "")
	rows := must[[]struct {
		PK     int
		Name   string
		SHA256 string
	}](r, "POST", "/v1/job-outputs/list", token, `{"include_inactive":true}`)
	acknowledged, forgotten, present := 0, 0, map[string]bool{}
	for _, row := range rows {
		present[row.Name] = true
		status, _, body, err := r.call("POST", fmt.Sprintf("/v1/job-outputs/%d/download", row.PK), token, "")
		sum := sha256.Sum256(body)
		if err != nil || status != http.StatusOK || hex.EncodeToString(sum[:]) != row.SHA256 {
			t.Errorf("row %d: download is %d (%v), its digest %x", row.PK, status, err, sum)
		}
	}
	for i, status := range answers {
		if status == http.StatusOK {
			acknowledged++
			if !present[fmt.Sprintf("n%d", i)] {
				if forgotten++; forgotten > c.forgets {
					t.Errorf("add %d was acknowledged and is lost", i)
				}
			}
		}
	}
	if got := objectFiles(t, dir); got != len(rows) {
		t.Errorf("%d objects for %d rows after the cleanup", got, len(rows))
	}
	t.Logf("%d of %d acknowledged, of which the store forgot %d, %d rows (4 were there), %d intents cleaned up", acknowledged, adds, forgotten, len(rows), cleaned.Intents)
	if acknowledged == adds && c.pattern == "" {
		t.Error("the kill came too late to test anything")
	}
	again := must[struct{ Intents, Tombstones int }](r, "POST", "/-/cleanup?grace=0s", "", "")
	if again.Intents+again.Tombstones > 0 {
		t.Errorf("a second cleanup found %+v", again)
	}
	r.stop(syscall.SIGTERM)
}

// objectFiles counts the objects of the demo tenant, as the object store keeps them.
func objectFiles(t *testing.T, dir string) int {
	t.Helper()
	n := 0
	root := filepath.Join(dir, "s3")
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() && strings.Contains(path, "/t/demo/") {
			n++
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}
