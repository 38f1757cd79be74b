// Package lambda measures the Lambdas themselves: the binaries of `make build`, run as
// Lambda runs them, by a Runtime API of its own. It says how long they take to start,
// to answer when they are warm, and how much memory they take at most. Called by
// test/bench.
package lambda

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"joboutputs/functions"
	"joboutputs/shared/auth"
	"joboutputs/shared/config"
	"joboutputs/shared/localaws"
	"joboutputs/shared/table"
	"joboutputs/shared/uploads"
	"joboutputs/test/bench/result"
)

// bench is what the measurements have in common.
type bench struct {
	root   string // the module's folder
	build  string // the folder with <function>/bootstrap
	rows   []functions.Function
	stores *stores
	scenes *scenes
	quick  bool
}

// names in the local stores, and in tokens.
const (
	tableName = "bench"
	bucket    = "bench"
	audience  = "joboutputs"
)

// Run measures starts, warm invocations and memory. Quick, it does so for a few functions
// and only a few times: enough to see that nothing is an order of magnitude off. Otherwise
// it writes what CPU time each action took to the file that test/bench/cost reads.
func Run(ctx context.Context, quick bool) ([]result.Table, error) {
	b, stop, err := prepare(ctx, quick)
	if err != nil {
		return nil, err
	}
	defer stop()
	var tables []result.Table
	for _, measure := range []func(context.Context) (result.Table, error){b.starts, b.warm, b.memory} {
		t, err := measure(ctx)
		if err != nil {
			return nil, err
		}
		tables = append(tables, t)
	}
	return tables, nil
}

// prepare builds the binaries and starts the stores, with the rows the events speak of.
func prepare(ctx context.Context, quick bool) (*bench, func(), error) {
	root, err := root(ctx)
	if err != nil {
		return nil, nil, err
	}
	b := &bench{root: root, build: filepath.Join(root, "build", "lambdas"), quick: quick}
	few := []auth.Action{auth.OutputsRetrieve, auth.OutputsDownload, auth.JobsAddOutput, auth.AuthAuthorize}
	for _, f := range functions.Catalogue() {
		if !quick || slices.Contains(few, f.Name) {
			b.rows = append(b.rows, f)
		}
	}
	if err := b.compile(ctx, root); err != nil {
		return nil, nil, err
	}
	servers, err := localaws.Start(ctx, localaws.Options{Log: os.Stderr})
	if err != nil {
		return nil, nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		servers.Stop()
		return nil, nil, err
	}
	b.stores, err = newStores(servers.DynamoDBEndpoint, servers.S3Endpoint, &key.PublicKey)
	if err != nil {
		servers.Stop()
		return nil, nil, err
	}
	stop := func() {
		b.stores.close()
		servers.Stop()
	}
	dynamodb, s3 := localaws.DynamoDB(servers.DynamoDBEndpoint), localaws.S3(servers.S3Endpoint)
	err = localaws.CreateTable(ctx, dynamodb, tableName, table.Schema)
	if err == nil {
		err = localaws.CreateBucket(ctx, s3, bucket)
	}
	if err != nil {
		stop()
		return nil, nil, err
	}
	cfg := table.Config{DynamoDB: dynamodb, S3: s3, Table: tableName, Bucket: bucket}
	b.scenes = &scenes{
		events: filepath.Join(root, "events"),
		deps:   functions.NewDeps(cfg, uploads.Limits{}),
		key:    key, issuer: b.stores.endpoint,
		caller: auth.Principal{Tenant: tenant, UserPK: 2, Username: "alice", Admin: true},
	}
	if err := seed(ctx, table.New(cfg)); err != nil {
		stop()
		return nil, nil, err
	}
	return b, stop, nil
}

// root is the module's folder.
func root(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return "", fmt.Errorf("find the module: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}

// compile makes the binaries for this machine by the lines that make those of Lambda, and
// the empty function by the same.
func (b *bench) compile(ctx context.Context, root string) error {
	arch := map[string]string{"amd64": "x86_64", "arm64": "arm64"}[runtime.GOARCH]
	run := func(name string, args ...string) error {
		cmd := exec.CommandContext(ctx, name, args...)
		cmd.Dir = root
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w\n%s", cmd, err, out)
		}
		return nil
	}
	for _, f := range b.rows {
		if err := run("make", "--no-print-directory", "build", "ARCH="+arch, "BUILD="+b.build, "FN="+string(f.Name)); err != nil {
			return err
		}
	}
	return run("go", "build", "-tags", "lambda.norpc", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w",
		"-o", b.bootstrap(empty), "./test/bench/lambda/empty")
}

// empty is the name of the function that does nothing.
const empty = "empty"

func (b *bench) bootstrap(name string) string { return filepath.Join(b.build, name, "bootstrap") }

// environment is what the stack and Lambda give a function, with the stores' endpoint.
func (b *bench) environment(f functions.Function, memory int) []string {
	env := map[string]string{
		"AWS_LAMBDA_FUNCTION_NAME":        string(f.Name),
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": fmt.Sprint(memory),
		"AWS_REGION":                      localaws.Region,
		"AWS_ACCESS_KEY_ID":               localaws.AccessKeyID,
		"AWS_SECRET_ACCESS_KEY":           localaws.SecretAccessKey,
		"AWS_ENDPOINT_URL":                b.stores.endpoint,
		"_HANDLER":                        "bootstrap",
		"GOMEMLIMIT":                      functions.MemoryLimit(memory),
		config.S3PathStyle:                "true",
		config.Table:                      tableName,
		config.Bucket:                     bucket,
		config.UserPoolID:                 "us-east-1_bench",
		config.UserPoolClient:             "bench",
		config.TokenIssuer:                b.stores.endpoint,
		config.TokenAudience:              audience,
		config.TokenJWKS:                  b.stores.endpoint + jwksPath,
	}
	var list []string
	for name, value := range env {
		list = append(list, name+"="+value)
	}
	return list
}

// quantile of times, which are sorted in place.
func quantile(times []time.Duration, q float64) time.Duration {
	slices.Sort(times)
	return times[min(int(q*float64(len(times))), len(times)-1)]
}

func ms(d time.Duration) string { return fmt.Sprintf("%.2f", d.Seconds()*1000) }

func mb(bytes int64) string { return fmt.Sprintf("%.1f", float64(bytes)/1e6) }

// succeeded refuses an answer that is an error of the API: it would be measured in place
// of the work.
func succeeded(a answer) error {
	head, _, _ := bytes.Cut(a.body, make([]byte, 8)) // of a streamed answer
	if i := bytes.Index(head, []byte(`"statusCode":`)); i >= 0 && !bytes.HasPrefix(head[i:], []byte(`"statusCode":2`)) {
		return fmt.Errorf("answered %s", head)
	}
	return nil
}
