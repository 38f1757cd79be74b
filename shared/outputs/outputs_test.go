package outputs_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"joboutputs/shared/auth"
	"joboutputs/shared/cleanup"
	"joboutputs/shared/jobs"
	"joboutputs/shared/localaws/storetest"
	"joboutputs/shared/outputs"
	"joboutputs/shared/problem"
	"joboutputs/shared/table"
	"joboutputs/shared/users"
)

func TestLifeOfAnOutput(t *testing.T) {
	t.Parallel()
	s := storetest.New(t)
	ctx := storetest.Acting(t)
	s.StartedJob(t, 7)

	added := s.Add(t, storetest.Addition(7, "model", "txt", "hello"))
	want := outputs.Output{
		PK: 1, Job: 7, Name: "model", Type: "txt", Creator: 2, CreatorUsername: "alice", CreationTime: storetest.Epoch, Size: 5,
		SHA256:   "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824",
		Checksum: &table.Checksum{Algorithm: "SHA256", Type: "full", Value: "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ="},
	}
	if diff := cmp.Diff(want, added, storetest.Same); diff != "" {
		t.Errorf("added (-want +got):\n%s", diff)
	}
	for name, read := range map[string]func() (outputs.Output, error){
		"by pk": func() (outputs.Output, error) { return s.Outputs.Output(ctx, storetest.Tenant, 1) },
		"by name": func() (outputs.Output, error) {
			return s.Outputs.OutputByName(ctx, storetest.Tenant, 7, "model", "txt")
		},
	} {
		got, err := read()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got, storetest.Same); diff != "" {
			t.Errorf("read %s (-want +got):\n%s", name, diff)
		}
	}
	_, err := s.Outputs.Output(auth.WithTenant(t.Context(), "other"), "other", 1)
	storetest.WantProblem(t, err, problem.NotFound)
	if got := s.Content(t, added); got != "hello" {
		t.Errorf("content is %q", got)
	}

	// The soft delete keeps the name, and its own first time.
	s.Clock.Advance(time.Hour)
	deletedAt := s.Clock.Now()
	for range 2 {
		got, err := s.Outputs.Destroy(ctx, storetest.Alice, 1, "")
		if err != nil || !got.DeletionTime.Equal(deletedAt) {
			t.Fatalf("destroy: %v, %v", got.DeletionTime, err)
		}
		s.Clock.Advance(time.Hour)
	}
	_, err = s.Outputs.Add(ctx, storetest.Alice, storetest.Addition(7, "model", "txt", "other"))
	storetest.WantProblem(t, err, problem.DuplicateOutput)
	if f, _ := problem.As(err); f.Details["pk"] != int64(1) {
		t.Errorf("the duplicate's holder is %v", f.Details)
	}
	if got, err := s.Outputs.Reinstate(ctx, storetest.Alice, 1, ""); err != nil || !got.Active() {
		t.Fatalf("reinstate: %v, %v", got, err)
	}
	if got, err := s.Outputs.OutputByName(ctx, storetest.Tenant, 7, "model", "txt"); err != nil || !got.Active() {
		t.Fatalf("by name after reinstate: %v, %v", got, err)
	}

	// The hard delete frees the name; the pk is not used again.
	gone, err := s.Outputs.HardDelete(ctx, storetest.Alice, 1, "")
	if err != nil || !gone.DeletionTime.Equal(s.Clock.Now()) || gone.PK != 1 {
		t.Fatalf("hard delete: %+v, %v", gone, err)
	}
	_, err = s.Outputs.Output(ctx, storetest.Tenant, 1)
	storetest.WantProblem(t, err, problem.NotFound)
	_, err = s.Outputs.OutputByName(ctx, storetest.Tenant, 7, "model", "txt")
	storetest.WantProblem(t, err, problem.OutputNotFound)
	_, err = s.Outputs.HardDelete(ctx, storetest.Alice, 1, "")
	storetest.WantProblem(t, err, problem.NotFound)
	_, err = s.Outputs.Open(ctx, storetest.Tenant, &added, nil)
	storetest.WantProblem(t, err, problem.NotFound)
	if again := s.Add(t, storetest.Addition(7, "model", "txt", "")); again.PK != 2 || s.Content(t, again) != "" {
		t.Errorf("added again: %+v", again)
	}
}

func TestAddRefuses(t *testing.T) {
	t.Parallel()
	s := storetest.New(t)
	ctx := storetest.Acting(t)
	s.StartedJob(t, 1)
	reason := "boom"
	s.StartedJob(t, 3)
	if _, err := s.Jobs.Finish(ctx, storetest.As(3), 3, nil, ""); err != nil {
		t.Fatal(err)
	}
	s.StartedJob(t, 4)
	if _, err := s.Jobs.Finish(ctx, storetest.As(4), 4, &reason, ""); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Jobs.Create(ctx, storetest.Tenant, jobs.NewJob{PK: 2, Creator: users.Of(storetest.Alice)}); err != nil {
		t.Fatal(err)
	}
	long := func(n int) string { return strings.Repeat("é", n) }
	for _, tc := range []struct {
		name string
		add  outputs.Addition
		want problem.Kind
	}{
		{"missing job", storetest.Addition(9, "a", "t", "x"), problem.NotFound},
		{"not started", storetest.Addition(2, "a", "t", "x"), problem.JobNotStarted},
		{"finished", storetest.Addition(3, "a", "t", "x"), problem.JobFinished},
		{"errored", storetest.Addition(4, "a", "t", "x"), ""},
		{"empty name", storetest.Addition(1, "", "t", "x"), problem.InvalidName},
		{"200 characters", storetest.Addition(1, long(200), "t", "x"), ""},
		{"201 characters", storetest.Addition(1, long(201), "t", "x"), problem.InvalidName},
		{"2048 bytes of type", storetest.Addition(1, "a", long(1024), "x"), ""},
		{"2049 bytes of type", storetest.Addition(1, "a", long(1024)+"t", "x"), problem.InvalidName},
		{"NUL in the name", storetest.Addition(1, "a\x00", "t", "x"), problem.InvalidName},
		{"NUL in the type", storetest.Addition(1, "a", "\x00", "x"), problem.InvalidName},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := s.Outputs.Add(ctx, storetest.Alice, tc.add)
			if tc.want == "" && err != nil {
				t.Errorf("got %v, want success", err)
			} else if tc.want != "" {
				storetest.WantProblem(t, err, tc.want)
			}
		})
	}
	stranger := storetest.As(2) // job 1 is node 1's
	stranger.Admin = false
	_, err := s.Outputs.Add(ctx, stranger, storetest.Addition(1, "mine", "t", "x"))
	storetest.WantProblem(t, err, problem.PermissionDenied)
	if cleaned, err := s.Cleaner.Run(ctx, 0); err != nil || cleaned != (cleanup.Counts{}) {
		t.Errorf("refused adds left %+v (%v)", cleaned, err)
	}
}

func TestSixteenAddsOfOneName(t *testing.T) {
	t.Parallel()
	s := storetest.New(t)
	s.StartedJob(t, 1)
	var wg sync.WaitGroup
	results := make([]error, 16)
	for i := range results {
		wg.Go(func() {
			_, results[i] = s.Outputs.Add(context.WithoutCancel(storetest.Acting(t)), storetest.Alice, storetest.Addition(1, "one", "t", fmt.Sprint(i)))
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
		storetest.WantProblem(t, err, problem.DuplicateOutput)
	}
	if wins != 1 {
		t.Fatalf("%d adds won, want 1", wins)
	}
	o, err := s.Outputs.OutputByName(storetest.Acting(t), storetest.Tenant, 1, "one", "t")
	if err != nil {
		t.Fatal(err)
	}
	if got := s.Content(t, o); got != fmt.Sprint(winner) {
		t.Errorf("the content is add %s's, the winner is %d", got, winner)
	}
	cleaned, err := s.Cleaner.Run(storetest.Acting(t), 0)
	if err != nil || cleaned.Intents > 15 {
		t.Errorf("cleaned %+v, %v", cleaned, err)
	}
	if got := s.Content(t, o); got != fmt.Sprint(winner) {
		t.Error("the cleanup took the winner's bytes")
	}
}

func TestList(t *testing.T) {
	t.Parallel()
	s := storetest.New(t)
	s.StartedJob(t, 1)
	s.StartedJob(t, 2)
	var all, ofJob2, inTens []int64
	for i := range 23 {
		o := s.Add(t, storetest.Addition(int64(1+i%2), fmt.Sprintf("n%02d", i), "t", "x"))
		all = append(all, o.PK)
		if o.Job == 2 {
			ofJob2 = append(ofJob2, o.PK)
			if strings.HasPrefix(o.Name, "n1") {
				inTens = append(inTens, o.PK)
			}
		}
		if i%3 != 0 { // some share a time
			s.Clock.Advance(time.Second)
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
		if diff := cmp.Diff(tc.want, s.Listed(t, storetest.Tenant, tc.body)); diff != "" {
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
			page, cursor = s.Page(t, storetest.Tenant, "{"+more+body[1:])
			paged = append(paged, page...)
			if cursor == "" {
				break
			}
		}
		if diff := cmp.Diff(tc.want, paged); diff != "" {
			t.Errorf("pages of %s (-want +got):\n%s", tc.body, diff)
		}
	}
	if got := s.Listed(t, "other", `{}`); len(got) != 0 {
		t.Errorf("another tenant sees %v", got)
	}
}

func TestShardsMayGrow(t *testing.T) {
	t.Parallel()
	fresh := storetest.New(t)
	with := func(shards, read int) *storetest.Stores {
		return fresh.With(func(cfg *table.Config) { cfg.Shards, cfg.ReadShards = shards, read })
	}
	s := with(1, 0)
	s.StartedJob(t, 1)
	for i := range 9 {
		if i == 3 {
			s = with(5, 0)
		}
		if i == 6 {
			s = with(2, 5)
		}
		s.Add(t, storetest.Addition(1, fmt.Sprint(i), "t", "x"))
	}
	if diff := cmp.Diff([]int64{1, 2, 3, 4, 5, 6, 7, 8, 9}, s.Listed(t, storetest.Tenant, ``)); diff != "" {
		t.Errorf("list over all shards (-want +got):\n%s", diff)
	}
}

// TestActiveOutputs: those of one job, whole and by pk, or none if there are more than asked for.
func TestActiveOutputs(t *testing.T) {
	t.Parallel()
	s := storetest.New(t)
	ctx := storetest.Acting(t)
	s.StartedJob(t, 1)
	var want []outputs.Output
	for _, name := range []string{"c", "a", "b"} {
		want = append(want, s.Add(t, storetest.Addition(1, name, "t", "content of "+name)))
	}
	gone := s.Add(t, storetest.Addition(1, "gone", "t", "x"))
	if _, err := s.Outputs.Destroy(ctx, storetest.Alice, gone.PK, ""); err != nil {
		t.Fatal(err)
	}
	got, err := s.Outputs.ActiveOutputs(ctx, storetest.Tenant, 1, len(want))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(outputs.Output{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if text := s.Content(t, got[1]); text != "content of a" {
		t.Errorf("the content of the second is %q", text)
	}
	_, err = s.Outputs.ActiveOutputs(ctx, storetest.Tenant, 1, len(want)-1)
	storetest.WantProblem(t, err, problem.ResultTooLarge)
	_, err = s.Outputs.ActiveOutputs(ctx, storetest.Tenant, 2, 10)
	storetest.WantProblem(t, err, problem.NotFound)
	_, err = s.Outputs.ActiveOutputs(auth.WithTenant(t.Context(), "other"), "other", 1, 10)
	storetest.WantProblem(t, err, problem.NotFound)
}
