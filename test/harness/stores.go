package harness

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamotypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/guregu/dynamo/v2"

	"joboutputs/shared/localaws/awstest"
	"joboutputs/test/robustness/model"
)

// Stores is what a whole table and a whole bucket hold: every row, every object with the
// bytes it has, every multipart upload that is open. Broken says which of the service's
// promises they break. It knows the keys by the drawing in shared/table/keys.go, and
// shares no code with what writes them.
type Stores struct {
	rows       []row
	objects    map[string][]byte
	multiparts map[string]int // by key

	db     *dynamodb.Client
	s3     *s3.Client
	table  string
	bucket string
}

// row is any row of the table.
type row struct {
	PK    string `dynamo:"PK"`
	SK    string `dynamo:"SK"`
	TLPK  string
	TLSK  string
	Pk    int64  `dynamo:"pk"`
	Job   int64  `dynamo:"job"`
	Name  string `dynamo:"name"`
	Type  string `dynamo:"type"`
	V     int64  `dynamo:"v"`
	Sum   string `dynamo:"sha256"`
	Size  int64  `dynamo:"size"`
	Check *struct {
		Algorithm string `dynamo:"algorithm"`
		Type      string `dynamo:"type"`
		Value     string `dynamo:"value"`
	} `dynamo:"checksum"`
	ContentType string  `dynamo:"content_type"`
	Creator     int64   `dynamo:"creator"`
	Username    string  `dynamo:"creator_username"`
	Created     string  `dynamo:"creation_time"`
	Deleted     string  `dynamo:"deletion_time"`
	Object      string  `dynamo:"object"`
	Description string  `dynamo:"description"`
	Node        int64   `dynamo:"node"`
	Started     string  `dynamo:"start_time"`
	Ended       string  `dynamo:"end_time"`
	Reason      *string `dynamo:"error_reason"`
	Working     int64   `dynamo:"current_job"`
	Outputs     int64   `dynamo:"outputs"`
	Jobs        int64   `dynamo:"jobs"`
	Kind        string  `dynamo:"kind"`
	Tenant      string  `dynamo:"tenant"`
	ID          string  `dynamo:"id"`
	State       string  `dynamo:"state"`
	PartSize    int64   `dynamo:"part_size"`
}

// kind is the letter of a tenant's row: T#<tenant>#<kind>…
func (r row) kind() string {
	parts := strings.SplitN(r.PK, "#", 4)
	switch {
	case parts[0] == "W":
		return "W"
	case len(parts) < 3:
		return "?"
	case parts[2] == "J" && strings.HasPrefix(r.SK, "N#"):
		return "N"
	}
	return parts[2]
}

func (r row) tenant() string {
	if parts := strings.SplitN(r.PK, "#", 3); parts[0] == "T" {
		return parts[1]
	}
	return r.Tenant
}

func (r row) object() string { return "t/" + r.tenant() + "/" + r.Object }

// ReadStores reads everything there is. What goes while it is read, by a call that was
// given up and is still under way, makes it begin again.
func ReadStores(ctx context.Context, a *awstest.AWS) (*Stores, error) {
	for range 10 {
		s, err := readOnce(ctx, a)
		var gone *s3types.NoSuchKey
		if !errors.As(err, &gone) {
			return s, err
		}
	}
	return nil, errors.New("objects go while they are read")
}

func readOnce(ctx context.Context, a *awstest.AWS) (*Stores, error) {
	s := &Stores{objects: map[string][]byte{}, multiparts: map[string]int{}, db: a.DynamoDB, s3: a.S3, table: a.Table, bucket: a.Bucket}
	pages := dynamodb.NewScanPaginator(a.DynamoDB, &dynamodb.ScanInput{TableName: &a.Table, ConsistentRead: aws.Bool(true)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("scan the table: %w", err)
		}
		for _, item := range page.Items {
			if item["fingerprint"] != nil { // of an idempotency key, what it remembers is no row's attribute
				delete(item, "job")
			}
			var r row
			if err := dynamo.UnmarshalItem(item, &r); err != nil {
				return nil, fmt.Errorf("decode a row: %w", err)
			}
			s.rows = append(s.rows, r)
		}
	}
	objects := s3.NewListObjectsV2Paginator(a.S3, &s3.ListObjectsV2Input{Bucket: &a.Bucket})
	for objects.HasMorePages() {
		page, err := objects.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("list the bucket: %w", err)
		}
		for _, o := range page.Contents {
			got, err := a.S3.GetObject(ctx, &s3.GetObjectInput{Bucket: &a.Bucket, Key: o.Key})
			if err != nil {
				return nil, fmt.Errorf("get %s: %w", *o.Key, err)
			}
			s.objects[*o.Key], err = io.ReadAll(got.Body)
			got.Body.Close()
			if err != nil {
				return nil, fmt.Errorf("get %s: %w", *o.Key, err)
			}
		}
	}
	uploads := s3.NewListMultipartUploadsPaginator(a.S3, &s3.ListMultipartUploadsInput{Bucket: &a.Bucket})
	for uploads.HasMorePages() {
		page, err := uploads.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("list multipart uploads: %w", err)
		}
		for _, u := range page.Uploads {
			s.multiparts[*u.Key]++
		}
	}
	return s, nil
}

// Empty removes everything that was read.
func (s *Stores) Empty(ctx context.Context) error {
	var requests []dynamotypes.WriteRequest
	for _, r := range s.rows {
		requests = append(requests, dynamotypes.WriteRequest{DeleteRequest: &dynamotypes.DeleteRequest{Key: map[string]dynamotypes.AttributeValue{
			"PK": &dynamotypes.AttributeValueMemberS{Value: r.PK}, "SK": &dynamotypes.AttributeValueMemberS{Value: r.SK},
		}}})
	}
	for some := range slices.Chunk(requests, 25) {
		if _, err := s.db.BatchWriteItem(ctx, &dynamodb.BatchWriteItemInput{RequestItems: map[string][]dynamotypes.WriteRequest{s.table: some}}); err != nil {
			return fmt.Errorf("empty the table: %w", err)
		}
	}
	var keys []s3types.ObjectIdentifier
	for key := range s.objects {
		keys = append(keys, s3types.ObjectIdentifier{Key: &key})
	}
	for some := range slices.Chunk(keys, 1000) {
		if _, err := s.s3.DeleteObjects(ctx, &s3.DeleteObjectsInput{Bucket: &s.bucket, Delete: &s3types.Delete{Objects: some}}); err != nil {
			return fmt.Errorf("empty the bucket: %w", err)
		}
	}
	return nil
}

// State is what a tenant's rows say, as the model has it.
func (s *Stores) State(tenant string) model.State {
	state := model.New()
	for _, r := range s.rows {
		if r.tenant() != tenant {
			continue
		}
		switch r.kind() {
		case "O":
			o := model.Output{
				PK: r.Pk, Job: r.Job, Name: r.Name, Type: r.Type, Creator: r.Creator, CreationTime: r.Created, DeletionTime: r.Deleted,
				Size: r.Size, ContentType: r.ContentType, SHA256: r.Sum, Deleted: r.Deleted != "", Content: string(s.objects[r.object()]),
			}
			if r.Check != nil {
				o.Checksum = &model.Checksum{Algorithm: r.Check.Algorithm, Type: r.Check.Type, Value: r.Check.Value}
			}
			state.Outputs[model.Name{Job: r.Job, Name: r.Name, Type: r.Type}] = o
		case "J":
			state.Jobs[r.Pk] = model.Job{
				PK: r.Pk, Description: r.Description, Node: r.Node, Creator: r.Creator,
				CreationTime: r.Created, StartTime: r.Started, EndTime: r.Ended, ErrorReason: r.Reason,
			}
		case "D":
			if r.Working != 0 {
				var node int64
				_, _ = fmt.Sscanf(strings.TrimPrefix(r.PK, "T#"+tenant+"#D#"), "%d", &node)
				state.Working[node] = r.Working
			}
		case "I":
			state.Keys[model.KeyOf{Key: r.PK}] = model.Kept{}
		case "X":
			state.Uploads[r.ID] = model.Upload{ID: r.ID, State: r.State}
		}
	}
	return state
}

func digest(bytes []byte) (inHex, inBase64 string) {
	sum := sha256.Sum256(bytes)
	return hex.EncodeToString(sum[:]), base64.StdEncoding.EncodeToString(sum[:])
}
