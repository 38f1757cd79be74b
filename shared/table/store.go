package table

import (
	"cmp"
	"crypto/rand"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/middleware"
	"github.com/guregu/dynamo/v2"
	"github.com/oklog/ulid/v2"

	"joboutputs/shared/config"
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

	Backoff time.Duration // the longest wait before a call is retried; 0 = 300 ms
	Attempt time.Duration // the longest an attempt of a call may take; 0 = by operation, from 3 s

	Now func() time.Time // nil = time.Now
}

// DefaultShards spreads a tenant's timeline over four index partitions, as many as its
// counter can fill (see the package comment; verified by test/bench/scale).
const DefaultShards = 4

// Store is the table and the bucket, as the packages above use them: clients that retry and
// are guarded, and the service's clock. Safe for concurrent use.
type Store struct {
	DB         *dynamo.DB
	Table      dynamo.Table
	S3         *s3.Client
	Presigner  *s3.PresignClient
	Bucket     string
	Shards     int              // of a tenant's timeline, written
	ReadShards int              // read
	Now        func() time.Time // UTC, in microseconds
	backoff    time.Duration
}

// Open makes the Store of a Lambda that serves tenants, from its environment. It makes no
// call.
func Open(section config.StorageSection) *Store { return New(configOf(section)) }

// OpenForCleanup makes the Store of the cleanup Lambda.
func OpenForCleanup(section config.StorageSection) *Store { return NewForCleanup(configOf(section)) }

func configOf(section config.StorageSection) Config {
	return Config{
		DynamoDB:   dynamodb.NewFromConfig(section.AWS),
		S3:         s3.NewFromConfig(section.AWS, func(o *s3.Options) { o.UsePathStyle = section.PathStyle }),
		Table:      section.Table,
		Bucket:     section.Bucket,
		Shards:     section.Shards,
		ReadShards: section.ReadShards,
	}
}

// New makes a Store that serves tenants: it rejects every call outside the tenant of its
// context (auth.WithTenant), whatever tenant a method is called for. It makes no call.
func New(cfg Config) *Store { return newStore(cfg, tenantguard.Tenant) }

// NewForCleanup makes a Store that works for no tenant, and can do what the cleanup does
// and nothing else. It makes no call.
func NewForCleanup(cfg Config) *Store { return newStore(cfg, tenantguard.Cleanup) }

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
		o.APIOptions = append(o.APIOptions, guard, attempts(cfg.Attempt))
	})
	objects := s3.New(cfg.S3.Options(), func(o *s3.Options) {
		o.Retryer = retryer(cfg.Backoff)
		o.ExpressCredentials = nil // the default one is bound to its client: this client makes its own
		o.APIOptions = append(o.APIOptions, guard, attempts(cfg.Attempt))
	})
	db := dynamo.NewFromIface(dynamoDB)
	return &Store{
		DB:         db,
		Table:      db.Table(cfg.Table),
		S3:         objects,
		Presigner:  s3.NewPresignClient(objects),
		Bucket:     cfg.Bucket,
		Shards:     cfg.Shards,
		ReadShards: max(cfg.Shards, cfg.ReadShards),
		Now:        func() time.Time { return cfg.Now().UTC().Truncate(time.Microsecond) },
		backoff:    cfg.Backoff,
	}
}

// NewID is a fresh ULID: ordered by time, 80 random bits.
func (s *Store) NewID() string {
	return ulid.MustNew(ulid.Timestamp(s.Now()), rand.Reader).String()
}

// Put writes a row.
func (s *Store) Put(row any) *dynamo.Put { return s.Table.Put(row) }

// Update changes a row.
func (s *Store) Update(key Key) *dynamo.Update {
	return s.Table.Update("PK", key.Partition).Range("SK", key.Sort)
}

// Delete removes a row.
func (s *Store) Delete(key Key) *dynamo.Delete {
	return s.Table.Delete("PK", key.Partition).Range("SK", key.Sort)
}
