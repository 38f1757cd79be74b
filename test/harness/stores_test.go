package harness_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"joboutputs/shared/auth"
	"joboutputs/shared/localaws/awstest"
	"joboutputs/shared/table"
	"joboutputs/test/harness"
	"joboutputs/test/robustness/faults"
	"joboutputs/test/robustness/model"
)

// TestPlanted breaks every promise by hand: the audit says so.
func TestPlanted(t *testing.T) {
	t.Parallel()
	trial := harness.NewTrial(t, "planted")
	for _, tc := range []struct {
		name  string
		plant func(*planter)
		want  string // "" = nothing is broken
	}{
		{"nothing", func(*planter) {}, ""},
		{"an object that belongs to nothing", func(p *planter) { p.put("t/"+p.tenant+"/orphan", "x") }, "orphan belongs to nothing"},
		{"no bytes", func(p *planter) { p.remove(p.object) }, "has no bytes"},
		{"other bytes", func(p *planter) { p.put(p.object, "CONTENT") }, "its bytes have"},
		{"bytes cut short", func(p *planter) { p.put(p.object, "c") }, "has 7 bytes, and 1 are there"},
		{"no guard", func(p *planter) { p.delete("T#"+p.tenant+"#J#1", p.guard) }, "has no guard"},
		{"a guard of nothing", func(p *planter) { p.delete("T#"+p.tenant+"#O#1", "O") }, "is guarded, and output 1 is not there"},
		{"copies that differ", func(p *planter) {
			p.set("T#"+p.tenant+"#J#1", p.guard, "deletion_time", &types.AttributeValueMemberS{Value: "2026-01-01T00:00:00.000000Z"})
		}, "the copies of output 1 differ"},
		{"a counter set back", func(p *planter) {
			p.set("T#"+p.tenant+"#C", "C", "outputs", &types.AttributeValueMemberN{Value: "0"})
		}, "its pk will come again"},
		{"an intent of what is visible", func(p *planter) {
			object := p.object[strings.LastIndex(p.object, "/")+1:]
			p.set("W#1", "2026-01-01T00:00:00.000000Z#"+p.tenant+"#"+object, "object", &types.AttributeValueMemberS{Value: object})
			p.set("W#1", "2026-01-01T00:00:00.000000Z#"+p.tenant+"#"+object, "tenant", &types.AttributeValueMemberS{Value: p.tenant})
		}, "its object waits to be removed"},
		{"a multipart upload of nothing", func(p *planter) {
			_, err := p.aws.S3.CreateMultipartUpload(t.Context(), &s3.CreateMultipartUploadInput{Bucket: &p.aws.Bucket, Key: aws.String("t/" + p.tenant + "/parts")})
			p.must(err)
		}, "multipart uploads of"},
		{"an upload that nothing ends", func(p *planter) {
			p.set("T#"+p.tenant+"#X#1", "X", "state", &types.AttributeValueMemberS{Value: "open"})
		}, "nothing will end it"},
		{"a node that works what does not run", func(p *planter) {
			p.set("T#"+p.tenant+"#J#1", "JOB", "end_time", &types.AttributeValueMemberS{Value: "2026-01-01T00:00:00.000000Z"})
		}, "which does not run"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := trial.Begin()
			harness.Added(r)
			p := &planter{t: t, aws: trial.Rig.AWS, tenant: r.Admin.Tenant}
			p.look()
			tc.plant(p)
			stores, err := harness.ReadStores(t.Context(), trial.Rig.AWS)
			p.must(err)
			broken := strings.Join(stores.Broken(false), "\n")
			if (broken == "") != (tc.want == "") || !strings.Contains(broken, tc.want) {
				t.Errorf("broken: %q, want %q", broken, tc.want)
			}
			p.must(stores.Empty(t.Context()))
			if tc.name == "a multipart upload of nothing" {
				all, err := p.aws.S3.ListMultipartUploads(t.Context(), &s3.ListMultipartUploadsInput{Bucket: &p.aws.Bucket})
				p.must(err)
				for _, u := range all.Uploads {
					_, err := p.aws.S3.AbortMultipartUpload(t.Context(), &s3.AbortMultipartUploadInput{Bucket: &p.aws.Bucket, Key: u.Key, UploadId: u.UploadId})
					p.must(err)
				}
			}
		})
	}
}

// TestLeft holds that what a crash leaves is broken only once it should have been cleaned up.
func TestLeft(t *testing.T) {
	t.Parallel()
	trial := harness.NewTrial(t, "left")
	r := trial.Begin()
	harness.Started(r)
	r.Planned(model.Call{Action: auth.JobsAddOutput, Job: 1, Name: "n", Type: "t", Content: "x"}, harness.CrashAt("TransactWriteItems", 1))
	r.Audit(false)
	if len(r.Broken) > 0 {
		t.Errorf("before the cleanup: %v", r.Broken)
	}
	r.Planned(model.Call{Action: auth.Cleanup, Grace: time.Hour}, faults.NewPlan(nil)) // for which it is too young
	stores, err := harness.ReadStores(t.Context(), trial.Rig.AWS)
	if err != nil {
		t.Fatal(err)
	}
	if broken := stores.Broken(true); len(broken) != 2 { // the queue row, and the object
		t.Errorf("after a cleanup that may do nothing: %q", broken)
	}
	trial.Rig.Clock.Advance(table.Grace)
	r.Planned(model.Call{Action: auth.Cleanup}, faults.NewPlan(nil))
	if r.Audit(true); len(r.Broken) > 0 {
		t.Errorf("after the cleanup: %v", r.Broken)
	}
}

// planter changes what is stored behind the service's back.
type planter struct {
	t             *testing.T
	aws           *awstest.AWS
	tenant        string
	object, guard string
}

func (p *planter) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

// look finds the one object, and the sort key of the one guard.
func (p *planter) look() {
	objects, err := p.aws.S3.ListObjectsV2(p.t.Context(), &s3.ListObjectsV2Input{Bucket: &p.aws.Bucket})
	p.must(err)
	p.object = *objects.Contents[0].Key
	guards, err := p.aws.DynamoDB.Query(p.t.Context(), &dynamodb.QueryInput{TableName: &p.aws.Table,
		KeyConditionExpression: aws.String("PK = :p AND begins_with(SK, :n)"),
		ExpressionAttributeValues: map[string]types.AttributeValue{
			":p": &types.AttributeValueMemberS{Value: "T#" + p.tenant + "#J#1"}, ":n": &types.AttributeValueMemberS{Value: "N#"},
		}})
	p.must(err)
	p.guard = guards.Items[0]["SK"].(*types.AttributeValueMemberS).Value
}

func (p *planter) put(key, content string) {
	_, err := p.aws.S3.PutObject(p.t.Context(), &s3.PutObjectInput{Bucket: &p.aws.Bucket, Key: &key, Body: bytes.NewReader([]byte(content))})
	p.must(err)
}

func (p *planter) remove(key string) {
	_, err := p.aws.S3.DeleteObject(p.t.Context(), &s3.DeleteObjectInput{Bucket: &p.aws.Bucket, Key: &key})
	p.must(err)
}

func rowKey(partition, sort string) map[string]types.AttributeValue {
	return map[string]types.AttributeValue{"PK": &types.AttributeValueMemberS{Value: partition}, "SK": &types.AttributeValueMemberS{Value: sort}}
}

func (p *planter) delete(partition, sort string) {
	_, err := p.aws.DynamoDB.DeleteItem(p.t.Context(), &dynamodb.DeleteItemInput{TableName: &p.aws.Table, Key: rowKey(partition, sort)})
	p.must(err)
}

func (p *planter) set(partition, sort, attribute string, value types.AttributeValue) {
	_, err := p.aws.DynamoDB.UpdateItem(p.t.Context(), &dynamodb.UpdateItemInput{TableName: &p.aws.Table, Key: rowKey(partition, sort),
		UpdateExpression: aws.String("SET #a = :v"), ExpressionAttributeNames: map[string]string{"#a": attribute},
		ExpressionAttributeValues: map[string]types.AttributeValue{":v": value}})
	p.must(err)
}
