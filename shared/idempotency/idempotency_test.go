package idempotency_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamotypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"

	"joboutputs/shared/auth"
	"joboutputs/shared/cleanup"
	"joboutputs/shared/jobs"
	"joboutputs/shared/localaws/storetest"
	"joboutputs/shared/outputs"
	"joboutputs/shared/problem"
	"joboutputs/shared/table"
	"joboutputs/shared/uploads"
	"joboutputs/shared/users"
)

const partBytes = uploads.MinPartSize

// replayedOutput holds that the call answered what was answered before.
func replayedOutput(t *testing.T, what string, first, got outputs.Output, err error) {
	t.Helper()
	first.Replayed = true
	if diff := cmp.Diff(first, got, storetest.Same); err != nil || diff != "" {
		t.Errorf("%s: %v (-first +got):\n%s", what, err, diff)
	}
	if first.ETag() != got.ETag() {
		t.Errorf("%s: the entity tag is %s, was %s", what, got.ETag(), first.ETag())
	}
}

// TestAddAgain adds with one key again and again, whatever has happened since.
func TestAddAgain(t *testing.T) {
	t.Parallel()
	s := storetest.New(t)
	s.StartedJob(t, 1)
	asked := storetest.Addition(1, "n", "t", "content")
	asked.ContentType, asked.Key = "text/plain", "key"
	first := s.Add(t, asked)
	if first.Replayed {
		t.Error("the first answer is a replay")
	}
	again := func(what string) {
		t.Helper()
		got, err := s.Outputs.Add(storetest.Acting(t), storetest.Alice, asked)
		replayedOutput(t, what, first, got, err)
	}
	s.Clock.Advance(time.Minute)
	again("again")

	for _, tc := range []struct {
		what   string
		change func(*outputs.Addition)
	}{
		{"other content", func(a *outputs.Addition) { a.Content = []byte("other") }},
		{"another media type", func(a *outputs.Addition) { a.ContentType = "text/html" }},
		{"no media type", func(a *outputs.Addition) { a.ContentType = "" }},
	} {
		other := asked
		tc.change(&other)
		if _, err := s.Outputs.Add(storetest.Acting(t), storetest.Alice, other); !problem.Is(err, problem.IdempotencyMismatch) {
			t.Errorf("%s: %v, want a mismatch", tc.what, err)
		}
	}
	s.Holds(t, 1, 0)

	if _, err := s.Outputs.Destroy(storetest.Acting(t), storetest.Alice, first.PK, ""); err != nil {
		t.Fatal(err)
	}
	again("after the soft delete")
	if _, err := s.Outputs.HardDelete(storetest.Acting(t), storetest.Alice, first.PK, ""); err != nil {
		t.Fatal(err)
	}
	again("after the hard delete")
	without := asked
	without.Key = ""
	holder := s.Add(t, without)
	again("with another output under the name")
	if _, err := s.Jobs.Finish(storetest.Acting(t), storetest.As(1), 1, nil, ""); err != nil {
		t.Fatal(err)
	}
	again("after the job has finished")
	denied := storetest.As(2) // job 1 is node 1's
	denied.Admin = false
	another := asked
	another.Key = "another"
	_, err := s.Outputs.Add(storetest.Acting(t), denied, another)
	storetest.WantProblem(t, err, problem.PermissionDenied)

	s.StartedJob(t, 2)
	asked.Job = 2
	elsewhere := s.Add(t, asked) // the key of another target
	if elsewhere.Replayed || elsewhere.PK == first.PK {
		t.Errorf("the same key in another job: %+v", elsewhere)
	}
	s.Clock.Advance(24*time.Hour - time.Second)
	replayed, err := s.Outputs.Add(storetest.Acting(t), storetest.Alice, asked)
	replayedOutput(t, "a second before the end", elsewhere, replayed, err)
	s.Clock.Advance(time.Second)
	_, err = s.Outputs.Add(storetest.Acting(t), storetest.Alice, asked)
	if f, _ := problem.As(err); !problem.Is(err, problem.DuplicateOutput) || f.Details["pk"] != elsewhere.PK || f.Details["sha256"] == nil {
		t.Errorf("after a day, the key being forgotten: %v", err)
	}
	if _, err := s.Outputs.HardDelete(storetest.Acting(t), storetest.Alice, elsewhere.PK, ""); err != nil {
		t.Fatal(err)
	}
	if renewed := s.Add(t, asked); renewed.Replayed || renewed.PK == elsewhere.PK { // over the row that is still there
		t.Errorf("after a day: %+v", renewed)
	}
	s.Holds(t, 2, 0)
	if holder.PK == first.PK {
		t.Errorf("two outputs have the primary key %d", first.PK)
	}
}

// TestKeysApart: a key means nothing for another user, tenant, action or target.
func TestKeysApart(t *testing.T) {
	t.Parallel()
	s := storetest.New(t)
	names := 0
	for _, tc := range []struct {
		tenant  string
		creator users.User
	}{
		{"claims", users.User{PK: 2, Username: "alice"}},
		{"claims", users.User{PK: 22, Username: "alice"}},
		{"directory", users.User{Issuer: "https://a", Subject: "b"}},
		{"directory", users.User{Issuer: "https://a", Subject: "c"}},
		{"directory", users.User{Issuer: "https://a,b", Subject: ""}},
	} {
		for _, job := range []int64{1, 2} {
			ctx := auth.WithTenant(t.Context(), tc.tenant)
			p := auth.Principal{Tenant: tc.tenant, UserPK: tc.creator.PK, Issuer: tc.creator.Issuer, Subject: tc.creator.Subject,
				Username: tc.creator.Username, Admin: true, Node: job}
			if _, err := s.Jobs.Create(ctx, tc.tenant, jobs.NewJob{PK: job, Node: job, Creator: tc.creator}); err != nil && !problem.Is(err, problem.Conflict) {
				t.Fatal(err)
			}
			if _, err := s.Jobs.Start(ctx, p, job, ""); err != nil && !problem.Is(err, problem.IllegalTransition) {
				t.Fatal(err)
			}
			n := storetest.NewUpload("n", 5)
			n.Job, n.Key = job, "key"
			u, err := s.Uploads.Begin(ctx, p, n)
			if err != nil || u.Replayed {
				t.Errorf("%s, %+v, job %d: %+v, %v", tc.tenant, tc.creator, job, u, err)
			}
			names++
			a := storetest.Addition(job, fmt.Sprint(names), "t", "x")
			a.Key = "key"
			for round := range 2 {
				o, err := s.Outputs.Add(ctx, p, a)
				if err != nil || o.Replayed != (round == 1) {
					t.Errorf("%s, %+v, job %d, round %d: %+v, %v", tc.tenant, tc.creator, job, round, o, err)
				}
			}
		}
	}
}

// TestBeginAgain: a lost answer does not cost an upload.
func TestBeginAgain(t *testing.T) {
	t.Parallel()
	s := storetest.New(t)
	s.StartedJob(t, 1)
	whole := storetest.Stuff(partBytes+1, 1)
	_, sum := storetest.SumOf(whole[:10])
	several, single := storetest.NewUpload("several", len(whole)), storetest.NewUpload("single", 10)
	several.PartSize, several.Key, single.SHA256, single.Key = partBytes, "1", sum, "2"
	again := func(what string, n uploads.NewUpload, first uploads.Upload, links bool) {
		t.Helper()
		got, err := s.Uploads.Begin(storetest.Acting(t), storetest.Alice, n)
		if err != nil || got.ID != first.ID || !got.Replayed || (got.Parts[0].URL != nil) != links {
			t.Errorf("%s: %+v, %v; want %s again", what, got, err, first.ID)
		}
		first.Replayed, first.Parts, got.Parts = true, nil, nil
		if diff := cmp.Diff(first, got); diff != "" {
			t.Errorf("%s (-first +got):\n%s", what, diff)
		}
	}
	first, only := s.Begin(t, several), s.Begin(t, single)
	s.Clock.Advance(time.Minute)
	again("several parts", several, first, false)
	again("one part", single, only, true)
	other := several
	other.Size++
	if _, err := s.Uploads.Begin(storetest.Acting(t), storetest.Alice, other); !problem.Is(err, problem.IdempotencyMismatch) {
		t.Errorf("another size: %v, want a mismatch", err)
	}
	s.Holds(t, 0, 1)

	s.Send(t, first, whole)
	s.Complete(t, first)
	again("after the completion", several, first, false)
	if _, err := s.Uploads.Abort(storetest.Acting(t), storetest.Alice, 1, only.ID, ""); err != nil {
		t.Fatal(err)
	}
	again("after the abort", single, only, false) // what is sent now nobody would clean up
	if _, err := s.Jobs.Finish(storetest.Acting(t), storetest.As(1), 1, nil, ""); err != nil {
		t.Fatal(err)
	}
	again("after the job has finished", several, first, false)
	s.Clock.Advance(24 * time.Hour)
	_, err := s.Uploads.Begin(storetest.Acting(t), storetest.Alice, several)
	storetest.WantProblem(t, err, problem.JobFinished)
}

// TestCompleteAgain: without a key, too, a completion answers the same; with one, it is
// told from another.
func TestCompleteAgain(t *testing.T) {
	t.Parallel()
	s := storetest.New(t)
	s.StartedJob(t, 1)
	n, whole := storetest.InParts("n")
	u := s.Begin(t, n)
	s.Send(t, u, whole)
	_, sum := storetest.SumOf(whole[:partBytes])
	_, otherSum := storetest.SumOf([]byte("other"))
	with := func(key string, parts map[int]string) (outputs.Output, error) {
		done := uploads.Completion{}
		done.Key, done.Parts = key, parts
		return s.Uploads.Complete(storetest.Acting(t), storetest.Alice, 1, u.ID, done)
	}
	if _, err := with("key", map[int]string{1: otherSum}); !problem.Is(err, problem.UploadIncomplete) {
		t.Errorf("another checksum: %v", err)
	}
	first, err := with("key", map[int]string{1: sum}) // a refusal is not remembered
	if err != nil || first.Replayed {
		t.Fatalf("complete: %+v, %v", first, err)
	}
	got, err := with("key", map[int]string{1: sum})
	replayedOutput(t, "again", first, got, err)
	_, err = with("key", nil)
	storetest.WantProblem(t, err, problem.IdempotencyMismatch)
	for _, key := range []string{"", "another"} {
		if got, err := with(key, nil); err != nil || cmp.Diff(first, got, storetest.Same) != "" {
			t.Errorf("with the key %q: %+v, %v", key, got, err)
		}
	}
	s.Clock.Advance(24 * time.Hour)
	if got, err := with("key", nil); err != nil || cmp.Diff(first, got, storetest.Same) != "" {
		t.Errorf("after a day: %+v, %v", got, err)
	}
	s.Holds(t, 1, 0)
}

// TestAnswerLost loses the response of the transaction that does the call, however often it is
// sent; called again, it returns what was done.
func TestAnswerLost(t *testing.T) {
	t.Parallel()
	s := storetest.New(t)
	s.StartedJob(t, 1)
	losing := s.With(func(cfg *table.Config) { cfg.Backoff = time.Millisecond }).
		Hooked(storetest.Lose("TransactWriteItems", storetest.Always))
	add := storetest.Addition(1, "added", "t", "x")
	add.Key = "key"
	if _, err := losing.Outputs.Add(storetest.Acting(t), storetest.Alice, add); !problem.Is(err, problem.OutcomeUnknown) {
		t.Fatalf("add: %v", err)
	}
	o, err := s.Outputs.OutputByName(storetest.Acting(t), storetest.Tenant, 1, "added", "t")
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.Outputs.Add(storetest.Acting(t), storetest.Alice, add)
	replayedOutput(t, "add", o, got, err)

	n := storetest.NewUpload("staged", 5)
	n.Key = "key"
	if _, err := losing.Uploads.Begin(storetest.Acting(t), storetest.Alice, n); !problem.Is(err, problem.OutcomeUnknown) {
		t.Fatalf("begin: %v", err)
	}
	u, err := s.Uploads.Begin(storetest.Acting(t), storetest.Alice, n)
	if err != nil || !u.Replayed {
		t.Fatalf("begin: %+v, %v", u, err)
	}
	s.Send(t, u, []byte("12345"))
	done := uploads.Completion{}
	done.Key = "key"
	if _, err := losing.Uploads.Complete(storetest.Acting(t), storetest.Alice, 1, u.ID, done); !problem.Is(err, problem.OutcomeUnknown) {
		t.Fatalf("complete: %v", err)
	}
	if o, err = s.Outputs.OutputByName(storetest.Acting(t), storetest.Tenant, 1, "staged", "t"); err != nil {
		t.Fatal(err)
	}
	got, err = s.Uploads.Complete(storetest.Acting(t), storetest.Alice, 1, u.ID, done)
	replayedOutput(t, "complete", o, got, err)
	s.Clock.Advance(48 * time.Hour)
	s.Cleaned(t, 0, cleanup.Counts{})
	s.Holds(t, 2, 0)
}

// TestKeySeenLate: a read of several rows is no transaction, so that it may show the name
// taken by the very call it repeats, and not yet the key.
func TestKeySeenLate(t *testing.T) {
	t.Parallel()
	s := storetest.New(t)
	s.StartedJob(t, 1)
	hidden := 0
	late := s.Hooked(storetest.Seen(func(result any) {
		if read, ok := result.(*dynamodb.BatchGetItemOutput); ok {
			kept := read.Responses[s.AWS.Table][:0]
			for _, item := range read.Responses[s.AWS.Table] {
				if key, _ := item["PK"].(*dynamotypes.AttributeValueMemberS); strings.Contains(key.Value, "#I#") {
					hidden++
					continue
				}
				kept = append(kept, item)
			}
			read.Responses[s.AWS.Table] = kept
		}
	}))
	add := storetest.Addition(1, "n", "t", "x")
	add.Key = "key"
	first := s.Add(t, add)
	got, err := late.Outputs.Add(storetest.Acting(t), storetest.Alice, add)
	replayedOutput(t, "add", first, got, err)
	add.Content = []byte("y")
	_, err = late.Outputs.Add(storetest.Acting(t), storetest.Alice, add)
	storetest.WantProblem(t, err, problem.IdempotencyMismatch)
	add.Key = "another"
	_, err = late.Outputs.Add(storetest.Acting(t), storetest.Alice, add)
	storetest.WantProblem(t, err, problem.DuplicateOutput)
	n := storetest.NewUpload("staged", 5)
	n.Key = "key"
	u := s.Begin(t, n)
	if again, err := late.Uploads.Begin(storetest.Acting(t), storetest.Alice, n); err != nil || again.ID != u.ID || !again.Replayed {
		t.Errorf("begin: %+v, %v; want %s again", again, err, u.ID)
	}
	if hidden != 3 {
		t.Errorf("%d keys were hidden, want 3", hidden)
	}
}

// TestSameKeyAtOnce: calls with one key at the same time have one effect and one answer;
// those that ask for something else are told so.
func TestSameKeyAtOnce(t *testing.T) {
	t.Parallel()
	s := storetest.New(t)
	s.StartedJob(t, 1)
	type result struct {
		did      string // what the call answered, in short
		replayed bool
		err      error
	}
	_, helloSum := storetest.SumOf([]byte("hello"))
	var ready []uploads.Upload
	for round := range storetest.Rounds(t) {
		ready = append(ready, s.Begin(t, storetest.NewUpload(fmt.Sprint("ready ", round), 5)))
		s.Send(t, ready[round], []byte("hello"))
	}
	calls := map[string]func(round int, other bool) result{
		"add": func(round int, other bool) result {
			add := storetest.Addition(1, fmt.Sprint("added ", round), "t", fmt.Sprint("content", other))
			add.Key = "key"
			o, err := s.Outputs.Add(storetest.Acting(t), storetest.Alice, add)
			return result{fmt.Sprint(o.PK, o.SHA256, o.CreationTime), o.Replayed, err}
		},
		"begin": func(round int, other bool) result {
			n := storetest.NewUpload(fmt.Sprint("begun ", round), partBytes+1)
			if n.PartSize, n.Key = partBytes, fmt.Sprint("key ", round); other {
				n.ContentType = "text/html"
			}
			u, err := s.Uploads.Begin(storetest.Acting(t), storetest.Alice, n)
			return result{u.ID, u.Replayed, err}
		},
		"complete": func(round int, other bool) result {
			done := uploads.Completion{}
			if done.Key = "key"; other {
				done.Parts = map[int]string{1: helloSum}
			}
			o, err := s.Uploads.Complete(storetest.Acting(t), storetest.Alice, 1, ready[round].ID, done)
			return result{fmt.Sprint(o.PK, o.SHA256, o.CreationTime), o.Replayed, err}
		},
	}
	for name, call := range calls {
		for round := range storetest.Rounds(t) {
			var results [4]result
			var all sync.WaitGroup
			for i := range results {
				all.Go(func() { results[i] = call(round, round%2 == 1 && i%2 == 1) })
			}
			all.Wait()
			did, fresh, mismatched := map[string]bool{}, 0, 0
			for _, r := range results {
				switch {
				case problem.Is(r.err, problem.IdempotencyMismatch):
					mismatched++
				case r.err != nil:
					t.Fatalf("%s, round %d: %v", name, round, r.err)
				default:
					did[r.did] = true
					if !r.replayed {
						fresh++
					}
				}
			}
			if len(did) != 1 || fresh != 1 || mismatched != 2*(round%2) {
				t.Fatalf("%s, round %d: %+v", name, round, results)
			}
		}
	}
	s.Clock.Advance(24*time.Hour - time.Minute)
	if _, err := s.Cleaner.Run(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	if got := s.Objects(t); got != 2*storetest.Rounds(t) {
		t.Errorf("%d objects, want two for each of %d rounds", got, storetest.Rounds(t))
	}
	if got := s.Multiparts(t); got < storetest.Rounds(t) {
		t.Errorf("%d multipart uploads, want one at least for each of %d rounds", got, storetest.Rounds(t))
	}
	s.Clock.Advance(time.Minute)
	if _, err := s.Cleaner.Run(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	s.Holds(t, 2*storetest.Rounds(t), 0)
}
