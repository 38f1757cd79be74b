// Package result is what a measurement leaves: tables and the aims they are held against.
package result

import (
	"fmt"
	"strings"
	"time"
)

// Table is one table of a measurement.
type Table struct {
	Name, Title, Note string
	Columns           []string
	Rows              [][]string
	Aims              []Aim
}

// Aim is a figure and what was aimed at.
type Aim struct {
	Name          string
	Value, Target float64
	AtLeast       bool // Value is to be at least Target; otherwise at most
	Unit          string
}

// Result is a whole run.
type Result struct {
	Machine, Go, Commit, Command string
	Date                         time.Time
	Tables                       []Table
}

// Markdown renders the run.
func (r Result) Markdown() string {
	var b strings.Builder
	for _, t := range r.Tables {
		fmt.Fprintf(&b, "### %s\n\n|%s|\n|%s\n", t.Title, strings.Join(t.Columns, "|"), strings.Repeat("---|", len(t.Columns)))
		for _, row := range t.Rows {
			fmt.Fprintf(&b, "|%s|\n", strings.Join(row, "|"))
		}
		fmt.Fprintf(&b, "\n%s\n\n", t.Note)
		for _, a := range t.Aims {
			sign := "≤"
			if a.AtLeast {
				sign = "≥"
			}
			fmt.Fprintf(&b, "- %s: %.3g %s (aim %s %.3g)\n", a.Name, a.Value, a.Unit, sign, a.Target)
		}
	}
	return b.String()
}
