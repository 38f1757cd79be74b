package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"unicode"

	"joboutputs/shared/client"
)

// printable is a text of somebody else's as a terminal may see it.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' || unicode.Is(unicode.Bidi_Control, r) {
			return '\uFFFD'
		}
		return r
	}, text)
}

// cell is printable text of one line.
func cell(text string) string { return strings.ReplaceAll(printable(text), "\n", "\uFFFD") }

// bytesText is a size for people: 20 B, 1.2 MB.
func bytesText(n int64) string {
	const units = "kMGTPE"
	if n < 1000 {
		return fmt.Sprintf("%d B", n)
	}
	value, unit := float64(n), -1
	for value >= 999.95 && unit < len(units)-1 {
		value /= 1000
		unit++
	}
	return fmt.Sprintf("%.1f %cB", value, units[max(unit, 0)])
}

func timeText(t client.Time) string { return t.UTC().Format("2006-01-02 15:04:05Z") }

func creatorText(creator *int64) string {
	if creator == nil {
		return "-"
	}
	return strconv.FormatInt(*creator, 10)
}

// printJSON writes one value on one line.
func (a *app) printJSON(v any) error {
	text, err := jsonText(v)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(a.out, text)
	return err
}

func jsonText(v any) (string, error) {
	var text strings.Builder
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return strings.TrimSuffix(text.String(), "\n"), err
}

// table lines up outputs, many at a time.
type table struct {
	w       *tabwriter.Writer
	rows    int
	deleted bool // whether there is a column for that
}

func newTable(w io.Writer, deleted bool) *table {
	return &table{w: tabwriter.NewWriter(w, 0, 0, 2, ' ', 0), deleted: deleted}
}

func (t *table) header() {
	fmt.Fprint(t.w, "PK\tJOB\tNAME\tTYPE\tSIZE\tBY\tCREATED")
	if t.deleted {
		fmt.Fprint(t.w, "\tDELETED")
	}
	fmt.Fprintln(t.w)
}

func (t *table) row(o client.Output) error {
	fmt.Fprintf(t.w, "%d\t%d\t%s\t%s\t%s\t%s\t%s", o.PK, o.Job, cell(o.Name), cell(o.Type), bytesText(o.Size), creatorText(o.Creator), timeText(o.CreationTime))
	if t.deleted {
		deleted := "-"
		if o.DeletionTime != nil {
			deleted = timeText(*o.DeletionTime)
		}
		fmt.Fprint(t.w, "\t", deleted)
	}
	fmt.Fprintln(t.w)
	if t.rows++; t.rows%client.MaxPage == 0 {
		return t.w.Flush()
	}
	return nil
}

// sheet is a list of names and values.
func sheet(w io.Writer, pairs ...string) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for i := 0; i < len(pairs); i += 2 {
		fmt.Fprintf(t, "%s\t%s\n", pairs[i], cell(pairs[i+1]))
	}
	return t.Flush()
}

func (a *app) printOutput(o client.Output) error {
	if a.json {
		return a.printJSON(o)
	}
	pairs := []string{
		"pk", fmt.Sprint(o.PK), "job", fmt.Sprint(o.Job), "name", o.Name, "type", o.Type,
		"size", fmt.Sprintf("%s (%d bytes)", bytesText(o.Size), o.Size), "creator", creatorText(o.Creator), "created", timeText(o.CreationTime),
	}
	if o.DeletionTime != nil {
		pairs = append(pairs, "deleted", timeText(*o.DeletionTime))
	}
	if o.ContentType != nil {
		pairs = append(pairs, "content type", *o.ContentType)
	}
	if o.SHA256 != nil {
		pairs = append(pairs, "sha256", *o.SHA256)
	}
	if o.Checksum != nil {
		pairs = append(pairs, "checksum", fmt.Sprintf("%s (%s) %s", o.Checksum.Algorithm, o.Checksum.Type, o.Checksum.Value))
	}
	return sheet(a.out, pairs...)
}

func (a *app) printJob(j client.Job) error {
	if a.json {
		return a.printJSON(j)
	}
	state := "waiting for a node"
	switch {
	case j.ErrorReason != nil:
		state = "failed"
		if *j.ErrorReason != "" {
			state += ": " + *j.ErrorReason
		}
	case j.Cancelled:
		state = "cancelled"
	case j.EndTime != nil:
		state = "finished"
	case j.StartTime != nil:
		state = "running"
	case j.Node != nil:
		state = "acquired"
	}
	pairs := []string{"job", fmt.Sprint(j.PK)}
	if j.Description != "" {
		pairs = append(pairs, "description", j.Description)
	}
	pairs = append(pairs, "state", state, "node", creatorText(j.Node), "created", timeText(j.CreationTime))
	if j.StartTime != nil {
		pairs = append(pairs, "started", timeText(*j.StartTime))
	}
	if j.EndTime != nil {
		pairs = append(pairs, "ended", timeText(*j.EndTime))
	}
	for _, o := range j.Outputs {
		pairs = append(pairs, "output", fmt.Sprintf("%d  %d/%s/%s", o.PK, j.PK, o.Name, o.Type))
	}
	if j.Truncated {
		pairs = append(pairs, "more", fmt.Sprintf("joboutputs list --job %d --all has every output", j.PK))
	}
	return sheet(a.out, pairs...)
}
