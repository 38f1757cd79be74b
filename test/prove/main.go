// Command prove is `make prove`: it runs the proofs, section by section, each of them
// tests that write rows of what they measured (package report), and makes one report of
// the rows, in Markdown and in JSON. It ends with 1 if a row missed its target, a test
// failed, or a section wrote no row.
//
//	prove -scale quarter
//	prove -scale full -section faults,load -keep build/proof.json
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"joboutputs/test/report"
)

type options struct {
	scale    string
	sections []string // none = all
	seed     string
	markdown string
	json     string
	keep     []string
}

func parseFlags(args []string) (options, error) {
	var o options
	flags := flag.NewFlagSet("prove", flag.ContinueOnError)
	flags.StringVar(&o.scale, "scale", "quarter", "how often things are done: fast, quarter or full")
	flags.Func("section", "run these sections alone, by commas: "+strings.Join(names(), ", "), func(text string) error {
		for name := range strings.SplitSeq(text, ",") {
			if !slices.Contains(names(), name) {
				return fmt.Errorf("there is no section %q", name)
			}
			o.sections = append(o.sections, name)
		}
		return nil
	})
	flags.StringVar(&o.seed, "seed", "1", "of everything random")
	flags.StringVar(&o.markdown, "o", "build/proof.md", "`file` for the report")
	flags.StringVar(&o.json, "json", "build/proof.json", "`file` for the report as JSON")
	flags.Func("keep", "`file` of another run's JSON, whose sections are taken over where they are not run now; may be repeated; none need be there", func(file string) error {
		o.keep = append(o.keep, file)
		return nil
	})
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if !slices.Contains([]string{"fast", "quarter", "full"}, o.scale) || flags.NArg() > 0 {
		return o, fmt.Errorf("unknown scale %q or argument %q; see -help", o.scale, flags.Args())
	}
	return o, nil
}

func main() {
	o, err := parseFlags(os.Args[1:])
	if err != nil {
		if err != flag.ErrHelp {
			fmt.Fprintln(os.Stderr, err)
		}
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	failures, err := prove(ctx, o)
	if err != nil {
		fmt.Fprintln(os.Stderr, "prove:", err)
		os.Exit(1)
	}
	for _, text := range failures {
		fmt.Println("MISSED", text)
	}
	if len(failures) > 0 {
		os.Exit(1)
	}
}

// prove runs the sections and writes the report; it answers what does not hold.
func prove(ctx context.Context, o options) ([]string, error) {
	var before []*report.Document
	for _, file := range o.keep { // read first: one of them may be written over
		d, err := report.Read(file)
		if err != nil {
			return nil, err
		}
		if d != nil {
			before = append(before, d)
		}
	}
	d := report.New("prove " + strings.Join(os.Args[1:], " "))
	begun := time.Now()
	for _, s := range sections() {
		if len(o.sections) > 0 && !slices.Contains(o.sections, s.name) {
			continue
		}
		r := &runner{scale: o.scale, seed: o.seed, commit: d.Commit, section: s.name}
		d.Sections = append(d.Sections, r.run(ctx, s))
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
	for _, other := range before {
		d.Take(other)
	}
	order := func(s report.Section) int { return slices.Index(append(names(), "mutants"), s.Name) }
	slices.SortStableFunc(d.Sections, func(a, b report.Section) int { return order(a) - order(b) })
	for _, s := range d.Sections {
		d.Seconds += s.Seconds
	}
	if err := d.Save(o.markdown, o.json); err != nil {
		return nil, err
	}
	fmt.Printf("%s and %s: %s\n", o.markdown, o.json, time.Since(begun).Round(time.Second))
	return d.Failures(), nil
}
