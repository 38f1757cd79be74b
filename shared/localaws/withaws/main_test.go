package main

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

func TestRun(t *testing.T) {
	ready := filepath.Join(t.TempDir(), "ready")
	tests := []struct {
		name   string
		script string
		signal os.Signal // sent once the script has made the file ready
		want   int
	}{
		{"exit code and environment", `test -n "$JOBOUTPUTS_TEST_DYNAMODB" && test -n "$JOBOUTPUTS_TEST_S3" && exit 7`, nil, 7},
		{"a signal is passed on", `trap "exit 9" TERM; : >"$0"; while :; do sleep 0.1; done`, syscall.SIGTERM, 9},
		{"ended by a signal", `: >"$0"; exec sleep 60`, syscall.SIGHUP, 128 + int(syscall.SIGHUP)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			signals := make(chan os.Signal, 1)
			if tt.signal != nil {
				_ = os.Remove(ready)
				go func() {
					for {
						if _, err := os.Stat(ready); err == nil || t.Context().Err() != nil {
							break
						}
						time.Sleep(10 * time.Millisecond)
					}
					signals <- tt.signal
				}()
			}
			got, err := run(signals, []string{"/bin/sh", "-c", tt.script, ready})
			if err != nil {
				t.Fatal(err)
			}
			if got != tt.want {
				t.Errorf("exit code %d, want %d", got, tt.want)
			}
		})
	}
}

func TestRunStopsAtASignalBeforeTheCommand(t *testing.T) {
	signals := make(chan os.Signal, 1)
	signals <- syscall.SIGINT
	if code, err := run(signals, []string{"/bin/false"}); err == nil {
		t.Errorf("the command was run and ended with %d", code)
	}
}
