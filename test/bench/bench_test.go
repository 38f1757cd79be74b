package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"joboutputs/test/bench/result"
)

// TestReadme holds that README's numbers are those of the committed run: none is typed.
func TestReadme(t *testing.T) {
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	r, err := readResult("results.json")
	if err != nil {
		t.Fatal(err)
	}
	want, err := replaceSection(string(text), r.Markdown())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(text)); diff != "" {
		t.Errorf("README differs from test/bench/results.json; `make bench-readme` writes it (-results +README)\n%s", diff)
	}
}

func TestReplaceSection(t *testing.T) {
	got, err := replaceSection("a\n"+begin+"old\n"+end+"b\n", "new\n")
	if want := "a\n" + begin + "new\n" + end + "b\n"; err != nil || got != want {
		t.Errorf("got %q, %v\nwant %q", got, err, want)
	}
	for _, text := range []string{"", begin, end, end + begin} {
		if got, err := replaceSection(text, "new\n"); err == nil {
			t.Errorf("%q became %q", text, got)
		}
	}
}

// TestKeep holds that measuring a part again leaves the others.
func TestKeep(t *testing.T) {
	path := filepath.Join(t.TempDir(), "results.json")
	table := func(name, title string) result.Table { return result.Table{Name: name, Title: title} }
	for _, tables := range [][]result.Table{{table("a", "1"), table("b", "1")}, {table("c", "2"), table("a", "2")}} {
		if err := keep(path, result.Result{Commit: "x", Tables: tables}); err != nil {
			t.Fatal(err)
		}
	}
	got, err := readResult(path)
	if err != nil {
		t.Fatal(err)
	}
	want := result.Result{Commit: "x", Tables: []result.Table{table("a", "2"), table("b", "1"), table("c", "2")}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("kept (-want +got)\n%s", diff)
	}
}

func TestQuickFailsByAnOrderOfMagnitudeAlone(t *testing.T) {
	with := func(value float64) result.Result {
		return result.Result{Tables: []result.Table{{Aims: []result.Aim{{Name: "speed", Value: value, Target: 100, AtLeast: true}}}}}
	}
	if err := offByFar(with(11)); err != nil {
		t.Errorf("a ninth: %v", err)
	}
	if err := offByFar(with(9)); err == nil || !strings.Contains(err.Error(), "speed") {
		t.Errorf("an eleventh: %v", err)
	}
}

func TestFlags(t *testing.T) {
	if _, err := parseFlags([]string{"-only", "limits,nothing"}); err == nil || !strings.Contains(err.Error(), `"nothing"`) {
		t.Errorf("got %v", err)
	}
	o, err := parseFlags([]string{"-quick", "-only", "flat"})
	if want := `make bench ARGS="-quick -only flat"`; err != nil || command(o) != want {
		t.Errorf("got %q, %v\nwant %q", command(o), err, want)
	}
}
