package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"joboutputs/test/report"
)

// fuzz is every fuzz target of the tree, each for half a minute, in the full proof a whole
// one. A row is what the fuzzer did.
type fuzz struct{}

// target is a fuzz target.
type target struct{ pkg, name string }

func (fuzz) run(ctx context.Context, r *runner, log io.Writer) ([]report.Row, error) {
	targets, err := fuzzTargets(".")
	if err != nil {
		return nil, err
	}
	length := map[string]time.Duration{"fast": 2 * time.Second, "quarter": 30 * time.Second, "full": time.Minute}[r.scale]
	rows := make([]report.Row, 0, len(targets)+1)
	var failed error
	for _, t := range targets {
		row, err := t.fuzz(ctx, length, log)
		if err != nil && failed == nil {
			failed = err
		}
		rows = append(rows, row)
	}
	return rows, failed
}

// fuzzTargets finds all targets in the tree's tests.
func fuzzTargets(root string) ([]target, error) {
	function := regexp.MustCompile(`(?m)^func (Fuzz\w+)\(`)
	var all []target
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != root && strings.HasPrefix(d.Name(), "."), d.IsDir() && d.Name() == "build":
			return filepath.SkipDir
		case !strings.HasSuffix(path, "_test.go"):
			return nil
		}
		text, err := os.ReadFile(path)
		for _, match := range function.FindAllSubmatch(text, -1) {
			all = append(all, target{"./" + filepath.ToSlash(filepath.Dir(path)), string(match[1])})
		}
		return err
	})
	return all, err
}

// progress is what the fuzzer prints every few seconds.
var progress = regexp.MustCompile(`elapsed: (\w+), execs: (\d+)`)

func (t target) fuzz(ctx context.Context, length time.Duration, log io.Writer) (report.Row, error) {
	var output bytes.Buffer
	begun := time.Now()
	err := command(ctx, io.MultiWriter(log, &output), "go", "test", t.pkg,
		"-run=^$", "-fuzz=^"+t.name+"$", "-fuzztime="+length.String(), "-timeout=30m").Run()
	// At its own deadline the fuzzer of a busy machine at times reports just that as a failure
	// (https://go.dev/issue/75804). A crash has an input.
	if text := output.String(); strings.Contains(text, "context deadline exceeded") && !strings.Contains(text, "Failing input") && !strings.Contains(text, "panic:") {
		err = nil
	}
	execs := 0
	for lines := bufio.NewScanner(&output); lines.Scan(); {
		if match := progress.FindStringSubmatch(lines.Text()); match != nil {
			execs, _ = strconv.Atoi(match[2])
		}
	}
	row := report.Row{
		Check:  fmt.Sprintf("%s in %s", t.name, strings.TrimPrefix(t.pkg, "./")),
		Value:  fmt.Sprintf("0 crashes in %d executions", execs),
		Target: fmt.Sprintf("0 crashes in %s", length), Met: err == nil && execs > 0, Seconds: time.Since(begun).Seconds(),
	}
	if err != nil {
		row.Value = fmt.Sprintf("a crash within %d executions", execs)
		err = fmt.Errorf("%s in %s: %w", t.name, t.pkg, err)
	}
	return row, err
}
