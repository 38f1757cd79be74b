package localaws

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

func TestMissingToolsAreNamed(t *testing.T) {
	const jre = "install a JRE (Debian: apt-get install openjdk-17-jre-headless)"
	tests := []struct {
		name string
		path map[string]string // programs on the PATH, as shell scripts
		want string
	}{
		{"no java", nil, "Java 17 or newer is needed for DynamoDB Local: " + jre},
		{"a java that is none", map[string]string{"java": "exit 1"}, "Java 17 or newer is needed for DynamoDB Local: " + jre},
		{"java 8", map[string]string{"java": `echo 'java version "1.8.0_202"' >&2`}, "is Java 8: " + jre},
		{"java 11", map[string]string{"java": `echo 'openjdk version "11.0.2" 2019-01-15' >&2`}, "is Java 11: " + jre},
		{"no npm", map[string]string{"java": `echo 'openjdk version "21" 2023-09-19' >&2`},
			"npm is needed once, to fetch DynamoDB Local: install Node.js (Debian: apt-get install npm)"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bin := t.TempDir()
			for name, script := range tt.path {
				if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			t.Setenv("PATH", bin)
			_, err := Start(t.Context(), Options{ToolsDir: t.TempDir()})
			if err == nil || !strings.HasSuffix(err.Error(), tt.want) {
				t.Fatalf("error is %q, want %q at its end", err, tt.want)
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("error has several lines: %q", err)
			}
		})
	}
}

func TestFindTools(t *testing.T) {
	root := t.TempDir()
	below := filepath.Join(root, "a", "b")
	if err := os.MkdirAll(below, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "go.mod"), []byte("module m\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Chdir(below)
	t.Setenv(EnvTools, "")
	got, err := FindTools(io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if want := filepath.Join(root, ".tools"); got.Dir != want {
		t.Errorf("below a module: %s, want %s", got.Dir, want)
	}
	t.Setenv(EnvTools, "/elsewhere")
	if got, err = FindTools(io.Discard); err != nil || got.Dir != "/elsewhere" {
		t.Errorf("with %s: %s, %v; want /elsewhere", EnvTools, got.Dir, err)
	}
}

func TestOnceMakesOnceAndWhole(t *testing.T) {
	tools := Tools{Dir: t.TempDir(), Log: io.Discard}
	dir := filepath.Join(tools.Dir, "tool")

	failed := errors.New("no network")
	err := tools.once(t.Context(), dir, func(_ context.Context, into string) error {
		_ = os.WriteFile(filepath.Join(into, "half"), nil, 0o644)
		return failed
	})
	if !errors.Is(err, failed) {
		t.Fatalf("error is %v, want %v", err, failed)
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Fatalf("a failed fetch left the directory (%v)", err)
	}

	var made atomic.Int32
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			err := tools.once(t.Context(), dir, func(_ context.Context, into string) error {
				made.Add(1)
				return os.WriteFile(filepath.Join(into, "whole"), nil, 0o644)
			})
			if err != nil {
				t.Error(err)
			}
			if _, err := os.Stat(filepath.Join(dir, "whole")); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := made.Load(); got != 1 {
		t.Errorf("made %d times, want once", got)
	}
	if left, _ := filepath.Glob(filepath.Join(tools.Dir, "fetching-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestDigestIsChecked(t *testing.T) {
	file := filepath.Join(t.TempDir(), "archive.tgz")
	if err := os.WriteFile(file, []byte("not what was published"), 0o644); err != nil {
		t.Fatal(err)
	}
	err := checkDigest(file, simulatorSHA256)
	if err == nil || !strings.Contains(err.Error(), "want "+simulatorSHA256) {
		t.Errorf("error is %v, want one that names the digest", err)
	}
}
