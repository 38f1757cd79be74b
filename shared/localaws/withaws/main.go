// Command withaws runs a command beside a local DynamoDB and S3 and tells it of them
// in the environment (localaws.EnvDynamoDB, localaws.EnvS3). `make test` runs
// `go test` under it, so that all test processes share one pair.
//
//	withaws -- go test ./...
//	withaws -fetch              only has the servers ready in .tools
//
// It ends with the command's exit code, or 125 if the servers or the command cannot be
// started.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"joboutputs/shared/localaws"
)

const exitOurs = 125 // as env, timeout and docker say that the failure is theirs

func main() {
	fetch := flag.Bool("fetch", false, "fetch the servers and run nothing")
	flag.Usage = func() {
		fmt.Fprintln(os.Stderr, "usage: withaws -- command [argument …]\n       withaws -fetch")
	}
	flag.Parse()
	if !*fetch && flag.NArg() == 0 {
		flag.Usage()
		os.Exit(2)
	}
	// From here on a signal is the command's to heed: we outlive it and stop the servers.
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)

	var code int
	var err error
	if *fetch {
		err = fetchTools(signals)
	} else {
		code, err = run(signals, flag.Args())
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "withaws: %v\n", err)
		code = exitOurs
	}
	os.Exit(code)
}

func fetchTools(signals <-chan os.Signal) error {
	tools, err := localaws.FindTools(os.Stderr)
	if err != nil {
		return err
	}
	ctx, stop := untilSignal(signals)
	err = tools.Fetch(ctx)
	if signalled := stop(); signalled != nil {
		return signalled
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "DynamoDB Local and VersityGW are in %s\n", tools.Dir)
	return nil
}

func run(signals <-chan os.Signal, argv []string) (code int, err error) {
	ctx, stop := untilSignal(signals)
	servers, err := localaws.Start(ctx, localaws.Options{Log: os.Stderr})
	if err == nil {
		defer servers.Stop()
	}
	if signalled := stop(); signalled != nil {
		return 0, signalled
	}
	if err != nil {
		return 0, err
	}

	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(),
		localaws.EnvDynamoDB+"="+servers.DynamoDBEndpoint,
		localaws.EnvS3+"="+servers.S3Endpoint)
	if err := cmd.Start(); err != nil {
		return 0, fmt.Errorf("run %s: %w", argv[0], err)
	}
	finished := make(chan error, 1)
	go func() { finished <- cmd.Wait() }()
	for {
		select {
		case s := <-signals:
			if !fromTerminal(s) {
				_ = cmd.Process.Signal(s)
			}
		case err := <-finished:
			var exit *exec.ExitError
			if err != nil && !errors.As(err, &exit) {
				return 0, fmt.Errorf("run %s: %w", argv[0], err)
			}
			return exitCode(cmd.ProcessState), nil
		}
	}
}

// untilSignal is a context that ends at the first signal. stop ends it too, and
// returns an error if a signal came before: no signal is lost between the two.
func untilSignal(signals <-chan os.Signal) (ctx context.Context, stop func() error) {
	ctx, cancel := context.WithCancel(context.Background())
	caught := make(chan error, 1)
	go func() {
		var err error
		select {
		case s := <-signals:
			err = fmt.Errorf("ended by signal: %v", s)
		case <-ctx.Done():
		}
		cancel()
		caught <- err
	}()
	return ctx, func() error {
		cancel()
		return <-caught
	}
}

// fromTerminal says whether s is one that a terminal's keys send. They reach every
// process in the foreground, the command too, which must not see it twice: programs
// take a second Ctrl-C for "at once".
func fromTerminal(s os.Signal) bool {
	if s != syscall.SIGINT && s != syscall.SIGQUIT {
		return false
	}
	tty, err := os.Open("/dev/tty")
	if err != nil {
		return false // we have no terminal
	}
	tty.Close()
	return true
}

// exitCode is the code a shell would report.
func exitCode(state *os.ProcessState) int {
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal())
	}
	return state.ExitCode()
}
