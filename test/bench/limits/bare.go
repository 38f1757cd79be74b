package limits

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/oklog/ulid/v2"
	"golang.org/x/sync/errgroup"

	"joboutputs/shared/outputs"
	"joboutputs/shared/table"
	"joboutputs/test/bench/rows"
)

// bare makes the calls that actions can't do without, and nothing else: the SDK alone, its
// maps not decoded, on the rows and objects that the service has or would make.
type bare struct {
	names
	dynamodb *dynamodb.Client
	s3       *s3.Client
	table    string
	bucket   string
}

func (b *bare) output(ctx context.Context, pk int64) (rows.Item, error) {
	got, err := b.dynamodb.GetItem(ctx, &dynamodb.GetItemInput{
		TableName: &b.table, Key: rows.OutputKey(tenant, pk), ConsistentRead: aws.Bool(true),
	})
	if err == nil && len(got.Item) == 0 {
		err = fmt.Errorf("output %d is missing", pk)
	}
	if err != nil {
		return nil, err
	}
	return got.Item, nil
}

func (b *bare) list(ctx context.Context, job int64) error {
	got, err := b.dynamodb.Query(ctx, &dynamodb.QueryInput{
		TableName: &b.table, ConsistentRead: aws.Bool(true),
		KeyConditionExpression:    aws.String("PK = :p AND begins_with(SK, :n)"),
		ExpressionAttributeValues: rows.Item{":p": rows.Text(rows.JobPartition(tenant, job)), ":n": rows.Text(rows.NamePrefix)},
	})
	if err == nil && len(got.Items) != perJob {
		err = fmt.Errorf("job %d has %d outputs", job, len(got.Items))
	}
	return err
}

func (b *bare) download(ctx context.Context, pk int64) error {
	o, err := b.output(ctx, pk)
	if err != nil {
		return err
	}
	got, err := b.s3.GetObject(ctx, &s3.GetObjectInput{
		Bucket: &b.bucket, Key: aws.String("t/" + tenant + "/" + o.Of("object")),
	})
	if err != nil {
		return err
	}
	defer got.Body.Close()
	size, err := io.Copy(io.Discard, got.Body)
	if err == nil && size != int64(len(content)) {
		err = fmt.Errorf("output %d has %d bytes", pk, size)
	}
	return err
}

// change is one soft delete, or one undoing of it.
func (b *bare) change(ctx context.Context, pk int64, deleted bool) error {
	o, err := b.output(ctx, pk)
	if err != nil {
		return err
	}
	v, err := strconv.ParseInt(o.Of("v"), 10, 64)
	if err != nil {
		return err
	}
	job, err := strconv.ParseInt(o.Of("job"), 10, 64)
	if err != nil {
		return err
	}
	values := rows.Item{":v": rows.Number(v), ":next": rows.Number(v + 1)}
	expression := "SET v = :next REMOVE deletion_time"
	if deleted {
		expression = "SET v = :next, deletion_time = :now"
		values[":now"] = rows.Text(table.FormatTime(time.Now()))
	}
	update := func(key rows.Item) types.TransactWriteItem {
		return types.TransactWriteItem{Update: &types.Update{
			TableName: &b.table, Key: key, UpdateExpression: &expression,
			ConditionExpression: aws.String("v = :v"), ExpressionAttributeValues: values,
		}}
	}
	_, err = b.dynamodb.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{TransactItems: []types.TransactWriteItem{
		update(rows.OutputKey(tenant, pk)),
		update(rows.NameKey(tenant, job, o.Of("name"), o.Of("type"))),
	}})
	return err
}

func (b *bare) add(ctx context.Context, job int64, name string) error {
	const typ = "bin"
	key := rows.NameKey(bareTenant, job, name, typ)
	read, err := b.dynamodb.BatchGetItem(ctx, &dynamodb.BatchGetItemInput{RequestItems: map[string]types.KeysAndAttributes{
		b.table: {ConsistentRead: aws.Bool(true), Keys: []map[string]types.AttributeValue{rows.Key(rows.JobPartition(bareTenant, job), "JOB"), key}},
	}})
	if err == nil && len(read.Responses[b.table]) != 1 {
		err = fmt.Errorf("job %d is missing, or %s is there", job, name)
	}
	if err != nil {
		return err
	}

	now := time.Now().UTC()
	object := ulid.MustNew(ulid.Timestamp(now), rand.Reader).String()
	intent := rows.Key("W#"+strconv.Itoa(int(now.UnixMicro()%16)), table.FormatTime(now)+"#"+bareTenant+"#"+object)
	var pk int64
	both, bothCtx := errgroup.WithContext(ctx)
	both.Go(func() error {
		row := rows.Item{"PK": intent["PK"], "SK": intent["SK"], "kind": rows.Text("intent"), "tenant": rows.Text(bareTenant), "object": rows.Text(object)}
		_, err := b.dynamodb.PutItem(bothCtx, &dynamodb.PutItemInput{TableName: &b.table, Item: row})
		return err
	})
	both.Go(func() error {
		counted, err := b.dynamodb.UpdateItem(bothCtx, &dynamodb.UpdateItemInput{
			TableName: &b.table, Key: rows.Key("T#"+bareTenant+"#C", "C"),
			UpdateExpression: aws.String("ADD outputs :one"), ExpressionAttributeValues: rows.Item{":one": rows.Number(1)},
			ReturnValues: types.ReturnValueAllNew,
		})
		if err == nil {
			pk, err = strconv.ParseInt(rows.Item(counted.Attributes).Of("outputs"), 10, 64)
		}
		return err
	})
	if err := both.Wait(); err != nil {
		return err
	}

	sum := sha256.Sum256(content)
	checksum := base64.StdEncoding.EncodeToString(sum[:])
	if _, err := b.s3.PutObject(ctx, &s3.PutObjectInput{
		Bucket: &b.bucket, Key: aws.String("t/" + bareTenant + "/" + object), Body: bytes.NewReader(content),
		ChecksumAlgorithm: s3types.ChecksumAlgorithmSha256, ChecksumSHA256: &checksum, IfNoneMatch: aws.String("*"),
	}); err != nil {
		return err
	}

	byPK, byName := rows.Both(bareTenant, &outputs.Output{
		PK: pk, Job: job, Name: name, Type: typ, Creator: 1, CreatorUsername: user, CreationTime: now, Size: int64(len(content)),
		ContentType: "application/json", SHA256: hex.EncodeToString(sum[:]),
		Checksum: &table.Checksum{Algorithm: "SHA256", Type: "full", Value: checksum},
	}, object)
	absent := aws.String("attribute_not_exists(PK)")
	_, err = b.dynamodb.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{TransactItems: []types.TransactWriteItem{
		{Put: &types.Put{TableName: &b.table, Item: byPK, ConditionExpression: absent}},
		{Put: &types.Put{TableName: &b.table, Item: byName, ConditionExpression: absent}},
		{Delete: &types.Delete{TableName: &b.table, Key: intent, ConditionExpression: aws.String("attribute_exists(PK) AND attribute_not_exists(claimed)")}},
	}})
	return err
}
