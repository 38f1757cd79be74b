package main

import (
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestReproducible holds that a binary is the same wherever and whenever it is built, so
// that a deployment changes what changed. One function stands for all: the largest.
func TestReproducible(t *testing.T) {
	const name = "jobs-addoutput"
	elsewhere := t.TempDir()
	for _, folder := range []string{"functions", "shared"} {
		copySources(t, filepath.Join("..", folder), filepath.Join(elsewhere, folder))
	}
	for _, file := range []string{"Makefile", "go.mod", "go.sum"} {
		copyFile(t, filepath.Join("..", file), filepath.Join(elsewhere, file))
	}
	var built [][]byte
	for _, root := range []string{"..", elsewhere} {
		into := t.TempDir()
		cmd := exec.Command("make", "--no-print-directory", "-C", root, "build", "FN="+name, "ARCH=arm64", "BUILD="+into)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		path := filepath.Join(into, name, "bootstrap")
		if err := checkBinary(path, "arm64"); err != nil {
			t.Error(err)
		}
		if err := checkBinary(path, "x86_64"); err == nil || !strings.Contains(err.Error(), "not for") {
			t.Errorf("a binary for arm64 passes for x86_64: %v", err)
		}
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		built = append(built, content)
	}
	if !bytes.Equal(built[0], built[1]) {
		t.Errorf("two builds differ: %d and %d bytes", len(built[0]), len(built[1]))
	}
}

func TestCheckBinary(t *testing.T) {
	if err := checkBinary("testdata/none", "arm64"); err == nil {
		t.Error("a missing binary passes")
	}
	if err := checkBinary("binaries.go", "arm64"); err == nil {
		t.Error("a text passes")
	}
}

func copySources(t *testing.T, from, to string) {
	t.Helper()
	err := filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(path, "_test.go") || strings.Contains(path, "testdata") {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err == nil {
			copyFile(t, path, filepath.Join(to, rel))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	content, err := os.ReadFile(from)
	if err == nil {
		err = os.MkdirAll(filepath.Dir(to), 0o755)
	}
	if err == nil {
		err = os.WriteFile(to, content, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}
