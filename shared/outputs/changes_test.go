package outputs_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/smithy-go/middleware"
	"github.com/google/go-cmp/cmp"

	"joboutputs/shared/cleanup"
	"joboutputs/shared/localaws/storetest"
	"joboutputs/shared/outputs"
	"joboutputs/shared/problem"
)

// TestAddIsSentTwice: the answer to an add's transaction is lost, and the table has forgotten
// the request's token when it comes again, as DynamoDB does after ten minutes and DynamoDB
// Local when it is restarted.
func TestAddIsSentTwice(t *testing.T) {
	t.Parallel()
	s := storetest.New(t)
	s.StartedJob(t, 1)
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
	again := s.Hooked(twice)
	added := again.Add(t, storetest.Addition(1, "model", "bin", "hello"))
	got, err := s.Outputs.Output(storetest.Acting(t), storetest.Tenant, added.PK)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(added, got, cmp.AllowUnexported(outputs.Output{})); diff != "" {
		t.Errorf("what is there (-answered +read):\n%s", diff)
	}
	_, err = again.Outputs.Add(storetest.Acting(t), storetest.Alice, storetest.Addition(1, "model", "bin", "hello"))
	storetest.WantProblem(t, err, problem.DuplicateOutput)
	s.Cleaned(t, 0, cleanup.Counts{})
}

// TestReinstateAgainstHardDelete never leaves a row without bytes.
func TestReinstateAgainstHardDelete(t *testing.T) {
	t.Parallel()
	s := storetest.New(t)
	s.StartedJob(t, 1)
	ctx := context.WithoutCancel(storetest.Acting(t))
	for i := range 25 {
		o := s.Add(t, storetest.Addition(1, fmt.Sprint(i), "t", "x"))
		if _, err := s.Outputs.Destroy(ctx, storetest.Alice, o.PK, ""); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := s.Outputs.Reinstate(ctx, storetest.Alice, o.PK, ""); err != nil {
				storetest.WantProblem(t, err, problem.NotFound)
			}
		})
		wg.Go(func() {
			if _, err := s.Outputs.HardDelete(ctx, storetest.Alice, o.PK, ""); err != nil {
				t.Errorf("hard delete: %v", err)
			}
		})
		wg.Wait()
		_, err := s.Outputs.Output(ctx, storetest.Tenant, o.PK)
		storetest.WantProblem(t, err, problem.NotFound)
		_, err = s.Outputs.OutputByName(ctx, storetest.Tenant, 1, fmt.Sprint(i), "t")
		storetest.WantProblem(t, err, problem.OutputNotFound)
	}
	if got := s.Objects(t); got != 0 {
		t.Errorf("%d objects are left", got)
	}
}
