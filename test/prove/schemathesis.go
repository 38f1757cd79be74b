package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"joboutputs/test/report"
)

// schemathesis runs that program, with its default checks, against the local run. What of
// its defaults is changed, and why, stands in its configuration file.
type schemathesis struct{}

const schemathesisDir = "test/fuzz/schemathesis"

// schemathesisReport is as much of its JSON report as is looked at.
type schemathesisReport struct {
	Version    string `json:"schemathesis_version"`
	Complete   bool   `json:"complete"`
	Operations struct{ Total, Tested, Errored int }
	TestCases  struct {
		Generated, Errored int
		UniqueFailures     int `json:"unique_failures"`
	} `json:"test_cases"`
	Failures []struct {
		Title string
		Count int
	}
	Errors []json.RawMessage
}

func (schemathesis) run(ctx context.Context, r *runner, log io.Writer) ([]report.Row, error) {
	begun := time.Now()
	ctx, cancel := context.WithCancel(ctx)
	url, ended, err := serveLocal(ctx, log)
	if err != nil {
		cancel()
		return nil, err
	}
	defer func() { cancel(); <-ended }()

	root, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	file := filepath.Join(root, scratch, "schemathesis.json")
	if err := os.Remove(file); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	examples := map[string]string{"fast": "2", "quarter": "25", "full": "100"}[r.scale] // 100 is its default
	cmd := command(ctx, log, filepath.Join(root, ".tools/schemathesis/bin/schemathesis"),
		"--config-file", filepath.Join(root, schemathesisDir, "schemathesis.toml"), "run", url+"/v1/openapi.json",
		"--seed", r.seed, "--max-examples", examples, "--continue-on-failure",
		"--report", "json", "--report-json-path", file)
	cmd.Dir = scratch // where it keeps what it learnt
	exit := cmd.Run()
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, errors.Join(exit, err)
	}
	var found schemathesisReport
	if err := json.Unmarshal(text, &found); err != nil {
		return nil, fmt.Errorf("the report of schemathesis: %w", err)
	}
	seconds := time.Since(begun).Seconds()
	seed, _ := strconv.ParseUint(r.seed, 10, 64) // which it took
	all := found.Operations
	rows := []report.Row{
		{
			Check: "schemathesis " + found.Version + ": operations tested", Value: fmt.Sprint(all.Tested),
			Target: fmt.Sprintf("= %d, all of them", all.Total), Met: all.Tested == all.Total && all.Total > 0 && all.Errored == 0 && found.Complete, Seed: seed, Seconds: seconds,
		},
		{
			Check:  fmt.Sprintf("schemathesis: failures in %d requests (its default checks; %s says what is set otherwise)", found.TestCases.Generated, schemathesisDir+"/schemathesis.toml"),
			Value:  fmt.Sprint(found.TestCases.UniqueFailures),
			Target: "= 0", Met: found.TestCases.UniqueFailures == 0 && len(found.Failures) == 0, Seed: seed, Seconds: seconds,
		},
	}
	if exit != nil {
		exit = fmt.Errorf("schemathesis: %w", exit)
	}
	return rows, exit
}

// serveLocal builds and starts the local run with its own stores, on a free port.
func serveLocal(ctx context.Context, log io.Writer) (url string, ended <-chan struct{}, err error) {
	if err := command(ctx, log, "go", "build", "-o", "build/local", "./infra/local").Run(); err != nil {
		return "", nil, fmt.Errorf("build the local run: %w", err)
	}
	cmd := command(ctx, log, "build/local", "-addr", "127.0.0.1:0", "-ephemeral", "-seed", schemathesisDir+"/seed.json")
	cmd.Stdout = nil
	stdout, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return "", nil, fmt.Errorf("start the local run: %w", err)
	}
	done := make(chan struct{})
	ready := make(chan string, 1)
	go func() {
		for lines := bufio.NewScanner(stdout); lines.Scan(); {
			if url, ok := strings.CutPrefix(lines.Text(), "ready "); ok {
				ready <- url
			}
		}
		_ = cmd.Wait() // it is asked to end when its work is done
		close(done)
	}()
	select {
	case url = <-ready:
		return url, done, nil
	case <-done:
		return "", nil, errors.New("the local run ended before it was ready")
	}
}
