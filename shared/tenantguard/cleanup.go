package tenantguard

import (
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"

	"joboutputs/shared/auth"
)

// cleanupMay reports whether the cleanup makes such a call.
func cleanupMay(in any) bool {
	switch in := in.(type) {
	case *dynamodb.QueryInput:
		return in.IndexName == nil && in.KeyConditionExpression == nil && strings.HasPrefix(equal(in.KeyConditions["PK"]), "W#")
	case *dynamodb.UpdateItemInput:
		partition := text(in.Key["PK"])
		return strings.HasPrefix(partition, "W#") || isUpload(partition) && !returnsRow(in)
	case *dynamodb.BatchWriteItemInput:
		return cleanupRemoves(in)
	case *dynamodb.TransactWriteItemsInput:
		return cleanupMoves(in)

	case *s3.ListMultipartUploadsInput:
		return isObject(in.Prefix)
	case *s3.AbortMultipartUploadInput:
		return isObject(in.Key)
	case *s3.DeleteObjectsInput:
		return in.Delete != nil && !slices.ContainsFunc(in.Delete.Objects, func(o s3types.ObjectIdentifier) bool { return !isObject(o.Key) })
	}
	return false
}

// isQueue reports whether a row is one of the queue.
func isQueue(row map[string]types.AttributeValue) bool {
	return strings.HasPrefix(text(row["PK"]), "W#")
}

// cleanupRemoves reports whether a batch removes queue rows and nothing else.
func cleanupRemoves(in *dynamodb.BatchWriteItemInput) bool {
	for _, requests := range in.RequestItems {
		for _, r := range requests {
			if r.PutRequest != nil || r.DeleteRequest == nil || !isQueue(r.DeleteRequest.Key) {
				return false
			}
		}
	}
	return true
}

// cleanupMoves reports whether a transaction puts and deletes queue rows and nothing else.
func cleanupMoves(in *dynamodb.TransactWriteItemsInput) bool {
	for _, item := range in.TransactItems {
		if item.Update != nil || item.ConditionCheck != nil ||
			item.Put != nil && !isQueue(item.Put.Item) || item.Delete != nil && !isQueue(item.Delete.Key) {
			return false
		}
	}
	return true
}

// returnsRow reports whether an update returns more of the row than it changes.
func returnsRow(in *dynamodb.UpdateItemInput) bool {
	return in.ReturnValues == types.ReturnValueAllOld || in.ReturnValues == types.ReturnValueAllNew ||
		in.ReturnValuesOnConditionCheckFailure == types.ReturnValuesOnConditionCheckFailureAllOld
}

// isUpload reports whether a partition is a staged upload of some tenant: T#<tenant>#X#<id>.
func isUpload(partition string) bool {
	rest, ok := strings.CutPrefix(partition, "T#")
	tenant, kind, _ := strings.Cut(rest, "#")
	return ok && auth.ValidTenant(tenant) && len(kind) > len("X#") && strings.HasPrefix(kind, "X#")
}

// isObject reports whether a key is an object of some tenant.
func isObject(key *string) bool {
	if key == nil {
		return false
	}
	rest, ok := strings.CutPrefix(*key, "t/")
	tenant, _, _ := strings.Cut(rest, "/")
	return ok && auth.ValidTenant(tenant) && caller(tenant).object(key)
}
