package localaws

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// newDynamoDB is DynamoDB Local. It writes into the directory it runs in, so that is
// never the caller's.
func newDynamoDB(java, emulator, dataDir string) (*server, error) {
	s := &server{name: "DynamoDB Local"}
	store := []string{"-inMemory"}
	if dataDir != "" {
		s.dir = filepath.Join(dataDir, "dynamodb")
		if err := os.MkdirAll(s.dir, 0o755); err != nil {
			return nil, fmt.Errorf("make DynamoDB's directory: %w", err)
		}
		path, err := filepath.Abs(s.dir) // so that a list of processes says whose this is
		if err != nil {
			return nil, fmt.Errorf("find DynamoDB's directory: %w", err)
		}
		store = []string{"-dbPath", path}
	} else {
		dir, err := os.MkdirTemp("", "joboutputs-dynamodb-")
		if err != nil {
			return nil, fmt.Errorf("make DynamoDB's directory: %w", err)
		}
		s.dir, s.scratch = dir, dir
	}
	s.command = func(port int) []string {
		args := []string{
			java,
			"-Xmx1g", // it takes 430 MB under our tests; without a bound, a quarter of the machine
			"-XX:+UseSerialGC",
			"-Djava.library.path=" + filepath.Join(emulator, "DynamoDBLocal_lib"),
			"-jar", filepath.Join(emulator, "DynamoDBLocal.jar"),
			"-sharedDb", "-disableTelemetry", "-port", strconv.Itoa(port),
		}
		return append(args, store...)
	}
	s.ready = dynamoDBReady
	return s, nil
}

func dynamoDBReady(ctx context.Context, endpoint string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	client := DynamoDB(endpoint, func(o *dynamodb.Options) { o.RetryMaxAttempts = 1 })
	_, err := client.ListTables(ctx, &dynamodb.ListTablesInput{Limit: aws.Int32(1)})
	return err
}

// newS3 is VersityGW over a directory. It keeps what S3 knows of an object besides
// its bytes in extended attributes of the file, and where the file system has none,
// in a directory beside.
func newS3(gateway, dataDir string) (*server, error) {
	s := &server{name: "VersityGW"}
	objects, attributes := filepath.Join(dataDir, "s3"), filepath.Join(dataDir, "attributes")
	if dataDir == "" {
		dir, err := os.MkdirTemp("", "joboutputs-s3-")
		if err != nil {
			return nil, fmt.Errorf("make S3's directory: %w", err)
		}
		s.scratch = dir
		objects, attributes = filepath.Join(dir, "s3"), filepath.Join(dir, "attributes")
	}
	// Absolute, since it does not run where we do.
	objects, err := filepath.Abs(objects)
	if err == nil {
		attributes, err = filepath.Abs(attributes)
	}
	if err == nil {
		err = os.MkdirAll(objects, 0o755)
	}
	if err != nil {
		s.removeScratch()
		return nil, fmt.Errorf("make S3's directory: %w", err)
	}
	s.dir = objects

	_, err = os.Stat(attributes)
	beside := err == nil // it was chosen when this data was first used
	s.command = func(port int) []string {
		args := []string{
			gateway, "--access", AccessKeyID, "--secret", SecretAccessKey, "--region", Region,
			"--port", "127.0.0.1:" + strconv.Itoa(port), "--health", "/health", "--quiet",
			"--keep-alive", // as S3 does; else every call connects anew
			"posix",
		}
		if beside {
			args = append(args, "--sidecar", attributes)
		}
		return append(args, objects)
	}
	s.ready = s3Ready
	s.other = func(failed error) bool {
		// It looks at the file system when it starts, but not closely.
		if beside || !errors.Is(failed, errUnfit) && !strings.Contains(failed.Error(), "xattr") {
			return false
		}
		beside = os.Mkdir(attributes, 0o755) == nil
		return beside
	}
	return s, nil
}

func s3Ready(ctx context.Context, endpoint string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, endpoint+"/health", nil)
	if err != nil {
		return fmt.Errorf("make the health request: %w", err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("GET /health: %s", resp.Status)
	}
	if err := tryObject(ctx, S3(endpoint)); err != nil {
		if ctx.Err() != nil {
			return err // slow, which says nothing of the file system
		}
		return fmt.Errorf("%w: %w", errUnfit, err)
	}
	return nil
}

// tryObject puts an object with metadata, reads it and deletes it.
func tryObject(ctx context.Context, client *s3.Client) error {
	bucket, key := aws.String("localaws-probe"), aws.String("probe")
	const content, tag = "probe", "tag"
	if err := CreateBucket(ctx, client, *bucket); err != nil {
		return err
	}
	_, err := client.PutObject(ctx, &s3.PutObjectInput{
		Bucket: bucket, Key: key, Body: bytes.NewReader([]byte(content)), Metadata: map[string]string{tag: tag},
	})
	if err != nil {
		return fmt.Errorf("put an object: %w", err)
	}
	got, err := client.GetObject(ctx, &s3.GetObjectInput{Bucket: bucket, Key: key})
	if err != nil {
		return fmt.Errorf("get the object put: %w", err)
	}
	body, err := io.ReadAll(got.Body)
	got.Body.Close()
	if err != nil {
		return fmt.Errorf("read the object put: %w", err)
	}
	if string(body) != content || got.Metadata[tag] != tag {
		return fmt.Errorf("the object put came back with content %q and metadata %v", body, got.Metadata)
	}
	if _, err := client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: bucket, Key: key}); err != nil {
		return fmt.Errorf("delete the object put: %w", err)
	}
	if _, err := client.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: bucket}); err != nil {
		return fmt.Errorf("delete the bucket made: %w", err)
	}
	return nil
}
