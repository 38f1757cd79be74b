package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"joboutputs/shared/client"
)

// app is one run of the command.
type app struct {
	world

	// Flags of every command.
	serverFlag string
	nodeFlag   int64
	configFlag string
	quiet      bool
	json       bool

	noNode bool   // act for nobody
	server string // that is called, once client was called
}

const rootHelp = `joboutputs keeps what jobs produce, such as models, logs and predictions, and gets it back.

Start with

  joboutputs login --server https://jobs.example.org --username alice

and then, for instance,

  joboutputs add model.tflite training.log --job 42
  joboutputs list --job 42
  joboutputs get 42/model/tflite

An output is named by its primary key (12) or by its job, name and type (42/model/tflite).
Transfers that were interrupted, even by kill -9, go on where they were when the same
command is given again. What is got stands under its name only when it is complete and its
checksum was compared.

Environment:
  JOBOUTPUTS_SERVER     the service's URL
  JOBOUTPUTS_NODE       the node to act for
  JOBOUTPUTS_TOKEN      an access token, in place of a login
  JOBOUTPUTS_USERNAME, JOBOUTPUTS_PASSWORD
                        log in with these, and again when the login expires; nothing is saved
  JOBOUTPUTS_CONFIG     the configuration file; by default joboutputs/config.json in
                        $XDG_CONFIG_HOME or ~/.config
Flags win over the environment, which wins over the file.

Exit codes:
  0  done                           5  conflict: taken, or not in this state
  1  some other error               6  verification failed: the bytes are not right
  2  the command line is wrong      7  unavailable or overloaded, or the outcome is unknown
  3  not found                    130  interrupted
  4  not logged in or not permitted
Of several errors, the first one decides.`

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:           "joboutputs",
		Short:         "Keeps what jobs produce, and gets it back",
		Long:          rootHelp,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          noSuch,
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	flags := root.PersistentFlags()
	flags.StringVar(&a.serverFlag, "server", "", "`URL` of the service")
	flags.Int64Var(&a.nodeFlag, "node", 0, "act for the node with this primary `key`")
	flags.StringVar(&a.configFlag, "config", "", "configuration `file`")
	flags.BoolVarP(&a.quiet, "quiet", "q", false, "no progress and no notes, only results and errors")
	flags.BoolVar(&a.json, "json", false, "results as JSON: an array for list, else one object a line")
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		text := err.Error()
		if n, ok := errors.AsType[*strconv.NumError](err); ok {
			text = strings.TrimSuffix(text, n.Error()) + "want a whole number"
		}
		return usage("%s; see %s --help", text, c.CommandPath())
	})
	root.AddCommand(
		a.loginCommand(), a.logoutCommand(), a.jobsCommand(), a.addCommand(), a.listCommand(), a.infoCommand(), a.getCommand(), a.zipCommand(),
		a.rmCommand(), a.restoreCommand(), a.purgeCommand(), a.watchCommand(), a.versionCommand(),
	)
	return root
}

// noSuch are the arguments of a command that only has others below it.
func noSuch(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	text := fmt.Sprintf("there is no command %q", c.CommandPath()+" "+args[0])
	c.SuggestionsMinimumDistance = 2
	if near := c.SuggestionsFor(args[0]); len(near) > 0 {
		return usage("%s; did you mean %s?", text, strings.Join(near, " or "))
	}
	return usage("%s; see %s --help", text, c.CommandPath())
}

// arguments wants from least to most of them; most < 0 = any number.
func arguments(least, most int, what string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) < least || most >= 0 && len(args) > most {
			return usage("%s takes %s; see %s --help", c.CommandPath(), what, c.CommandPath())
		}
		return nil
	}
}

// client makes the client that flags, environment and file ask for.
func (a *app) client() (*client.Client, error) {
	file, err := a.openConfig()
	if err != nil {
		return nil, err
	}
	cfg := client.Config{HTTP: a.http, UserAgent: "joboutputs/" + version(), Waiting: func(cause error, d time.Duration) {
		if d >= time.Second { // shorter ones are over before they are read
			a.note("%s; trying again in %s", printable(cause.Error()), d.Round(100*time.Millisecond))
		}
	}}
	if cfg.Server = strings.TrimRight(cmp.Or(a.serverFlag, a.env("JOBOUTPUTS_SERVER"), file.Server), "/"); cfg.Server == "" {
		return nil, usage("which service? Give --server URL or set JOBOUTPUTS_SERVER, or log in: joboutputs login --server URL")
	}
	a.server = cfg.Server
	if cfg.Node, err = a.node(file); err != nil {
		return nil, err
	}
	cfg.Username, cfg.Password = a.env("JOBOUTPUTS_USERNAME"), a.env("JOBOUTPUTS_PASSWORD")
	switch login, ok := file.Logins[cfg.Server]; {
	case a.env("JOBOUTPUTS_TOKEN") != "":
		cfg.Tokens.Access = a.env("JOBOUTPUTS_TOKEN")
	case cfg.Username != "":
	case ok:
		cfg.Tokens = login.Tokens
		cfg.OnTokens = func(pair client.Tokens) {
			if err := a.saveLogin(cfg.Server, login.Username, pair, false); err != nil {
				a.note("the renewed login could not be saved: %v", err)
			}
		}
	default:
		return nil, errNoLogin
	}
	c, err := client.New(cfg)
	if err != nil {
		return nil, usage("%v", err)
	}
	return c, nil
}

func (a *app) node(file config) (int64, error) {
	text := a.env("JOBOUTPUTS_NODE")
	switch {
	case a.noNode:
		return 0, nil
	case a.nodeFlag < 0:
		return 0, usage("--node %d: want a primary key, from 1", a.nodeFlag)
	case a.nodeFlag > 0:
		return a.nodeFlag, nil
	case text == "":
		return file.Node, nil
	}
	node, err := strconv.ParseInt(text, 10, 64)
	if err != nil || node < 1 {
		return 0, usage("JOBOUTPUTS_NODE=%q: want a primary key, from 1", text)
	}
	return node, nil
}

// note tells a person something beside the results.
func (a *app) note(format string, args ...any) {
	if !a.quiet {
		fmt.Fprintf(a.err, format+"\n", args...)
	}
}

// each does something with every argument, whatever becomes of the others, and answers
// the first error when all have been tried.
func (a *app) each(args []string, do func(string) error) error {
	var first error
	failed := 0
	for _, arg := range args {
		err := do(arg)
		if err == nil {
			continue
		}
		if stopped(err) {
			return err
		}
		failed++
		if first == nil {
			first = err
		}
		if len(args) > 1 {
			a.failed(arg, err)
		}
	}
	return a.summary(first, failed, len(args))
}

// failed says at once what went wrong with one of several.
func (a *app) failed(what string, err error) {
	_, text := explain(err, a.server)
	fmt.Fprintf(a.err, "joboutputs: %s: %s\n", printable(what), text)
}

// summary is the first error, its text replaced where it was told before.
func (a *app) summary(first error, failed, of int) error {
	if first == nil || of == 1 {
		return first
	}
	return told{first, fmt.Sprintf("%d of %d failed", failed, of)}
}

// told is an error whose text a person has seen.
type told struct {
	error
	text string
}

func (t told) Unwrap() error { return t.error }

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Args: arguments(0, 0, "no arguments"),
		RunE: func(*cobra.Command, []string) error {
			if a.json {
				return a.printJSON(map[string]string{"version": version(), "go": runtime.Version()})
			}
			_, err := fmt.Fprintf(a.out, "joboutputs %s, %s, %s/%s\n", version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return err
		},
	}
}

func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(devel)"
	}
	return info.Main.Version
}

// parseRef reads PK or JOB/NAME/TYPE.
func parseRef(text string) (client.Ref, error) {
	if pk, err := strconv.ParseInt(text, 10, 64); err == nil && pk > 0 {
		return client.Ref{PK: pk}, nil
	}
	parts := strings.Split(text, "/")
	if len(parts) == 3 && parts[1] != "" && parts[2] != "" {
		if job, err := strconv.ParseInt(parts[0], 10, 64); err == nil && job > 0 {
			return client.Ref{Job: job, Name: parts[1], Type: parts[2]}, nil
		}
	}
	return client.Ref{}, usage("%q names no output: give its primary key, such as 12, or JOB/NAME/TYPE, such as 42/model/tflite", text)
}

func parsePK(text, what string) (int64, error) {
	pk, err := strconv.ParseInt(text, 10, 64)
	if err != nil || pk < 1 {
		return 0, usage("%q is not the primary key of a %s, such as 42", text, what)
	}
	return pk, nil
}

var errDeclined = errors.New("not purged")

// confirm asks a person.
func (a *app) confirm(question string) error {
	if !a.inTerminal {
		return usage("there is nobody to ask; give --yes if you are sure")
	}
	fmt.Fprintf(a.err, "%s [y/N] ", question)
	answer, err := readLine(a.in)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if answer = strings.ToLower(strings.TrimSpace(answer)); answer != "y" && answer != "yes" {
		return errDeclined
	}
	return nil
}

// readLine reads no further than its line.
func readLine(r io.Reader) (string, error) {
	var line []byte
	for one := make([]byte, 1); ; {
		n, err := r.Read(one)
		if n == 1 && one[0] == '\n' {
			return strings.TrimSuffix(string(line), "\r"), nil
		}
		line = append(line, one[:n]...)
		if err != nil {
			return string(line), err
		}
	}
}
