//go:build ignore

package outputs_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamotypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go/middleware"
	"github.com/google/go-cmp/cmp"

	"joboutputs/shared/auth"
	"joboutputs/shared/localaws"
	"joboutputs/shared/localaws/awstest"
	"joboutputs/shared/outputs"
	"joboutputs/shared/problem"
)

// replayedOutput holds that the call answered what was answered before.
func replayedOutput(t *testing.T, what string, first, got outputs.Output, err error) {
	t.Helper()
	first.Replayed = true
	if diff := cmp.Diff(first, got, same); err != nil || diff != "" {
		t.Errorf("%s: %v (-first +got):\n%s", what, err, diff)
	}
	if first.ETag() != got.ETag() {
		t.Errorf("%s: the entity tag is %s, was %s", what, got.ETag(), first.ETag())
	}
}

// TestAddAgain adds with one key again and again, whatever has happened since.
func TestAddAgain(t *testing.T) {
	t.Parallel()
	s, a, c := newStore(t)
	startedJob(t, s, 1)
	asked := addition(1, "n", "t", "content")
	asked.ContentType, asked.Key = "text/plain", "key"
	first := mustAdd(t, s, asked)
	if first.Replayed {
		t.Error("the first answer is a replay")
	}
	again := func(what string) {
		t.Helper()
		got, err := s.Add(acting(t), tenant, asked)
		replayedOutput(t, what, first, got, err)
	}
	c.advance(time.Minute)
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
		if _, err := s.Add(acting(t), tenant, other); !problem.Is(err, problem.IdempotencyMismatch) {
			t.Errorf("%s: %v, want a mismatch", tc.what, err)
		}
	}
	held(t, a, 1, 0)

	if _, err := s.Destroy(acting(t), tenant, first.PK); err != nil {
		t.Fatal(err)
	}
	again("after the soft delete")
	if _, err := s.HardDelete(acting(t), tenant, first.PK); err != nil {
		t.Fatal(err)
	}
	again("after the hard delete")
	without := asked
	without.Key = ""
	holder := mustAdd(t, s, without)
	again("with another output under the name")
	if _, err := s.Finish(acting(t), tenant, 1, 1, nil, anyone); err != nil {
		t.Fatal(err)
	}
	again("after the job has finished")
	denied := asked
	denied.Admit = func(outputs.Job) error { return problem.New(problem.PermissionDenied, "No.") }
	_, err := s.Add(acting(t), tenant, denied)
	wantProblem(t, err, problem.PermissionDenied)

	startedJob(t, s, 2)
	asked.Job = 2
	elsewhere := mustAdd(t, s, asked) // the key of another target
	if elsewhere.Replayed || elsewhere.PK == first.PK {
		t.Errorf("the same key in another job: %+v", elsewhere)
	}
	c.advance(24*time.Hour - time.Second)
	replayed, err := s.Add(acting(t), tenant, asked)
	replayedOutput(t, "a second before the end", elsewhere, replayed, err)
	c.advance(time.Second)
	_, err = s.Add(acting(t), tenant, asked)
	if f, _ := problem.As(err); !problem.Is(err, problem.DuplicateOutput) || f.Details["pk"] != elsewhere.PK || f.Details["sha256"] == nil {
		t.Errorf("after a day, the key being forgotten: %v", err)
	}
	if _, err := s.HardDelete(acting(t), tenant, elsewhere.PK); err != nil {
		t.Fatal(err)
	}
	if renewed := mustAdd(t, s, asked); renewed.Replayed || renewed.PK == elsewhere.PK { // over the row that is still there
		t.Errorf("after a day: %+v", renewed)
	}
	held(t, a, 2, 0)
	if holder.PK == first.PK {
		t.Errorf("two outputs have the primary key %d", first.PK)
	}
}

// TestKeysApart: a key means nothing for another user, tenant, action or target.
func TestKeysApart(t *testing.T) {
	t.Parallel()
	s, _, _ := newStore(t)
	names := 0
	for _, tc := range []struct {
		tenant  string
		creator outputs.User
	}{
		{"claims", outputs.User{PK: 2, Username: "alice"}},
		{"claims", outputs.User{PK: 22, Username: "alice"}},
		{"directory", outputs.User{Issuer: "https://a", Subject: "b"}},
		{"directory", outputs.User{Issuer: "https://a", Subject: "c"}},
		{"directory", outputs.User{Issuer: "https://a,b", Subject: ""}},
	} {
		for _, job := range []int64{1, 2} {
			if _, err := s.CreateJob(auth.WithTenant(t.Context(), tc.tenant), tc.tenant, outputs.NewJob{PK: job, Node: job, Creator: tc.creator}); err != nil && !problem.Is(err, problem.Conflict) {
				t.Fatal(err)
			}
			if _, err := s.Start(auth.WithTenant(t.Context(), tc.tenant), tc.tenant, job, job, anyone); err != nil && !problem.Is(err, problem.IllegalTransition) {
				t.Fatal(err)
			}
			n := newUpload("n", 5)
			n.Job, n.Creator, n.Key = job, tc.creator, "key"
			u, err := s.BeginUpload(auth.WithTenant(t.Context(), tc.tenant), tc.tenant, n)
			if err != nil || u.Replayed {
				t.Errorf("%s, %+v, job %d: %+v, %v", tc.tenant, tc.creator, job, u, err)
			}
			names++
			a := addition(job, fmt.Sprint(names), "t", "x")
			a.Creator, a.Key = tc.creator, "key"
			for round := range 2 {
				o, err := s.Add(auth.WithTenant(t.Context(), tc.tenant), tc.tenant, a)
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
	s, a, c := newStore(t)
	startedJob(t, s, 1)
	whole := stuff(partBytes+1, 1)
	_, sum := sumOf(whole[:10])
	several, single := newUpload("several", len(whole)), newUpload("single", 10)
	several.PartSize, several.Key, single.SHA256, single.Key = partBytes, "1", sum, "2"
	again := func(what string, n outputs.NewUpload, first outputs.Upload, links bool) {
		t.Helper()
		got, err := s.BeginUpload(acting(t), tenant, n)
		if err != nil || got.ID != first.ID || !got.Replayed || (got.Parts[0].URL != nil) != links {
			t.Errorf("%s: %+v, %v; want %s again", what, got, err, first.ID)
		}
		first.Replayed, first.Parts, got.Parts = true, nil, nil
		if diff := cmp.Diff(first, got); diff != "" {
			t.Errorf("%s (-first +got):\n%s", what, diff)
		}
	}
	first, only := mustBegin(t, s, several), mustBegin(t, s, single)
	c.advance(time.Minute)
	again("several parts", several, first, false)
	again("one part", single, only, true)
	other := several
	other.Size++
	if _, err := s.BeginUpload(acting(t), tenant, other); !problem.Is(err, problem.IdempotencyMismatch) {
		t.Errorf("another size: %v, want a mismatch", err)
	}
	held(t, a, 0, 1)

	send(t, s, first, whole)
	mustComplete(t, s, first)
	again("after the completion", several, first, false)
	if err := s.AbortUpload(acting(t), tenant, 1, only.ID, anyone); err != nil {
		t.Fatal(err)
	}
	again("after the abort", single, only, false) // what is sent now nobody would clean up
	if _, err := s.Finish(acting(t), tenant, 1, 1, nil, anyone); err != nil {
		t.Fatal(err)
	}
	again("after the job has finished", several, first, false)
	c.advance(24 * time.Hour)
	_, err := s.BeginUpload(acting(t), tenant, several)
	wantProblem(t, err, problem.JobFinished)
}

// TestCompleteAgain: without a key, too, a completion answers the same; with one, it is
// told from another.
func TestCompleteAgain(t *testing.T) {
	t.Parallel()
	s, a, c := newStore(t)
	startedJob(t, s, 1)
	whole := stuff(partBytes+1, 1)
	n := newUpload("n", len(whole))
	n.PartSize = partBytes
	u := mustBegin(t, s, n)
	send(t, s, u, whole)
	_, sum := sumOf(whole[:partBytes])
	_, otherSum := sumOf([]byte("other"))
	with := func(key string, parts map[int]string) (outputs.Output, error) {
		done := completion()
		done.Key, done.Parts = key, parts
		return s.CompleteUpload(acting(t), tenant, 1, u.ID, done)
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
	wantProblem(t, err, problem.IdempotencyMismatch)
	for _, key := range []string{"", "another"} {
		if got, err := with(key, nil); err != nil || cmp.Diff(first, got, same) != "" {
			t.Errorf("with the key %q: %+v, %v", key, got, err)
		}
	}
	c.advance(24 * time.Hour)
	if got, err := with("key", nil); err != nil || cmp.Diff(first, got, same) != "" {
		t.Errorf("after a day: %+v, %v", got, err)
	}
	held(t, a, 1, 0)
}

// TestAnswerLost loses the answer of the transaction that does the call, and with it the
// process; called again, it answers what was done.
func TestAnswerLost(t *testing.T) {
	t.Parallel()
	s, a, c := newStore(t)
	startedJob(t, s, 1)
	losing := overDynamoDB(a, c, func(stack *middleware.Stack) error {
		return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("lose", func(
			ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler,
		) (middleware.InitializeOutput, middleware.Metadata, error) {
			out, metadata, err := next.HandleInitialize(ctx, in)
			if _, ok := in.Parameters.(*dynamodb.TransactWriteItemsInput); ok && err == nil {
				err = errCrash
			}
			return out, metadata, err
		}), middleware.Before)
	})
	add := addition(1, "added", "t", "x")
	add.Key = "key"
	if _, err := losing.Add(acting(t), tenant, add); !errors.Is(err, errCrash) {
		t.Fatalf("add: %v", err)
	}
	o, err := s.OutputByName(acting(t), tenant, 1, "added", "t")
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.Add(acting(t), tenant, add)
	replayedOutput(t, "add", o, got, err)

	n := newUpload("staged", 5)
	n.Key = "key"
	if _, err := losing.BeginUpload(acting(t), tenant, n); !errors.Is(err, errCrash) {
		t.Fatalf("begin: %v", err)
	}
	u, err := s.BeginUpload(acting(t), tenant, n)
	if err != nil || !u.Replayed {
		t.Fatalf("begin: %+v, %v", u, err)
	}
	send(t, s, u, []byte("12345"))
	done := completion()
	done.Key = "key"
	if _, err := losing.CompleteUpload(acting(t), tenant, 1, u.ID, done); !errors.Is(err, errCrash) {
		t.Fatalf("complete: %v", err)
	}
	if o, err = s.OutputByName(acting(t), tenant, 1, "staged", "t"); err != nil {
		t.Fatal(err)
	}
	got, err = s.CompleteUpload(acting(t), tenant, 1, u.ID, done)
	replayedOutput(t, "complete", o, got, err)
	c.advance(48 * time.Hour)
	cleaned(t, s, 0, outputs.Cleaned{})
	held(t, a, 2, 0)
}

func overDynamoDB(a *awstest.AWS, c *clock, hook func(*middleware.Stack) error) *outputs.Store {
	return outputs.New(outputs.Config{
		DynamoDB: localaws.DynamoDB(a.DynamoDBEndpoint, func(o *dynamodb.Options) { o.APIOptions = append(o.APIOptions, hook) }),
		S3:       a.S3, Table: a.Table, Bucket: a.Bucket, Now: c.Now,
	})
}

// TestKeySeenLate: a read of several rows is no transaction, so that it may show the name
// taken by the very call it repeats, and not yet the key.
func TestKeySeenLate(t *testing.T) {
	t.Parallel()
	s, a, c := newStore(t)
	startedJob(t, s, 1)
	hidden := 0
	late := overDynamoDB(a, c, func(stack *middleware.Stack) error {
		return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("hide", func(
			ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler,
		) (middleware.InitializeOutput, middleware.Metadata, error) {
			out, metadata, err := next.HandleInitialize(ctx, in)
			if read, ok := out.Result.(*dynamodb.BatchGetItemOutput); ok {
				kept := read.Responses[a.Table][:0]
				for _, item := range read.Responses[a.Table] {
					if key, _ := item["PK"].(*dynamotypes.AttributeValueMemberS); strings.Contains(key.Value, "#I#") {
						hidden++
						continue
					}
					kept = append(kept, item)
				}
				read.Responses[a.Table] = kept
			}
			return out, metadata, err
		}), middleware.Before)
	})
	add := addition(1, "n", "t", "x")
	add.Key = "key"
	first := mustAdd(t, s, add)
	got, err := late.Add(acting(t), tenant, add)
	replayedOutput(t, "add", first, got, err)
	add.Content = []byte("y")
	_, err = late.Add(acting(t), tenant, add)
	wantProblem(t, err, problem.IdempotencyMismatch)
	add.Key = "another"
	_, err = late.Add(acting(t), tenant, add)
	wantProblem(t, err, problem.DuplicateOutput)
	n := newUpload("staged", 5)
	n.Key = "key"
	u := mustBegin(t, s, n)
	if again, err := late.BeginUpload(acting(t), tenant, n); err != nil || again.ID != u.ID || !again.Replayed {
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
	s, a, c := newStore(t)
	startedJob(t, s, 1)
	type result struct {
		did      string // what the call answered, in short
		replayed bool
		err      error
	}
	_, helloSum := sumOf([]byte("hello"))
	var ready []outputs.Upload
	for round := range rounds(t) {
		ready = append(ready, mustBegin(t, s, newUpload(fmt.Sprint("ready ", round), 5)))
		send(t, s, ready[round], []byte("hello"))
	}
	calls := map[string]func(round int, other bool) result{
		"add": func(round int, other bool) result {
			add := addition(1, fmt.Sprint("added ", round), "t", fmt.Sprint("content", other))
			add.Key = "key"
			o, err := s.Add(acting(t), tenant, add)
			return result{fmt.Sprint(o.PK, o.SHA256, o.CreationTime), o.Replayed, err}
		},
		"begin": func(round int, other bool) result {
			n := newUpload(fmt.Sprint("begun ", round), partBytes+1)
			if n.PartSize, n.Key = partBytes, fmt.Sprint("key ", round); other {
				n.ContentType = "text/html"
			}
			u, err := s.BeginUpload(acting(t), tenant, n)
			return result{u.ID, u.Replayed, err}
		},
		"complete": func(round int, other bool) result {
			done := completion()
			if done.Key = "key"; other {
				done.Parts = map[int]string{1: helloSum}
			}
			o, err := s.CompleteUpload(acting(t), tenant, 1, ready[round].ID, done)
			return result{fmt.Sprint(o.PK, o.SHA256, o.CreationTime), o.Replayed, err}
		},
	}
	for name, call := range calls {
		for round := range rounds(t) {
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
	c.advance(24*time.Hour - time.Minute)
	if _, err := s.Cleanup(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	if got := objects(t, a); got != 2*rounds(t) {
		t.Errorf("%d objects, want two for each of %d rounds", got, rounds(t))
	}
	if got := multiparts(t, a); got < rounds(t) {
		t.Errorf("%d multipart uploads, want one at least for each of %d rounds", got, rounds(t))
	}
	c.advance(time.Minute)
	if _, err := s.Cleanup(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	held(t, a, 2*rounds(t), 0)
}
