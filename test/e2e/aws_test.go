//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"joboutputs/shared/config"
	"joboutputs/shared/table"
)

// administrator is the configuration of who deployed the stack, as opposed to its
// functions and their roles.
func administrator() aws.Config {
	return aws.Config{
		Region:       region,
		BaseEndpoint: aws.String(emulator.endpoint),
		Credentials:  credentials.NewStaticCredentialsProvider("test", "test", ""),
		HTTPClient:   config.HTTP1(),
	}
}

// store is a deployment's table and bucket, reached by its administrator: tests put rows
// into it that no API makes.
func (d *deployment) store() *table.Store {
	return table.New(table.Config{
		DynamoDB: dynamodb.NewFromConfig(administrator()), S3: s3.NewFromConfig(administrator()),
		Table: d.outputs["TableName"], Bucket: d.outputs["BucketName"],
	})
}

func objects(ctx context.Context, bucket string) (keys []string, err error) {
	pages := s3.NewListObjectsV2Paginator(s3.NewFromConfig(administrator()), &s3.ListObjectsV2Input{Bucket: &bucket})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("list the bucket: %w", err)
		}
		for _, o := range page.Contents {
			keys = append(keys, *o.Key)
		}
	}
	return keys, nil
}

func emptyBucket(ctx context.Context, bucket string) error {
	client := s3.NewFromConfig(administrator())
	keys, err := objects(ctx, bucket)
	for len(keys) > 0 && err == nil {
		var some []types.ObjectIdentifier
		for _, key := range keys[:min(len(keys), 1000)] {
			some = append(some, types.ObjectIdentifier{Key: &key})
		}
		keys = keys[len(some):]
		_, err = client.DeleteObjects(ctx, &s3.DeleteObjectsInput{Bucket: &bucket, Delete: &types.Delete{Objects: some}})
	}
	return err
}

// awsRequest is a call to a service for which the project has no client.
type awsRequest struct {
	service, path, method string
	header                http.Header
	body                  []byte
}

// awsJSON is a call of the JSON protocols: DynamoDB, CloudWatch Logs.
func awsJSON(service, target string, in any) awsRequest {
	body, _ := json.Marshal(in) // of maps and strings
	return awsRequest{service: service, path: "/", method: http.MethodPost, body: body, header: http.Header{
		"Content-Type": {"application/x-amz-json-1.1"}, "X-Amz-Target": {target},
	}}
}

// awsQuery is a call of the query protocol: IAM.
func awsQuery(service, version, action string, in url.Values) awsRequest {
	in.Set("Action", action)
	in.Set("Version", version)
	return awsRequest{service: service, path: "/", method: http.MethodPost, body: []byte(in.Encode()), header: http.Header{
		"Content-Type": {"application/x-www-form-urlencoded"},
	}}
}

// call makes a signed call and reads its answer into out, if that is not nil.
func call(ctx context.Context, in awsRequest, out any) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, in.method, emulator.endpoint+in.path, bytes.NewReader(in.body))
	if err != nil {
		return err
	}
	for name, values := range in.header {
		r.Header[name] = values
	}
	cfg := administrator()
	keys, err := cfg.Credentials.Retrieve(ctx)
	if err != nil {
		return err
	}
	digest := sha256.Sum256(in.body)
	if err := v4.NewSigner().SignHTTP(ctx, keys, r, hex.EncodeToString(digest[:]), in.service, region, time.Now()); err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode >= 300 {
		return fmt.Errorf("%s %s: %d %.400s", in.service, in.path, response.StatusCode, text)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(text, out)
}
