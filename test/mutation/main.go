// Command mutants is `make mutants`: it shows that the tests can fail. On a copy of the
// tree it breaks the service in one place at a time, as the table says, and runs the tests
// meant to notice. A mutant whose tests pass has survived; one that does not compile, or
// whose place is no longer found, is a mistake of the table. The rows go to
// build/mutants.json, from where the other proofs' report takes them over.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"

	"joboutputs/test/report"
)

// killedShare is how many of the mutants must be killed, in percent.
const killedShare = 95

// mutant is the service broken in one place.
type mutant struct {
	name string
	file string
	old  string // stands in the file exactly once
	new  string
	by   killer
}

// killer is the test that must fail: pkg's, and of its tests the one of this name.
type killer struct{ pkg, test string }

func main() {
	only := flag.String("only", "", "run the mutants alone whose name or file match this `pattern`")
	out := flag.String("json", "build/mutants.json", "`file` for the rows")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	failures, err := run(ctx, *only, *out)
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
	for _, text := range failures {
		fmt.Println("MISSED", text)
	}
	if len(failures) > 0 {
		os.Exit(1)
	}
}

// run runs all mutants and writes their rows; it answers what does not hold.
func run(ctx context.Context, only, out string) ([]string, error) {
	pattern, err := regexp.Compile(only)
	if err != nil {
		return nil, err
	}
	var chosen []mutant
	for _, m := range mutants() {
		if pattern.MatchString(m.name) || pattern.MatchString(m.file) {
			chosen = append(chosen, m)
		}
	}
	dir, err := os.MkdirTemp("", "mutants")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	w := &workshop{dir: dir}
	if err := w.copyTree(ctx); err != nil {
		return nil, err
	}
	begun := time.Now()
	d := report.New(strings.TrimSpace("mutants " + strings.Join(os.Args[1:], " ")))
	section := report.Section{Name: "mutants", About: "The service broken in one place at a time, on a copy: the test that is meant to notice fails."}
	if err := w.baseline(ctx, chosen); err != nil {
		return nil, err
	}
	killed := 0
	for i, m := range chosen {
		row := w.row(ctx, m)
		row.Commit = d.Commit
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if row.Met {
			killed++
		}
		fmt.Printf("%d/%d %s: %s (%.0f s)\n", i+1, len(chosen), m.name, row.Value, row.Seconds)
		section.Rows = append(section.Rows, row)
	}
	section.Rows = append(section.Rows, report.Row{
		Section: "mutants", Check: "mutants killed by the test meant for them", Value: fmt.Sprintf("%d of %d", killed, len(chosen)),
		Target: fmt.Sprintf("≥ %d %% of ≥ 20", killedShare), Met: killed*100 >= killedShare*len(chosen) && (len(chosen) >= 20 || only != ""),
		Seconds: time.Since(begun).Seconds(), Commit: d.Commit,
	})
	section.Seconds = time.Since(begun).Seconds()
	d.Seconds, d.Sections = section.Seconds, []report.Section{section}
	return d.Failures(), d.Save("", out)
}

// workshop is the copy that mutants are made in.
type workshop struct{ dir string }

// copyTree copies what git knows of the working tree, and what it would take.
func (w *workshop) copyTree(ctx context.Context) error {
	files, err := exec.CommandContext(ctx, "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard").Output()
	if err != nil {
		return fmt.Errorf("list the tree: %w", err)
	}
	for name := range strings.SplitSeq(strings.TrimSuffix(string(files), "\x00"), "\x00") {
		info, err := os.Lstat(name)
		if errors.Is(err, os.ErrNotExist) || err == nil && !info.Mode().IsRegular() {
			continue // removed and not committed yet, or a link such as .tools
		}
		var text []byte
		if err == nil {
			text, err = os.ReadFile(name)
		}
		to := filepath.Join(w.dir, name)
		if err == nil {
			err = os.MkdirAll(filepath.Dir(to), 0o755)
		}
		if err == nil {
			err = os.WriteFile(to, text, info.Mode().Perm())
		}
		if err != nil {
			return fmt.Errorf("copy the tree: %w", err)
		}
	}
	return nil
}

// baseline holds that every test passes as long as nothing is broken, or its failing would
// say nothing.
func (w *workshop) baseline(ctx context.Context, all []mutant) error {
	seen := map[killer]bool{}
	for _, m := range all {
		if seen[m.by] {
			continue
		}
		seen[m.by] = true
		if output, err := w.test(ctx, m.by); err != nil || !bytes.Contains(output, []byte("--- PASS: "+m.by.test)) {
			return fmt.Errorf("%s of %s does not pass on a whole service: %w\n%.3000s", m.by.test, m.by.pkg, err, output)
		}
		fmt.Printf("%s of %s passes on a whole service\n", m.by.test, m.by.pkg)
	}
	return nil
}

// row breaks the service, runs the test, and mends it.
func (w *workshop) row(ctx context.Context, m mutant) report.Row {
	begun := time.Now()
	value, killed := w.try(ctx, m)
	return report.Row{
		Section: "mutants", Check: m.name + " (" + m.file + ")", Value: value, Target: "killed by " + m.by.test, Met: killed,
		Seconds: time.Since(begun).Seconds(),
	}
}

func (w *workshop) try(ctx context.Context, m mutant) (value string, killed bool) {
	path := filepath.Join(w.dir, m.file)
	whole, err := os.ReadFile(path)
	if err != nil {
		return err.Error(), false
	}
	broken, err := m.apply(string(whole))
	if err != nil {
		return err.Error(), false
	}
	if err := os.WriteFile(path, []byte(broken), 0o644); err != nil {
		return err.Error(), false
	}
	output, failed := w.test(ctx, m.by)
	if err := os.WriteFile(path, whole, 0o644); err != nil {
		return err.Error(), false
	}
	switch {
	case bytes.Contains(output, []byte("[build failed]")), bytes.Contains(output, []byte("[setup failed]")):
		return fmt.Sprintf("does not compile: %s", lastLine(output)), false
	case bytes.Contains(output, []byte("--- FAIL: "+m.by.test)):
		return "killed by " + m.by.test, true
	case bytes.Contains(output, []byte("test timed out")):
		return "killed by " + m.by.test + ", which did not end", true
	case failed != nil:
		return fmt.Sprintf("failed elsewhere: %v: %s", failed, lastLine(output)), false
	}
	return "survived", false
}

// apply breaks a file's text.
func (m mutant) apply(whole string) (string, error) {
	if n := strings.Count(whole, m.old); n != 1 {
		return "", fmt.Errorf("its place is %d times in the file, want once", n)
	}
	return strings.Replace(whole, m.old, m.new, 1), nil
}

// test runs one test of the copy. It inherits the stores and finds the tools of the tree
// that was copied.
func (w *workshop) test(ctx context.Context, by killer) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "go", "test", "-vet=off", "-count=1", "-failfast", "-timeout=5m", "-v", "-run=^"+by.test+"$", by.pkg)
	cmd.Dir = w.dir
	here, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	cmd.Env = append(os.Environ(), "JOBOUTPUTS_TOOLS="+filepath.Join(here, ".tools"))
	return cmd.CombinedOutput()
}

func lastLine(output []byte) string {
	lines := strings.Split(strings.TrimSpace(string(output)), "\n")
	return strings.Join(lines[max(0, len(lines)-3):], " ")
}
