package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"maps"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"golang.org/x/sync/errgroup"
)

// bare makes the calls of an add (shared/outputs/add.go) and nothing else: no HTTP of
// ours, no token, no checks. Its rows have the keys and sizes of the service's.
type bare struct {
	db            *dynamodb.Client
	s3            *s3.Client
	table, bucket string
	n             atomic.Int64
}

type item = map[string]types.AttributeValue

func text(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }
func number(n int64) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(n, 10)}
}
func key(partition, sort string) item { return item{"PK": text(partition), "SK": text(sort)} }

// addAll adds the contents to a job, so many at once.
func (b *bare) addAll(ctx context.Context, job int, contents map[string][]byte, parallel int) (time.Duration, error) {
	began := time.Now()
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallel)
	for name, content := range contents {
		g.Go(func() error { return b.add(ctx, job, name, content) })
	}
	err := g.Wait()
	return time.Since(began), err
}

func (b *bare) add(ctx context.Context, job int, name string, content []byte) error {
	sum := sha256.Sum256(content)
	partition := fmt.Sprintf("T#bare#J#%d", job)
	hash := sha256.Sum256([]byte(name))
	nameKey := key(partition, "N#"+hex.EncodeToString(hash[:]))
	id := fmt.Sprintf("01K%023d", b.n.Add(1))
	call := sha256.Sum256([]byte(id))
	again := key("T#bare#I#"+hex.EncodeToString(call[:]), "I") // the command adds with an idempotency key

	_, err := b.db.BatchGetItem(ctx, &dynamodb.BatchGetItemInput{RequestItems: map[string]types.KeysAndAttributes{
		b.table: {Keys: []item{key(partition, "JOB"), nameKey, again}, ConsistentRead: aws.Bool(true)},
	}})
	if err != nil {
		return err
	}

	both, bothCtx := errgroup.WithContext(ctx)
	intent := key(fmt.Sprintf("W#%d", b.n.Load()%16), time.Now().UTC().Format(time.RFC3339Nano)+"#bare#"+id)
	both.Go(func() error {
		row := maps.Clone(intent)
		row["kind"], row["tenant"], row["object"] = text("intent"), text("bare"), text(id)
		_, err := b.db.PutItem(bothCtx, &dynamodb.PutItemInput{TableName: &b.table, Item: row})
		return err
	})
	var pk int64
	both.Go(func() error {
		got, err := b.db.UpdateItem(bothCtx, &dynamodb.UpdateItemInput{
			TableName: &b.table, Key: key("T#bare#C", "C"), ReturnValues: types.ReturnValueAllNew,
			UpdateExpression: aws.String("ADD outputs :one"), ExpressionAttributeValues: item{":one": number(1)},
		})
		if err == nil {
			pk, err = strconv.ParseInt(got.Attributes["outputs"].(*types.AttributeValueMemberN).Value, 10, 64)
		}
		return err
	})
	if err := both.Wait(); err != nil {
		return err
	}

	checksum := base64.StdEncoding.EncodeToString(sum[:])
	_, err = b.s3.PutObject(ctx, &s3.PutObjectInput{
		Bucket: &b.bucket, Key: aws.String("t/bare/" + id), Body: bytes.NewReader(content), IfNoneMatch: aws.String("*"), ChecksumSHA256: &checksum,
	})
	if err != nil {
		return err
	}

	now := time.Now().UTC().Format(time.RFC3339Nano)
	row := item{
		"pk": number(pk), "job": number(int64(job)), "name": text(name), "type": text("bin"), "creator": number(1), "creator_username": text("admin"),
		"creation_time": text(now), "size": number(int64(len(content))), "content_type": text("application/octet-stream"), "sha256": text(hex.EncodeToString(sum[:])),
		"checksum": &types.AttributeValueMemberM{Value: item{"algorithm": text("SHA256"), "type": text("full"), "value": text(checksum)}},
		"object":   text(id), "v": number(1),
	}
	byPK, byName := maps.Clone(row), maps.Clone(row)
	maps.Copy(byPK, key(fmt.Sprintf("T#bare#O#%d", pk), "O"))
	byPK["TLPK"], byPK["TLSK"] = text(fmt.Sprintf("T#bare#S%d", pk%4)), text(fmt.Sprintf("%s#%010d", now, pk))
	maps.Copy(byName, nameKey)
	kept := maps.Clone(again)
	kept["fingerprint"], kept["expires"] = text(hex.EncodeToString(hash[:])), number(time.Now().Add(24*time.Hour).Unix())
	kept["output"] = &types.AttributeValueMemberM{Value: row}
	absent := aws.String("attribute_not_exists(PK)")
	_, err = b.db.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{TransactItems: []types.TransactWriteItem{
		{Put: &types.Put{TableName: &b.table, Item: byPK, ConditionExpression: absent}},
		{Put: &types.Put{TableName: &b.table, Item: byName, ConditionExpression: absent}},
		{Delete: &types.Delete{TableName: &b.table, Key: intent, ConditionExpression: aws.String("attribute_not_exists(claimed)")}},
		{Put: &types.Put{TableName: &b.table, Item: kept, ConditionExpression: absent}},
	}})
	return err
}
