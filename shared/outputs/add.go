package outputs

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	dynamotypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
	"github.com/guregu/dynamo/v2"
	"golang.org/x/sync/errgroup"

	"joboutputs/shared/problem"
)

// Addition is an output to be added to a job.
type Addition struct {
	Job         int64
	Name, Type  string
	ContentType string // as declared; "" = not
	Content     []byte // all of it; an empty output is an output
	Creator     User
	Key         string          // the caller's idempotency key; "" = none
	Admit       func(Job) error // the caller's permission on the job, asked when it was read
}

// Add stores an output. What could be refused is refused before a pk is drawn or a byte
// is stored:
//
//	strong BatchGet {job, name, key}         answer again, or refuse
//	Put intent ∥ draw a pk                   from here on, a crash leaves something to clean up
//	PutObject                                the bytes, once, verified by S3
//	transaction {Put O, Put N, Delete intent, Put key}
//
// Nothing is visible before the transaction, and it fails if the cleanup has claimed the
// intent: then the bytes may be gone. Of concurrent adds of one name one wins, by N; of
// those with one key too, and the others answer the same.
//
// Problems: InvalidName, NotFound, Admit's, IdempotencyMismatch, JobNotStarted, JobFinished,
// DuplicateOutput (with the holder's pk, sha256 and deletion_time), Unavailable.
func (s *Store) Add(ctx context.Context, tenant string, a Addition) (Output, error) {
	if err := checkName(a.Name, a.Type); err != nil {
		return Output{}, err
	}
	sum := sha256.Sum256(a.Content)
	call := s.newKeyed(tenant, a.Creator, a.Key, "add", []any{a.Job, a.Name, a.Type}, []any{a.ContentType, hex.EncodeToString(sum[:])})
	creator, earlier, err := s.admit(ctx, tenant, &a, call)
	if err != nil {
		return Output{}, err
	}
	if earlier != nil {
		return earlier.output()
	}

	o := Output{
		Job: a.Job, Name: a.Name, Type: a.Type, Creator: creator, CreatorUsername: a.Creator.Username,
		CreationTime: s.now(), Size: int64(len(a.Content)), ContentType: a.ContentType,
		SHA256:   hex.EncodeToString(sum[:]),
		Checksum: &Checksum{Algorithm: "SHA256", Type: "full", Value: base64.StdEncoding.EncodeToString(sum[:])},
		object:   s.newID(),
		version:  1,
	}
	intent := s.queued(intentKind, tenant, o.object, o.CreationTime)
	both, bothCtx := errgroup.WithContext(ctx)
	both.Go(func() error {
		if err := s.table.Put(intent).Run(bothCtx); err != nil {
			return failed(err, "put the intent of an add")
		}
		return nil
	})
	both.Go(func() error {
		counters, err := s.count(bothCtx, tenant, "outputs", a.Creator.mode())
		o.PK = counters.Outputs
		return err
	})
	if err := both.Wait(); err != nil {
		return Output{}, err
	}
	if o.PK > MaxPK {
		return Output{}, fmt.Errorf("tenant %s has used all %d primary keys", tenant, MaxPK)
	}
	if err := s.putObject(ctx, tenant, &o, a.Content); err != nil {
		return Output{}, err
	}
	return s.publish(ctx, tenant, o, intent, call)
}

// checkName refuses what can't be an output's name and type.
func checkName(name, typ string) error {
	switch {
	case name == "":
		return problem.New(problem.InvalidName, "The output's name is empty.")
	case utf8.RuneCountInString(name) > MaxName:
		return problem.New(problem.InvalidName, "The output's name is longer than %d characters.", MaxName)
	case len(typ) > MaxType:
		return problem.New(problem.InvalidName, "The output's type is longer than %d bytes.", MaxType)
	case strings.Contains(name+typ, "/"):
		return problem.New(problem.InvalidName, "The output's name or type holds a slash, with which no path could name it.")
	case strings.ContainsRune(name+typ, 0):
		return problem.New(problem.InvalidName, "The output's name or type holds a NUL character.")
	}
	return nil
}

// admit reads what an add depends on in one call. It answers what an earlier call with the
// same key has left, whatever has become of the job and the name since; else it refuses, or
// answers the creator's pk.
func (s *Store) admit(ctx context.Context, tenant string, a *Addition, call *keyed) (creator int64, earlier *idempotencyRow, err error) {
	var (
		job                        jobRow
		holder                     outputRow
		user                       userRow
		jobFound, taken, userFound bool
	)
	wanted := append(call.wanted(),
		wantedRow{jobKey(tenant, a.Job), jobSort, &job, &jobFound},
		wantedRow{jobKey(tenant, a.Job), nameSort(a.Name, a.Type), &holder, &taken},
	)
	if a.Creator.mode() == byDirectory {
		partition, sort := a.Creator.subject(tenant)
		wanted = append(wanted, wantedRow{partition, sort, &user, &userFound})
	}
	if err := s.batch(ctx, wanted...); err != nil {
		return 0, nil, err
	}
	if !jobFound {
		return 0, nil, notFound()
	}
	j, err := job.job()
	if err != nil {
		return 0, nil, err
	}
	if err := a.Admit(j); err != nil {
		return 0, nil, err
	}
	if earlier, err := s.earlier(call); earlier != nil || err != nil {
		return 0, earlier, err
	}
	if err := j.admits(); err != nil {
		return 0, nil, err
	}
	if taken { // perhaps by a call with this key, just now
		if earlier, err := s.lookAgain(ctx, call); earlier != nil || err != nil {
			return 0, earlier, err
		}
		return 0, nil, duplicate(&holder)
	}
	switch {
	case a.Creator.PK != 0:
		return a.Creator.PK, nil, nil
	case userFound:
		return user.PK, nil, nil
	}
	creator, err = s.register(ctx, tenant, a.Creator)
	return creator, nil, err
}

func duplicate(holder *outputRow) error {
	return problem.New(problem.DuplicateOutput, "Bad name '%s': Job already has an output by this name/type (%s/%s)", holder.Name, holder.Name, holder.Type).
		With("pk", holder.PK).
		With("sha256", nullable(holder.SHA256)).
		With("deletion_time", nullable(holder.DeletionTime))
}

// putObject stores the bytes, which S3 verifies, under a key nobody else writes.
func (s *Store) putObject(ctx context.Context, tenant string, o *Output, content []byte) error {
	_, err := s.s3.PutObject(ctx, &s3.PutObjectInput{
		Bucket:            &s.bucket,
		Key:               aws.String(objectKey(tenant, o.object)),
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
		return failed(err, "put %d bytes", o.Size)
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

// publish makes the output visible and withdraws the intent, both or neither. An attempt
// whose answer was lost is met again as the holder of the name.
func (s *Store) publish(ctx context.Context, tenant string, o Output, intent queueRow, call *keyed) (Output, error) {
	tx := s.db.WriteTx().
		Put(s.table.Put(o.byPK(tenant, s.shards)).If("attribute_not_exists('PK')")).
		Put(s.table.Put(o.byName(tenant)).If("attribute_not_exists('PK')")).
		Delete(s.table.Delete("PK", intent.PartitionKey).Range("SK", intent.SortKey).
			If("attribute_exists('PK') AND attribute_not_exists('claimed')")).
		IncludeAllItemsInCondCheckFail(true)
	if call != nil {
		call.row.Output = new(o.item())
		s.keep(tx, call)
	}
	err := tx.Run(ctx)
	if reasons := cancellation(err); reasons != nil {
		if earlier, err := s.lookAgain(ctx, call); err != nil {
			return Output{}, err
		} else if earlier != nil {
			return earlier.output()
		}
		switch {
		case conditionFailed(reasons[1]):
			var holder outputRow
			if err := dynamo.UnmarshalItem(reasons[1].Item, &holder); err != nil {
				return Output{}, fmt.Errorf("decode the holder of a name: %w", err)
			}
			if holder.Object == o.object {
				return o, nil
			}
			return s.giveUp(ctx, tenant, o, intent, &holder)
		case conditionFailed(reasons[2]):
			return Output{}, problem.New(problem.Unavailable, "The upload took too long; nothing was stored.").After(time.Second).Because(err)
		}
	}
	if err != nil {
		return Output{}, failed(err, "publish output %d", o.PK)
	}
	return o, nil
}

// giveUp answers an add whose name another has. From here on, no delivery of its transaction
// that is still under way can make the output visible, should the name become free: DynamoDB
// takes two deliveries for one only if the first went well. One that was faster is met as
// the holder of the name.
func (s *Store) giveUp(ctx context.Context, tenant string, o Output, intent queueRow, holder *outputRow) (Output, error) {
	claimed, err := s.claim(ctx, intent)
	switch {
	case err != nil:
		return Output{}, err
	case claimed: // the cleanup removes the bytes
		return Output{}, duplicate(holder)
	}
	var now outputRow
	if err := s.get(ctx, jobKey(tenant, o.Job), nameSort(o.Name, o.Type), &now); err != nil && !problem.Is(err, problem.NotFound) {
		return Output{}, err
	}
	if now.Object == o.object {
		return o, nil
	}
	return Output{}, problem.New(problem.Unavailable, "What became of the upload can't be told.").After(time.Second)
}

// cancellation is why a transaction was cancelled, for each of its writes in order; nil =
// it was not. What only met another one has been tried again.
func cancellation(err error) []dynamotypes.CancellationReason {
	var cancelled *dynamotypes.TransactionCanceledException
	if errors.As(err, &cancelled) && slices.ContainsFunc(cancelled.CancellationReasons, conditionFailed) {
		return cancelled.CancellationReasons
	}
	return nil
}

func conditionFailed(reason dynamotypes.CancellationReason) bool {
	return aws.ToString(reason.Code) == "ConditionalCheckFailed"
}
