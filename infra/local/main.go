// Command local is `make run`: the whole service in one process, on real local servers,
// ready to be called. See -help.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"syscall"
	"time"

	"joboutputs/infra/local/gateway"
	"joboutputs/infra/local/service"
	"joboutputs/shared/localaws"
	"joboutputs/shared/table"
)

const usage = `Runs job-outputs on this machine: every function behind a stand-in for API Gateway,
on DynamoDB Local and VersityGW, which are fetched on first use.

usage: make run ARGS="flags"   or   go run ./infra/local flags

`

type options struct {
	addr             string
	data             string
	ephemeral        bool
	seeds            []string
	dynamodbEndpoint string
	s3Endpoint       string
	verbose          bool
}

func parseFlags(args []string) (options, error) {
	var o options
	flags := flag.NewFlagSet("local", flag.ContinueOnError)
	flags.Usage = func() {
		fmt.Fprint(flags.Output(), usage)
		flags.PrintDefaults()
	}
	flags.StringVar(&o.addr, "addr", "127.0.0.1:8080", "`address` to listen on; port 0 takes a free one")
	flags.StringVar(&o.data, "data", ".data", "`directory` that keeps tables, objects and users between runs")
	flags.BoolVar(&o.ephemeral, "ephemeral", false, "keep nothing")
	flags.Func("seed", "`file` of users, jobs and outputs to load; may be repeated; in place of the demo tenant", func(file string) error {
		o.seeds = append(o.seeds, file)
		return nil
	})
	flags.StringVar(&o.dynamodbEndpoint, "dynamodb-endpoint", "", "`URL` of a DynamoDB to use instead of starting one")
	flags.StringVar(&o.s3Endpoint, "s3-endpoint", "", "`URL` of an S3 to use instead of starting one")
	flags.BoolVar(&o.verbose, "verbose", false, "log every request to stderr")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("unknown argument %q; see -help", flags.Arg(0))
	}
	return o, nil
}

// garbage is when to collect it, in percent of what lives: there is little, and memory for
// five times as much.
const garbage = 400

func main() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(garbage)
	}
	opts, err := parseFlags(os.Args[1:])
	switch {
	case errors.Is(err, flag.ErrHelp):
		return
	case err != nil:
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, opts, os.Stdout, os.Stderr); err != nil && !errors.Is(err, context.Canceled) {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run starts everything, says so, and serves until the context ends.
func run(ctx context.Context, opts options, stdout, stderr io.Writer) error {
	level := slog.LevelError
	if opts.verbose {
		level = slog.LevelInfo
	}
	log := slog.New(slog.NewJSONHandler(stderr, &slog.HandlerOptions{Level: level}))

	// The address first: that it is taken should not take seconds to learn.
	listener, err := net.Listen("tcp", opts.addr)
	if err != nil {
		return err
	}
	defer listener.Close()

	cfg, stopStores, err := stores(ctx, opts, stderr)
	if err != nil {
		return err
	}
	defer stopStores()
	cfg.Log = log
	svc, err := service.New(cfg)
	if err != nil {
		return err
	}
	demo, err := load(ctx, svc, opts)
	if err != nil {
		return err
	}

	server := gateway.NewServer(svc, log)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	url := "http://" + listener.Addr().String()
	if demo {
		fmt.Fprint(stdout, demoCommands(url))
	}
	fmt.Fprintf(stdout, "ready %s\n", url)

	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	// Two seconds for what is being served; the stores take up to as long after that.
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	if err := server.Shutdown(grace); err != nil {
		_ = server.Close()
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// stores starts the two servers, or takes those that were named, and answers a
// configuration in which their clients, the table and the bucket are ready.
func stores(ctx context.Context, opts options, log io.Writer) (service.Config, func(), error) {
	stop := func() {}
	dynamodb, s3 := opts.dynamodbEndpoint, opts.s3Endpoint
	dir := opts.data
	if opts.ephemeral {
		dir = ""
	}
	if dynamodb == "" || s3 == "" { // a pair is started, also if only one of it is used
		servers, err := localaws.Start(ctx, localaws.Options{DataDir: dir, Log: log})
		if err != nil {
			return service.Config{}, nil, err
		}
		stop = servers.Stop
		dynamodb, s3 = cmp.Or(dynamodb, servers.DynamoDBEndpoint), cmp.Or(s3, servers.S3Endpoint)
		if dir != "" {
			keepRunning(ctx, servers, log)
		}
	}
	cfg := service.Config{
		DynamoDB: localaws.DynamoDB(dynamodb), S3: localaws.S3(s3),
		Table: "job-outputs", Bucket: "job-outputs",
	}
	if dir != "" {
		cfg.Dir = filepath.Join(dir, "issuer")
	}
	err := localaws.CreateTable(ctx, cfg.DynamoDB, cfg.Table, table.Schema)
	if err == nil {
		err = localaws.CreateBucket(ctx, cfg.S3, cfg.Bucket)
	}
	if err != nil {
		stop()
		return service.Config{}, nil, err
	}
	return cfg, stop, nil
}

// keepRunning starts a store again that ended by itself; until it is back, requests that
// need it are answered 503.
func keepRunning(ctx context.Context, servers *localaws.Servers, log io.Writer) {
	watch := func(done func() <-chan struct{}, restart func(context.Context) error) {
		for {
			select {
			case <-ctx.Done():
				return
			case <-done():
			}
			if ctx.Err() != nil {
				return
			}
			if err := restart(ctx); err != nil {
				fmt.Fprintln(log, err)
				select {
				case <-ctx.Done():
				case <-time.After(time.Second):
				}
			}
		}
	}
	go watch(servers.DynamoDBDone, servers.RestartDynamoDB)
	go watch(servers.S3Done, servers.RestartS3)
}
