package service_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"joboutputs/shared/archive"
	"joboutputs/shared/auth"
	"joboutputs/shared/delivery"
	"joboutputs/shared/jobs"
	"joboutputs/shared/localaws/awstest"
	"joboutputs/shared/localaws/fixture"
	"joboutputs/shared/outputs"
	"joboutputs/shared/table"
)

// maxHeap is what the process that serves may use, in bytes of heap in use.
const maxHeap = 64_000_000

// TestMemory serves from a process of its own, so that neither the client nor the other
// tests count, and watches its heap.
func TestMemory(t *testing.T) {
	a := awstest.New(t)
	rowsOf := table.New(a.StoreConfig())
	began := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

	large := make([]byte, delivery.MaxStreamed)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(large) // never fails
	largeSum := sha256.Sum256(large)
	rows := fixture.Rows{
		Jobs: []jobs.Job{
			{PK: 1, Node: 1, CreationTime: began, StartTime: began},
			{PK: 2, CreationTime: began}, {PK: 3, CreationTime: began},
		},
		Outputs: []fixture.Output{
			{Output: outputs.Output{PK: 1, Job: 1, Name: "large", Type: "bin", CreationTime: began}, Content: large},
			{Output: outputs.Output{PK: 2, Job: 2, Name: "large", Type: "bin", CreationTime: began}, Content: large[:delivery.MaxStreamed-100_000]},
		},
	}
	const small = 1000
	for i := range int64(small) {
		o := outputs.Output{PK: 3 + i, Job: 3, Name: fmt.Sprintf("output %d", i), Type: "txt", CreationTime: began}
		rows.Outputs = append(rows.Outputs, fixture.Output{Output: o, Content: large[i*10_000 : (i+1)*10_000]})
	}
	importRows(t, rowsOf, "bytes", rows)

	const listed = 12_000
	rows = fixture.Rows{Jobs: []jobs.Job{{PK: 1, Node: 1, CreationTime: began, StartTime: began}}}
	for pk := int64(1); pk <= listed; pk++ {
		rows.Outputs = append(rows.Outputs, fixture.Output{Output: outputs.Output{
			PK: pk, Job: 1 + pk%100, Name: fmt.Sprintf("output %d", pk), Type: "Model<Domain<'Image Classification'>, Framework<'tensorflow', '1.14'>>",
			Creator: 1, CreatorUsername: "admin", CreationTime: began.Add(time.Duration(pk) * time.Second),
		}})
	}
	start := time.Now()
	importRows(t, rowsOf, "rows", rows)
	t.Logf("%d rows were imported in %v", listed, time.Since(start).Round(time.Millisecond))

	server := startChild(t, a)
	as := func(tenant string) caller { return server.login(t, tenant) }
	bytesOf := as("bytes")
	list := func(t *testing.T, body string) {
		t.Helper()
		response := server.open(t, as("rows"), request{Method: "POST", Path: "/v1/job-outputs/list", Body: body})
		count := 0
		dec := json.NewDecoder(response)
		if _, err := dec.Token(); err != nil {
			t.Fatal(err)
		}
		for dec.More() {
			var row struct{ PK int64 }
			if err := dec.Decode(&row); err != nil {
				t.Fatal(err)
			}
			count++
		}
		if _, err := dec.Token(); err != nil || count != listed {
			t.Fatalf("%d rows, want %d (%v)", count, listed, err)
		}
	}
	streamed := func(t *testing.T, req request) {
		t.Helper()
		hash := sha256.New()
		if n, err := io.Copy(hash, server.open(t, bytesOf, req)); err != nil || n != delivery.MaxStreamed {
			t.Fatalf("%d bytes, want %d (%v)", n, delivery.MaxStreamed, err)
		}
		if got, want := hex.EncodeToString(hash.Sum(nil)), hex.EncodeToString(largeSum[:]); got != want {
			t.Errorf("the bytes' sha256 is %s, want %s", got, want)
		}
	}
	cases := []struct {
		name string
		run  func(t *testing.T)
	}{
		{"nothing", func(*testing.T) {}},
		{"add 4 MiB, five times", func(t *testing.T) {
			for i := range 5 {
				content := large[i<<20 : i<<20+4<<20]
				a := bytesOf.Do(t, server.url, request{
					Method: "POST", Path: fmt.Sprintf("/v1/jobs/1/outputs/added-%d/bin", i), Body: string(content),
					Header: map[string]string{"Content-Type": "application/octet-stream"},
				})
				a.Want(t, http.StatusOK)
			}
		}},
		{"download 200 MB", func(t *testing.T) {
			streamed(t, request{Method: "POST", Path: "/v1/job-outputs/1/download", Body: `{"delivery":"bytes"}`})
		}},
		{"get 200 MB by name", func(t *testing.T) {
			streamed(t, request{Method: "GET", Path: "/v1/jobs/1/outputs/large/bin?delivery=bytes"})
		}},
		{"zip 200 MB", func(t *testing.T) {
			zipped(t, server.open(t, bytesOf, request{Method: "GET", Path: "/v1/jobs/2/outputs.zip"}), 1)
		}},
		{"zip 1,000 outputs", func(t *testing.T) {
			zipped(t, server.open(t, bytesOf, request{Method: "GET", Path: "/v1/jobs/3/outputs.zip"}), small)
		}},
		{"list 12,000 rows", func(t *testing.T) { list(t, "") }},
		{"list 12,000 rows, sorted in memory", func(t *testing.T) { list(t, `{"order_by":[{"field":"name"}]}`) }},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			before := server.peak(t)
			tc.run(t)
			peak := server.peak(t)
			t.Logf("peak of the heap in use: %.1f MiB (idle before: %.1f MiB)", mib(peak), mib(before))
			if peak >= maxHeap {
				t.Errorf("peak of the heap in use: %.1f MiB, want less than %.1f", mib(peak), mib(maxHeap))
			}
			if peak == 0 {
				t.Error("nothing was measured")
			}
		})
	}
}

// zipped holds that a stream is a zip, without keeping it in memory.
func zipped(t *testing.T, stream io.Reader, want int) {
	t.Helper()
	file, err := os.Create(filepath.Join(t.TempDir(), "zip"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	size, err := io.Copy(file, stream)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := archive.Check(file, size); err != nil || got != want {
		t.Errorf("%d entries, want %d (%v)", got, want, err)
	}
}

func mib(n int64) float64 { return float64(n) / (1 << 20) }

func importRows(t *testing.T, into *table.Store, tenant string, rows fixture.Rows) {
	t.Helper()
	if err := fixture.Load(auth.WithTenant(t.Context(), tenant), into, tenant, rows); err != nil {
		t.Fatal(err)
	}
}
