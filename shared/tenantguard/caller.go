package tenantguard

import (
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// caller is a tenant on whose behalf calls are made.
type caller string

// may reports whether a call stays inside the tenant, by its input.
func (c caller) may(in any) bool {
	switch in := in.(type) {
	case *dynamodb.GetItemInput:
		return c.row(in.Key)
	case *dynamodb.PutItemInput:
		return c.puts(in.Item)
	case *dynamodb.UpdateItemInput:
		return c.updates(in.Key, in.UpdateExpression, in.ExpressionAttributeNames) && in.AttributeUpdates == nil
	case *dynamodb.DeleteItemInput:
		return c.changes(in.Key)
	case *dynamodb.QueryInput:
		return c.queries(in)
	case *dynamodb.BatchGetItemInput:
		return c.gets(in)
	case *dynamodb.BatchWriteItemInput:
		return c.writes(in)
	case *dynamodb.TransactGetItemsInput:
		return c.transactionGets(in)
	case *dynamodb.TransactWriteItemsInput:
		return c.transacts(in)

	case *s3.PutObjectInput:
		return c.object(in.Key)
	case *s3.GetObjectInput:
		return c.object(in.Key)
	case *s3.HeadObjectInput:
		return c.object(in.Key)
	case *s3.DeleteObjectInput:
		return c.object(in.Key)
	case *s3.CreateMultipartUploadInput:
		return c.object(in.Key)
	case *s3.UploadPartInput:
		return c.object(in.Key)
	case *s3.ListPartsInput:
		return c.object(in.Key)
	case *s3.CompleteMultipartUploadInput:
		return c.object(in.Key)
	case *s3.AbortMultipartUploadInput:
		return c.object(in.Key)
	case *s3.ListMultipartUploadsInput:
		return c.object(in.Prefix)
	}
	return false
}

// row reports whether a row is one of the tenant's.
func (c caller) row(key map[string]types.AttributeValue) bool {
	return c.partition(text(key["PK"]))
}

// partition reports whether a partition, of the table or of the timeline, is the tenant's:
// T#<tenant>#…
func (c caller) partition(key string) bool { return within(key, "T#", string(c), '#') }

// queued reports whether a row is one of the queue that names the tenant:
// W#<n>, <due>#<tenant>#<id>.
func (c caller) queued(key map[string]types.AttributeValue) bool {
	_, rest, ok := strings.Cut(text(key["SK"]), "#")
	return ok && strings.HasPrefix(text(key["PK"]), "W#") && within(rest, "", string(c), '#')
}

// puts reports whether an item is the tenant's, its place in the timeline included.
func (c caller) puts(item map[string]types.AttributeValue) bool {
	if c.queued(item) {
		return text(item["tenant"]) == string(c)
	}
	timeline, listed := item["TLPK"]
	return c.row(item) && (!listed || c.partition(text(timeline)))
}

// updates is for what may be changed, but for its place in the timeline.
func (c caller) updates(key map[string]types.AttributeValue, expression *string, names map[string]string) bool {
	for _, name := range names {
		if name == "TLPK" {
			return false
		}
	}
	return c.changes(key) && (expression == nil || !strings.Contains(*expression, "TLPK"))
}

// changes is for rows that are there: the tenant's, and those of the queue that name it.
func (c caller) changes(key map[string]types.AttributeValue) bool { return c.row(key) || c.queued(key) }

// queries is for one partition, named by an equal condition, and for pages that go on in it.
func (c caller) queries(in *dynamodb.QueryInput) bool {
	partition := "PK"
	if in.IndexName != nil {
		partition = "TLPK"
	}
	for _, name := range []string{"PK", "TLPK"} {
		if start, ok := in.ExclusiveStartKey[name]; ok && !c.partition(text(start)) {
			return false
		}
	}
	return in.KeyConditionExpression == nil && c.partition(equal(in.KeyConditions[partition]))
}

func (c caller) gets(in *dynamodb.BatchGetItemInput) bool {
	for _, table := range in.RequestItems {
		for _, key := range table.Keys {
			if !c.row(key) {
				return false
			}
		}
	}
	return true
}

func (c caller) transactionGets(in *dynamodb.TransactGetItemsInput) bool {
	for _, item := range in.TransactItems {
		if item.Get == nil || !c.row(item.Get.Key) {
			return false
		}
	}
	return true
}

func (c caller) writes(in *dynamodb.BatchWriteItemInput) bool {
	for _, requests := range in.RequestItems {
		for _, r := range requests {
			if r.PutRequest != nil && !c.puts(r.PutRequest.Item) || r.DeleteRequest != nil && !c.changes(r.DeleteRequest.Key) {
				return false
			}
		}
	}
	return true
}

func (c caller) transacts(in *dynamodb.TransactWriteItemsInput) bool {
	for _, item := range in.TransactItems {
		if item.Put != nil && !c.puts(item.Put.Item) ||
			item.Update != nil && !c.updates(item.Update.Key, item.Update.UpdateExpression, item.Update.ExpressionAttributeNames) ||
			item.Delete != nil && !c.changes(item.Delete.Key) ||
			item.ConditionCheck != nil && !c.row(item.ConditionCheck.Key) {
			return false
		}
	}
	return true
}

// object reports whether an object is the tenant's: t/<tenant>/<name>, where the name is
// one that no file system, of an emulator, takes for another place.
func (c caller) object(key *string) bool {
	if key == nil || !within(*key, "t/", string(c), '/') {
		return false
	}
	return !strings.ContainsAny((*key)[len("t/")+len(c)+1:], "/.")
}

// within reports whether a key is prefix, tenant, separator and more.
func within(key, prefix, tenant string, separator byte) bool {
	n := len(prefix) + len(tenant)
	return len(key) > n+1 && key[:len(prefix)] == prefix && key[len(prefix):n] == tenant && key[n] == separator
}

// text is the value of a key attribute, which are all text.
func text(v types.AttributeValue) string {
	if s, ok := v.(*types.AttributeValueMemberS); ok {
		return s.Value
	}
	return ""
}

// equal is the value that a condition on a key asks for, "" where it asks for anything else.
func equal(c types.Condition) string {
	if c.ComparisonOperator != types.ComparisonOperatorEq || len(c.AttributeValueList) != 1 {
		return ""
	}
	return text(c.AttributeValueList[0])
}
