package localaws_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"joboutputs/shared/localaws"
	"joboutputs/shared/table"
)

// The test binary is its own helper: with this set it starts a pair, prints the
// endpoints and waits to be killed.
const envHelper = "LOCALAWS_TEST_HELPER"

func TestMain(m *testing.M) {
	if os.Getenv(envHelper) == "" {
		os.Exit(m.Run())
	}
	s, err := localaws.Start(context.Background(), localaws.Options{Log: os.Stderr})
	if err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
	fmt.Println(s.DynamoDBEndpoint, s.S3Endpoint)
	select {}
}

func TestStartAndStop(t *testing.T) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	s := start(t, localaws.Options{Log: t.Output()})
	putRow(t, s, "k")
	putObject(t, s, "k")

	began := time.Now()
	s.Stop()
	if took := time.Since(began); took > 4*time.Second {
		t.Errorf("Stop took %v, want at most 4s", took)
	}
	s.Stop() // does nothing
	for name, done := range map[string]<-chan struct{}{"DynamoDB": s.DynamoDBDone(), "S3": s.S3Done()} {
		select {
		case <-done:
		default:
			t.Errorf("%s's Done is open after Stop", name)
		}
	}
	wantGone(t, s.DynamoDBEndpoint)
	wantGone(t, s.S3Endpoint)
	if left, _ := filepath.Glob(filepath.Join(temp, "joboutputs-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if err := s.RestartS3(t.Context()); err == nil {
		t.Error("a restart after Stop succeeded")
	}
}

func TestServersEndWithTheirParent(t *testing.T) {
	t.Parallel()
	temp := t.TempDir()
	helper := exec.Command(os.Args[0])
	helper.Env = append(os.Environ(), envHelper+"=1", "TMPDIR="+temp)
	helper.Stderr = t.Output()
	out, err := helper.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := helper.Start(); err != nil {
		t.Fatal(err)
	}
	var dynamoDB, objects string
	if _, err := fmt.Fscan(out, &dynamoDB, &objects); err != nil {
		t.Fatalf("read the helper's endpoints: %v", err)
	}
	if err := helper.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = helper.Wait()
	wantGone(t, dynamoDB)
	wantGone(t, objects)
	// The temporary directories go last, after the servers.
	wantSoon(t, "the temporary directories are removed", func() bool {
		left, err := filepath.Glob(filepath.Join(temp, "joboutputs-*"))
		return err == nil && len(left) == 0
	})
}

func TestRestartKeepsPortAndData(t *testing.T) {
	t.Parallel()
	s := start(t, localaws.Options{DataDir: t.TempDir(), Log: t.Output()})
	putRow(t, s, "k")
	putObject(t, s, "k")
	dynamoDB, objects := s.DynamoDBEndpoint, s.S3Endpoint

	was := s.DynamoDBDone()
	s.KillDynamoDB()
	s.KillS3()
	select {
	case <-was:
	default:
		t.Error("Done is open after Kill")
	}
	wantGone(t, dynamoDB)
	wantGone(t, objects)

	if err := s.RestartDynamoDB(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.RestartS3(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s.DynamoDBEndpoint != dynamoDB || s.S3Endpoint != objects {
		t.Errorf("endpoints are %s and %s, want %s and %s", s.DynamoDBEndpoint, s.S3Endpoint, dynamoDB, objects)
	}
	wantRow(t, s, "k")
	wantObject(t, s, "k")
}

func TestRestartInMemoryKeepsObjects(t *testing.T) {
	t.Parallel()
	s := start(t, localaws.Options{Log: t.Output()})
	putObject(t, s, "k")
	for range 2 { // once while it runs
		if err := s.RestartS3(t.Context()); err != nil {
			t.Fatal(err)
		}
		wantObject(t, s, "k")
		s.KillS3()
	}
}

func TestDataDirOutlivesAPairAndIsForOne(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := start(t, localaws.Options{DataDir: dir, Log: t.Output()})
	putRow(t, first, "k")
	putObject(t, first, "k")

	if second, err := localaws.Start(t.Context(), localaws.Options{DataDir: dir}); err == nil {
		second.Stop()
		t.Error("two pairs run on one data directory")
	} else if want := "in use by another run"; !strings.Contains(err.Error(), want) {
		t.Errorf("error is %q, want %q in it", err, want)
	}

	first.Stop()
	again := start(t, localaws.Options{DataDir: dir, Log: t.Output()})
	wantRow(t, again, "k")
	wantObject(t, again, "k")
}

func TestPutIfAbsent(t *testing.T) {
	t.Parallel()
	s := start(t, localaws.Options{Log: t.Output()})
	putObject(t, s, "k")
	_, err := localaws.S3(s.S3Endpoint).PutObject(t.Context(), &s3.PutObjectInput{
		Bucket: aws.String("bucket"), Key: aws.String("k"), Body: strings.NewReader("other"), IfNoneMatch: aws.String("*"),
	})
	var resp *smithyhttp.ResponseError
	var api smithy.APIError
	if !errors.As(err, &resp) || resp.HTTPStatusCode() != http.StatusPreconditionFailed {
		t.Errorf("a second put answers %v, want 412", err)
	}
	if !errors.As(err, &api) || api.ErrorCode() != "PreconditionFailed" {
		t.Errorf("its error is %v, want PreconditionFailed", err)
	}
	wantObject(t, s, "k")
}

func start(t *testing.T, opts localaws.Options) *localaws.Servers {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	s, err := localaws.Start(ctx, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	return s
}

func putRow(t *testing.T, s *localaws.Servers, key string) {
	t.Helper()
	client := localaws.DynamoDB(s.DynamoDBEndpoint)
	if err := localaws.CreateTable(t.Context(), client, "table", table.Schema); err != nil {
		t.Fatal(err)
	}
	if _, err := client.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: aws.String("table"), Item: row(key)}); err != nil {
		t.Fatal(err)
	}
}

func wantRow(t *testing.T, s *localaws.Servers, key string) {
	t.Helper()
	got, err := localaws.DynamoDB(s.DynamoDBEndpoint).GetItem(t.Context(), &dynamodb.GetItemInput{
		TableName: aws.String("table"), Key: row(key), ConsistentRead: aws.Bool(true),
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Item) == 0 {
		t.Errorf("row %q is not there", key)
	}
}

func row(key string) map[string]types.AttributeValue {
	return map[string]types.AttributeValue{
		table.Schema.PartitionKey: &types.AttributeValueMemberS{Value: key},
		table.Schema.SortKey:      &types.AttributeValueMemberS{Value: key},
	}
}

func putObject(t *testing.T, s *localaws.Servers, key string) {
	t.Helper()
	client := localaws.S3(s.S3Endpoint)
	if err := localaws.CreateBucket(t.Context(), client, "bucket"); err != nil {
		t.Fatal(err)
	}
	_, err := client.PutObject(t.Context(), &s3.PutObjectInput{
		Bucket: aws.String("bucket"), Key: aws.String(key), Body: strings.NewReader("content"),
	})
	if err != nil {
		t.Fatal(err)
	}
}

func wantObject(t *testing.T, s *localaws.Servers, key string) {
	t.Helper()
	got, err := localaws.S3(s.S3Endpoint).GetObject(t.Context(), &s3.GetObjectInput{
		Bucket: aws.String("bucket"), Key: aws.String(key),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer got.Body.Close()
	if body, err := io.ReadAll(got.Body); err != nil || string(body) != "content" {
		t.Errorf("object %q is %q, %v; want %q", key, body, err, "content")
	}
}

func wantGone(t *testing.T, endpoint string) {
	t.Helper()
	wantSoon(t, endpoint+" answers no more", func() bool {
		conn, err := net.Dial("tcp", strings.TrimPrefix(endpoint, "http://"))
		if err == nil {
			conn.Close()
		}
		return errors.Is(err, syscall.ECONNREFUSED)
	})
}

func wantSoon(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(6 * time.Second); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Errorf("not within 6s: %s", what)
			return
		}
	}
}
