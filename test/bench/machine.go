package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
)

// machine says what was measured on: cores, processor and memory as far as Linux tells.
func machine() string {
	text := fmt.Sprintf("%d × %s", runtime.NumCPU(), field("/proc/cpuinfo", "model name", runtime.GOARCH))
	var kB float64
	if _, err := fmt.Sscanf(field("/proc/meminfo", "MemTotal", ""), "%f kB", &kB); err == nil {
		text += fmt.Sprintf(", %.0f GB", kB*1024/1e9)
	}
	return text + ", " + runtime.GOOS
}

// field is the value of the first line of a file that has the name.
func field(path, name, otherwise string) string {
	file, err := os.Open(path)
	if err != nil {
		return otherwise
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if key, value, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return otherwise
}

func goVersion() string { return runtime.Version() }

// commit is what is checked out; "+" says that files differ from it.
func commit(ctx context.Context) string {
	head, err := exec.CommandContext(ctx, "git", "rev-parse", "--short=10", "HEAD").Output()
	if err != nil {
		return "unknown"
	}
	text := strings.TrimSpace(string(head))
	changed, err := exec.CommandContext(ctx, "git", "status", "--porcelain", "--untracked-files=no").Output()
	if err != nil || len(changed) > 0 {
		text += "+"
	}
	return text
}

// command is how a person gets the same.
func command(o options) string {
	var flags []string
	if o.quick {
		flags = append(flags, "-quick")
	}
	if len(o.only) > 0 {
		flags = append(flags, "-only "+strings.Join(o.only, ","))
	}
	if len(flags) == 0 {
		return "make bench"
	}
	return fmt.Sprintf("make bench ARGS=%q", strings.Join(flags, " "))
}
