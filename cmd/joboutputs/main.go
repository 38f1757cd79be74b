// Command joboutputs keeps and gets back what jobs produce, by the HTTP API of
// job-outputs. See joboutputs help.
package main

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/term"

	"joboutputs/shared/client"
)

// world is all that the command has to do with, so that tests can have another one.
type world struct {
	in       io.Reader
	out, err io.Writer
	env      func(string) string
	config   func() (string, error) // the default path of the configuration file
	now      func() time.Time
	http     *http.Client // nil = the client's own

	inTerminal, outTerminal, errTerminal bool
	password                             func() (string, error) // asks on the terminal
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	go func() {
		<-ctx.Done()
		stop() // the second Ctrl-C does not wait for anything
	}()
	w := world{
		in: os.Stdin, out: os.Stdout, err: os.Stderr, env: os.Getenv, config: configPath, now: time.Now,
		inTerminal: term.IsTerminal(int(os.Stdin.Fd())), outTerminal: term.IsTerminal(int(os.Stdout.Fd())),
		errTerminal: term.IsTerminal(int(os.Stderr.Fd())),
		password: func() (string, error) {
			text, err := term.ReadPassword(int(os.Stdin.Fd()))
			return string(text), err
		},
	}
	os.Exit(run(ctx, w, os.Args[1:]))
}

// configPath is joboutputs/config.json in the user's configuration directory: on Linux
// $XDG_CONFIG_HOME or ~/.config.
func configPath() (string, error) {
	dir, err := os.UserConfigDir()
	return filepath.Join(dir, "joboutputs", "config.json"), err
}

// run is the command: it answers the exit code.
func run(ctx context.Context, w world, args []string) int {
	a := &app{world: w}
	root := a.root()
	root.SetArgs(args)
	root.SetIn(w.in)
	root.SetOut(w.out)
	root.SetErr(w.err)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return codeOK
	}
	_, isTold := errors.AsType[told](err)
	_, isUnknown := errors.AsType[*client.UnknownOutcomeError](err)
	if !isTold && !isUnknown && ctx.Err() != nil {
		err = context.Canceled
	}
	code, text := explain(err, a.server)
	if text != "" {
		_, _ = io.WriteString(w.err, "joboutputs: "+text+"\n")
	}
	return code
}
