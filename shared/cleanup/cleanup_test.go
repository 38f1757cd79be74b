//go:build ignore

package outputs_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go/middleware"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"joboutputs/shared/localaws"
	"joboutputs/shared/localaws/awstest"
	"joboutputs/shared/outputs"
	"joboutputs/shared/problem"
)

// before runs a function before each call of an operation; its error takes the call's
// place, and is not one that is retried.
func before(operation string, f func(context.Context) error) func(*middleware.Stack) error {
	return func(stack *middleware.Stack) error {
		return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("before", func(
			ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler,
		) (middleware.InitializeOutput, middleware.Metadata, error) {
			if name := fmt.Sprintf("%T", in.Parameters); name == "*dynamodb."+operation+"Input" || name == "*s3."+operation+"Input" {
				if err := f(ctx); err != nil {
					return middleware.InitializeOutput{}, middleware.Metadata{}, err
				}
			}
			return next.HandleInitialize(ctx, in)
		}), middleware.Before)
	}
}

// disturbed is a store over the same table and bucket whose calls are met by f.
func disturbed(a *awstest.AWS, c *clock, operation string, f func(context.Context) error) *outputs.Store {
	return hooked(a, c, before(operation, f))
}

// hooked is a store over the same table and bucket whose clients have a middleware.
func hooked(a *awstest.AWS, c *clock, hook func(*middleware.Stack) error) *outputs.Store {
	return outputs.New(outputs.Config{
		DynamoDB: localaws.DynamoDB(a.DynamoDBEndpoint, func(o *dynamodb.Options) { o.APIOptions = append(o.APIOptions, hook) }),
		S3:       localaws.S3(a.S3Endpoint, func(o *s3.Options) { o.APIOptions = append(o.APIOptions, hook) }),
		Table:    a.Table, Bucket: a.Bucket, Now: c.Now,
	})
}

func objects(t *testing.T, a *awstest.AWS) int {
	t.Helper()
	all, err := a.S3.ListObjectsV2(acting(t), &s3.ListObjectsV2Input{Bucket: &a.Bucket})
	if err != nil {
		t.Fatal(err)
	}
	return len(all.Contents)
}

var errCrash = errors.New("crash")

func crash(context.Context) error { return errCrash }

// cleaned runs a cleanup and compares its counts.
func cleaned(t *testing.T, s *outputs.Store, grace time.Duration, want outputs.Cleaned) {
	t.Helper()
	got, err := s.Cleanup(acting(t), grace)
	if err != nil {
		t.Fatalf("cleanup: %v", err)
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(outputs.Cleaned{}, "Oldest")); diff != "" {
		t.Errorf("cleanup with grace %s (-want +got):\n%s", grace, diff)
	}
}

// TestAddIsSentTwice: the answer to an add's transaction is lost, and the table has forgotten
// the request's token when it comes again, as DynamoDB does after ten minutes and DynamoDB
// Local when it is restarted.
func TestAddIsSentTwice(t *testing.T) {
	t.Parallel()
	s, a, c := newStore(t)
	startedJob(t, s, 1)
	twice := func(stack *middleware.Stack) error {
		return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("twice", func(
			ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler,
		) (middleware.InitializeOutput, middleware.Metadata, error) {
			if write, ok := in.Parameters.(*dynamodb.TransactWriteItemsInput); ok {
				if out, meta, err := next.HandleInitialize(ctx, in); err != nil {
					return out, meta, err
				}
				again := *write
				again.ClientRequestToken = nil
				in.Parameters = &again
			}
			return next.HandleInitialize(ctx, in)
		}), middleware.Before)
	}
	again := outputs.New(outputs.Config{
		DynamoDB: localaws.DynamoDB(a.DynamoDBEndpoint, func(o *dynamodb.Options) { o.APIOptions = append(o.APIOptions, twice) }),
		S3:       a.S3, Table: a.Table, Bucket: a.Bucket, Now: c.Now,
	})
	added := mustAdd(t, again, addition(1, "model", "bin", "hello"))
	got, err := s.Output(acting(t), tenant, added.PK)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(added, got, cmp.AllowUnexported(outputs.Output{})); diff != "" {
		t.Errorf("what is there (-answered +read):\n%s", diff)
	}
	_, err = again.Add(acting(t), tenant, addition(1, "model", "bin", "hello"))
	wantProblem(t, err, problem.DuplicateOutput)
	cleaned(t, s, 0, outputs.Cleaned{})
}

func TestCrashedAdd(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		at      string // the call at which the process dies
		objects int
	}{
		{"PutObject", 0},
		{"TransactWriteItems", 1},
	} {
		t.Run(tc.at, func(t *testing.T) {
			t.Parallel()
			s, a, c := newStore(t)
			startedJob(t, s, 1)
			if _, err := disturbed(a, c, tc.at, crash).Add(acting(t), tenant, addition(1, "n", "t", "x")); !errors.Is(err, errCrash) {
				t.Fatalf("got %v, want a crash", err)
			}
			if got := objects(t, a); got != tc.objects {
				t.Errorf("%d objects after the crash, want %d", got, tc.objects)
			}
			_, err := s.OutputByName(acting(t), tenant, 1, "n", "t")
			wantProblem(t, err, problem.OutputNotFound)

			cleaned(t, s, outputs.Grace, outputs.Cleaned{}) // too young
			c.advance(outputs.Grace)
			if got, err := s.Cleanup(acting(t), 2*outputs.Grace); err != nil || got.Oldest != 0 {
				t.Errorf("nothing is two hours old: %+v, %v", got, err)
			}
			old, err := s.Cleanup(acting(t), outputs.Grace)
			if want := (outputs.Cleaned{Intents: 1, Oldest: 3600}); err != nil || old != want {
				t.Errorf("cleaned %+v (%v), want %+v", old, err, want)
			}
			cleaned(t, s, 0, outputs.Cleaned{})
			if got := objects(t, a); got != 0 {
				t.Errorf("%d objects after the cleanup", got)
			}
			mustAdd(t, s, addition(1, "n", "t", "again"))
			cleaned(t, s, 0, outputs.Cleaned{}) // nothing is left to do after a whole add
		})
	}
}

// TestCleanupWhileAdding lets a cleanup that has no patience run between the bytes and the
// transaction of an add: the add must fail, not refer to bytes that are gone.
func TestCleanupWhileAdding(t *testing.T) {
	t.Parallel()
	s, a, c := newStore(t)
	startedJob(t, s, 1)
	slow := disturbed(a, c, "TransactWriteItems", func(ctx context.Context) error {
		_, err := s.Cleanup(ctx, 0)
		return err
	})
	_, err := slow.Add(acting(t), tenant, addition(1, "n", "t", "x"))
	wantProblem(t, err, problem.Unavailable)
	_, err = s.OutputByName(acting(t), tenant, 1, "n", "t")
	wantProblem(t, err, problem.OutputNotFound)
	if got := objects(t, a); got != 0 {
		t.Errorf("%d objects are left", got)
	}
}

func TestCrashedHardDelete(t *testing.T) {
	t.Parallel()
	for _, at := range []string{"DeleteObject", "DeleteItem"} {
		t.Run(at, func(t *testing.T) {
			t.Parallel()
			s, a, c := newStore(t)
			startedJob(t, s, 1)
			o := mustAdd(t, s, addition(1, "n", "t", "x"))
			if _, err := disturbed(a, c, at, crash).HardDelete(acting(t), tenant, o.PK); err != nil {
				t.Fatalf("the reference is gone, so the answer is success; got %v", err)
			}
			_, err := s.Output(acting(t), tenant, o.PK)
			wantProblem(t, err, problem.NotFound)
			// Two cleanups at once do no more harm than one.
			var wg sync.WaitGroup
			for range 2 {
				wg.Go(func() {
					if _, err := s.Cleanup(context.WithoutCancel(acting(t)), 0); err != nil {
						t.Errorf("cleanup: %v", err)
					}
				})
			}
			wg.Wait()
			if got := objects(t, a); got != 0 {
				t.Errorf("%d objects are left", got)
			}
			cleaned(t, s, 0, outputs.Cleaned{})
		})
	}
}

// TestCleanupMeanwhile: another cleanup removes the object in the very moment, which VersityGW
// answers with NoSuchKey.
func TestCleanupMeanwhile(t *testing.T) {
	t.Parallel()
	s, a, c := newStore(t)
	startedJob(t, s, 1)
	o := mustAdd(t, s, addition(1, "n", "t", "x"))
	if _, err := disturbed(a, c, "DeleteObject", crash).HardDelete(acting(t), tenant, o.PK); err != nil {
		t.Fatal(err)
	}
	ahead := func(context.Context) error {
		cleaned(t, s, 0, outputs.Cleaned{Tombstones: 1})
		return &s3types.NoSuchKey{}
	}
	cleaned(t, disturbed(a, c, "DeleteObject", ahead), 0, outputs.Cleaned{Tombstones: 1})
	if got := objects(t, a); got != 0 {
		t.Errorf("%d objects are left", got)
	}
}

// TestReinstateAgainstHardDelete never leaves a row without bytes.
func TestReinstateAgainstHardDelete(t *testing.T) {
	t.Parallel()
	s, a, _ := newStore(t)
	startedJob(t, s, 1)
	ctx := context.WithoutCancel(acting(t))
	for i := range 25 {
		o := mustAdd(t, s, addition(1, fmt.Sprint(i), "t", "x"))
		if _, err := s.Destroy(ctx, tenant, o.PK); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := s.Reinstate(ctx, tenant, o.PK); err != nil {
				wantProblem(t, err, problem.NotFound)
			}
		})
		wg.Go(func() {
			if _, err := s.HardDelete(ctx, tenant, o.PK); err != nil {
				t.Errorf("hard delete: %v", err)
			}
		})
		wg.Wait()
		_, err := s.Output(ctx, tenant, o.PK)
		wantProblem(t, err, problem.NotFound)
		_, err = s.OutputByName(ctx, tenant, 1, fmt.Sprint(i), "t")
		wantProblem(t, err, problem.OutputNotFound)
	}
	if got := objects(t, a); got != 0 {
		t.Errorf("%d objects are left", got)
	}
}
