// Package result is what a benchmark found: tables, and the aims they are held against.
// Every part of test/bench makes tables; the command prints them as Markdown, keeps them
// as JSON, and README's section is made from that.
package result

import (
	"fmt"
	"strings"
	"time"
)

// Result is one run of the benchmarks.
type Result struct {
	Machine string    `json:"machine"` // processor, number of cores, memory, operating system
	Go      string    `json:"go"`
	Commit  string    `json:"commit"` // what was measured; ends in "+" if there were changes besides
	Command string    `json:"command"`
	Date    time.Time `json:"date"`
	Tables  []Table   `json:"tables"`
}

// Table is what one part of the benchmarks measured.
type Table struct {
	Name    string     `json:"name"` // short and stable, e.g. "limits"
	Title   string     `json:"title"`
	Note    string     `json:"note,omitempty"` // how it was measured; Markdown
	Columns []string   `json:"columns"`
	Rows    [][]string `json:"rows"`
	Aims    []Aim      `json:"aims,omitempty"`
}

// Aim is a number that was aimed at. Missing it is a finding, not a failure.
type Aim struct {
	Name    string  `json:"name"`
	Value   float64 `json:"value"`
	Target  float64 `json:"target"`
	AtLeast bool    `json:"at_least"` // else at most
	Unit    string  `json:"unit,omitempty"`
}

// Met reports whether the aim was reached.
func (a Aim) Met() bool {
	if a.AtLeast {
		return a.Value >= a.Target
	}
	return a.Value <= a.Target
}

// Near reports whether the aim was reached or missed by less than a factor: whether it is
// of the right order where timings are noise.
func (a Aim) Near(factor float64) bool {
	if a.AtLeast {
		return a.Value*factor >= a.Target
	}
	return a.Value <= a.Target*factor
}

// Markdown is the result as text: where and when, then every table.
func (r Result) Markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Measured on %s, %s, %s, commit `%s`, by `%s`.\n",
		r.Date.UTC().Format("2006-01-02"), r.Machine, r.Go, r.Commit, r.Command)
	for _, t := range r.Tables {
		b.WriteString("\n")
		t.write(&b)
	}
	return b.String()
}

func (t Table) write(b *strings.Builder) {
	fmt.Fprintf(b, "### %s\n\n", t.Title)
	if t.Note != "" {
		fmt.Fprintf(b, "%s\n\n", t.Note)
	}
	writeRow(b, t.Columns)
	for i := range t.Columns {
		if numeric(t.Rows, i) {
			b.WriteString("|--:")
		} else {
			b.WriteString("|---")
		}
	}
	b.WriteString("|\n")
	for _, row := range t.Rows {
		writeRow(b, row)
	}
	if len(t.Aims) == 0 {
		return
	}
	b.WriteString("\n")
	for _, a := range t.Aims {
		fmt.Fprintf(b, "- %s\n", a)
	}
}

func writeRow(b *strings.Builder, cells []string) {
	for _, c := range cells {
		fmt.Fprintf(b, "| %s ", c)
	}
	b.WriteString("|\n")
}

// numeric reports whether a column holds numbers, which stand to the right.
func numeric(rows [][]string, column int) bool {
	if column == 0 {
		return false
	}
	for _, row := range rows {
		if column < len(row) && row[column] != "" && !strings.ContainsAny(row[column][:1], "0123456789-+<$≤≥–") {
			return false
		}
	}
	return true
}

// String says what was aimed at and what came of it.
func (a Aim) String() string {
	sign, verdict := "≤", "met"
	if a.AtLeast {
		sign = "≥"
	}
	if !a.Met() {
		verdict = "**missed**"
	}
	return fmt.Sprintf("%s: %s, aim %s %s: %s", a.Name, quantity(a.Value, a.Unit), sign, quantity(a.Target, a.Unit), verdict)
}

func quantity(v float64, unit string) string {
	text := Number(v)
	switch unit {
	case "":
		return text
	case "×", "%":
		return text + unit
	}
	return text + " " + unit
}

// Number writes a number with three significant digits, and thousands apart.
func Number(v float64) string {
	switch {
	case v < 0:
		return "-" + Number(-v)
	case v == 0:
		return "0"
	case v < 0.001:
		return fmt.Sprintf("%.2g", v)
	case v < 9.995:
		return fmt.Sprintf("%.2f", v)
	case v < 99.95:
		return fmt.Sprintf("%.1f", v)
	}
	digits := fmt.Sprintf("%.0f", v)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}
