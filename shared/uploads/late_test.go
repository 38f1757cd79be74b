package uploads_test

import (
	"context"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/smithy-go/middleware"

	"joboutputs/shared/cleanup"
	"joboutputs/shared/localaws/storetest"
	"joboutputs/shared/outputs"
	"joboutputs/shared/problem"
	"joboutputs/shared/uploads"
)

// meeting is a store over the same table and bucket, whose first transaction is met by f:
// it gets what is sent, and sends it, as often as it likes. The answer of the last is the
// store's.
func meeting(s *storetest.Stores, f func(send func() error, in *dynamodb.TransactWriteItemsInput) error) *storetest.Stores {
	met := false
	return s.Hooked(func(stack *middleware.Stack) error {
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
	type try func(s *storetest.Stores) (outputs.Output, error)
	for name, begin := range map[string]func(t *testing.T, s *storetest.Stores) try{
		"add": func(*testing.T, *storetest.Stores) try {
			return func(s *storetest.Stores) (outputs.Output, error) {
				return s.Outputs.Add(storetest.Acting(t), storetest.Alice, storetest.Addition(1, "n", "t", "late"))
			}
		},
		"complete": func(t *testing.T, s *storetest.Stores) try {
			u := s.Begin(t, storetest.NewUpload("n", 4))
			s.Send(t, u, []byte("late"))
			return func(s *storetest.Stores) (outputs.Output, error) {
				return s.Uploads.Complete(storetest.Acting(t), storetest.Alice, 1, u.ID, uploads.Completion{})
			}
		},
	} {
		t.Run(name+" answered before", func(t *testing.T) {
			t.Parallel()
			s := storetest.New(t)
			s.StartedJob(t, 1)
			do := begin(t, s)
			var holder outputs.Output
			var sent *dynamodb.TransactWriteItemsInput
			_, err := do(meeting(s, func(send func() error, in *dynamodb.TransactWriteItemsInput) error {
				holder = s.Add(t, storetest.Addition(1, "n", "t", "faster"))
				sent = in
				return send()
			}))
			storetest.WantProblem(t, err, problem.DuplicateOutput)
			if _, err := s.Outputs.HardDelete(storetest.Acting(t), storetest.Alice, holder.PK, ""); err != nil {
				t.Fatal(err)
			}
			if _, err := s.AWS.DynamoDB.TransactWriteItems(storetest.Acting(t), sent); err == nil {
				t.Error("what was refused became visible")
			}
			_, err = s.Outputs.OutputByName(storetest.Acting(t), storetest.Tenant, 1, "n", "t")
			storetest.WantProblem(t, err, problem.OutputNotFound)
			if name == "add" {
				s.Cleaned(t, 0, cleanup.Counts{Intents: 1, Tombstones: 1}) // the late add, and the holder's
				s.Holds(t, 0, 0)
				return
			}
			if o, err := do(s); err != nil || o.Size != 4 { // the upload is still open
				t.Errorf("completed again: %+v, %v", o, err)
			}
		})
		t.Run(name+" answered after", func(t *testing.T) {
			t.Parallel()
			s := storetest.New(t)
			s.StartedJob(t, 1)
			o, err := begin(t, s)(meeting(s, func(send func() error, in *dynamodb.TransactWriteItemsInput) error {
				holder := s.Add(t, storetest.Addition(1, "n", "t", "faster"))
				refused := send()
				if _, err := s.Outputs.HardDelete(storetest.Acting(t), storetest.Alice, holder.PK, ""); err != nil {
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
			if got := s.Content(t, o); got != "late" {
				t.Errorf("the output has %q", got)
			}
			s.Cleaned(t, 0, cleanup.Counts{Tombstones: 1}) // the holder's
		})
	}
}
