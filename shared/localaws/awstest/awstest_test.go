package awstest_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/google/go-cmp/cmp"

	"joboutputs/shared/localaws"
	"joboutputs/shared/localaws/awstest"
	"joboutputs/shared/table"
)

func TestEachTestHasItsOwn(t *testing.T) {
	a, b := awstest.New(t), awstest.New(t)
	if a.Table == b.Table || a.Bucket == b.Bucket {
		t.Fatalf("two tests share table %s or bucket %s", a.Table, a.Bucket)
	}
	_, err := a.S3.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &a.Bucket, Key: aws.String("k"), Body: strings.NewReader("v")})
	if err != nil {
		t.Fatal(err)
	}
	page, err := b.S3.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: &b.Bucket})
	if err != nil {
		t.Fatal(err)
	}
	if len(page.Contents) != 0 {
		t.Errorf("another test's bucket holds %d objects, want none", len(page.Contents))
	}
}

func TestTableHasTheShape(t *testing.T) {
	a := awstest.New(t)
	// A second time changes nothing and is no error.
	if err := localaws.CreateTable(t.Context(), a.DynamoDB, a.Table, table.Schema); err != nil {
		t.Fatal(err)
	}
	if err := localaws.CreateBucket(t.Context(), a.S3, a.Bucket); err != nil {
		t.Fatal(err)
	}
	got, err := a.DynamoDB.DescribeTable(t.Context(), &dynamodb.DescribeTableInput{TableName: &a.Table})
	if err != nil {
		t.Fatal(err)
	}
	if got.Table.TableStatus != types.TableStatusActive {
		t.Errorf("table is %s, want ACTIVE", got.Table.TableStatus)
	}
	names := map[string][]string{"": keyNames(got.Table.KeySchema)}
	for _, index := range got.Table.GlobalSecondaryIndexes {
		names[*index.IndexName] = keyNames(index.KeySchema)
	}
	want := map[string][]string{"": {table.Schema.PartitionKey, table.Schema.SortKey}}
	for _, index := range table.Schema.Indexes {
		want[index.Name] = []string{index.PartitionKey, index.SortKey}
	}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("keys (-want +got):\n%s", diff)
	}
	ttl, err := a.DynamoDB.DescribeTimeToLive(t.Context(), &dynamodb.DescribeTimeToLiveInput{TableName: &a.Table})
	if err != nil {
		t.Fatal(err)
	}
	if got := aws.ToString(ttl.TimeToLiveDescription.AttributeName); got != table.Schema.TTL {
		t.Errorf("rows expire by %q, want %q", got, table.Schema.TTL)
	}
}

func keyNames(schema []types.KeySchemaElement) []string {
	var names []string
	for _, k := range schema {
		names = append(names, *k.AttributeName)
	}
	return names
}
