package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"joboutputs/test/report"
)

// step is something that measures. It writes what it prints to the log and answers rows.
type step interface {
	run(ctx context.Context, r *runner, log io.Writer) ([]report.Row, error)
}

// runner runs one section.
type runner struct {
	scale, seed, commit, section string
}

// scratch is where logs go and what else a section leaves.
const scratch = "build/proof"

// run runs a section's steps, all of them even if one fails.
func (r *runner) run(ctx context.Context, s section) report.Section {
	begun := time.Now()
	fmt.Printf("%s …\n", s.name)
	out := report.Section{Name: s.name, About: s.about}
	file := filepath.Join(scratch, s.name+".log")
	err := os.MkdirAll(scratch, 0o755)
	var log *os.File
	if err == nil {
		log, err = os.Create(file)
	}
	if err == nil {
		defer log.Close()
		for _, step := range s.steps {
			rows, stepErr := r.announced(ctx, step, log)
			err = errors.Join(err, stepErr)
			out.Rows = append(out.Rows, rows...)
		}
	}
	for i := range out.Rows {
		out.Rows[i].Section, out.Rows[i].Commit = s.name, r.commit
	}
	out.Seconds = time.Since(begun).Seconds()
	if err != nil {
		out.Error = err.Error()
	}
	r.conclude(out, file)
	return out
}

// announced runs a step and says now and then that it is still at it.
func (r *runner) announced(ctx context.Context, s step, log io.Writer) ([]report.Row, error) {
	begun := time.Now()
	ticker := time.NewTicker(time.Minute)
	defer ticker.Stop()
	done := make(chan struct{})
	defer close(done)
	go func() {
		for {
			select {
			case <-done:
				return
			case <-ticker.C:
				fmt.Printf("  %s: %s\n", r.section, time.Since(begun).Round(time.Second))
			}
		}
	}()
	return s.run(ctx, r, log)
}

// conclude says how a section ended, and shows the end of its log if badly.
func (r *runner) conclude(s report.Section, log string) {
	one := report.Document{Sections: []report.Section{s}}
	failures := one.Failures()
	for _, row := range s.Rows {
		fmt.Printf("  %s: %s (%s)\n", row.Check, row.Value, row.Target)
	}
	fmt.Printf("  %d rows, %d missed, %.0f s; log in %s\n", len(s.Rows), len(failures), s.Seconds, log)
	if s.Error != "" {
		text, _ := os.ReadFile(log)
		fmt.Printf("%s\n", lastLines(text, 60))
	}
}

func lastLines(text []byte, n int) []byte {
	lines := bytes.Split(bytes.TrimSpace(text), []byte("\n"))
	return bytes.Join(lines[max(0, len(lines)-n):], []byte("\n"))
}

// test is the tests of a package that write rows.
type test struct {
	pkg  string
	only string // -run; "" = all
	skip string // -skip
	race bool
}

func (t test) run(ctx context.Context, r *runner, log io.Writer) ([]report.Row, error) {
	dir, err := os.MkdirTemp("", "rows")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	args := []string{"--", "go", "test", "-count=1", "-timeout=2h", "-parallel=8", "-v"} // most of a case is waiting for a store
	if t.race {
		args = append(args, "-race")
	}
	if t.only != "" {
		args = append(args, "-run="+t.only)
	}
	if t.skip != "" {
		args = append(args, "-skip="+t.skip)
	}
	var output bytes.Buffer
	// A pair of stores for each step: what one does to them is over with it.
	cmd := command(ctx, io.MultiWriter(log, &output), "build/withaws", append(args, t.pkg)...)
	cmd.Env = append(os.Environ(), report.EnvScale+"="+r.scale, report.EnvSeed+"="+r.seed, report.EnvRows+"="+dir)
	failed := cmd.Run()
	rows, err := report.ReadRows(dir)
	switch {
	case err != nil:
		return nil, err
	case failed != nil:
		return rows, fmt.Errorf("go test %s: %w", t.pkg, failed)
	case bytes.Contains(output.Bytes(), []byte("no tests to run")), bytes.Contains(output.Bytes(), []byte("[no test files]")):
		return rows, fmt.Errorf("go test %s: there is no such test", t.pkg)
	case len(rows) == 0:
		return nil, fmt.Errorf("go test %s: it wrote no row", t.pkg)
	}
	return rows, nil
}

// command is a program that is asked to end, not killed, when the context does.
func command(ctx context.Context, output io.Writer, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdout, cmd.Stderr = output, output
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 20 * time.Second
	return cmd
}
