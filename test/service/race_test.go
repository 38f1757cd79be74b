package service_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"joboutputs/shared/auth"
	"joboutputs/shared/localaws"
	"joboutputs/shared/localaws/storetest"
	"joboutputs/shared/outputs"
	"joboutputs/shared/problem"
	"joboutputs/shared/table"
	"joboutputs/test/harness"
)

// TestRace adds one name sixteen times at once: one wins, and its bytes are what is there.
func TestRace(t *testing.T) {
	t.Parallel()
	r := harness.New(t)
	r.Load(t, peopleSeed, "acme")
	s := script{r.Script(t)}
	job, node := s.started()

	const writers = 16
	content := func(i int) string { return strings.Repeat(fmt.Sprintf("writer %d;", i), 100+i) }
	answers := make([]answer, writers)
	var all sync.WaitGroup
	begin := make(chan struct{})
	for i := range writers {
		all.Go(func() {
			<-begin
			answers[i] = node.Do(t, r.URL, request{Method: "POST", Path: job + "/outputs/model/bin", Body: content(i)})
		})
	}
	close(begin)
	all.Wait()

	winner, counts := -1, map[int]int{}
	for i, a := range answers {
		if counts[a.Status]++; a.Status == http.StatusOK {
			winner = i
		}
	}
	s.Same("statuses", map[int]int{http.StatusOK: 1, http.StatusConflict: writers - 1}, counts)
	if winner < 0 {
		t.Fatal("nobody won")
	}
	var won, info output
	answers[winner].Decode(t, &won)
	for _, a := range answers {
		if a.Status != http.StatusConflict {
			continue
		}
		var problem struct {
			Code, SHA256 string
			PK           int64
		}
		a.Decode(t, &problem)
		s.Same("the winner, as a loser is told", []any{"duplicate_output", *won.SHA256, won.PK}, []any{problem.Code, problem.SHA256, problem.PK})
	}
	s.OK(&info, 200, node, "GET", job+"/outputs/model/bin/info", "")
	s.Same("what is there", won, info)
	s.Same("the bytes", content(winner), string(s.OK(nil, 200, node, "GET", job+"/outputs/model/bin", "").Body))

	s.OK(nil, 200, caller{}, "POST", "/-/cleanup?grace=0s", "")
	if keys := objects(t, r); len(keys) != 1 {
		t.Errorf("%d objects after the cleanup, want 1", len(keys))
	}
	s.Same("the bytes after the cleanup", content(winner), string(s.OK(nil, 200, node, "GET", job+"/outputs/model/bin", "").Body))
}

// TestCleanup removes what the loser of a race left, but not before its time.
func TestCleanup(t *testing.T) {
	t.Parallel()
	r := harness.New(t)
	r.Load(t, peopleSeed, "acme")
	s := script{r.Script(t)}
	job, node := s.started()
	overtaken := storetest.Before("PutObject", func(context.Context) error { // it has read that the name is free; now another add takes it
		s.OK(nil, 200, node, "POST", job+"/outputs/model/bin", "winner")
		return nil
	})
	loser := r.AWS.StoreConfig()
	loser.Now = r.Clock.Now
	loser.S3 = localaws.S3(r.AWS.S3Endpoint, func(o *s3.Options) { o.APIOptions = append(o.APIOptions, overtaken) })
	admin := auth.Principal{Tenant: "acme", UserPK: 1, Admin: true}
	lost := outputs.Addition{Job: 1, Name: "model", Type: "bin", Content: []byte("loser")}
	if _, err := outputs.New(table.New(loser)).Add(auth.WithTenant(t.Context(), "acme"), admin, lost); !problem.Is(err, problem.DuplicateOutput) {
		t.Fatalf("the loser gets %v", err)
	}
	type counts struct{ Intents, Tombstones, Skipped int }
	for _, tc := range []struct {
		query   string
		cleaned counts
		objects int
	}{
		{"", counts{}, 2}, {"?grace=30m", counts{}, 2}, {"?grace=0s", counts{Intents: 1}, 1}, {"?grace=0s", counts{}, 1},
	} {
		var cleaned counts
		s.OK(&cleaned, 200, caller{}, "POST", "/-/cleanup"+tc.query, "")
		s.Same("cleaned "+tc.query, tc.cleaned, cleaned)
		s.Same("objects after "+tc.query, tc.objects, len(objects(t, r)))
	}
	s.Same("the bytes", "winner", string(s.OK(nil, 200, node, "GET", job+"/outputs/model/bin", "").Body))
}
