package main

import (
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsdynamodb"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awss3"
	"github.com/aws/jsii-runtime-go"

	"joboutputs/shared/table"
)

// storage is where outputs are kept.
type storage struct {
	table  awsdynamodb.Table
	bucket awss3.Bucket
}

// maxLink is how long a presigned request may live. The bucket refuses older ones,
// whatever a function signed.
const maxLink = 15 * time.Minute

func newStorage(stack awscdk.Stack, s settings) storage {
	return storage{table: newTable(stack, s), bucket: newBucket(stack, s)}
}

// newTable declares table.Schema. It is the v1 resource (AWS::DynamoDB::Table), the one
// that emulators know.
func newTable(stack awscdk.Stack, s settings) awsdynamodb.Table {
	key := func(name string) *awsdynamodb.Attribute {
		return &awsdynamodb.Attribute{Name: &name, Type: awsdynamodb.AttributeType_STRING}
	}
	schema := table.Schema
	made := awsdynamodb.NewTable(stack, jsii.String("Table"), &awsdynamodb.TableProps{
		PartitionKey:        key(schema.PartitionKey),
		SortKey:             key(schema.SortKey),
		BillingMode:         awsdynamodb.BillingMode_PAY_PER_REQUEST,
		TimeToLiveAttribute: &schema.TTL,
		DeletionProtection:  jsii.Bool(s.prod()),
		RemovalPolicy:       kept(s),
		PointInTimeRecoverySpecification: &awsdynamodb.PointInTimeRecoverySpecification{
			PointInTimeRecoveryEnabled: jsii.Bool(true),
		},
	})
	for _, index := range schema.Indexes {
		made.AddGlobalSecondaryIndex(&awsdynamodb.GlobalSecondaryIndexProps{
			IndexName:        &index.Name,
			PartitionKey:     key(index.PartitionKey),
			SortKey:          key(index.SortKey),
			ProjectionType:   awsdynamodb.ProjectionType_INCLUDE,
			NonKeyAttributes: texts(index.Projected...),
		})
	}
	return made
}

// newBucket makes a bucket that nobody reaches but by the functions' roles and the links
// they sign. It has no versions: keys are never reused, and versions would keep bytes
// that were said to be gone.
func newBucket(stack awscdk.Stack, s settings) awss3.Bucket {
	bucket := awss3.NewBucket(stack, jsii.String("Bucket"), &awss3.BucketProps{
		BlockPublicAccess: awss3.BlockPublicAccess_BLOCK_ALL(),
		ObjectOwnership:   awss3.ObjectOwnership_BUCKET_OWNER_ENFORCED,
		Encryption:        awss3.BucketEncryption_S3_MANAGED,
		EnforceSSL:        jsii.Bool(true),
		MinimumTLSVersion: jsii.Number(1.2),
		Versioned:         jsii.Bool(false),
		RemovalPolicy:     kept(s),
		// The cleanup ends abandoned uploads when they expire, after a day; this is for what a
		// fault might hide from it, and must never be faster.
		LifecycleRules: &[]*awss3.LifecycleRule{{
			Id:                                  jsii.String("abort-incomplete-uploads"),
			Enabled:                             jsii.Bool(true),
			AbortIncompleteMultipartUploadAfter: awscdk.Duration_Days(jsii.Number(7)),
		}},
		// A browser that follows a redirect to a link sends "Origin: null", so no list of
		// origins could name it. The link itself is the proof.
		Cors: &[]*awss3.CorsRule{{
			AllowedOrigins: texts("*"),
			AllowedMethods: &[]awss3.HttpMethods{awss3.HttpMethods_GET, awss3.HttpMethods_HEAD, awss3.HttpMethods_PUT},
			AllowedHeaders: texts("*"),
			ExposedHeaders: texts("Accept-Ranges", "Content-Disposition", "Content-Range", "ETag", "x-amz-checksum-sha256"),
			MaxAge:         jsii.Number(3600),
		}},
	})
	bucket.AddToResourcePolicy(awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
		Sid:        jsii.String("OldLinks"),
		Effect:     awsiam.Effect_DENY,
		Principals: &[]awsiam.IPrincipal{awsiam.NewAnyPrincipal()},
		Actions:    texts("s3:*"),
		Resources:  &[]*string{bucket.ArnForObjects(jsii.String("*"))},
		Conditions: &map[string]any{
			"StringEquals":       map[string]any{"s3:authType": "REST-QUERY-STRING"},
			"NumericGreaterThan": map[string]any{"s3:signatureAge": maxLink.Milliseconds()},
		},
	}))
	return bucket
}
