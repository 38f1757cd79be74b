package report_test

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"joboutputs/test/report"
)

// TestFailures: what does not hold is said, whatever way it went wrong.
func TestFailures(t *testing.T) {
	held := report.Row{Check: "a", Value: "3", Target: "≥ 2", Met: true}
	missed := report.Row{Check: "b", Value: "1", Target: "= 0"}
	for _, tc := range []struct {
		name string
		s    report.Section
		want []string
	}{
		{"held", report.Section{Name: "s", Rows: []report.Row{held}}, nil},
		{"a row missed", report.Section{Name: "s", Rows: []report.Row{held, missed}}, []string{"s: b is 1, want = 0"}},
		{"a test failed", report.Section{Name: "s", Rows: []report.Row{held}, Error: "exit status 1"}, []string{"s: exit status 1"}},
		{"no row", report.Section{Name: "s"}, []string{"s: it wrote no row"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := report.Document{Sections: []report.Section{tc.s}}
			if diff := cmp.Diff(tc.want, d.Failures()); diff != "" {
				t.Errorf("failures (-want +got):\n%s", diff)
			}
			var page bytes.Buffer
			if err := d.Markdown(&page); err != nil {
				t.Fatal(err)
			}
			if got := strings.Count(page.String(), "- **missed**"); got != len(tc.want) {
				t.Errorf("%d misses on the page, want %d:\n%s", got, len(tc.want), page.String())
			}
		})
	}
}

// TestTake: sections of another run fill in what is not there, and only that; all of it
// survives being saved.
func TestTake(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a", "proof.json")
	earlier := report.Document{Sections: []report.Section{
		{Name: "one", Rows: []report.Row{{Check: "old"}}},
		{Name: "two", Rows: []report.Row{{Check: "kept", Value: "2", Target: "≥ 2", Met: true, Seed: 7, Seconds: 0.5, Commit: "abc"}}},
	}}
	if err := earlier.Save("", file); err != nil {
		t.Fatal(err)
	}
	read, err := report.Read(file)
	if err != nil {
		t.Fatal(err)
	}
	d := report.Document{Sections: []report.Section{{Name: "one", Rows: []report.Row{{Check: "new"}}}}}
	d.Take(read)
	want := []report.Section{{Name: "one", Rows: []report.Row{{Check: "new"}}}, earlier.Sections[1]}
	if diff := cmp.Diff(want, d.Sections); diff != "" {
		t.Errorf("sections (-want +got):\n%s", diff)
	}
	if none, err := report.Read(filepath.Join(t.TempDir(), "none.json")); none != nil || err != nil {
		t.Errorf("a report that is not there: %v, %v", none, err)
	}
}
