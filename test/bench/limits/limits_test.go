package limits

import (
	"fmt"
	"os"
	"testing"
	"time"

	"joboutputs/shared/localaws/awstest"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == Child { // the test's program, started as the one to be measured
		if err := RunChild(os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// TestEveryActionIsDoneBothWays holds that all of them work: an answer that is not a
// success, and a row that is not there, are errors.
func TestEveryActionIsDoneBothWays(t *testing.T) {
	a := awstest.New(t)
	r := &rig{}
	defer r.close()
	err := r.open(t.Context(), stores{DynamoDB: a.DynamoDBEndpoint, S3: a.S3Endpoint, Table: a.Table, Bucket: a.Bucket})
	if err != nil {
		t.Fatal(err)
	}
	for i, a := range actions {
		m, err := r.measure(t.Context(), i, 2, plan{rounds: 2, slice: time.Millisecond, warm: time.Millisecond})
		if err != nil {
			t.Errorf("%s: %v", a.name, err)
			continue
		}
		for name, f := range map[string]figures{"the service": m.service, "the bare calls": m.bare} {
			if f.perSecond <= 0 || f.p50 <= 0 || f.p99 < f.p50 || f.cpu <= 0 || f.allocs <= 0 {
				t.Errorf("%s, %s: %+v", a.name, name, f)
			}
		}
		if m.ratio <= 0 {
			t.Errorf("%s: ratio %v", a.name, m.ratio)
		}
	}
}

// TestOwn holds that no two clients change one output.
func TestOwn(t *testing.T) {
	owner := map[int64]int{}
	for client := range maxClients {
		for n := range 1000 {
			pk := own(client, n)
			if pk < 1 || pk > fullJobs*perJob {
				t.Fatalf("client %d changes output %d, which is not there", client, pk)
			}
			if other, ok := owner[pk]; ok && other != client {
				t.Fatalf("clients %d and %d both change output %d", client, other, pk)
			}
			owner[pk] = client
		}
	}
}
