//go:build ignore

package outputs_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/google/go-cmp/cmp"

	"joboutputs/shared/auth"
	"joboutputs/shared/outputs"
	"joboutputs/shared/problem"
)

// TestUploadRefused holds that what can be refused is refused before a byte is sent.
func TestUploadRefused(t *testing.T) {
	t.Parallel()
	_, a, c := newStore(t)
	s := outputs.New(outputs.Config{DynamoDB: a.DynamoDB, S3: a.S3, Table: a.Table, Bucket: a.Bucket, Now: c.Now, Uploads: outputs.UploadLimits{MaxSize: 1 << 40}})
	startedJob(t, s, 1)
	if _, err := s.CreateJob(acting(t), tenant, outputs.NewJob{PK: 2, Creator: alice}); err != nil {
		t.Fatal(err)
	}
	mustAdd(t, s, addition(1, "taken", "t", "x"))
	denied := func(outputs.Job) error { return problem.New(problem.PermissionDenied, "No.") }
	for _, tc := range []struct {
		name   string
		change func(*outputs.NewUpload)
		want   problem.Kind
	}{
		{"no name", func(n *outputs.NewUpload) { n.Name = "" }, problem.InvalidName},
		{"a slash", func(n *outputs.NewUpload) { n.Name = "a/b" }, problem.InvalidName},
		{"too large", func(n *outputs.NewUpload) { n.Size = 1<<40 + 1 }, problem.PayloadTooLarge},
		{"parts too small", func(n *outputs.NewUpload) { n.PartSize = outputs.MinPartSize - 1 }, problem.InvalidRequest},
		{"parts too large", func(n *outputs.NewUpload) { n.PartSize = outputs.MaxPartSize + 1 }, problem.InvalidRequest},
		{"too many parts", func(n *outputs.NewUpload) { n.Size, n.PartSize = 1<<40, 8<<20 }, problem.InvalidRequest},
		{"no such job", func(n *outputs.NewUpload) { n.Job = 9 }, problem.NotFound},
		{"not admitted", func(n *outputs.NewUpload) { n.Admit = denied }, problem.PermissionDenied},
		{"not started", func(n *outputs.NewUpload) { n.Job = 2 }, problem.JobNotStarted},
		{"taken", func(n *outputs.NewUpload) { n.Name = "taken" }, problem.DuplicateOutput},
	} {
		n := newUpload("n", 1000)
		tc.change(&n)
		_, err := s.BeginUpload(acting(t), tenant, n)
		if !problem.Is(err, tc.want) {
			t.Errorf("%s: %v, want %s", tc.name, err, tc.want)
		}
	}
	c.advance(48 * time.Hour)
	cleaned(t, s, 0, outputs.Cleaned{})
	for _, tc := range []struct{ size, asked, partSize, parts int64 }{
		{64 << 20, 0, 64 << 20, 1},
		{64<<20 + 1, 0, 8 << 20, 9},
		{64 << 20, 5 << 20, 5 << 20, 13},
		{64 << 20, 64 << 20, 64 << 20, 1},
		{8_000 << 20, 0, 8 << 20, 1000},
		{8_000<<20 + 1, 0, 16 << 20, 501},
		{50_000_000_000, 0, 64 << 20, 746},
		{50_000_000_000, 5 << 20, 5 << 20, 9537},
		{1 << 40, 0, 2 << 30, 512},
	} {
		n := newUpload(fmt.Sprint(tc), 0)
		n.Size, n.PartSize = tc.size, tc.asked
		u := mustBegin(t, s, n)
		if u.PartSize != tc.partSize || int64(u.PartCount) != tc.parts || len(u.Parts) != int(min(tc.parts, outputs.PartsAtOnce)) {
			t.Errorf("%d bytes, parts of %d asked: %d of %d, %d listed, want %d of %d", tc.size, tc.asked, u.PartCount, u.PartSize, len(u.Parts), tc.parts, tc.partSize)
		}
		u, err := s.Upload(acting(t), tenant, 1, u.ID, outputs.Wanted{From: u.PartCount, Admit: anyone})
		if err != nil || !slices.Equal(numbers(u.Parts), []int{u.PartCount}) || u.Parts[0].Offset+u.Parts[0].Size != tc.size {
			t.Errorf("%d bytes: the last part %+v, %v", tc.size, u.Parts, err)
		}
	}
	c.advance(24 * time.Hour)
	cleaned(t, s, 0, outputs.Cleaned{Uploads: 9})
	held(t, a, 1, 0)
}

// TestIncomplete holds what is said of parts that are missing or wrong.
func TestIncomplete(t *testing.T) {
	t.Parallel()
	s, a, c := newStore(t)
	startedJob(t, s, 1)
	whole := stuff(2*partBytes+10, 1)
	n := newUpload("n", len(whole))
	n.PartSize = partBytes
	several, single := mustBegin(t, s, n), mustBegin(t, s, newUpload("single", 10))
	tail := whole[2*partBytes:]
	_, tailSum := sumOf(tail)
	_, otherSum := sumOf([]byte("other"))

	check := func(what string, u outputs.Upload, c outputs.Completion, missing, wrong []int) {
		t.Helper()
		c.User, c.Admit = alice, anyone
		_, err := s.CompleteUpload(acting(t), tenant, 1, u.ID, c)
		f, _ := problem.As(err)
		if !problem.Is(err, problem.UploadIncomplete) {
			t.Fatalf("%s: %v", what, err)
		}
		if diff := cmp.Diff(map[string]any{"missing": missing, "wrong": wrong}, f.Details); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
	send(t, s, several, whole, 3)
	check("two missing", several, outputs.Completion{}, []int{1, 2}, []int{})
	check("another sum and a part too many", several, outputs.Completion{Parts: map[int]string{3: otherSum, 4: tailSum}}, []int{1, 2}, []int{3, 4})
	check("nothing sent", single, outputs.Completion{SHA256: tailSum}, []int{1}, []int{})
	send(t, s, several, whole, 1, 2)
	send(t, s, single, tail)
	check("other sums", several, outputs.Completion{Parts: map[int]string{1: otherSum, 2: otherSum, 3: tailSum}}, []int{}, []int{1, 2})
	check("other sum", single, outputs.Completion{SHA256: otherSum}, []int{}, []int{1})
	check("other sum of the part", single, outputs.Completion{Parts: map[int]string{1: otherSum}}, []int{}, []int{1})
	check("a part too many", single, outputs.Completion{Parts: map[int]string{2: tailSum}}, []int{}, []int{2})
	// A name that was taken meanwhile is told as by add; freed again, it is theirs.
	holder := mustAdd(t, s, addition(1, "n", "t", "faster"))
	_, err := s.CompleteUpload(acting(t), tenant, 1, several.ID, completion())
	if f, _ := problem.As(err); !problem.Is(err, problem.DuplicateOutput) || f.Details["pk"] != holder.PK {
		t.Errorf("a name that was taken: %v", err)
	}
	if _, err := s.HardDelete(acting(t), tenant, holder.PK); err != nil {
		t.Fatal(err)
	}
	// Of another job, and of another tenant, there is no such upload.
	startedJob(t, s, 2)
	_, err = s.CompleteUpload(acting(t), tenant, 2, several.ID, completion())
	wantProblem(t, err, problem.UploadNotFound)
	wantProblem(t, s.AbortUpload(acting(t), tenant, 2, several.ID, anyone), problem.UploadNotFound)
	wantProblem(t, s.AbortUpload(auth.WithTenant(acting(t), "other"), "other", 1, several.ID, anyone), problem.NotFound)

	// The job must still take outputs.
	if _, err := s.Finish(acting(t), tenant, 1, 1, nil, anyone); err != nil {
		t.Fatal(err)
	}
	_, err = s.CompleteUpload(acting(t), tenant, 1, several.ID, completion())
	wantProblem(t, err, problem.JobFinished)
	// What was not completed in time is gone.
	c.advance(outputs.DefaultUploadLife)
	_, err = s.CompleteUpload(acting(t), tenant, 1, several.ID, completion())
	wantProblem(t, err, problem.UploadExpired)
	if u := status(t, s, several); u.State != outputs.UploadAborted || len(u.Parts) != 0 {
		t.Errorf("status of an expired upload: %+v", u)
	}
	cleaned(t, s, outputs.Grace, outputs.Cleaned{})
	c.advance(outputs.Grace)
	cleaned(t, s, outputs.Grace, outputs.Cleaned{Uploads: 2})
	held(t, a, 0, 0)
	_, err = s.CompleteUpload(acting(t), tenant, 1, several.ID, completion())
	wantProblem(t, err, problem.UploadExpired)
	if err := s.AbortUpload(acting(t), tenant, 1, several.ID, anyone); err != nil {
		t.Errorf("abort of an expired upload: %v", err)
	}
}

// TestPartOfAnotherSize: no link sends one, but who else writes to the bucket may; nothing
// is made of it, and the client may send the part again.
func TestPartOfAnotherSize(t *testing.T) {
	t.Parallel()
	s, a, _ := newStore(t)
	startedJob(t, s, 1)
	whole := stuff(2*partBytes, 1)
	n := newUpload("n", len(whole))
	n.PartSize = partBytes
	u := mustBegin(t, s, n)
	send(t, s, u, whole, 2)
	begun, err := a.S3.ListMultipartUploads(t.Context(), &s3.ListMultipartUploadsInput{Bucket: &a.Bucket})
	if err != nil || len(begun.Uploads) != 1 {
		t.Fatalf("%+v, %v", begun, err)
	}
	if _, err := a.S3.UploadPart(t.Context(), &s3.UploadPartInput{
		Bucket: &a.Bucket, Key: begun.Uploads[0].Key, UploadId: begun.Uploads[0].UploadId, PartNumber: aws.Int32(1),
		Body: bytes.NewReader(whole[:partBytes+1]), ChecksumAlgorithm: s3types.ChecksumAlgorithmSha256,
	}); err != nil {
		t.Fatal(err)
	}
	_, err = s.CompleteUpload(acting(t), tenant, 1, u.ID, completion())
	if f, _ := problem.As(err); !problem.Is(err, problem.UploadIncomplete) || !cmp.Equal(f.Details["wrong"], []int{1}) {
		t.Fatalf("complete: %v", err)
	}
	if missing := numbers(status(t, s, u).Parts); !cmp.Equal(missing, []int{1}) {
		t.Errorf("the parts to be sent are %v", missing)
	}
	send(t, s, u, whole, 1)
	if o := mustComplete(t, s, u); o.Size != int64(len(whole)) {
		t.Errorf("completed %+v", o)
	}
}

// TestAbort frees at once what was sent, and by the cleanup what is sent still.
func TestAbort(t *testing.T) {
	t.Parallel()
	s, a, c := newStore(t)
	startedJob(t, s, 1)
	whole := stuff(partBytes+1, 1)
	n := newUpload("several", len(whole))
	n.PartSize = partBytes
	several, single := mustBegin(t, s, n), mustBegin(t, s, newUpload("single", 10))
	last, only := linked(t, s, several, whole, 2), linked(t, s, single, whole[:10], 1)
	send(t, s, several, whole, 1, 2)
	send(t, s, single, whole[:10])
	for range 2 {
		for _, u := range []outputs.Upload{several, single} {
			if err := s.AbortUpload(acting(t), tenant, 1, u.ID, anyone); err != nil {
				t.Fatal(err)
			}
			_, err := s.CompleteUpload(acting(t), tenant, 1, u.ID, completion())
			wantProblem(t, err, problem.UploadAborted)
			if u := status(t, s, u); u.State != outputs.UploadAborted || len(u.Parts) != 0 {
				t.Errorf("status after the abort: %+v", u)
			}
		}
		held(t, a, 0, 0)
	}
	if code, text := put(t, last, whole[partBytes:], nil); code != 404 {
		t.Errorf("a part sent after the abort: %d %s", code, text)
	}
	if code, text := put(t, only, whole[:10], nil); code != 200 { // S3 knows nothing of uploads
		t.Errorf("a single part sent after the abort: %d %s", code, text)
	}
	held(t, a, 1, 0)
	_, err := s.CompleteUpload(acting(t), tenant, 1, single.ID, completion())
	wantProblem(t, err, problem.UploadAborted)
	held(t, a, 0, 0) // who is told so has it freed
	if code, text := put(t, only, whole[:10], nil); code != 200 {
		t.Errorf("a single part sent again: %d %s", code, text)
	}
	c.advance(outputs.Grace)
	cleaned(t, s, outputs.Grace, outputs.Cleaned{Uploads: 2})
	cleaned(t, s, 0, outputs.Cleaned{})
	held(t, a, 0, 0)
}

// TestSentLate: a link may outlive its upload, so that parts come after the end; nothing of
// them is left.
func TestSentLate(t *testing.T) {
	t.Parallel()
	s, a, c := newStore(t)
	startedJob(t, s, 1)
	whole := stuff(partBytes+1, 1)
	n := newUpload("several", len(whole))
	n.PartSize = partBytes
	several, single := mustBegin(t, s, n), mustBegin(t, s, newUpload("single", 10))
	last, only := linked(t, s, several, whole, 2), linked(t, s, single, whole[:10], 1)
	send(t, s, several, whole, 1)
	c.advance(outputs.DefaultUploadLife)
	for _, sent := range []struct {
		part outputs.UploadPart
		body []byte
	}{{last, whole[partBytes:]}, {only, whole[:10]}} {
		if code, text := put(t, sent.part, sent.body, nil); code != 200 { // S3 knows nothing of uploads
			t.Errorf("sent after the upload expired: %d %s", code, text)
		}
	}
	for _, u := range []outputs.Upload{several, single} {
		_, err := s.CompleteUpload(acting(t), tenant, 1, u.ID, completion())
		wantProblem(t, err, problem.UploadExpired)
		_, err = s.OutputByName(acting(t), tenant, 1, u.Name, "t")
		wantProblem(t, err, problem.OutputNotFound)
	}
	c.advance(outputs.Grace)
	cleaned(t, s, outputs.Grace, outputs.Cleaned{Uploads: 2})
	held(t, a, 0, 0)
	if code, text := put(t, last, whole[partBytes:], nil); code != 404 {
		t.Errorf("sent after the cleanup: %d %s", code, text)
	}
	cleaned(t, s, 0, outputs.Cleaned{})
	held(t, a, 0, 0)
}

// TestCrashedUpload dies at each call of an upload's way: the next call goes on from there,
// or the cleanup leaves nothing.
func TestCrashedUpload(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		at     string
		during func(s *outputs.Store, u outputs.Upload, n outputs.NewUpload) error
		begun  bool // whether there is an upload to go on with
	}{
		{"CreateMultipartUpload", begin, false},
		{"CompleteMultipartUpload", complete, true},
		{"ListParts", complete, true},
		{"UpdateItem", complete, true},
		{"TransactWriteItems", complete, true},
	} {
		t.Run(tc.at, func(t *testing.T) {
			t.Parallel()
			s, a, c := newStore(t)
			startedJob(t, s, 1)
			whole := stuff(partBytes+1, 1)
			n := newUpload("n", len(whole))
			n.PartSize = partBytes
			var going, abandoned outputs.Upload
			if tc.begun {
				going = mustBegin(t, s, n)
				n.Name = "abandoned"
				abandoned = mustBegin(t, s, n)
				send(t, s, going, whole)
				send(t, s, abandoned, whole)
			}
			crashing := disturbed(a, c, tc.at, crash)
			for _, u := range []outputs.Upload{going, abandoned} {
				if err := tc.during(crashing, u, n); !errors.Is(err, errCrash) {
					t.Fatalf("got %v, want a crash", err)
				}
			}
			_, err := s.OutputByName(acting(t), tenant, 1, "n", "t")
			wantProblem(t, err, problem.OutputNotFound)
			want := outputs.Cleaned{Uploads: 2}
			left := 0
			if tc.begun {
				want.Uploads, left = 1, 1
				status(t, s, going)
				o := mustComplete(t, s, going)
				if got := content(t, s, o); got != string(whole) {
					t.Error("the content differs")
				}
			}
			c.advance(outputs.DefaultUploadLife + outputs.Grace)
			cleaned(t, s, outputs.Grace, want)
			cleaned(t, s, 0, outputs.Cleaned{})
			held(t, a, left, 0)
		})
	}
}

func begin(s *outputs.Store, _ outputs.Upload, n outputs.NewUpload) error {
	_, err := s.BeginUpload(auth.WithTenant(context.Background(), tenant), tenant, n)
	return err
}

func complete(s *outputs.Store, u outputs.Upload, _ outputs.NewUpload) error {
	_, err := s.CompleteUpload(auth.WithTenant(context.Background(), tenant), tenant, 1, u.ID, completion())
	return err
}

// TestCrashedBegin: S3 has begun, and nobody noted its id.
func TestCrashedBegin(t *testing.T) {
	t.Parallel()
	s, a, c := newStore(t)
	startedJob(t, s, 1)
	n := newUpload("n", partBytes+1)
	n.PartSize = partBytes
	puts := 0
	crashing := disturbed(a, c, "PutItem", func(context.Context) error {
		if puts++; puts == 2 {
			return errCrash
		}
		return nil
	})
	if err := begin(crashing, outputs.Upload{}, n); !errors.Is(err, errCrash) {
		t.Fatalf("got %v, want a crash", err)
	}
	held(t, a, 0, 1)
	c.advance(outputs.DefaultUploadLife + outputs.Grace)
	cleaned(t, s, outputs.Grace, outputs.Cleaned{Uploads: 1})
	held(t, a, 0, 0)
}

// TestCompleteWhileAnother: another call's parts are taken and not put together yet, as
// it is before S3 is done; who asks meanwhile waits, and is not told anything false.
func TestCompleteWhileAnother(t *testing.T) {
	t.Parallel()
	s, a, c := newStore(t)
	startedJob(t, s, 1)
	whole := stuff(partBytes+1, 1)
	n := newUpload("n", len(whole))
	n.PartSize = partBytes
	u := mustBegin(t, s, n)
	send(t, s, u, whole)
	if err := complete(disturbed(a, c, "UpdateItem", crash), u, n); !errors.Is(err, errCrash) {
		t.Fatalf("got %v, want a crash", err)
	}
	_, err := a.S3.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: &a.Bucket, Key: aws.String("t/" + tenant + "/" + u.ID)})
	if err != nil {
		t.Fatal(err)
	}
	heads := 0
	waiting := disturbed(a, c, "HeadObject", func(context.Context) error {
		heads++
		return nil
	})
	_, err = waiting.CompleteUpload(acting(t), tenant, 1, u.ID, completion())
	wantProblem(t, err, problem.Unavailable)
	if heads < 40 {
		t.Errorf("looked %d times", heads)
	}
	_, err = s.OutputByName(acting(t), tenant, 1, "n", "t")
	wantProblem(t, err, problem.OutputNotFound)
}

// rounds is how often each race is run.
func rounds(t *testing.T) int {
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

// TestUploadRaces: whatever meets a completion, there is one outcome: an output whose
// bytes are there, or none and, after the cleanup, nothing.
func TestUploadRaces(t *testing.T) {
	t.Parallel()
	ctx := auth.WithTenant(context.Background(), tenant)
	abort := func(s, _ *outputs.Store, u outputs.Upload) (outputs.Output, error) {
		return outputs.Output{}, s.AbortUpload(ctx, tenant, 1, u.ID, anyone)
	}
	completing := func(s, _ *outputs.Store, u outputs.Upload) (outputs.Output, error) {
		return s.CompleteUpload(ctx, tenant, 1, u.ID, completion())
	}
	cleanup := func(_, later *outputs.Store, _ outputs.Upload) (outputs.Output, error) {
		_, err := later.Cleanup(ctx, 0)
		return outputs.Output{}, err
	}
	for _, tc := range []struct {
		name  string
		other func(s, later *outputs.Store, u outputs.Upload) (outputs.Output, error)
		lost  problem.Kind // what a completion that lost is told
		won   problem.Kind // and what the other is told where it won; "" = nothing
	}{
		{"complete", completing, "", ""},
		{"abort", abort, problem.UploadAborted, problem.UploadCompleted},
		{"cleanup", cleanup, problem.UploadExpired, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s, a, c := newStore(t)
			startedJob(t, s, 1)
			later := outputs.New(outputs.Config{DynamoDB: a.DynamoDB, S3: a.S3, Table: a.Table, Bucket: a.Bucket,
				Now: func() time.Time { return c.Now().Add(outputs.DefaultUploadLife) }})
			whole := stuff(partBytes+1, 1)
			outcomes := map[string]int{}
			kept := 0
			for round := range rounds(t) {
				n, bytes := newUpload(fmt.Sprint(round), 1000), whole[:1000]
				if round%2 == 1 {
					n.Size, n.PartSize, bytes = int64(len(whole)), partBytes, whole
				}
				u := mustBegin(t, s, n)
				send(t, s, u, bytes)
				outcome := raceOnce(t, s, later, u, round, tc.other, tc.lost, tc.won)
				outcomes[outcome]++
				o, err := s.OutputByName(ctx, tenant, 1, n.Name, "t")
				switch {
				case outcome == "completed":
					kept++
					if err != nil || content(t, s, o) != string(bytes) {
						t.Fatalf("round %d: completed, and the output is %+v, %v", round, o, err)
					}
				default:
					wantProblem(t, err, problem.OutputNotFound)
				}
			}
			t.Logf("outcomes %v", outcomes)
			if _, err := later.Cleanup(ctx, 0); err != nil {
				t.Fatal(err)
			}
			all := objects(t, a)
			if all != kept || multiparts(t, a) != 0 {
				t.Errorf("%d objects and %d multipart uploads are left, want %d and none", all, multiparts(t, a), kept)
			}
		})
	}
}

// raceOnce lets a completion and the other call meet, each a little ahead in turn.
func raceOnce(t *testing.T, s, later *outputs.Store, u outputs.Upload, round int, other func(s, later *outputs.Store, u outputs.Upload) (outputs.Output, error), lost, won problem.Kind) string {
	t.Helper()
	var (
		wg            sync.WaitGroup
		mine, theirs  outputs.Output
		err, otherErr error
	)
	delay := time.Duration(round%10) * time.Millisecond
	wg.Go(func() {
		mine, err = s.CompleteUpload(auth.WithTenant(context.Background(), tenant), tenant, 1, u.ID, completion())
	})
	wg.Go(func() {
		time.Sleep(delay)
		theirs, otherErr = other(s, later, u)
	})
	wg.Wait()
	switch {
	case err == nil && lost == "": // the other completes, too
		if otherErr != nil || cmp.Diff(mine, theirs, same) != "" {
			t.Fatalf("round %d: one completion answers %+v, the other %+v, %v", round, mine, theirs, otherErr)
		}
		return "completed"
	case err == nil && won != "" && problem.Is(otherErr, won), err == nil && won == "" && otherErr == nil:
		return "completed"
	case lost != "" && problem.Is(err, lost) && otherErr == nil:
		return "refused"
	}
	t.Fatalf("round %d: completion %+v, %v; the other %v", round, mine, err, otherErr)
	return ""
}
