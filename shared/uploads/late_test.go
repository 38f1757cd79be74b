//go:build ignore

package outputs_test

import (
	"context"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/smithy-go/middleware"

	"joboutputs/shared/localaws/awstest"
	"joboutputs/shared/outputs"
	"joboutputs/shared/problem"
)

// meeting is a store over the same table and bucket, whose first transaction is met by f:
// it gets what is sent, and sends it, as often as it likes. The answer of the last is the
// store's.
func meeting(a *awstest.AWS, c *clock, f func(send func() error, in *dynamodb.TransactWriteItemsInput) error) *outputs.Store {
	met := false
	return hooked(a, c, func(stack *middleware.Stack) error {
		return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("meeting", func(
			ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler,
		) (out middleware.InitializeOutput, metadata middleware.Metadata, err error) {
			tx, ok := in.Parameters.(*dynamodb.TransactWriteItemsInput)
			if !ok || met {
				return next.HandleInitialize(ctx, in)
			}
			met = true
			err = f(func() error {
				out, metadata, err = next.HandleInitialize(ctx, in)
				return err
			}, tx)
			return out, metadata, err
		}), middleware.After)
	})
}

// TestLateDelivery: an add, or a completion, is refused since another has its name, which
// then becomes free; and its transaction is delivered once more. DynamoDB takes two
// deliveries for one only if the first went well.
func TestLateDelivery(t *testing.T) {
	t.Parallel()
	type try func(s *outputs.Store) (outputs.Output, error)
	for name, begin := range map[string]func(t *testing.T, s *outputs.Store) try{
		"add": func(*testing.T, *outputs.Store) try {
			return func(s *outputs.Store) (outputs.Output, error) {
				return s.Add(acting(t), tenant, addition(1, "n", "t", "late"))
			}
		},
		"complete": func(t *testing.T, s *outputs.Store) try {
			u := mustBegin(t, s, newUpload("n", 4))
			send(t, s, u, []byte("late"))
			return func(s *outputs.Store) (outputs.Output, error) {
				return s.CompleteUpload(acting(t), tenant, 1, u.ID, completion())
			}
		},
	} {
		t.Run(name+" answered before", func(t *testing.T) {
			t.Parallel()
			s, a, c := newStore(t)
			startedJob(t, s, 1)
			do := begin(t, s)
			var holder outputs.Output
			var sent *dynamodb.TransactWriteItemsInput
			_, err := do(meeting(a, c, func(send func() error, in *dynamodb.TransactWriteItemsInput) error {
				holder = mustAdd(t, s, addition(1, "n", "t", "faster"))
				sent = in
				return send()
			}))
			wantProblem(t, err, problem.DuplicateOutput)
			if _, err := s.HardDelete(acting(t), tenant, holder.PK); err != nil {
				t.Fatal(err)
			}
			if _, err := a.DynamoDB.TransactWriteItems(acting(t), sent); err == nil {
				t.Error("what was refused became visible")
			}
			_, err = s.OutputByName(acting(t), tenant, 1, "n", "t")
			wantProblem(t, err, problem.OutputNotFound)
			if name == "add" {
				cleaned(t, s, 0, outputs.Cleaned{Intents: 1})
				held(t, a, 0, 0)
				return
			}
			if o, err := do(s); err != nil || o.Size != 4 { // the upload is still open
				t.Errorf("completed again: %+v, %v", o, err)
			}
		})
		t.Run(name+" answered after", func(t *testing.T) {
			t.Parallel()
			s, a, c := newStore(t)
			startedJob(t, s, 1)
			o, err := begin(t, s)(meeting(a, c, func(send func() error, in *dynamodb.TransactWriteItemsInput) error {
				holder := mustAdd(t, s, addition(1, "n", "t", "faster"))
				refused := send()
				if _, err := s.HardDelete(acting(t), tenant, holder.PK); err != nil {
					t.Error(err)
				}
				if err := send(); err != nil {
					t.Errorf("delivered again: %v", err)
				}
				return refused
			}))
			if err != nil {
				t.Fatal(err)
			}
			if got := content(t, s, o); got != "late" {
				t.Errorf("the output has %q", got)
			}
			cleaned(t, s, 0, outputs.Cleaned{})
		})
	}
}
