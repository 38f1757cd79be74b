package isolation_test

import (
	"encoding/json"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// The table and the bucket as they are, past the service: what only a test may do.

type item = map[string]types.AttributeValue

func (r row) string(attribute string) string {
	s, _ := r.item[attribute].(*types.AttributeValueMemberS)
	if s == nil {
		return ""
	}
	return s.Value
}

func (r row) number(attribute string) string {
	n, _ := r.item[attribute].(*types.AttributeValueMemberN)
	if n == nil {
		return ""
	}
	return n.Value
}

// texts are the strings and numbers in an item, keys among them.
func texts(i item) []string {
	var all []string
	for _, value := range i {
		switch v := value.(type) {
		case *types.AttributeValueMemberS:
			all = append(all, v.Value)
		case *types.AttributeValueMemberN:
			all = append(all, v.Value)
		case *types.AttributeValueMemberM:
			all = append(all, texts(v.Value)...)
		}
	}
	return all
}

// dump is every item of the table, by its key.
func (w *tenants) dump() map[string]row {
	w.Helper()
	all := map[string]row{}
	pages := dynamodb.NewScanPaginator(w.Rig.AWS.DynamoDB, &dynamodb.ScanInput{TableName: &w.Rig.AWS.Table})
	for pages.HasMorePages() {
		page, err := pages.NextPage(w.Context())
		if err != nil {
			w.Fatal(err)
		}
		for _, i := range page.Items {
			text, err := json.Marshal(i) // maps in the order of their keys
			if err != nil {
				w.Fatal(err)
			}
			r := row{item: i, text: string(text)}
			if partition := strings.Split(r.string("PK"), "#"); partition[0] == "T" {
				r.owner = partition[1]
			} else {
				r.owner = r.string("tenant")
			}
			all[r.string("PK")+" "+r.string("SK")] = r
		}
	}
	return all
}

func (w *tenants) put(i item) {
	w.Helper()
	if _, err := w.Rig.AWS.DynamoDB.PutItem(w.Context(), &dynamodb.PutItemInput{TableName: &w.Rig.AWS.Table, Item: i}); err != nil {
		w.Fatal(err)
	}
}

func (w *tenants) remove(i item) {
	w.Helper()
	key := item{"PK": i["PK"], "SK": i["SK"]}
	if _, err := w.Rig.AWS.DynamoDB.DeleteItem(w.Context(), &dynamodb.DeleteItemInput{TableName: &w.Rig.AWS.Table, Key: key}); err != nil {
		w.Fatal(err)
	}
}

// bucket is what the bucket holds of the other tenant: keys with entity tags and times.
func (w *tenants) bucket() map[string]string {
	w.Helper()
	all := map[string]string{}
	prefix := "t/" + w.theirs + "/"
	pages := s3.NewListObjectsV2Paginator(w.Rig.AWS.S3, &s3.ListObjectsV2Input{Bucket: &w.Rig.AWS.Bucket, Prefix: &prefix})
	for pages.HasMorePages() {
		page, err := pages.NextPage(w.Context())
		if err != nil {
			w.Fatal(err)
		}
		for _, o := range page.Contents {
			all[*o.Key] = *o.ETag + " " + o.LastModified.String()
		}
	}
	if len(all) == 0 {
		w.Fatalf("no objects under %s", prefix)
	}
	return all
}
