package load

import (
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/google/go-cmp/cmp"
	"github.com/guregu/dynamo/v2"

	"joboutputs/shared/cleanup"
	"joboutputs/shared/localaws"
	"joboutputs/shared/table"
)

// broken reads every row and the name of every object, after a cleanup, and answers what
// must not be: an output of which there is only one row, two rows that differ, a row
// without bytes or with bytes of another size, bytes without a row, and anything still
// waiting for a cleanup for which all of it is due.
func (s *site) broken() ([]string, error) {
	ctx := s.t.Context()
	ahead := s.stores
	ahead.Now = func() time.Time { return time.Now().Add(table.Grace) }
	if _, err := cleanup.New(ahead).Run(ctx, 0); err != nil {
		return nil, err
	}
	var all []string
	byPK, byName := map[string]map[string]any{}, map[string]map[string]any{}
	db := localaws.DynamoDB(s.servers.DynamoDBEndpoint)
	for pages := dynamodb.NewScanPaginator(db, &dynamodb.ScanInput{TableName: aws.String(tableName), ConsistentRead: aws.Bool(true)}); pages.HasMorePages(); {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, item := range page.Items {
			var row map[string]any
			if err := dynamo.UnmarshalItem(item, &row); err != nil {
				return nil, err
			}
			partition, sort := row["PK"].(string), row["SK"].(string)
			maps.DeleteFunc(row, func(name string, _ any) bool { return name == "PK" || name == "SK" || name == "TLPK" || name == "TLSK" })
			switch object := fmt.Sprint(row["object"]); {
			case strings.HasPrefix(partition, "W#"):
				all = append(all, fmt.Sprintf("the cleanup left %s", sort))
			case sort == "O":
				if byPK[object] != nil {
					all = append(all, "two outputs have the object "+object)
				}
				byPK[object] = row
			case strings.HasPrefix(sort, "N#"):
				byName[object] = row
			}
		}
	}
	for object, row := range byPK {
		if diff := cmp.Diff(row, byName[object]); diff != "" {
			all = append(all, fmt.Sprintf("the rows of output %v differ (-by pk +by name):\n%s", row["pk"], diff))
		}
	}
	for object, row := range byName {
		if byPK[object] == nil {
			all = append(all, fmt.Sprintf("output %v has no row by its pk", row["pk"]))
		}
	}
	objects := localaws.S3(s.servers.S3Endpoint)
	for pages := s3.NewListObjectsV2Paginator(objects, &s3.ListObjectsV2Input{Bucket: aws.String(bucket)}); pages.HasMorePages(); {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, o := range page.Contents {
			object := (*o.Key)[strings.LastIndex(*o.Key, "/")+1:]
			row := byPK[object]
			if row == nil {
				all = append(all, "no row has the object "+*o.Key)
				continue
			}
			if float64(*o.Size) != row["size"] {
				all = append(all, fmt.Sprintf("output %v has %d bytes, not %v", row["pk"], *o.Size, row["size"]))
			}
			delete(byPK, object)
		}
	}
	for _, row := range byPK {
		all = append(all, fmt.Sprintf("output %v has no bytes", row["pk"]))
	}
	return all, nil
}
