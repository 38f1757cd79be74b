package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Document is a whole report. Its JSON is what one run hands to another.
type Document struct {
	Commit   string    `json:"commit"` // with a + if files differed from it
	Date     time.Time `json:"date"`
	Machine  Machine   `json:"machine"`
	Command  string    `json:"command"`
	Seconds  float64   `json:"seconds"`
	Sections []Section `json:"sections"`
}

// Section is a part of a proof, with the rows its tests wrote.
type Section struct {
	Name    string  `json:"name"`
	About   string  `json:"about"` // what is held and how, in a sentence or two
	Seconds float64 `json:"seconds"`
	Error   string  `json:"error,omitempty"` // why it failed beside its rows
	Rows    []Row   `json:"rows"`
}

// Machine is what a run ran on.
type Machine struct {
	System string  `json:"system"` // "linux/amd64"
	Cores  int     `json:"cores"`
	Memory float64 `json:"memory_gib,omitempty"` // 0 = not known
	Go     string  `json:"go"`
}

// New begins a document about the working tree in the current directory.
func New(command string) *Document {
	return &Document{Commit: commit(), Date: time.Now().UTC().Truncate(time.Second), Machine: here(), Command: command}
}

// Failures are sentences about everything that does not hold.
func (d *Document) Failures() []string {
	var all []string
	for _, s := range d.Sections {
		if s.Error != "" {
			all = append(all, s.Name+": "+s.Error)
		}
		if len(s.Rows) == 0 {
			all = append(all, s.Name+": it wrote no row")
		}
		for _, r := range s.Rows {
			if !r.Met {
				all = append(all, fmt.Sprintf("%s: %s is %s, want %s", s.Name, r.Check, r.Value, r.Target))
			}
		}
	}
	return all
}

// Take adds the sections of another run that this document does not have.
func (d *Document) Take(other *Document) {
	for _, s := range other.Sections {
		if !slices.ContainsFunc(d.Sections, func(have Section) bool { return have.Name == s.Name }) {
			d.Sections = append(d.Sections, s)
		}
	}
}

// Markdown writes the document as a page.
func (d *Document) Markdown(w io.Writer) error {
	var b bytes.Buffer
	rows := 0
	for _, s := range d.Sections {
		rows += len(s.Rows)
	}
	failures := d.Failures()
	fmt.Fprintf(&b, "# Proof\n\nWritten by `%s`; a section of an earlier run is taken over, and each row names the commit it was measured on. What each section means is in `SECURITY.md` and in the package docs below `test/prove`.\n\n", d.Command)
	fmt.Fprintf(&b, "| | |\n|---|---|\n| commit | %s |\n| date | %s |\n| machine | %s |\n| time | %s |\n| rows | %d, of which %d missed |\n",
		d.Commit, d.Date.Format(time.RFC3339), d.Machine, time.Duration(d.Seconds*float64(time.Second)).Round(time.Second), rows, len(failures))
	for _, text := range failures {
		fmt.Fprintf(&b, "\n- **missed**: %s", cell(text))
	}
	if len(failures) > 0 {
		b.WriteByte('\n')
	}
	for _, s := range d.Sections {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n| check | value | target | | seed | commit | s |\n|---|---|---|---|---|---|---|\n", s.Name, s.About)
		for _, r := range s.Rows {
			seed, met := "", "holds"
			if r.Seed != 0 {
				seed = strconv.FormatUint(r.Seed, 10)
			}
			if !r.Met {
				met = "**missed**"
			}
			fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | %.1f |\n", cell(r.Check), cell(r.Value), cell(r.Target), met, seed, r.Commit, r.Seconds)
		}
	}
	_, err := w.Write(b.Bytes())
	return err
}

// cell is text that stays within a cell of a table.
func cell(text string) string {
	return strings.NewReplacer("|", `\|`, "\n", " ", "<", "&lt;").Replace(text)
}

func (m Machine) String() string {
	memory := "memory unknown"
	if m.Memory > 0 {
		memory = fmt.Sprintf("%.0f GiB", m.Memory)
	}
	return fmt.Sprintf("%s, %d cores, %s, %s", m.System, m.Cores, memory, m.Go)
}

// Save writes the document as Markdown and as JSON.
func (d *Document) Save(markdown, jsonFile string) error {
	var page bytes.Buffer
	text, err := json.MarshalIndent(d, "", " ")
	if err == nil {
		err = d.Markdown(&page)
	}
	for file, content := range map[string][]byte{markdown: page.Bytes(), jsonFile: append(text, '\n')} {
		if err == nil && file != "" {
			if err = os.MkdirAll(filepath.Dir(file), 0o755); err == nil {
				err = os.WriteFile(file, content, 0o644)
			}
		}
	}
	if err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}

// Read reads a document's JSON; one that is not there is nil and no error.
func Read(file string) (*Document, error) {
	text, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	var d Document
	if err == nil {
		err = json.Unmarshal(text, &d)
	}
	if err != nil {
		return nil, fmt.Errorf("read the report %s: %w", file, err)
	}
	return &d, nil
}

// ReadRows reads what the tests of a directory wrote.
func ReadRows(dir string) ([]Row, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.jsonl"))
	if err != nil {
		return nil, err
	}
	var rows []Row
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("read rows: %w", err)
		}
		for dec := json.NewDecoder(bytes.NewReader(text)); dec.More(); {
			var row Row
			if err := dec.Decode(&row); err != nil {
				return nil, fmt.Errorf("read rows of %s: %w", file, err)
			}
			rows = append(rows, row)
		}
	}
	return rows, nil
}

func commit() string {
	head, err := exec.Command("git", "rev-parse", "--short=10", "HEAD").Output()
	if err != nil {
		return "unknown"
	}
	name := strings.TrimSpace(string(head))
	if changed, err := exec.Command("git", "status", "--porcelain", "--untracked-files=no").Output(); err != nil || len(changed) > 0 {
		name += "+"
	}
	return name
}

func here() Machine {
	m := Machine{System: runtime.GOOS + "/" + runtime.GOARCH, Cores: runtime.NumCPU(), Go: runtime.Version()}
	text, _ := os.ReadFile("/proc/meminfo") // Linux alone has it
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) == 3 && fields[0] == "MemTotal:" {
			kib, _ := strconv.ParseFloat(fields[1], 64)
			m.Memory = kib / (1 << 20)
		}
	}
	return m
}
