// Package awstest gives a test its own table and bucket on real local servers.
//
// The servers are one pair for a whole run when the environment names it, as under
// `make test`; a bare `go test` starts a pair of its own for each test process. Tests
// of package table that use it are in package table_test, since this
// package imports table for the shape of the table.
package awstest

import (
	"context"
	"crypto/rand"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"joboutputs/shared/localaws"
	"joboutputs/shared/table"
)

// AWS is what one test has to itself: an empty table of the shape table.Schema and
// an empty bucket.
type AWS struct {
	DynamoDB *dynamodb.Client
	S3       *s3.Client
	Table    string
	Bucket   string

	// For clients of the test's own, such as one that counts or fails calls:
	// localaws.DynamoDB(a.DynamoDBEndpoint, …), or the SDK's constructors over Config.
	DynamoDBEndpoint string
	S3Endpoint       string
	Config           aws.Config
}

// New makes a table and a bucket, and removes them when the test ends. It fails the
// test, and never skips it, if the servers cannot be had.
func New(tb testing.TB) *AWS {
	tb.Helper()
	p, err := shared()
	if err != nil {
		tb.Fatalf("start the local AWS servers: %v", err)
	}
	// Lower case and at least 3 characters, as S3 wants a bucket named.
	name := "test-" + strings.ToLower(rand.Text())
	a := &AWS{
		DynamoDB: p.dynamodb, S3: p.s3, Table: name, Bucket: name,
		DynamoDBEndpoint: p.dynamodbEndpoint, S3Endpoint: p.s3Endpoint, Config: p.config,
	}
	ctx, cancel := context.WithTimeout(tb.Context(), time.Minute)
	defer cancel()
	tb.Cleanup(a.remove)
	if err := localaws.CreateTable(ctx, a.DynamoDB, a.Table, table.Schema); err != nil {
		tb.Fatal(err)
	}
	if err := localaws.CreateBucket(ctx, a.S3, a.Bucket); err != nil {
		tb.Fatal(err)
	}
	return a
}

// StoreConfig is the table and bucket as table.New takes them.
func (a *AWS) StoreConfig() table.Config {
	return table.Config{DynamoDB: a.DynamoDB, S3: a.S3, Table: a.Table, Bucket: a.Bucket}
}

type pair struct {
	dynamodbEndpoint, s3Endpoint string
	dynamodb                     *dynamodb.Client
	s3                           *s3.Client
	config                       aws.Config
}

// shared is the pair of this test process. Nothing stops it: it ends when the process
// does, which holds for one that panics or is killed too.
var shared = sync.OnceValues(func() (pair, error) {
	p := pair{dynamodbEndpoint: os.Getenv(localaws.EnvDynamoDB), s3Endpoint: os.Getenv(localaws.EnvS3), config: localaws.Config()}
	if p.dynamodbEndpoint == "" || p.s3Endpoint == "" {
		s, err := localaws.Start(context.Background(), localaws.Options{Log: os.Stderr})
		if err != nil {
			return pair{}, err
		}
		p.dynamodbEndpoint, p.s3Endpoint = s.DynamoDBEndpoint, s.S3Endpoint
	}
	p.dynamodb, p.s3 = localaws.DynamoDB(p.dynamodbEndpoint), localaws.S3(p.s3Endpoint)
	return p, nil
})

// remove is a courtesy to the tests that run later on the same servers. What it
// cannot remove goes when the servers end.
func (a *AWS) remove() {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	_, _ = a.DynamoDB.DeleteTable(ctx, &dynamodb.DeleteTableInput{TableName: &a.Table})
	pages := s3.NewListObjectsV2Paginator(a.S3, &s3.ListObjectsV2Input{Bucket: &a.Bucket})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return
		}
		var objects []types.ObjectIdentifier
		for _, o := range page.Contents {
			objects = append(objects, types.ObjectIdentifier{Key: o.Key})
		}
		if len(objects) > 0 {
			_, _ = a.S3.DeleteObjects(ctx, &s3.DeleteObjectsInput{Bucket: &a.Bucket, Delete: &types.Delete{Objects: objects}})
		}
	}
	_, _ = a.S3.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: &a.Bucket})
}
