//go:build ignore

package outputs_test

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"joboutputs/shared/auth"
	"joboutputs/shared/filter"
	"joboutputs/shared/localaws/awstest"
	"joboutputs/shared/outputs"
	"joboutputs/shared/problem"
)

// clock stands still unless it is moved.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

var epoch = time.Date(2026, 5, 4, 3, 2, 1, 123456000, time.UTC)

func newStore(t *testing.T) (*outputs.Store, *awstest.AWS, *clock) {
	t.Helper()
	a := awstest.New(t)
	c := &clock{now: epoch}
	return outputs.New(outputs.Config{DynamoDB: a.DynamoDB, S3: a.S3, Table: a.Table, Bucket: a.Bucket, Now: c.Now}), a, c
}

const tenant = "acme"

// acting is the context of calls on behalf of the tenant.
func acting(tb testing.TB) context.Context { return auth.WithTenant(tb.Context(), tenant) }

var alice = outputs.User{PK: 2, Username: "alice"}

func anyone(outputs.Job) error { return nil }

// startedJob makes a job that node 1 works.
func startedJob(t *testing.T, s *outputs.Store, pk int64) {
	t.Helper()
	ctx := acting(t)
	if _, err := s.CreateJob(ctx, tenant, outputs.NewJob{PK: pk, Node: pk, Creator: alice}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Start(ctx, tenant, pk, pk, anyone); err != nil {
		t.Fatal(err)
	}
}

func addition(job int64, name, typ, content string) outputs.Addition {
	return outputs.Addition{Job: job, Name: name, Type: typ, Content: []byte(content), Creator: alice, Admit: anyone}
}

func mustAdd(t *testing.T, s *outputs.Store, a outputs.Addition) outputs.Output {
	t.Helper()
	o, err := s.Add(acting(t), tenant, a)
	if err != nil {
		t.Fatalf("add %s/%s: %v", a.Name, a.Type, err)
	}
	return o
}

func content(t *testing.T, s *outputs.Store, o outputs.Output) string {
	t.Helper()
	body, err := s.Open(acting(t), tenant, &o, nil)
	if err != nil {
		t.Fatalf("open output %d: %v", o.PK, err)
	}
	defer body.Close()
	b, err := io.ReadAll(body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// same compares what callers see of outputs.
var same = cmpopts.IgnoreUnexported(outputs.Output{})

func wantProblem(t *testing.T, err error, kind problem.Kind) {
	t.Helper()
	if !problem.Is(err, kind) {
		t.Errorf("got error %v, want a problem %s", err, kind)
	}
}

func TestLifeOfAnOutput(t *testing.T) {
	t.Parallel()
	s, _, c := newStore(t)
	ctx := acting(t)
	startedJob(t, s, 7)

	added := mustAdd(t, s, addition(7, "model", "txt", "hello"))
	want := outputs.Output{
		PK: 1, Job: 7, Name: "model", Type: "txt", Creator: 2, CreatorUsername: "alice", CreationTime: epoch, Size: 5,
		SHA256:   "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824",
		Checksum: &outputs.Checksum{Algorithm: "SHA256", Type: "full", Value: "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ="},
	}
	if diff := cmp.Diff(want, added, same); diff != "" {
		t.Errorf("added (-want +got):\n%s", diff)
	}
	for name, read := range map[string]func() (outputs.Output, error){
		"by pk":   func() (outputs.Output, error) { return s.Output(ctx, tenant, 1) },
		"by name": func() (outputs.Output, error) { return s.OutputByName(ctx, tenant, 7, "model", "txt") },
	} {
		got, err := read()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got, same); diff != "" {
			t.Errorf("read %s (-want +got):\n%s", name, diff)
		}
	}
	_, err := s.Output(auth.WithTenant(t.Context(), "other"), "other", 1)
	wantProblem(t, err, problem.NotFound)
	if got := content(t, s, added); got != "hello" {
		t.Errorf("content is %q", got)
	}

	// The soft delete keeps the name, and its own first time.
	c.advance(time.Hour)
	deletedAt := c.Now()
	for range 2 {
		got, err := s.Destroy(ctx, tenant, 1)
		if err != nil || !got.DeletionTime.Equal(deletedAt) {
			t.Fatalf("destroy: %v, %v", got.DeletionTime, err)
		}
		c.advance(time.Hour)
	}
	_, err = s.Add(ctx, tenant, addition(7, "model", "txt", "other"))
	wantProblem(t, err, problem.DuplicateOutput)
	if f, _ := problem.As(err); f.Details["pk"] != int64(1) {
		t.Errorf("the duplicate's holder is %v", f.Details)
	}
	if got, err := s.Reinstate(ctx, tenant, 1); err != nil || !got.Active() {
		t.Fatalf("reinstate: %v, %v", got, err)
	}
	if got, err := s.OutputByName(ctx, tenant, 7, "model", "txt"); err != nil || !got.Active() {
		t.Fatalf("by name after reinstate: %v, %v", got, err)
	}

	// The hard delete frees the name; the pk is not used again.
	gone, err := s.HardDelete(ctx, tenant, 1)
	if err != nil || !gone.DeletionTime.Equal(c.Now()) || gone.PK != 1 {
		t.Fatalf("hard delete: %+v, %v", gone, err)
	}
	_, err = s.Output(ctx, tenant, 1)
	wantProblem(t, err, problem.NotFound)
	_, err = s.OutputByName(ctx, tenant, 7, "model", "txt")
	wantProblem(t, err, problem.OutputNotFound)
	_, err = s.HardDelete(ctx, tenant, 1)
	wantProblem(t, err, problem.NotFound)
	_, err = s.Open(ctx, tenant, &added, nil)
	wantProblem(t, err, problem.NotFound)
	if again := mustAdd(t, s, addition(7, "model", "txt", "")); again.PK != 2 || content(t, s, again) != "" {
		t.Errorf("added again: %+v", again)
	}
}

func TestAddRefuses(t *testing.T) {
	t.Parallel()
	s, _, _ := newStore(t)
	ctx := acting(t)
	startedJob(t, s, 1)
	reason := "boom"
	startedJob(t, s, 3)
	if _, err := s.Finish(ctx, tenant, 3, 3, nil, anyone); err != nil {
		t.Fatal(err)
	}
	startedJob(t, s, 4)
	if _, err := s.Finish(ctx, tenant, 4, 4, &reason, anyone); err != nil {
		t.Fatal(err)
	}
	if _, err := s.CreateJob(ctx, tenant, outputs.NewJob{PK: 2, Creator: alice}); err != nil {
		t.Fatal(err)
	}
	long := func(n int) string { return strings.Repeat("é", n) }
	for _, tc := range []struct {
		name string
		add  outputs.Addition
		want problem.Kind
	}{
		{"missing job", addition(9, "a", "t", "x"), problem.NotFound},
		{"not started", addition(2, "a", "t", "x"), problem.JobNotStarted},
		{"finished", addition(3, "a", "t", "x"), problem.JobFinished},
		{"errored", addition(4, "a", "t", "x"), ""},
		{"empty name", addition(1, "", "t", "x"), problem.InvalidName},
		{"200 characters", addition(1, long(200), "t", "x"), ""},
		{"201 characters", addition(1, long(201), "t", "x"), problem.InvalidName},
		{"2048 bytes of type", addition(1, "a", long(1024), "x"), ""},
		{"2049 bytes of type", addition(1, "a", long(1024)+"t", "x"), problem.InvalidName},
		{"NUL in the name", addition(1, "a\x00", "t", "x"), problem.InvalidName},
		{"NUL in the type", addition(1, "a", "\x00", "x"), problem.InvalidName},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := s.Add(ctx, tenant, tc.add)
			if tc.want == "" && err != nil {
				t.Errorf("got %v, want success", err)
			} else if tc.want != "" {
				wantProblem(t, err, tc.want)
			}
		})
	}
	refuse := addition(1, "mine", "t", "x")
	refuse.Admit = func(j outputs.Job) error {
		return problem.New(problem.PermissionDenied, "owned by %d", j.Node)
	}
	_, err := s.Add(ctx, tenant, refuse)
	wantProblem(t, err, problem.PermissionDenied)
	if cleaned, err := s.Cleanup(ctx, 0); err != nil || cleaned != (outputs.Cleaned{}) {
		t.Errorf("refused adds left %+v (%v)", cleaned, err)
	}
}

func TestSixteenAddsOfOneName(t *testing.T) {
	t.Parallel()
	s, _, _ := newStore(t)
	startedJob(t, s, 1)
	var wg sync.WaitGroup
	results := make([]error, 16)
	for i := range results {
		wg.Go(func() {
			_, results[i] = s.Add(context.WithoutCancel(acting(t)), tenant, addition(1, "one", "t", fmt.Sprint(i)))
		})
	}
	wg.Wait()
	winner, wins := -1, 0
	for i, err := range results {
		if err == nil {
			winner = i
			wins++
			continue
		}
		wantProblem(t, err, problem.DuplicateOutput)
	}
	if wins != 1 {
		t.Fatalf("%d adds won, want 1", wins)
	}
	o, err := s.OutputByName(acting(t), tenant, 1, "one", "t")
	if err != nil {
		t.Fatal(err)
	}
	if got := content(t, s, o); got != fmt.Sprint(winner) {
		t.Errorf("the content is add %s's, the winner is %d", got, winner)
	}
	cleaned, err := s.Cleanup(acting(t), 0)
	if err != nil || cleaned.Intents > 15 {
		t.Errorf("cleaned %+v, %v", cleaned, err)
	}
	if got := content(t, s, o); got != fmt.Sprint(winner) {
		t.Error("the cleanup took the winner's bytes")
	}
}

func TestDirectory(t *testing.T) {
	t.Parallel()
	s, _, _ := newStore(t)
	ctx := acting(t)
	anna := outputs.User{Issuer: "https://issuer", Subject: "anna", Username: "anna"}
	ben := outputs.User{Issuer: "https://issuer", Subject: "ben", Username: "ben"}
	j, err := s.CreateJob(ctx, tenant, outputs.NewJob{Node: 1, Creator: anna})
	if err != nil || j.Creator != 1 || j.PK != 1 {
		t.Fatalf("first job: %+v, %v", j, err)
	}
	if _, err := s.Start(ctx, tenant, 1, 1, anyone); err != nil {
		t.Fatal(err)
	}
	for i, who := range []outputs.User{ben, anna, ben} {
		a := addition(1, fmt.Sprint(i), "t", "x")
		a.Creator = who
		o, err := s.Add(ctx, tenant, a)
		if err != nil {
			t.Fatal(err)
		}
		if want := map[string]int64{"anna": 1, "ben": 2}[who.Username]; o.Creator != want || o.CreatorUsername != who.Username {
			t.Errorf("%s's output has creator %d (%s), want %d", who.Username, o.Creator, o.CreatorUsername, want)
		}
	}
	_, err = s.Add(ctx, tenant, addition(1, "by claim", "t", "x"))
	wantProblem(t, err, problem.PermissionDenied)
	_, err = s.CreateJob(ctx, tenant, outputs.NewJob{PK: 9, Creator: alice})
	wantProblem(t, err, problem.PermissionDenied)
}

// TestFirstWritesAtOnce: a user whom the directory does not know yet gets one pk, however
// many first writes there are.
func TestFirstWritesAtOnce(t *testing.T) {
	t.Parallel()
	s, _, _ := newStore(t)
	carl := outputs.User{Issuer: "https://issuer", Subject: "carl", Username: "carl"}
	creators := make([]int64, 12)
	var wg sync.WaitGroup
	for i := range creators {
		wg.Go(func() {
			j, err := s.CreateJob(acting(t), tenant, outputs.NewJob{Creator: carl})
			if err != nil {
				t.Error(err)
			}
			creators[i] = j.Creator
		})
	}
	wg.Wait()
	for _, creator := range creators {
		if creator != creators[0] || creator == 0 {
			t.Fatalf("one user has the pks %v", creators)
		}
	}
}

func listed(t *testing.T, s *outputs.Store, tenant, body string) []int64 {
	t.Helper()
	pks, _ := listPage(t, s, tenant, body)
	return pks
}

func listPage(t *testing.T, s *outputs.Store, tenant, body string) ([]int64, string) {
	t.Helper()
	spec, err := filter.Parse([]byte(body))
	if err != nil {
		t.Fatalf("parse %s: %v", body, err)
	}
	listing, err := s.List(auth.WithTenant(t.Context(), tenant), tenant, spec)
	if err != nil {
		t.Fatalf("list %s: %v", body, err)
	}
	pks := []int64{}
	for o, err := range listing.Rows {
		if err != nil {
			t.Fatal(err)
		}
		pks = append(pks, o.PK)
	}
	return pks, listing.Next
}

func TestList(t *testing.T) {
	t.Parallel()
	s, _, c := newStore(t)
	startedJob(t, s, 1)
	startedJob(t, s, 2)
	var all, ofJob2, inTens []int64
	for i := range 23 {
		o := mustAdd(t, s, addition(int64(1+i%2), fmt.Sprintf("n%02d", i), "t", "x"))
		all = append(all, o.PK)
		if o.Job == 2 {
			ofJob2 = append(ofJob2, o.PK)
			if strings.HasPrefix(o.Name, "n1") {
				inTens = append(inTens, o.PK)
			}
		}
		if i%3 != 0 { // some share a time
			c.advance(time.Second)
		}
	}
	reversed := func(pks []int64) []int64 {
		out := make([]int64, 0, len(pks))
		for i := range pks {
			out = append(out, pks[len(pks)-1-i])
		}
		return out
	}
	for _, tc := range []struct {
		body string
		want []int64
	}{
		{``, all},
		{`{"order_by":[{"field":"creation_time","ascending":false}]}`, reversed(all)},
		{`{"order_by":[{"field":"name","ascending":false}]}`, reversed(all)},
		{`{"expressions":[{"type":"exact","field":"job","value":2}]}`, ofJob2},
		{`{"expressions":[{"type":"exact","field":"job","value":2},{"type":"contains","field":"name","sub_string":"N1","case_insensitive":true}]}`, inTens}, // which DynamoDB can't say
		{`{"expressions":[{"type":"exact","field":"pk","value":5}]}`, []int64{5}},
		{`{"expressions":[{"type":"exact","field":"pk","value":500}]}`, []int64{}},
		{`{"expressions":[{"type":"exact","field":"job","value":1},{"type":"exact","field":"name","value":"n04"},{"type":"exact","field":"type","value":"t"}]}`, []int64{5}},
		{`{"expressions":[{"type":"compare","field":"pk","operator":">","value":20}]}`, []int64{21, 22, 23}},
	} {
		if diff := cmp.Diff(tc.want, listed(t, s, tenant, tc.body)); diff != "" {
			t.Errorf("list %s (-want +got):\n%s", tc.body, diff)
		}
		// The same in pages.
		paged, cursor := []int64{}, ""
		for range 100 {
			body := tc.body
			if body == "" {
				body = "{}"
			}
			more := `"limit":4`
			if cursor != "" {
				more += `,"cursor":"` + cursor + `"`
			}
			if body != "{}" {
				more += ","
			}
			var page []int64
			page, cursor = listPage(t, s, tenant, "{"+more+body[1:])
			paged = append(paged, page...)
			if cursor == "" {
				break
			}
		}
		if diff := cmp.Diff(tc.want, paged); diff != "" {
			t.Errorf("pages of %s (-want +got):\n%s", tc.body, diff)
		}
	}
	if got := listed(t, s, "other", `{}`); len(got) != 0 {
		t.Errorf("another tenant sees %v", got)
	}
}

func TestShardsMayGrow(t *testing.T) {
	t.Parallel()
	a := awstest.New(t)
	with := func(shards, read int) *outputs.Store {
		return outputs.New(outputs.Config{DynamoDB: a.DynamoDB, S3: a.S3, Table: a.Table, Bucket: a.Bucket, Shards: shards, ReadShards: read})
	}
	s := with(1, 0)
	startedJob(t, s, 1)
	for i := range 9 {
		if i == 3 {
			s = with(5, 0)
		}
		if i == 6 {
			s = with(2, 5)
		}
		mustAdd(t, s, addition(1, fmt.Sprint(i), "t", "x"))
	}
	if diff := cmp.Diff([]int64{1, 2, 3, 4, 5, 6, 7, 8, 9}, listed(t, s, tenant, ``)); diff != "" {
		t.Errorf("list over all shards (-want +got):\n%s", diff)
	}
}
