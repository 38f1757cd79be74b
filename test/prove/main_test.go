package main

import (
	"context"
	"errors"
	"io"
	"slices"
	"testing"

	"joboutputs/test/report"
)

// fake is a step that measures what it is told to.
type fake struct {
	rows []report.Row
	err  error
}

func (f fake) run(context.Context, *runner, io.Writer) ([]report.Row, error) { return f.rows, f.err }

// TestRun: every step of a section is run, and one that fails is seen.
func TestRun(t *testing.T) {
	t.Chdir(t.TempDir())
	r := &runner{scale: "fast", seed: "1", commit: "abc", section: "s"}
	broken := errors.New("broken")
	got := r.run(t.Context(), section{"s", "about", []step{fake{err: broken}, fake{rows: []report.Row{{Section: "x", Check: "c", Met: true}}}}})
	if got.Error != "broken" || len(got.Rows) != 1 || got.Rows[0].Section != "s" || got.Rows[0].Commit != "abc" {
		t.Errorf("got %+v", got)
	}
}

// TestFuzzTargets: the fuzzer finds targets without being told of them.
func TestFuzzTargets(t *testing.T) {
	got, err := fuzzTargets("../..")
	if err != nil {
		t.Fatal(err)
	}
	if want := (target{"./../../shared/filter", "FuzzParse"}); !slices.Contains(got, want) {
		t.Errorf("%v is not among %v", want, got)
	}
}

func TestProgress(t *testing.T) {
	match := progress.FindStringSubmatch("fuzz: elapsed: 3s, execs: 102 (34/sec), new interesting: 2 (total: 10)")
	if match == nil || match[2] != "102" {
		t.Errorf("got %q", match)
	}
}
