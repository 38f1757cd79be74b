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

type item map[string]types.AttributeValue

func text(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

func number(n int64) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(n, 10)}
}

func key(partition, sort string) item { return item{"PK": text(partition), "SK": text(sort)} }

func outputKey(tenant string, pk int64) item { return key("T#"+tenant+"#O#"+decimal(pk), "O") }

func jobPartition(tenant, job string) string { return "T#" + tenant + "#J#" + job }

func nameKey(tenant, job, name, typ string) item {
	sum := sha256.Sum256([]byte(name + "\x00" + typ))
	return key(jobPartition(tenant, job), "N#"+hex.EncodeToString(sum[:]))
}

// of reads an attribute's text, also that of a number.
func (i item) of(name string) string {
	switch v := i[name].(type) {
	case *types.AttributeValueMemberS:
		return v.Value
	case *types.AttributeValueMemberN:
		return v.Value
	}
	return ""
}

func (b *bare) output(ctx context.Context, pk int64) (item, error) {
	got, err := b.dynamodb.GetItem(ctx, &dynamodb.GetItemInput{
		TableName: &b.table, Key: outputKey(tenant, pk), ConsistentRead: aws.Bool(true),
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
		ExpressionAttributeValues: item{":p": text(jobPartition(tenant, decimal(job))), ":n": text("N#")},
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
		Bucket: &b.bucket, Key: aws.String("t/" + tenant + "/" + o.of("object")),
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
	v, err := strconv.ParseInt(o.of("v"), 10, 64)
	if err != nil {
		return err
	}
	values := item{":v": number(v), ":next": number(v + 1)}
	expression := "SET v = :next REMOVE deletion_time"
	if deleted {
		expression = "SET v = :next, deletion_time = :now"
		values[":now"] = text(time.Now().UTC().Format("2006-01-02T15:04:05.000000Z"))
	}
	update := func(key item) types.TransactWriteItem {
		return types.TransactWriteItem{Update: &types.Update{
			TableName: &b.table, Key: key, UpdateExpression: &expression,
			ConditionExpression: aws.String("v = :v"), ExpressionAttributeValues: values,
		}}
	}
	_, err = b.dynamodb.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{TransactItems: []types.TransactWriteItem{
		update(outputKey(tenant, pk)),
		update(nameKey(tenant, o.of("job"), o.of("name"), o.of("type"))),
	}})
	return err
}

func (b *bare) add(ctx context.Context, job int64, name string) error {
	const typ = "bin"
	byName := nameKey(bareTenant, decimal(job), name, typ)
	read, err := b.dynamodb.BatchGetItem(ctx, &dynamodb.BatchGetItemInput{RequestItems: map[string]types.KeysAndAttributes{
		b.table: {ConsistentRead: aws.Bool(true), Keys: []map[string]types.AttributeValue{key(jobPartition(bareTenant, decimal(job)), "JOB"), byName}},
	}})
	if err == nil && len(read.Responses[b.table]) != 1 {
		err = fmt.Errorf("job %d is missing, or %s is there", job, name)
	}
	if err != nil {
		return err
	}

	now := time.Now().UTC()
	created := now.Format("2006-01-02T15:04:05.000000Z")
	object := ulid.MustNew(ulid.Timestamp(now), rand.Reader).String()
	intent := key("W#"+strconv.Itoa(int(now.UnixMicro()%16)), created+"#"+bareTenant+"#"+object)
	var pk int64
	both, bothCtx := errgroup.WithContext(ctx)
	both.Go(func() error {
		row := item{"PK": intent["PK"], "SK": intent["SK"], "kind": text("intent"), "tenant": text(bareTenant), "object": text(object)}
		_, err := b.dynamodb.PutItem(bothCtx, &dynamodb.PutItemInput{TableName: &b.table, Item: row})
		return err
	})
	both.Go(func() error {
		counted, err := b.dynamodb.UpdateItem(bothCtx, &dynamodb.UpdateItemInput{
			TableName: &b.table, Key: key("T#"+bareTenant+"#C", "C"),
			UpdateExpression: aws.String("ADD outputs :one"), ExpressionAttributeValues: item{":one": number(1)},
			ReturnValues: types.ReturnValueAllNew,
		})
		if err == nil {
			pk, err = strconv.ParseInt(item(counted.Attributes).of("outputs"), 10, 64)
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

	row := func(key item) item {
		row := item{
			"pk": number(pk), "job": number(job), "name": text(name), "type": text(typ), "creator": number(1),
			"creator_username": text("admin"), "creation_time": text(created), "size": number(int64(len(content))),
			"content_type": text("application/json"), "sha256": text(hex.EncodeToString(sum[:])), "object": text(object), "v": number(1),
			"checksum": &types.AttributeValueMemberM{Value: item{"algorithm": text("SHA256"), "type": text("full"), "value": text(checksum)}},
		}
		for name, value := range key {
			row[name] = value
		}
		return row
	}
	byPK := row(outputKey(bareTenant, pk))
	byPK["TLPK"] = text("T#" + bareTenant + "#S" + decimal(pk%4))
	byPK["TLSK"] = text(fmt.Sprintf("%s#%010d", created, pk))
	absent := aws.String("attribute_not_exists(PK)")
	_, err = b.dynamodb.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{TransactItems: []types.TransactWriteItem{
		{Put: &types.Put{TableName: &b.table, Item: byPK, ConditionExpression: absent}},
		{Put: &types.Put{TableName: &b.table, Item: row(byName), ConditionExpression: absent}},
		{Delete: &types.Delete{TableName: &b.table, Key: intent, ConditionExpression: aws.String("attribute_exists(PK) AND attribute_not_exists(claimed)")}},
	}})
	return err
}
