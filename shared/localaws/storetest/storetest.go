// Package storetest gives a test the whole domain over a table and a bucket of its own, with
// a clock that it moves and hooks into the calls to AWS.
package storetest

import (
	"context"
	"io"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"joboutputs/shared/auth"
	"joboutputs/shared/cleanup"
	"joboutputs/shared/filter"
	"joboutputs/shared/jobs"
	"joboutputs/shared/localaws/awstest"
	"joboutputs/shared/outputs"
	"joboutputs/shared/problem"
	"joboutputs/shared/table"
	"joboutputs/shared/uploads"
	"joboutputs/shared/users"
)

// Tenant is whose stores a test uses unless it says otherwise.
const Tenant = "acme"

// Epoch is where the clock of a test begins.
var Epoch = time.Date(2026, 5, 4, 3, 2, 1, 123456000, time.UTC)

// Alice is the admin who acts unless a test says otherwise.
var Alice = auth.Principal{Tenant: Tenant, UserPK: 2, Username: "alice", Admin: true}

// As is Alice acting for a node.
func As(node int64) auth.Principal {
	p := Alice
	p.Nodes, p.Node = []int64{node}, node
	return p
}

// Acting is the context of calls on behalf of Tenant.
func Acting(tb testing.TB) context.Context { return auth.WithTenant(tb.Context(), Tenant) }

// Stores are the domain's stores over one table and bucket.
type Stores struct {
	Table   *table.Store
	Jobs    *jobs.Store
	Outputs *outputs.Store
	Uploads *uploads.Store
	Cleaner *cleanup.Cleaner

	AWS   *awstest.AWS
	Clock *Clock
	edits []func(*table.Config)
}

// New makes Stores over a fresh table and bucket, whose clock begins at Epoch.
func New(tb testing.TB) *Stores {
	tb.Helper()
	return open(awstest.New(tb), &Clock{now: Epoch}, nil)
}

func open(a *awstest.AWS, c *Clock, edits []func(*table.Config)) *Stores {
	cfg := a.StoreConfig()
	cfg.Now = c.Now
	for _, edit := range edits {
		edit(&cfg)
	}
	t := table.New(cfg)
	return &Stores{
		Table: t, Jobs: jobs.New(t), Outputs: outputs.New(t), Uploads: uploads.New(t, uploads.Limits{}), Cleaner: cleanup.New(cfg),
		AWS: a, Clock: c, edits: edits,
	}
}

// With makes Stores over the same table and bucket, and by the same clock, of an edited
// configuration.
func (s *Stores) With(edit func(*table.Config)) *Stores {
	return open(s.AWS, s.Clock, append(slices.Clone(s.edits), edit))
}

// Clock stands still unless it is moved.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// Now reads the clock.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Advance moves the clock on.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// StartedJob makes a job that the node of the same pk works.
func (s *Stores) StartedJob(tb testing.TB, pk int64) {
	tb.Helper()
	ctx := Acting(tb)
	if _, err := s.Jobs.Create(ctx, Tenant, jobs.NewJob{PK: pk, Node: pk, Creator: users.Of(Alice)}); err != nil {
		tb.Fatal(err)
	}
	if _, err := s.Jobs.Start(ctx, As(pk), pk, ""); err != nil {
		tb.Fatal(err)
	}
}

// FinishedJob ends the work on a job that was started.
func (s *Stores) FinishedJob(tb testing.TB, pk int64) {
	tb.Helper()
	if _, err := s.Jobs.Finish(Acting(tb), As(pk), pk, nil, ""); err != nil {
		tb.Fatal(err)
	}
}

// Addition is an output to be added.
func Addition(job int64, name, typ, content string) outputs.Addition {
	return outputs.Addition{Job: job, Name: name, Type: typ, Content: []byte(content)}
}

// Add adds an output as Alice.
func (s *Stores) Add(tb testing.TB, a outputs.Addition) outputs.Output {
	tb.Helper()
	o, err := s.Outputs.Add(Acting(tb), Alice, a)
	if err != nil {
		tb.Fatalf("add %s/%s: %v", a.Name, a.Type, err)
	}
	return o
}

// Content reads an output's content.
func (s *Stores) Content(tb testing.TB, o outputs.Output) string {
	tb.Helper()
	body, err := s.Outputs.Open(Acting(tb), Tenant, &o, nil)
	if err != nil {
		tb.Fatalf("open output %d: %v", o.PK, err)
	}
	defer body.Close()
	b, err := io.ReadAll(body)
	if err != nil {
		tb.Fatal(err)
	}
	return string(b)
}

// Listed is the pks of a list specification.
func (s *Stores) Listed(tb testing.TB, tenant, body string) []int64 {
	tb.Helper()
	pks, _ := s.Page(tb, tenant, body)
	return pks
}

// Page is the pks of a list specification, and the cursor of the next page.
func (s *Stores) Page(tb testing.TB, tenant, body string) (pks []int64, next string) {
	tb.Helper()
	spec, err := filter.Parse([]byte(body))
	if err != nil {
		tb.Fatalf("parse %s: %v", body, err)
	}
	listing, err := s.Outputs.List(auth.WithTenant(tb.Context(), tenant), tenant, spec)
	if err != nil {
		tb.Fatalf("list %s: %v", body, err)
	}
	pks = []int64{}
	for o, err := range listing.Rows {
		if err != nil {
			tb.Fatal(err)
		}
		pks = append(pks, o.PK)
	}
	return pks, listing.Next
}

// Cleaned runs a cleanup and compares its counts, except the age of the oldest row.
func (s *Stores) Cleaned(tb testing.TB, grace time.Duration, want cleanup.Counts) {
	tb.Helper()
	got, err := s.Cleaner.Run(context.WithoutCancel(tb.Context()), grace)
	if err != nil {
		tb.Fatalf("cleanup: %v", err)
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(cleanup.Counts{}, "Oldest")); diff != "" {
		tb.Errorf("cleanup with grace %s (-want +got):\n%s", grace, diff)
	}
}

// Rounds is how often each race is run.
func Rounds(t *testing.T) int {
	t.Helper()
	text := os.Getenv("JOBOUTPUTS_TEST_ROUNDS")
	if text == "" {
		return 50
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// Same compares what callers see of outputs.
var Same = cmpopts.IgnoreUnexported(outputs.Output{})

// Objects counts the objects in the bucket.
func (s *Stores) Objects(tb testing.TB) int {
	tb.Helper()
	all, err := s.AWS.S3.ListObjectsV2(context.WithoutCancel(tb.Context()), &s3.ListObjectsV2Input{Bucket: &s.AWS.Bucket})
	if err != nil {
		tb.Fatal(err)
	}
	return len(all.Contents)
}

// WantProblem checks that an error is a problem of a kind.
func WantProblem(tb testing.TB, err error, kind problem.Kind) {
	tb.Helper()
	if !problem.Is(err, kind) {
		tb.Errorf("got error %v, want a problem %s", err, kind)
	}
}
