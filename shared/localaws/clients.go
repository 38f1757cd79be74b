package localaws

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"

	"joboutputs/shared/table"
)

// Config is for clients of the local servers; the endpoint is set at the client,
// since the two services have one each. It reads nothing of the environment.
func Config() aws.Config {
	// The default keeps 10 idle connections to a host. Tests with 100 goroutines
	// would open and close the others at every call.
	transport := awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
		t.MaxIdleConns = 0 // no bound but the next
		t.MaxIdleConnsPerHost = 128
	})
	return aws.Config{
		Region:      Region,
		Credentials: credentials.NewStaticCredentialsProvider(AccessKeyID, SecretAccessKey, ""),
		HTTPClient:  transport,
	}
}

// DynamoDB is a client of the DynamoDB at endpoint. The SDK's own options may follow,
// such as a middleware that counts calls.
func DynamoDB(endpoint string, opts ...func(*dynamodb.Options)) *dynamodb.Client {
	return dynamodb.NewFromConfig(Config(), append([]func(*dynamodb.Options){func(o *dynamodb.Options) {
		o.BaseEndpoint = aws.String(endpoint)
	}}, opts...)...)
}

// S3 is a client of the S3 at endpoint, with the bucket in the path: a bucket as a
// host name needs a DNS the laptop does not have.
func S3(endpoint string, opts ...func(*s3.Options)) *s3.Client {
	return s3.NewFromConfig(Config(), append([]func(*s3.Options){func(o *s3.Options) {
		o.BaseEndpoint = aws.String(endpoint)
		o.UsePathStyle = true
	}}, opts...)...)
}

// CreateTable makes a table of the given shape and returns when it takes requests.
// One of that name that is there already is left as it is.
func CreateTable(ctx context.Context, client *dynamodb.Client, name string, schema table.Definition) error {
	in := &dynamodb.CreateTableInput{
		TableName:   aws.String(name),
		BillingMode: types.BillingModePayPerRequest,
		KeySchema:   keys(schema.PartitionKey, schema.SortKey),
	}
	declared := map[string]bool{}
	declare := func(names ...string) { // each key attribute once, in the order met
		for _, n := range names {
			if n != "" && !declared[n] {
				declared[n] = true
				in.AttributeDefinitions = append(in.AttributeDefinitions, types.AttributeDefinition{
					AttributeName: aws.String(n), AttributeType: types.ScalarAttributeTypeS,
				})
			}
		}
	}
	declare(schema.PartitionKey, schema.SortKey)
	for _, index := range schema.Indexes {
		declare(index.PartitionKey, index.SortKey)
		in.GlobalSecondaryIndexes = append(in.GlobalSecondaryIndexes, types.GlobalSecondaryIndex{
			IndexName: aws.String(index.Name),
			KeySchema: keys(index.PartitionKey, index.SortKey),
			Projection: &types.Projection{
				ProjectionType: types.ProjectionTypeInclude, NonKeyAttributes: index.Projected,
			},
		})
	}
	var exists *types.ResourceInUseException
	if _, err := client.CreateTable(ctx, in); err != nil && !errors.As(err, &exists) {
		return fmt.Errorf("create table %s: %w", name, err)
	}
	active := dynamodb.NewTableExistsWaiter(client, func(o *dynamodb.TableExistsWaiterOptions) {
		o.MinDelay, o.MaxDelay = 20*time.Millisecond, 500*time.Millisecond
	})
	if err := active.Wait(ctx, &dynamodb.DescribeTableInput{TableName: in.TableName}, time.Minute); err != nil {
		return fmt.Errorf("wait for table %s: %w", name, err)
	}
	if schema.TTL == "" {
		return nil
	}
	return expireBy(ctx, client, name, schema.TTL)
}

// expireBy has the table drop rows whose attribute is a Unix second in the past.
// Turning on what is on is an error, so it looks first.
func expireBy(ctx context.Context, client *dynamodb.Client, table, attribute string) error {
	now, err := client.DescribeTimeToLive(ctx, &dynamodb.DescribeTimeToLiveInput{TableName: aws.String(table)})
	if err != nil {
		return fmt.Errorf("read the expiry of table %s: %w", table, err)
	}
	if d := now.TimeToLiveDescription; d != nil && aws.ToString(d.AttributeName) == attribute &&
		d.TimeToLiveStatus != types.TimeToLiveStatusDisabled {
		return nil
	}
	_, err = client.UpdateTimeToLive(ctx, &dynamodb.UpdateTimeToLiveInput{
		TableName: aws.String(table),
		TimeToLiveSpecification: &types.TimeToLiveSpecification{
			AttributeName: aws.String(attribute), Enabled: aws.Bool(true),
		},
	})
	if err != nil {
		return fmt.Errorf("set the expiry of table %s: %w", table, err)
	}
	return nil
}

func keys(partition, sort string) []types.KeySchemaElement {
	ks := []types.KeySchemaElement{{AttributeName: aws.String(partition), KeyType: types.KeyTypeHash}}
	if sort != "" {
		ks = append(ks, types.KeySchemaElement{AttributeName: aws.String(sort), KeyType: types.KeyTypeRange})
	}
	return ks
}

// CreateBucket makes a bucket. One of that name that is ours already is left as it is.
func CreateBucket(ctx context.Context, client *s3.Client, name string) error {
	_, err := client.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String(name)})
	var ours *s3types.BucketAlreadyOwnedByYou
	var exists *s3types.BucketAlreadyExists
	if err != nil && !errors.As(err, &ours) && !errors.As(err, &exists) {
		return fmt.Errorf("create bucket %s: %w", name, err)
	}
	return nil
}
