//go:build ignore

package outputs

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
	"github.com/guregu/dynamo/v2"
	"github.com/oklog/ulid/v2"

	"joboutputs/shared/config"
	"joboutputs/shared/problem"
	"joboutputs/shared/tenantguard"
)

// Config is what a Store is made from.
type Config struct {
	DynamoDB *dynamodb.Client
	S3       *s3.Client
	Table    string
	Bucket   string

	// Shards is over how many partitions new rows of a tenant's timeline are spread, and
	// ReadShards how many are read: at least Shards, and never less than it ever was, so
	// that Shards may change without a migration. 0 = DefaultShards.
	Shards, ReadShards int

	Uploads UploadLimits // zero = the defaults

	Backoff time.Duration // the longest wait before a call is tried again; 0 = 300 ms

	Now func() time.Time // nil = time.Now
}

// DefaultShards spreads a tenant's timeline over four index partitions, which is as much
// as its counter can fill (limits.go; test/bench/scale holds it).
const DefaultShards = 4

// Store keeps the service's metadata and bytes. Its methods return problems for what a
// caller may know; any other error is ours. Safe for concurrent use.
type Store struct {
	db         *dynamo.DB
	table      dynamo.Table
	s3         *s3.Client
	presigner  *s3.PresignClient
	bucket     string
	shards     int
	readShards int
	uploads    UploadLimits
	now        func() time.Time

	cleaner *Store // the same with clients that may do what the cleanup does, and nothing else
}

// Open makes the Store of a Lambda, from its environment. It makes no call.
func Open(section config.StorageSection) *Store {
	return New(Config{
		DynamoDB:   dynamodb.NewFromConfig(section.AWS),
		S3:         s3.NewFromConfig(section.AWS, func(o *s3.Options) { o.UsePathStyle = section.PathStyle }),
		Table:      section.Table,
		Bucket:     section.Bucket,
		Shards:     section.Shards,
		ReadShards: section.ReadShards,
		Uploads:    UploadLimits(section.Uploads),
	})
}

// New makes a Store. It makes no call. Its calls are held to the tenant of their context
// (auth.WithTenant), whatever tenant a method is asked for; the cleanup's to what it does.
func New(cfg Config) *Store {
	s := newStore(cfg, tenantguard.Tenant)
	s.cleaner = newStore(cfg, tenantguard.Cleanup)
	return s
}

// newStore makes a Store whose clients have a guard.
func newStore(cfg Config, guard func(*middleware.Stack) error) *Store {
	if cfg.Shards == 0 {
		cfg.Shards = DefaultShards
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	cfg.Backoff = cmp.Or(cfg.Backoff, maxBackoff)
	dynamoDB := dynamodb.New(cfg.DynamoDB.Options(), func(o *dynamodb.Options) {
		o.Retryer = retryer(cfg.Backoff)
		o.APIOptions = append(o.APIOptions, guard)
	})
	objects := s3.New(cfg.S3.Options(), func(o *s3.Options) {
		o.Retryer = retryer(cfg.Backoff)
		o.ExpressCredentials = nil // the default one is bound to its client: this client makes its own
		o.APIOptions = append(o.APIOptions, guard)
	})
	db := dynamo.NewFromIface(dynamoDB)
	return &Store{
		db:         db,
		table:      db.Table(cfg.Table),
		s3:         objects,
		presigner:  s3.NewPresignClient(objects),
		bucket:     cfg.Bucket,
		shards:     cfg.Shards,
		readShards: max(cfg.Shards, cfg.ReadShards),
		uploads:    cfg.Uploads.Limits(),
		now:        func() time.Time { return cfg.Now().UTC().Truncate(time.Microsecond) },
	}
}

const (
	// maxAttempts is one call and its retries; contended transactions get at least eight.
	maxAttempts = 10
	// maxBackoff keeps ten attempts within about two seconds: a caller would rather be
	// told to come back than wait for the gateway's time-out.
	maxBackoff = 300 * time.Millisecond
	// retryAfter is what a caller is told to wait when a store does not answer.
	retryAfter = 2 * time.Second
)

// retryer retries what the SDK does, and transactions that met another one. The SDK's
// budget of retries over all calls of a process is off: a burst of contended adds would
// use it up, and each attempt is bounded already.
func retryer(backoff time.Duration) aws.Retryer {
	return retry.NewStandard(dynamo.RetryTxConflicts, func(o *retry.StandardOptions) {
		o.MaxAttempts = maxAttempts
		o.MaxBackoff = backoff
		o.RateLimiter = ratelimit.None
		o.Retryables = append(o.Retryables, conflicts)
	})
}

// conflicts are single writes that met another one, which the SDK does not retry.
var conflicts = retry.RetryableErrorCode{Codes: map[string]struct{}{
	"ConditionalRequestConflict":   {}, // S3: a conditional write met another one (409)
	"TransactionConflictException": {}, // DynamoDB: a write met a transaction
}}

// transient is what is retried, but for transactions.
var transient = retry.IsErrorRetryables(append(slices.Clone(retry.DefaultRetryables), conflicts))

// failed turns a store's error into what a caller may know of it: a store that is away or
// busy is a problem that says when to come back; the rest is ours. Of a call that the tenant
// guard rejected nothing is said that could name its key.
func failed(err error, format string, args ...any) error {
	if _, ok := problem.As(err); ok {
		return err
	}
	if breach := tenantguard.Breached(err); breach != nil {
		return breach
	}
	err = fmt.Errorf(format+": %w", append(args, err)...)
	var canceled interface{ ErrorCode() string }
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return problem.New(problem.Unavailable, "The request took too long.").After(retryAfter).Because(err)
	case errors.As(err, &canceled) && canceled.ErrorCode() == "TransactionCanceledException":
		return problem.New(problem.Unavailable, "Too many requests change this at the same time.").After(retryAfter).Because(err)
	case transient.IsErrorRetryable(err) == aws.TrueTernary, brokenAnswer(err):
		return problem.New(problem.Unavailable, "The service cannot reach its storage at the moment.").After(retryAfter).Because(err)
	}
	return err
}

// brokenAnswer is an answer cut off or garbled on the way: a server that died while it
// answered.
func brokenAnswer(err error) bool {
	var broken *smithy.DeserializationError
	return errors.As(err, &broken)
}

// newID is a fresh ULID: ordered by time, 80 random bits.
func (s *Store) newID() string {
	return ulid.MustNew(ulid.Timestamp(s.now()), rand.Reader).String()
}
