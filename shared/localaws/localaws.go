// Package localaws runs real local servers in the place of the AWS services the
// functions use: DynamoDB Local for DynamoDB and VersityGW for S3. Both are child
// processes of the caller and end with it, however it ends.
//
// It is called by infra/local (`make run`), by tests through awstest, and by
// withaws, which lends one pair to a whole `make test`. No Lambda imports it.
//
// Both servers are for development: their credentials are fixed and public, and
// DynamoDB Local listens on every interface of the machine, which no option of
// its changes. VersityGW listens on 127.0.0.1 alone.
package localaws

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// What every client of the local servers uses. VersityGW refuses other keys;
// DynamoDB Local takes any.
const (
	Region          = "us-east-1"
	AccessKeyID     = "localaccess"
	SecretAccessKey = "localsecret"
)

// The environment hands a running pair on to the tests of a `make test`: each
// holds an endpoint such as http://127.0.0.1:20123.
const (
	EnvDynamoDB = "JOBOUTPUTS_TEST_DYNAMODB"
	EnvS3       = "JOBOUTPUTS_TEST_S3"
)

// Options say where a pair of servers keeps what it needs.
type Options struct {
	// ToolsDir holds the programs, which are fetched into it on first use. Empty:
	// as FindTools says.
	ToolsDir string

	// DataDir keeps tables in DataDir/dynamodb and objects in DataDir/s3. One pair
	// at a time may use it. Empty: tables live in memory, objects in a temporary
	// directory that is removed at the end.
	DataDir string

	// Log takes a line for whatever makes the caller wait, and for a server that
	// ended by itself. Nil: nothing is said.
	Log io.Writer
}

// Servers is a running pair. Its methods may be called from any goroutine.
type Servers struct {
	DynamoDBEndpoint string // http://127.0.0.1:port
	S3Endpoint       string // http://127.0.0.1:port

	dynamodb, s3 *server
	lock         *os.File // on DataDir; nil without one
}

// Start fetches the servers if need be, starts both, and returns once both have
// served a request: 2 to 4 seconds, more on a busy machine. ctx bounds the start
// alone; the servers run until Stop, or until this process is gone.
func Start(ctx context.Context, opts Options) (*Servers, error) {
	log := opts.Log
	if log == nil {
		log = io.Discard
	}
	tools := Tools{Dir: opts.ToolsDir, Log: log}
	if tools.Dir == "" {
		found, err := FindTools(log)
		if err != nil {
			return nil, err
		}
		tools = found
	}
	java, emulator, gateway, err := tools.fetch(ctx)
	if err != nil {
		return nil, err
	}

	s := &Servers{}
	if opts.DataDir != "" {
		if s.lock, err = lockDataDir(ctx, opts.DataDir); err != nil {
			return nil, err
		}
	}
	if s.dynamodb, err = newDynamoDB(java, emulator, opts.DataDir); err == nil {
		s.s3, err = newS3(gateway, opts.DataDir)
	}
	if err != nil {
		s.Stop()
		return nil, err
	}
	for _, srv := range s.both() {
		srv.lock, srv.log = s.lock, log
	}

	err = s.each(func(srv *server) error { return srv.startAnywhere(ctx) })
	if err != nil {
		s.Stop()
		return nil, err
	}
	s.DynamoDBEndpoint, s.S3Endpoint = s.dynamodb.endpoint(), s.s3.endpoint()
	return s, nil
}

// Stop ends both servers and returns when they are gone, after 4 seconds at the
// most: one that does not heed SIGTERM is killed. A second call does nothing.
func (s *Servers) Stop() {
	_ = s.each(func(srv *server) error { srv.stop(); return nil })
	for _, srv := range s.both() {
		srv.removeScratch()
	}
	if s.lock != nil {
		_ = s.lock.Close()
	}
}

// DynamoDBDone is closed when the DynamoDB running now has ended, whoever ended
// it. After a restart a new channel is to be asked for.
func (s *Servers) DynamoDBDone() <-chan struct{} { return s.dynamodb.done() }

// S3Done is DynamoDBDone for S3.
func (s *Servers) S3Done() <-chan struct{} { return s.s3.done() }

// KillDynamoDB ends DynamoDB as a crash would (SIGKILL) and returns when it is gone.
func (s *Servers) KillDynamoDB() { s.dynamodb.kill() }

// KillS3 is KillDynamoDB for S3.
func (s *Servers) KillS3() { s.s3.kill() }

// RestartDynamoDB starts DynamoDB again at the same endpoint and returns when it
// answers; one that still runs is stopped first. What it held is there again only
// if the pair has a DataDir: in memory it comes back empty.
func (s *Servers) RestartDynamoDB(ctx context.Context) error { return s.dynamodb.restart(ctx) }

// RestartS3 starts S3 again at the same endpoint and with its objects, and returns
// when it answers; one that still runs is stopped first.
func (s *Servers) RestartS3(ctx context.Context) error { return s.s3.restart(ctx) }

func (s *Servers) both() []*server {
	var both []*server
	for _, srv := range []*server{s.dynamodb, s.s3} {
		if srv != nil {
			both = append(both, srv)
		}
	}
	return both
}

// each does f for both servers at once.
func (s *Servers) each(f func(*server) error) error {
	both := s.both()
	errs := make([]error, len(both))
	var wg sync.WaitGroup
	for i, srv := range both {
		wg.Go(func() { errs[i] = f(srv) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// lockDataDir takes dir for this pair. The servers inherit the lock, so that the
// servers of a run that was killed a moment ago are waited for, not run beside.
func lockDataDir(ctx context.Context, dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("make the data directory: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, graceToEnd+time.Second)
	defer cancel()
	f, err := lockFile(ctx, filepath.Join(dir, "lock"))
	if errors.Is(err, context.DeadlineExceeded) {
		return nil, fmt.Errorf("the data directory %s is in use by another run", dir)
	}
	return f, err
}
