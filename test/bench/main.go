// Command bench is `make bench`: it measures the service against the calls under it,
// against what people would use instead, and against itself with more data, prints the
// tables as Markdown and keeps them as JSON. README's section "Speed and cost" is made of
// that JSON (-readme). See -help.
//
// A missed aim is a finding, not a failure: the exit code is 1 only if something could not
// be measured, or, with -quick, if something is an order of magnitude off.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"joboutputs/test/bench/cleanup"
	"joboutputs/test/bench/cost"
	"joboutputs/test/bench/flat"
	"joboutputs/test/bench/lambda"
	"joboutputs/test/bench/limits"
	"joboutputs/test/bench/match"
	"joboutputs/test/bench/result"
	"joboutputs/test/bench/scale"
)

// part is something to be measured, in the order of the section.
type part struct {
	name string
	run  func(ctx context.Context, quick bool) ([]result.Table, error)
}

func parts(o options) []part {
	return []part{
		{"limits", limits.Limits{Profiles: o.profiles}.Run},
		{"peer", limits.Peer},
		{"flat", flat.Run},
		{"filters", match.Run},
		{"lambdas", lambda.Run},
		{"cost", cost.Run}, // with the durations that lambdas has just measured
		{"scale", scale.Run},
		{"cleanup", func(ctx context.Context, quick bool) ([]result.Table, error) {
			return cleanup.Run(ctx, quick, fmt.Sprintf("%s, commit `%s`", machine(), commit(ctx)))
		}},
	}
}

type options struct {
	quick    bool
	only     []string
	out      string
	profiles string
	readme   bool
}

func parseFlags(args []string) (options, error) {
	var o options
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.BoolVar(&o.quick, "quick", false, "measure little, and fail if an aim is missed by a factor of ten")
	flags.Func("only", "`part`s to measure, by commas", func(names string) error {
		o.only = strings.Split(names, ",")
		return nil
	})
	flags.StringVar(&o.out, "out", "", "`file` for the result as JSON; parts that were not measured stay as they are in it")
	flags.StringVar(&o.profiles, "profiles", "", "`directory` for CPU profiles of the service, one of each action")
	flags.BoolVar(&o.readme, "readme", false, "measure nothing: write README's section from test/bench/results.json")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("unknown argument %q; see -help", flags.Arg(0))
	}
	for _, name := range o.only {
		if !slices.ContainsFunc(parts(o), func(p part) bool { return p.name == name }) {
			return o, fmt.Errorf("there is no part %q", name)
		}
	}
	return o, nil
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == limits.Child {
		exit(limits.RunChild(os.Stdin, os.Stdout))
	}
	o, err := parseFlags(os.Args[1:])
	switch {
	case errors.Is(err, flag.ErrHelp):
		return
	case err != nil:
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	case o.readme:
		exit(updateReadme("README.md", resultsFile))
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	exit(measure(ctx, o, os.Stdout, os.Stderr))
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// measure runs the parts, prints them, and keeps them.
func measure(ctx context.Context, o options, stdout, log io.Writer) error {
	r := result.Result{
		Machine: machine(), Go: goVersion(), Commit: commit(ctx), Command: command(o), Date: time.Now().UTC().Truncate(time.Second),
	}
	for _, p := range parts(o) {
		if len(o.only) > 0 && !slices.Contains(o.only, p.name) {
			continue
		}
		begun := time.Now()
		tables, err := p.run(ctx, o.quick)
		if err != nil {
			return fmt.Errorf("measure %s: %w", p.name, err)
		}
		fmt.Fprintf(log, "measured %s in %s\n", p.name, time.Since(begun).Round(time.Second))
		r.Tables = append(r.Tables, tables...)
	}
	fmt.Fprint(stdout, r.Markdown())
	if o.out != "" {
		if err := keep(o.out, r); err != nil {
			return err
		}
	}
	if o.quick {
		return offByFar(r)
	}
	return nil
}

// farFactor is what a quick run on a busy machine may be off.
const farFactor = 10

func offByFar(r result.Result) error {
	var off []error
	for _, t := range r.Tables {
		for _, a := range t.Aims {
			if !a.Near(farFactor) {
				off = append(off, fmt.Errorf("an order of magnitude off: %s", a))
			}
		}
	}
	return errors.Join(off...)
}

// keep writes the result to a file. Tables of the file that were not measured this time
// stay, in their places.
func keep(path string, r result.Result) error {
	old, err := readResult(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	tables := old.Tables
	for _, t := range r.Tables {
		if i := slices.IndexFunc(tables, func(o result.Table) bool { return o.Name == t.Name }); i >= 0 {
			tables[i] = t
		} else {
			tables = append(tables, t)
		}
	}
	r.Tables = tables
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("encode the result: %w", err)
	}
	return os.WriteFile(path, append(text, '\n'), 0o644)
}

func readResult(path string) (result.Result, error) {
	var r result.Result
	text, err := os.ReadFile(path)
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal(text, &r); err != nil {
		return r, fmt.Errorf("%s: %w", path, err)
	}
	return r, nil
}
