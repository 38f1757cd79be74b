package uploads_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
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

// TestUploadRefused holds that what can be refused is refused before a byte is sent.
func TestUploadRefused(t *testing.T) {
	t.Parallel()
	s := storetest.New(t)
	s.Uploads = uploads.New(s.Table, uploads.Limits{MaxSize: 1 << 40})
	s.StartedJob(t, 1)
	if _, err := s.Jobs.Create(storetest.Acting(t), storetest.Tenant, jobs.NewJob{PK: 2, Creator: users.Of(storetest.Alice)}); err != nil {
		t.Fatal(err)
	}
	s.Add(t, storetest.Addition(1, "taken", "t", "x"))
	denied := storetest.As(2) // job 1 is node 1's
	denied.Admin = false
	_, err := s.Uploads.Begin(storetest.Acting(t), denied, storetest.NewUpload("n", 1000))
	storetest.WantProblem(t, err, problem.PermissionDenied)
	for _, tc := range []struct {
		name   string
		change func(*uploads.NewUpload)
		want   problem.Kind
	}{
		{"no name", func(n *uploads.NewUpload) { n.Name = "" }, problem.InvalidName},
		{"a slash", func(n *uploads.NewUpload) { n.Name = "a/b" }, problem.InvalidName},
		{"too large", func(n *uploads.NewUpload) { n.Size = 1<<40 + 1 }, problem.PayloadTooLarge},
		{"parts too small", func(n *uploads.NewUpload) { n.PartSize = uploads.MinPartSize - 1 }, problem.InvalidRequest},
		{"parts too large", func(n *uploads.NewUpload) { n.PartSize = uploads.MaxPartSize + 1 }, problem.InvalidRequest},
		{"too many parts", func(n *uploads.NewUpload) { n.Size, n.PartSize = 1<<40, 8<<20 }, problem.InvalidRequest},
		{"no such job", func(n *uploads.NewUpload) { n.Job = 9 }, problem.NotFound},
		{"not started", func(n *uploads.NewUpload) { n.Job = 2 }, problem.JobNotStarted},
		{"taken", func(n *uploads.NewUpload) { n.Name = "taken" }, problem.DuplicateOutput},
	} {
		n := storetest.NewUpload("n", 1000)
		tc.change(&n)
		_, err := s.Uploads.Begin(storetest.Acting(t), storetest.Alice, n)
		if !problem.Is(err, tc.want) {
			t.Errorf("%s: %v, want %s", tc.name, err, tc.want)
		}
	}
	s.Clock.Advance(48 * time.Hour)
	s.Cleaned(t, 0, cleanup.Counts{})
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
		n := storetest.NewUpload(fmt.Sprint(tc), 0)
		n.Size, n.PartSize = tc.size, tc.asked
		u := s.Begin(t, n)
		if u.PartSize != tc.partSize || int64(u.PartCount) != tc.parts || len(u.Parts) != int(min(tc.parts, uploads.PartsAtOnce)) {
			t.Errorf("%d bytes, parts of %d asked: %d of %d, %d listed, want %d of %d", tc.size, tc.asked, u.PartCount, u.PartSize, len(u.Parts), tc.parts, tc.partSize)
		}
		u, err := s.Uploads.Status(storetest.Acting(t), storetest.Alice, 1, u.ID, uploads.Wanted{From: u.PartCount})
		if err != nil || !slices.Equal(numbers(u.Parts), []int{u.PartCount}) || u.Parts[0].Offset+u.Parts[0].Size != tc.size {
			t.Errorf("%d bytes: the last part %+v, %v", tc.size, u.Parts, err)
		}
	}
	s.Clock.Advance(24 * time.Hour)
	s.Cleaned(t, 0, cleanup.Counts{Uploads: 9})
	s.Holds(t, 1, 0)
}

// TestIncomplete holds what is said of parts that are missing or wrong.
func TestIncomplete(t *testing.T) {
	t.Parallel()
	s := storetest.New(t)
	s.StartedJob(t, 1)
	whole := storetest.Stuff(2*partBytes+10, 1)
	n := storetest.NewUpload("n", len(whole))
	n.PartSize = partBytes
	several, single := s.Begin(t, n), s.Begin(t, storetest.NewUpload("single", 10))
	tail := whole[2*partBytes:]
	_, tailSum := storetest.SumOf(tail)
	_, otherSum := storetest.SumOf([]byte("other"))

	check := func(what string, u uploads.Upload, c uploads.Completion, missing, wrong []int) {
		t.Helper()
		_, err := s.Uploads.Complete(storetest.Acting(t), storetest.Alice, 1, u.ID, c)
		f, _ := problem.As(err)
		if !problem.Is(err, problem.UploadIncomplete) {
			t.Fatalf("%s: %v", what, err)
		}
		if diff := cmp.Diff(map[string]any{"missing": missing, "wrong": wrong}, f.Details); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
	s.Send(t, several, whole, 3)
	check("two missing", several, uploads.Completion{}, []int{1, 2}, []int{})
	check("another sum and a part too many", several, uploads.Completion{Parts: map[int]string{3: otherSum, 4: tailSum}}, []int{1, 2}, []int{3, 4})
	check("nothing sent", single, uploads.Completion{SHA256: tailSum}, []int{1}, []int{})
	s.Send(t, several, whole, 1, 2)
	s.Send(t, single, tail)
	check("other sums", several, uploads.Completion{Parts: map[int]string{1: otherSum, 2: otherSum, 3: tailSum}}, []int{}, []int{1, 2})
	check("other sum", single, uploads.Completion{SHA256: otherSum}, []int{}, []int{1})
	check("other sum of the part", single, uploads.Completion{Parts: map[int]string{1: otherSum}}, []int{}, []int{1})
	check("a part too many", single, uploads.Completion{Parts: map[int]string{2: tailSum}}, []int{}, []int{2})
	// A name that was taken meanwhile is told as by add; freed again, it is theirs.
	holder := s.Add(t, storetest.Addition(1, "n", "t", "faster"))
	_, err := s.Uploads.Complete(storetest.Acting(t), storetest.Alice, 1, several.ID, uploads.Completion{})
	if f, _ := problem.As(err); !problem.Is(err, problem.DuplicateOutput) || f.Details["pk"] != holder.PK {
		t.Errorf("a name that was taken: %v", err)
	}
	if _, err := s.Outputs.HardDelete(storetest.Acting(t), storetest.Alice, holder.PK, ""); err != nil {
		t.Fatal(err)
	}
	// Of another job, and of another tenant, there is no such upload.
	s.StartedJob(t, 2)
	_, err = s.Uploads.Complete(storetest.Acting(t), storetest.Alice, 2, several.ID, uploads.Completion{})
	storetest.WantProblem(t, err, problem.UploadNotFound)
	_, err = s.Uploads.Abort(storetest.Acting(t), storetest.Alice, 2, several.ID, "")
	storetest.WantProblem(t, err, problem.UploadNotFound)
	other := storetest.Alice
	other.Tenant = "other"
	_, err = s.Uploads.Abort(auth.WithTenant(storetest.Acting(t), "other"), other, 1, several.ID, "")
	storetest.WantProblem(t, err, problem.NotFound)

	// The job must still take outputs.
	if _, err := s.Jobs.Finish(storetest.Acting(t), storetest.As(1), 1, nil, ""); err != nil {
		t.Fatal(err)
	}
	_, err = s.Uploads.Complete(storetest.Acting(t), storetest.Alice, 1, several.ID, uploads.Completion{})
	storetest.WantProblem(t, err, problem.JobFinished)
	// What was not completed in time is gone.
	s.Clock.Advance(uploads.DefaultLife)
	_, err = s.Uploads.Complete(storetest.Acting(t), storetest.Alice, 1, several.ID, uploads.Completion{})
	storetest.WantProblem(t, err, problem.UploadExpired)
	if u := s.Status(t, several); u.State != uploads.StateAborted || len(u.Parts) != 0 {
		t.Errorf("status of an expired upload: %+v", u)
	}
	s.Cleaned(t, table.Grace, cleanup.Counts{Tombstones: 1}) // the holder's
	s.Clock.Advance(table.Grace)
	s.Cleaned(t, table.Grace, cleanup.Counts{Uploads: 2})
	s.Holds(t, 0, 0)
	_, err = s.Uploads.Complete(storetest.Acting(t), storetest.Alice, 1, several.ID, uploads.Completion{})
	storetest.WantProblem(t, err, problem.UploadExpired)
	if _, err := s.Uploads.Abort(storetest.Acting(t), storetest.Alice, 1, several.ID, ""); err != nil {
		t.Errorf("abort of an expired upload: %v", err)
	}
}

// TestPartOfAnotherSize: no link sends one, but who else writes to the bucket may; nothing
// is made of it, and the client may send the part again.
func TestPartOfAnotherSize(t *testing.T) {
	t.Parallel()
	s := storetest.New(t)
	s.StartedJob(t, 1)
	whole := storetest.Stuff(2*partBytes, 1)
	n := storetest.NewUpload("n", len(whole))
	n.PartSize = partBytes
	u := s.Begin(t, n)
	s.Send(t, u, whole, 2)
	begun, err := s.AWS.S3.ListMultipartUploads(t.Context(), &s3.ListMultipartUploadsInput{Bucket: &s.AWS.Bucket})
	if err != nil || len(begun.Uploads) != 1 {
		t.Fatalf("%+v, %v", begun, err)
	}
	if _, err := s.AWS.S3.UploadPart(t.Context(), &s3.UploadPartInput{
		Bucket: &s.AWS.Bucket, Key: begun.Uploads[0].Key, UploadId: begun.Uploads[0].UploadId, PartNumber: aws.Int32(1),
		Body: bytes.NewReader(whole[:partBytes+1]), ChecksumAlgorithm: s3types.ChecksumAlgorithmSha256,
	}); err != nil {
		t.Fatal(err)
	}
	_, err = s.Uploads.Complete(storetest.Acting(t), storetest.Alice, 1, u.ID, uploads.Completion{})
	if f, _ := problem.As(err); !problem.Is(err, problem.UploadIncomplete) || !cmp.Equal(f.Details["wrong"], []int{1}) {
		t.Fatalf("complete: %v", err)
	}
	if missing := numbers(s.Status(t, u).Parts); !cmp.Equal(missing, []int{1}) {
		t.Errorf("the parts to be sent are %v", missing)
	}
	s.Send(t, u, whole, 1)
	if o := s.Complete(t, u); o.Size != int64(len(whole)) {
		t.Errorf("completed %+v", o)
	}
}

// TestAbort frees at once what was sent, and by the cleanup what is sent still.
func TestAbort(t *testing.T) {
	t.Parallel()
	s := storetest.New(t)
	s.StartedJob(t, 1)
	n, whole := storetest.InParts("several")
	several, single := s.Begin(t, n), s.Begin(t, storetest.NewUpload("single", 10))
	last, only := s.Linked(t, several, whole, 2), s.Linked(t, single, whole[:10], 1)
	s.Send(t, several, whole, 1, 2)
	s.Send(t, single, whole[:10])
	for range 2 {
		for _, u := range []uploads.Upload{several, single} {
			if _, err := s.Uploads.Abort(storetest.Acting(t), storetest.Alice, 1, u.ID, ""); err != nil {
				t.Fatal(err)
			}
			_, err := s.Uploads.Complete(storetest.Acting(t), storetest.Alice, 1, u.ID, uploads.Completion{})
			storetest.WantProblem(t, err, problem.UploadAborted)
			if u := s.Status(t, u); u.State != uploads.StateAborted || len(u.Parts) != 0 {
				t.Errorf("status after the abort: %+v", u)
			}
		}
		s.Holds(t, 0, 0)
	}
	if code, text := storetest.Put(t, last, whole[partBytes:], nil); code != 404 {
		t.Errorf("a part sent after the abort: %d %s", code, text)
	}
	if code, text := storetest.Put(t, only, whole[:10], nil); code != 200 { // S3 knows nothing of uploads
		t.Errorf("a single part sent after the abort: %d %s", code, text)
	}
	s.Holds(t, 1, 0)
	_, err := s.Uploads.Complete(storetest.Acting(t), storetest.Alice, 1, single.ID, uploads.Completion{})
	storetest.WantProblem(t, err, problem.UploadAborted)
	s.Holds(t, 0, 0) // who is told so has it freed
	if code, text := storetest.Put(t, only, whole[:10], nil); code != 200 {
		t.Errorf("a single part sent again: %d %s", code, text)
	}
	s.Clock.Advance(table.Grace)
	s.Cleaned(t, table.Grace, cleanup.Counts{Uploads: 2})
	s.Cleaned(t, 0, cleanup.Counts{})
	s.Holds(t, 0, 0)
}

// TestAbortAtTheEnd aborts at the very moment of the expiry, when the upload's queue row and
// the one that takes its place are the same.
func TestAbortAtTheEnd(t *testing.T) {
	t.Parallel()
	s := storetest.New(t)
	s.StartedJob(t, 1)
	u := s.Begin(t, storetest.NewUpload("n", 10))
	s.Clock.Advance(uploads.DefaultLife)
	if _, err := s.Uploads.Abort(storetest.Acting(t), storetest.Alice, 1, u.ID, ""); err != nil {
		t.Fatal(err)
	}
	s.Clock.Advance(table.Grace)
	s.Cleaned(t, table.Grace, cleanup.Counts{Uploads: 1})
}

// TestBegunTwice: the answer of CreateMultipartUpload is lost, and the SDK repeats the call. Of
// the multipart upload that no row names, nothing is left once the upload has ended.
func TestBegunTwice(t *testing.T) {
	t.Parallel()
	s := storetest.New(t)
	s.StartedJob(t, 1)
	twice := s.Hooked(func(stack *middleware.Stack) error {
		return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("twice", func(
			ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler,
		) (middleware.InitializeOutput, middleware.Metadata, error) {
			if _, ok := in.Parameters.(*s3.CreateMultipartUploadInput); ok {
				if out, metadata, err := next.HandleInitialize(ctx, in); err != nil {
					return out, metadata, err
				}
			}
			return next.HandleInitialize(ctx, in)
		}), middleware.After)
	})
	abandoned, _ := storetest.InParts("abandoned")
	aborted, _ := storetest.InParts("aborted")
	twice.Begin(t, abandoned)
	u := twice.Begin(t, aborted)
	s.Holds(t, 0, 4)
	if _, err := s.Uploads.Abort(storetest.Acting(t), storetest.Alice, 1, u.ID, ""); err != nil {
		t.Fatal(err)
	}
	s.Clock.Advance(uploads.DefaultLife + table.Grace)
	s.Cleaned(t, table.Grace, cleanup.Counts{Uploads: 2})
	s.Holds(t, 0, 0)
}

// TestSentLate: a link may outlive its upload, so that parts come after the end; nothing of
// them is left.
func TestSentLate(t *testing.T) {
	t.Parallel()
	s := storetest.New(t)
	s.StartedJob(t, 1)
	n, whole := storetest.InParts("several")
	several, single := s.Begin(t, n), s.Begin(t, storetest.NewUpload("single", 10))
	last, only := s.Linked(t, several, whole, 2), s.Linked(t, single, whole[:10], 1)
	s.Send(t, several, whole, 1)
	s.Clock.Advance(uploads.DefaultLife)
	for _, sent := range []struct {
		part uploads.Part
		body []byte
	}{{last, whole[partBytes:]}, {only, whole[:10]}} {
		if code, text := storetest.Put(t, sent.part, sent.body, nil); code != 200 { // S3 knows nothing of uploads
			t.Errorf("sent after the upload expired: %d %s", code, text)
		}
	}
	for _, u := range []uploads.Upload{several, single} {
		_, err := s.Uploads.Complete(storetest.Acting(t), storetest.Alice, 1, u.ID, uploads.Completion{})
		storetest.WantProblem(t, err, problem.UploadExpired)
		_, err = s.Outputs.OutputByName(storetest.Acting(t), storetest.Tenant, 1, u.Name, "t")
		storetest.WantProblem(t, err, problem.OutputNotFound)
	}
	s.Clock.Advance(table.Grace)
	s.Cleaned(t, table.Grace, cleanup.Counts{Uploads: 2})
	s.Holds(t, 0, 0)
	if code, text := storetest.Put(t, last, whole[partBytes:], nil); code != 404 {
		t.Errorf("sent after the cleanup: %d %s", code, text)
	}
	s.Cleaned(t, 0, cleanup.Counts{})
	s.Holds(t, 0, 0)
}

// TestCrashedUpload dies at each call of an upload's way: the next call goes on from there,
// or the cleanup leaves nothing.
func TestCrashedUpload(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		at     string
		during func(s *storetest.Stores, u uploads.Upload, n uploads.NewUpload) error
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
			s := storetest.New(t)
			s.StartedJob(t, 1)
			n, whole := storetest.InParts("n")
			var going, abandoned uploads.Upload
			if tc.begun {
				going = s.Begin(t, n)
				n.Name = "abandoned"
				abandoned = s.Begin(t, n)
				s.Send(t, going, whole)
				s.Send(t, abandoned, whole)
			}
			crashing := s.Hooked(storetest.Before(tc.at, storetest.Crash))
			for _, u := range []uploads.Upload{going, abandoned} {
				if err := tc.during(crashing, u, n); !errors.Is(err, storetest.ErrCrash) {
					t.Fatalf("got %v, want a crash", err)
				}
			}
			_, err := s.Outputs.OutputByName(storetest.Acting(t), storetest.Tenant, 1, "n", "t")
			storetest.WantProblem(t, err, problem.OutputNotFound)
			want := cleanup.Counts{Uploads: 2}
			left := 0
			if tc.begun {
				want.Uploads, left = 1, 1
				s.Status(t, going)
				o := s.Complete(t, going)
				if got := s.Content(t, o); got != string(whole) {
					t.Error("the content differs")
				}
			}
			s.Clock.Advance(uploads.DefaultLife + table.Grace)
			s.Cleaned(t, table.Grace, want)
			s.Cleaned(t, 0, cleanup.Counts{})
			s.Holds(t, left, 0)
		})
	}
}

func begin(s *storetest.Stores, _ uploads.Upload, n uploads.NewUpload) error {
	_, err := s.Uploads.Begin(auth.WithTenant(context.Background(), storetest.Tenant), storetest.Alice, n)
	return err
}

func complete(s *storetest.Stores, u uploads.Upload, _ uploads.NewUpload) error {
	_, err := s.Uploads.Complete(auth.WithTenant(context.Background(), storetest.Tenant), storetest.Alice, 1, u.ID, uploads.Completion{})
	return err
}

// TestCrashedBegin: S3 has begun, and nobody noted its id.
func TestCrashedBegin(t *testing.T) {
	t.Parallel()
	s := storetest.New(t)
	s.StartedJob(t, 1)
	n := storetest.NewUpload("n", partBytes+1)
	n.PartSize = partBytes
	puts := 0
	crashing := s.Hooked(storetest.Before("PutItem", func(context.Context) error {
		if puts++; puts == 2 {
			return storetest.ErrCrash
		}
		return nil
	}))
	if err := begin(crashing, uploads.Upload{}, n); !errors.Is(err, storetest.ErrCrash) {
		t.Fatalf("got %v, want a crash", err)
	}
	s.Holds(t, 0, 1)
	s.Clock.Advance(uploads.DefaultLife + table.Grace)
	s.Cleaned(t, table.Grace, cleanup.Counts{Uploads: 1})
	s.Holds(t, 0, 0)
}

// TestCompleteWhileAnother: a call has S3 assemble the parts, and S3 lists neither all of
// them nor the object. Whoever completes meanwhile is told nothing false: it waits, and
// returns what the first call made.
func TestCompleteWhileAnother(t *testing.T) {
	t.Parallel()
	s := storetest.New(t)
	s.StartedJob(t, 1)
	n, whole := storetest.InParts("n")
	u := s.Begin(t, n)
	s.Send(t, u, whole)
	ctx := storetest.Acting(t)
	partly := s.Hooked(storetest.Seen(func(result any) { // one part, as S3 might list while it assembles them
		if parts, ok := result.(*s3.ListPartsOutput); ok && len(parts.Parts) > 0 {
			parts.Parts = parts.Parts[:1]
		}
	}))
	type result struct {
		o   outputs.Output
		err error
	}
	second, state := make(chan result, 1), ""
	first := s.Hooked(storetest.Before("CompleteMultipartUpload", func(context.Context) error {
		go func() {
			o, err := partly.Uploads.Complete(ctx, storetest.Alice, 1, u.ID, uploads.Completion{})
			second <- result{o, err}
		}()
		time.Sleep(100 * time.Millisecond) // the second call comes meanwhile
		state = s.Status(t, u).State
		return nil
	}))
	o, err := first.Uploads.Complete(ctx, storetest.Alice, 1, u.ID, uploads.Completion{})
	if err != nil {
		t.Fatal(err)
	}
	if got := <-second; got.err != nil || got.o.PK != o.PK {
		t.Errorf("the second completion: %+v, %v; want %+v", got.o, got.err, o)
	}
	if state != uploads.StateOpen {
		t.Errorf("the status meanwhile is %s", state)
	}
}

// TestLease: a process dies with the lease. Until the lease is over, other calls wait and
// refuse nothing; then one goes on.
func TestLease(t *testing.T) {
	t.Parallel()
	s := storetest.New(t)
	s.StartedJob(t, 1)
	n, whole := storetest.InParts("n")
	u := s.Begin(t, n)
	s.Send(t, u, whole)
	updates := 0
	dying := s.Hooked(storetest.Before("UpdateItem", func(context.Context) error {
		if updates++; updates > 1 { // the first takes the lease
			return storetest.ErrCrash
		}
		return nil
	}))
	if err := complete(dying, u, n); !errors.Is(err, storetest.ErrCrash) {
		t.Fatalf("got %v, want a crash", err)
	}
	_, err := s.Uploads.Complete(storetest.Acting(t), storetest.Alice, 1, u.ID, uploads.Completion{})
	storetest.WantProblem(t, err, problem.Unavailable)
	s.Clock.Advance(30 * time.Second)
	if o := s.Complete(t, u); s.Content(t, o) != string(whole) {
		t.Error("the content differs")
	}
}

// TestLost: S3 does not know the upload any more, and has not assembled it. The client is
// told at once to begin another.
func TestLost(t *testing.T) {
	t.Parallel()
	whole := storetest.Stuff(partBytes+1, 1)
	abort := func(ctx context.Context, s *storetest.Stores) error { // as an operator or a lifecycle rule does
		all, err := s.AWS.S3.ListMultipartUploads(ctx, &s3.ListMultipartUploadsInput{Bucket: &s.AWS.Bucket})
		if err != nil {
			return err
		}
		for _, u := range all.Uploads {
			if _, err := s.AWS.S3.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: &s.AWS.Bucket, Key: u.Key, UploadId: u.UploadId}); err != nil {
				return err
			}
		}
		return nil
	}
	for name, lose := range map[string]func(t *testing.T, s *storetest.Stores) *storetest.Stores{
		"before": func(t *testing.T, s *storetest.Stores) *storetest.Stores {
			if err := abort(t.Context(), s); err != nil {
				t.Fatal(err)
			}
			return s
		},
		"while it is completed": func(_ *testing.T, s *storetest.Stores) *storetest.Stores {
			return s.Hooked(storetest.Before("CompleteMultipartUpload", func(ctx context.Context) error { return abort(ctx, s) }))
		},
		"after a conflict": func(_ *testing.T, s *storetest.Stores) *storetest.Stores {
			return s.Hooked(storetest.Before("CompleteMultipartUpload", func(ctx context.Context) error {
				return errors.Join(abort(ctx, s), &smithy.GenericAPIError{Code: "ConditionalRequestConflict"})
			}))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := storetest.New(t)
			s.StartedJob(t, 1)
			n := storetest.NewUpload("n", len(whole))
			n.PartSize = partBytes
			u := s.Begin(t, n)
			s.Send(t, u, whole)
			looks := 0
			losing := lose(t, s)
			if name == "before" {
				if got := s.Status(t, u); got.State != uploads.StateAborted || len(got.Arrived) != 0 {
					t.Errorf("status: %+v", got)
				}
				losing = s.Hooked(storetest.Before("ListParts", func(context.Context) error { looks++; return nil }))
			}
			_, err := losing.Uploads.Complete(storetest.Acting(t), storetest.Alice, 1, u.ID, uploads.Completion{})
			storetest.WantProblem(t, err, problem.UploadLost)
			if looks > 1 {
				t.Errorf("looked %d times", looks)
			}
			_, err = s.Uploads.Complete(storetest.Acting(t), storetest.Alice, 1, u.ID, uploads.Completion{})
			storetest.WantProblem(t, err, problem.UploadLost)
			if got := s.Status(t, u); got.State != uploads.StateAborted {
				t.Errorf("status afterwards: %+v", got)
			}
			again := s.Begin(t, n)
			s.Send(t, again, whole)
			if o := s.Complete(t, again); s.Content(t, o) != string(whole) {
				t.Error("the content differs")
			}
			s.Clock.Advance(table.Grace)
			s.Cleaned(t, table.Grace, cleanup.Counts{Uploads: 1})
			s.Holds(t, 1, 0)
		})
	}
}

// TestStray: an operator aborts an upload while a part is in flight, which arrives all the
// same. The upload is lost, and the part does not stay.
func TestStray(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(t *testing.T, s *storetest.Stores, u uploads.Upload){
		"completed": func(t *testing.T, s *storetest.Stores, u uploads.Upload) {
			_, err := s.Uploads.Complete(storetest.Acting(t), storetest.Alice, 1, u.ID, uploads.Completion{})
			storetest.WantProblem(t, err, problem.UploadLost)
		},
		"aborted": func(t *testing.T, s *storetest.Stores, u uploads.Upload) {
			if _, err := s.Uploads.Abort(storetest.Acting(t), storetest.Alice, 1, u.ID, ""); err != nil {
				t.Fatal(err)
			}
		},
		"abandoned": func(t *testing.T, s *storetest.Stores, _ uploads.Upload) {
			s.Clock.Advance(uploads.DefaultLife + table.Grace)
			s.Cleaned(t, table.Grace, cleanup.Counts{Uploads: 1})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := storetest.New(t)
			s.StartedJob(t, 1)
			n, whole := storetest.InParts("n")
			u := s.Begin(t, n)
			begun, err := s.AWS.S3.ListMultipartUploads(t.Context(), &s3.ListMultipartUploadsInput{Bucket: &s.AWS.Bucket})
			if err != nil || len(begun.Uploads) != 1 {
				t.Fatalf("%+v, %v", begun, err)
			}
			at := begun.Uploads[0]
			part := s.Linked(t, u, whole, 1)
			body, rest := io.Pipe()
			go func() {
				_, _ = rest.Write(whole[:part.Size/2])
				time.Sleep(100 * time.Millisecond) // S3 has it
				_, err := s.AWS.S3.AbortMultipartUpload(context.Background(), &s3.AbortMultipartUploadInput{Bucket: &s.AWS.Bucket, Key: at.Key, UploadId: at.UploadId})
				if err != nil {
					t.Error(err)
				}
				_, _ = rest.Write(whole[part.Size/2 : part.Size])
				_ = rest.Close()
			}()
			r, err := http.NewRequestWithContext(t.Context(), part.Method, *part.URL, body)
			if err != nil {
				t.Fatal(err)
			}
			r.ContentLength = part.Size
			for name, value := range part.Headers {
				r.Header.Set(name, value)
			}
			if response, err := http.DefaultClient.Do(r); err == nil { // S3 may take the part, or not
				_ = response.Body.Close()
				t.Logf("the part in flight: %s", response.Status)
			}
			end(t, s, u)
			left, err := s.AWS.S3.ListParts(t.Context(), &s3.ListPartsInput{Bucket: &s.AWS.Bucket, Key: at.Key, UploadId: at.UploadId})
			if err == nil && len(left.Parts) > 0 {
				t.Errorf("%d parts are left", len(left.Parts))
			}
		})
	}
}

// TestUploadRaces: whatever meets a completion, there is one outcome: an output whose
// bytes are there, or none and, after the cleanup, nothing.
func TestUploadRaces(t *testing.T) {
	t.Parallel()
	ctx := auth.WithTenant(context.Background(), storetest.Tenant)
	abort := func(s, _ *storetest.Stores, u uploads.Upload) (outputs.Output, error) {
		_, err := s.Uploads.Abort(ctx, storetest.Alice, 1, u.ID, "")
		return outputs.Output{}, err
	}
	completing := func(s, _ *storetest.Stores, u uploads.Upload) (outputs.Output, error) {
		return s.Uploads.Complete(ctx, storetest.Alice, 1, u.ID, uploads.Completion{})
	}
	cleanup := func(_, later *storetest.Stores, _ uploads.Upload) (outputs.Output, error) {
		_, err := later.Cleaner.Run(ctx, 0)
		return outputs.Output{}, err
	}
	for _, tc := range []struct {
		name  string
		other func(s, later *storetest.Stores, u uploads.Upload) (outputs.Output, error)
		lost  problem.Kind // what a completion that lost is told
		won   problem.Kind // and what the other is told where it won; "" = nothing
	}{
		{"complete", completing, "", ""},
		{"abort", abort, problem.UploadAborted, problem.UploadCompleted},
		{"cleanup", cleanup, problem.UploadExpired, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := storetest.New(t)
			s.StartedJob(t, 1)
			later := s.With(func(cfg *table.Config) {
				cfg.Now = func() time.Time { return s.Clock.Now().Add(uploads.DefaultLife) }
			})
			whole := storetest.Stuff(partBytes+1, 1)
			outcomes := map[string]int{}
			kept := 0
			for round := range storetest.Rounds(t) {
				n, bytes := storetest.NewUpload(fmt.Sprint(round), 1000), whole[:1000]
				if round%2 == 1 {
					n.Size, n.PartSize, bytes = int64(len(whole)), partBytes, whole
				}
				u := s.Begin(t, n)
				s.Send(t, u, bytes)
				outcome := raceOnce(t, s, later, u, round, tc.other, tc.lost, tc.won)
				outcomes[outcome]++
				o, err := s.Outputs.OutputByName(ctx, storetest.Tenant, 1, n.Name, "t")
				switch {
				case outcome == "completed":
					kept++
					if err != nil || s.Content(t, o) != string(bytes) {
						t.Fatalf("round %d: completed, and the output is %+v, %v", round, o, err)
					}
				default:
					storetest.WantProblem(t, err, problem.OutputNotFound)
				}
			}
			t.Logf("outcomes %v", outcomes)
			if _, err := later.Cleaner.Run(ctx, 0); err != nil {
				t.Fatal(err)
			}
			all := s.Objects(t)
			if all != kept || s.Multiparts(t) != 0 {
				t.Errorf("%d objects and %d multipart uploads are left, want %d and none", all, s.Multiparts(t), kept)
			}
		})
	}
}

// raceOnce lets a completion and the other call meet, each a little ahead in turn.
func raceOnce(t *testing.T, s, later *storetest.Stores, u uploads.Upload, round int, other func(s, later *storetest.Stores, u uploads.Upload) (outputs.Output, error), lost, won problem.Kind) string {
	t.Helper()
	var (
		wg            sync.WaitGroup
		mine, theirs  outputs.Output
		err, otherErr error
	)
	delay := time.Duration(round%10) * time.Millisecond
	wg.Go(func() {
		mine, err = s.Uploads.Complete(auth.WithTenant(context.Background(), storetest.Tenant), storetest.Alice, 1, u.ID, uploads.Completion{})
	})
	wg.Go(func() {
		time.Sleep(delay)
		theirs, otherErr = other(s, later, u)
	})
	wg.Wait()
	switch {
	case err == nil && lost == "": // the other completes, too
		if otherErr != nil || cmp.Diff(mine, theirs, storetest.Same) != "" {
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
