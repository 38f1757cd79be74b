package outputs

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
	"github.com/guregu/dynamo/v2"
	"golang.org/x/sync/errgroup"

	"joboutputs/shared/auth"
	"joboutputs/shared/idempotency"
	"joboutputs/shared/problem"
	"joboutputs/shared/table"
	"joboutputs/shared/users"
)

// Addition is an output to be added to a job.
type Addition struct {
	Job         int64
	Name, Type  string
	ContentType string             // as declared; "" = not
	Content     []byte             // all of it; an empty output is an output
	SHA256      *[sha256.Size]byte // of the content, from who has computed it already; nil = not
	Key         string             // the caller's idempotency key; "" = none
}

// Add stores an output, whose creator is the caller. What could be refused is refused before
// a pk is drawn or a byte is stored:
//
//	strong BatchGet {job, name, key}         respond as before, or refuse
//	Put intent ∥ draw a pk                   from here on, a crash leaves something to clean up
//	PutObject                                the bytes, once, verified by S3
//	transaction {Put O, Put N, Delete intent, Put key}
//
// Nothing is visible before the transaction, and it fails if the cleanup has claimed the
// intent: then the bytes may be gone. Of concurrent adds of one name one wins, by N; of
// those with one key too, and the others answer the same.
//
// Problems: InvalidName, NotFound, PermissionDenied, IdempotencyMismatch, JobNotStarted, JobFinished,
// DuplicateOutput (with the holder's pk, sha256 and deletion_time), Unavailable,
// OutcomeUnknown.
func (s *Store) Add(ctx context.Context, p auth.Principal, a Addition) (Output, error) {
	if err := CheckName(a.Name, a.Type); err != nil {
		return Output{}, err
	}
	if a.SHA256 == nil {
		sum := sha256.Sum256(a.Content)
		a.SHA256 = &sum
	}
	sum := *a.SHA256
	tenant, creator := p.Tenant, users.Of(p)
	call := idempotency.New(s.t, tenant, creator, a.Key, "add", []any{a.Job, a.Name, a.Type}, []any{a.ContentType, hex.EncodeToString(sum[:])})
	creatorPK, earlier, err := Admit(ctx, s.t, p, auth.JobsAddOutput, Named{a.Job, a.Name, a.Type}, call)
	if err != nil {
		return Output{}, err
	}
	if earlier != nil {
		return Replay(earlier)
	}

	o := Output{
		Job: a.Job, Name: a.Name, Type: a.Type, Creator: creatorPK, CreatorUsername: creator.Username,
		CreationTime: s.t.Now(), Size: int64(len(a.Content)), ContentType: a.ContentType,
		SHA256:   hex.EncodeToString(sum[:]),
		Checksum: &table.Checksum{Algorithm: "SHA256", Type: "full", Value: base64.StdEncoding.EncodeToString(sum[:])},
		object:   s.t.NewID(),
		version:  1,
	}
	intent := table.Queued(table.IntentKind, tenant, o.object, o.CreationTime)
	both, bothCtx := errgroup.WithContext(ctx)
	both.Go(func() error {
		if err := s.t.Put(intent).Run(bothCtx); err != nil {
			return table.StoreError(err, "put the intent of an add")
		}
		return nil
	})
	both.Go(func() error {
		counters, err := s.t.Count(bothCtx, tenant, table.OutputCounter, creator.By())
		o.PK = counters.Outputs
		return err
	})
	if err := both.Wait(); err != nil {
		return Output{}, err
	}
	if o.PK > auth.MaxPK {
		return Output{}, fmt.Errorf("tenant %s has used all %d primary keys", tenant, auth.MaxPK)
	}
	if err := s.putObject(ctx, tenant, &o, a.Content); err != nil {
		return Output{}, err
	}
	return s.publish(ctx, tenant, o, intent, call)
}

// putObject stores the bytes, which S3 verifies, under a key nobody else writes.
func (s *Store) putObject(ctx context.Context, tenant string, o *Output, content []byte) error {
	_, err := s.t.S3.PutObject(ctx, &s3.PutObjectInput{
		Bucket:            &s.t.Bucket,
		Key:               aws.String(table.ObjectKey(tenant, o.object)),
		Body:              bytes.NewReader(content),
		ContentLength:     aws.Int64(o.Size),
		ContentType:       aws.String("application/octet-stream"),
		ChecksumAlgorithm: s3types.ChecksumAlgorithmSha256,
		ChecksumSHA256:    aws.String(o.Checksum.Value),
		IfNoneMatch:       aws.String("*"),
	}, signedAs(o.SHA256))
	var code smithy.APIError
	if errors.As(err, &code) && code.ErrorCode() == "PreconditionFailed" {
		return nil // our own first attempt, whose answer was lost: nobody else makes this key
	}
	if err != nil {
		return table.StoreError(err, "put %d bytes", o.Size)
	}
	return nil
}

// signedAs tells the signer the SHA-256 of the content, in hex, which it would compute
// once more.
func signedAs(sum string) func(*s3.Options) {
	known := middleware.InitializeMiddlewareFunc("KnownPayloadHash",
		func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
			return next.HandleInitialize(v4.SetPayloadHash(ctx, sum), in)
		})
	return s3.WithAPIOptions(func(stack *middleware.Stack) error { return stack.Initialize.Add(known, middleware.After) })
}

// The writes of an add's transaction, in their order.
const (
	_         = iota // the O row
	writeName        // the N row
	takeIntent
)

// publish makes the output visible and withdraws the intent, both or neither. An attempt
// whose response was lost is met again as the holder of the name.
func (s *Store) publish(ctx context.Context, tenant string, o Output, intent table.QueueRow, call *idempotency.Call) (Output, error) {
	tx := s.t.DB.WriteTx()
	o.Publish(tx, s.t, tenant)
	tx.Delete(s.t.Delete(intent.Key).If("attribute_exists('PK') AND attribute_not_exists('claimed')")).
		IncludeAllItemsInCondCheckFail(true)
	call.KeepOutput(tx, o.Row())
	err := tx.Run(ctx)
	if reasons := table.Cancellation(err); reasons != nil {
		if earlier, err := call.LookAgain(ctx); err != nil {
			return Output{}, err
		} else if earlier != nil {
			return Replay(earlier)
		}
		switch {
		case table.ConditionFailed(reasons[writeName]):
			var holder table.OutputRow
			if err := dynamo.UnmarshalItem(reasons[writeName].Item, &holder); err != nil {
				return Output{}, fmt.Errorf("decode the holder of a name: %w", err)
			}
			if holder.Object == o.object {
				return o, nil
			}
			return s.giveUp(ctx, tenant, o, intent, &holder, err)
		case table.ConditionFailed(reasons[takeIntent]):
			return Output{}, problem.New(problem.Unavailable, "The upload took too long; nothing was stored.").After(time.Second).Because(err)
		}
	}
	if err != nil {
		return Output{}, table.CommitError(err, "publish output %d", o.PK)
	}
	return o, nil
}

// Publish adds the two writes that make an output visible to a transaction: the O row, then
// the N row, which fails if the name is taken.
func (o *Output) Publish(tx *dynamo.WriteTx, t *table.Store, tenant string) {
	row := o.Row()
	tx.Put(t.Put(row.ByPK(tenant, t.Shards)).If("attribute_not_exists('PK')")).
		Put(t.Put(row.ByName(tenant)).If("attribute_not_exists('PK')"))
}

// giveUp answers an add whose name another has. From here on, no delivery of its transaction
// that is still under way can make the output visible, should the name become free: DynamoDB
// takes two deliveries for one only if the first went well. One that was faster is met as
// the holder of the name.
func (s *Store) giveUp(ctx context.Context, tenant string, o Output, intent table.QueueRow, holder *table.OutputRow, refused error) (Output, error) {
	claimed, err := s.t.Claim(ctx, intent)
	switch {
	case err != nil && table.MayBeDone(refused): // or may be yet
		return Output{}, table.CommitError(refused, "publish output %d", o.PK)
	case err != nil:
		return Output{}, err
	case claimed: // the cleanup removes the bytes
		return Output{}, Duplicate(holder)
	}
	var now table.OutputRow
	if err := s.t.Get(ctx, table.NameKey(tenant, o.Job, o.Name, o.Type), &now); err != nil && !problem.Is(err, problem.NotFound) {
		return Output{}, err
	}
	if now.Object == o.object {
		return o, nil
	}
	return Output{}, table.Unknown()
}
