package table_test

import (
	"cmp"
	"context"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	dynamotypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"joboutputs/shared/filter"
	"joboutputs/shared/jobs"
	"joboutputs/shared/localaws"
	"joboutputs/shared/localaws/storetest"
	"joboutputs/shared/problem"
	"joboutputs/shared/table"
	"joboutputs/shared/uploads"
	"joboutputs/shared/users"
)

// action is a call of the domain, which needs stores that respond.
type action struct {
	name string
	do   func(ctx context.Context, s *storetest.Stores) error
}

// prepared makes what the actions work on: job 1, which node 1 works and which has an
// output, job 2 of node 2, and an upload.
func prepared(t *testing.T) (*storetest.Stores, []action) {
	t.Helper()
	s := storetest.New(t)
	s.StartedJob(t, 1)
	if _, err := s.Jobs.Create(storetest.Acting(t), storetest.Tenant, jobs.NewJob{PK: 2, Node: 2, Creator: users.Of(storetest.Alice)}); err != nil {
		t.Fatal(err)
	}
	o := s.Add(t, storetest.Addition(1, "model", "bin", "content"))
	n, whole := storetest.InParts("staged")
	u := s.Begin(t, n)
	s.Send(t, u, whole)
	const tenant = storetest.Tenant
	alice := storetest.Alice
	return s, []action{
		{"create", func(ctx context.Context, s *storetest.Stores) error {
			_, err := s.Jobs.Create(ctx, tenant, jobs.NewJob{Creator: users.Of(alice)})
			return err
		}},
		{"retrieve a job", func(ctx context.Context, s *storetest.Stores) error {
			_, err := s.Jobs.WithOutputs(ctx, tenant, 1)
			return err
		}},
		{"start", func(ctx context.Context, s *storetest.Stores) error {
			_, err := s.Jobs.Start(ctx, storetest.As(2), 2, "key")
			return err
		}},
		{"add", func(ctx context.Context, s *storetest.Stores) error {
			_, err := s.Outputs.Add(ctx, alice, storetest.Addition(1, "log", "txt", "x"))
			return err
		}},
		{"retrieve", func(ctx context.Context, s *storetest.Stores) error {
			_, err := s.Outputs.Output(ctx, tenant, o.PK)
			return err
		}},
		{"download", func(ctx context.Context, s *storetest.Stores) error {
			body, err := s.Outputs.Open(ctx, tenant, &o, nil)
			if err != nil {
				return err
			}
			defer body.Close()
			_, err = io.ReadAll(body)
			return err
		}},
		{"list", func(ctx context.Context, s *storetest.Stores) error {
			spec, err := filter.Parse(nil)
			if err != nil {
				return err
			}
			listing, err := s.Outputs.List(ctx, tenant, spec)
			if err != nil {
				return err
			}
			for _, err := range listing.Rows {
				if err != nil {
					return err
				}
			}
			return nil
		}},
		{"destroy", func(ctx context.Context, s *storetest.Stores) error {
			_, err := s.Outputs.Destroy(ctx, alice, o.PK, "")
			return err
		}},
		{"complete", func(ctx context.Context, s *storetest.Stores) error {
			_, err := s.Uploads.Complete(ctx, alice, 1, u.ID, uploads.Completion{})
			return err
		}},
		{"hard delete", func(ctx context.Context, s *storetest.Stores) error {
			_, err := s.Outputs.HardDelete(ctx, alice, o.PK, "")
			return err
		}},
	}
}

// quick has attempts end soon.
func quick(cfg *table.Config) { cfg.Attempt, cfg.Backoff = 300*time.Millisecond, time.Millisecond }

// TestSilentAttempt: a connection on which no response comes costs one attempt, whichever call
// it is, and not the request.
func TestSilentAttempt(t *testing.T) {
	t.Parallel()
	_, all := prepared(t)
	for i := range all {
		t.Run(all[i].name, func(t *testing.T) {
			t.Parallel()
			s, actions := prepared(t)
			var mu sync.Mutex
			var calls []string
			counting := s.Hooked(storetest.Called(func(operation string) {
				mu.Lock()
				defer mu.Unlock()
				calls = append(calls, operation)
			}))
			if err := actions[i].do(storetest.Acting(t), counting); err != nil {
				t.Fatal(err)
			}
			seen := map[string]bool{}
			for _, operation := range calls {
				if seen[operation] {
					continue
				}
				seen[operation] = true
				s, actions := prepared(t)
				silent := s.With(quick).Hooked(storetest.Silence(operation, 1))
				ctx, cancel := context.WithTimeout(storetest.Acting(t), 10*time.Second) // where no attempt is given up
				if err := actions[i].do(ctx, silent); err != nil {
					t.Errorf("silence at %s: %v", operation, err)
				}
				cancel()
			}
		})
	}
}

// TestSilentStore: where nothing ever responds, a request ends with its context, and says
// whether it may have been carried out.
func TestSilentStore(t *testing.T) {
	t.Parallel()
	s, all := prepared(t)
	silent := s.With(quick).Hooked(storetest.Silence("", storetest.Always))
	for _, a := range all {
		t.Run(a.name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(storetest.Acting(t), 2*time.Second)
			defer cancel()
			err := a.do(ctx, silent)
			if !problem.Is(err, problem.Unavailable) && !problem.Is(err, problem.OutcomeUnknown) {
				t.Errorf("got %v, want unavailable or outcome_unknown", err)
			}
		})
	}
}

// TestStalledContent: a connection that goes silent in the middle of an object ends its
// read, and a reader that rests does not.
func TestStalledContent(t *testing.T) {
	t.Parallel()
	s := storetest.New(t)
	s.StartedJob(t, 1)
	o := s.Add(t, storetest.Addition(1, "model", "bin", "content"))
	open := func(s *storetest.Stores) io.ReadCloser {
		t.Helper()
		body, err := s.Outputs.Open(storetest.Acting(t), storetest.Tenant, &o, nil)
		if err != nil {
			t.Fatal(err)
		}
		return body
	}
	resting := open(s.With(quick))
	defer resting.Close()
	time.Sleep(time.Second)
	if content, err := io.ReadAll(resting); err != nil || string(content) != "content" {
		t.Errorf("read after a rest: %q, %v", content, err)
	}

	stalled := open(s.With(quick).With(func(cfg *table.Config) {
		cfg.S3 = localaws.S3(s.AWS.S3Endpoint, func(o *s3.Options) { o.HTTPClient = silentBodies{o.HTTPClient} })
	}))
	defer stalled.Close()
	if _, err := io.ReadAll(stalled); err == nil || !problem.Is(table.StoreError(err, "read"), problem.Unavailable) {
		t.Errorf("the read of a silent connection: %v, want an error that is unavailable", err)
	}
}

// silentBodies is an HTTP client whose responses have a body that never comes.
type silentBodies struct{ s3.HTTPClient }

func (c silentBodies) Do(r *http.Request) (*http.Response, error) {
	response, err := c.HTTPClient.Do(r)
	if err == nil {
		response.Body = silentBody{response.Body, r.Context()}
	}
	return response, err
}

type silentBody struct {
	io.ReadCloser
	ctx context.Context
}

func (b silentBody) Read([]byte) (int, error) {
	<-b.ctx.Done()
	return 0, b.ctx.Err()
}

// TestOutcome tells what a write that failed may have done from what it did not do.
func TestOutcome(t *testing.T) {
	t.Parallel()
	const known, unknown = problem.Unavailable, problem.OutcomeUnknown
	refused := &smithyhttp.RequestSendError{Err: &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}}
	throttled := &dynamotypes.ProvisionedThroughputExceededException{}
	conflict := &dynamotypes.TransactionCanceledException{CancellationReasons: []dynamotypes.CancellationReason{
		{Code: aws.String("TransactionConflict")}, {Code: aws.String("None")},
	}}
	internal := &dynamotypes.InternalServerError{}
	for _, tc := range []struct {
		name string
		errs []error // of the attempts of the write; nil = it is carried out
		want problem.Kind
	}{
		{"nobody is there", []error{refused}, known},
		{"throttled", []error{throttled}, known},
		{"others write", []error{conflict}, known},
		{"reset", []error{storetest.Reset}, unknown},
		{"an error of the store", []error{internal}, unknown},
		{"in progress", []error{&dynamotypes.TransactionInProgressException{}, throttled}, unknown},
		{"throttled after a reset", []error{storetest.Reset, throttled}, unknown},
		{"reset after it was throttled", []error{throttled, storetest.Reset}, unknown},
		{"throttled, then nobody is there", []error{throttled, refused}, known},
		{"carried out after a reset", []error{storetest.Reset, nil}, ""},
		{"carried out after it was throttled", []error{throttled, throttled, nil}, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s, actions := prepared(t)
			for _, a := range actions {
				if slices.Contains([]string{"retrieve a job", "retrieve", "download", "list"}, a.name) {
					continue
				}
				failing := s.With(quick).Hooked(storetest.Fail("TransactWriteItems", tc.errs...))
				err := a.do(storetest.Acting(t), failing)
				if tc.want == "" && err != nil || tc.want != "" && !problem.Is(err, tc.want) {
					t.Errorf("%s: got %v, want %s", a.name, err, cmp.Or(tc.want, "success"))
				}
			}
		})
	}
}

// TestPreparation: what fails before the write that counts leaves nothing that a caller
// could see, whatever became of it.
func TestPreparation(t *testing.T) {
	t.Parallel()
	for _, operation := range []string{"GetItem", "BatchGetItem", "Query", "PutItem", "UpdateItem", "PutObject", "CompleteMultipartUpload"} {
		t.Run(operation, func(t *testing.T) {
			t.Parallel()
			s, actions := prepared(t)
			failing := s.With(quick).Hooked(storetest.Lose(operation, storetest.Always))
			for _, a := range actions {
				if err := a.do(storetest.Acting(t), failing); err != nil && !problem.Is(err, problem.Unavailable) {
					t.Errorf("%s: got %v, want unavailable", a.name, err)
				}
			}
		})
	}
}
