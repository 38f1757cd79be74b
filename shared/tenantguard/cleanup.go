package tenantguard

import (
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"joboutputs/shared/auth"
)

// cleanupMay reports whether the cleanup makes such a call.
func cleanupMay(in any) bool {
	switch in := in.(type) {
	case *dynamodb.QueryInput:
		return in.IndexName == nil && in.KeyConditionExpression == nil && strings.HasPrefix(equal(in.KeyConditions["PK"]), "W#")
	case *dynamodb.UpdateItemInput:
		partition := text(in.Key["PK"])
		return strings.HasPrefix(partition, "W#") || isUpload(partition)
	case *dynamodb.DeleteItemInput:
		return strings.HasPrefix(text(in.Key["PK"]), "W#")

	case *s3.ListMultipartUploadsInput:
		return isObject(in.Prefix)
	case *s3.AbortMultipartUploadInput:
		return isObject(in.Key)
	case *s3.DeleteObjectInput:
		return isObject(in.Key)
	}
	return false
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
