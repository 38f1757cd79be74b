// Package report is what a proof writes down: a row for every check, with what was
// measured, what was asked for, the seed that repeats it and the time it took. Checks are
// ordinary tests; test/prove runs them and makes docs/proof.md of their rows.
package report

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// The environment between the command and the tests it runs.
const (
	EnvScale = "PROVE"      // "" or "fast", "quarter", "full": see Count
	EnvRows  = "PROVE_ROWS" // a directory for the rows; "" = none are written
	EnvSeed  = "PROVE_SEED" // see Seed
)

// Row is one line of the report.
type Row struct {
	Section string  `json:"section"` // e.g. "faults"
	Check   string  `json:"check"`   // what is held, as a sentence without its end
	Value   string  `json:"value"`
	Target  string  `json:"target"` // e.g. "≥ 2000", "= 0"
	Met     bool    `json:"met"`
	Seed    uint64  `json:"seed,omitempty"`
	Seconds float64 `json:"seconds"`          // since its check began
	Commit  string  `json:"commit,omitempty"` // of what was checked; filled in by who runs the test
}

// Count is how often to do something: fast as part of make test, a quarter of full (but
// not less than fast) in make prove, full in make prove-long.
func Count(fast, full int) int {
	switch os.Getenv(EnvScale) {
	case "full":
		return full
	case "quarter":
		return max(fast, full/4)
	}
	return fast
}

// Seed is the seed of everything random in a check: PROVE_SEED, or else 1, so that two
// runs do the same.
func Seed() uint64 {
	if n, err := strconv.ParseUint(os.Getenv(EnvSeed), 10, 64); err == nil {
		return n
	}
	return 1
}

// Check measures one thing.
type Check struct {
	tb      testing.TB
	section string
	seed    uint64
	begun   time.Time
}

// Begin starts the clock of a section's check. The seed is 0 where nothing is random.
func Begin(tb testing.TB, section string, seed uint64) *Check {
	tb.Helper()
	return &Check{tb: tb, section: section, seed: seed, begun: time.Now()}
}

// Tell says in the log how far a long check is, at every twentieth of its way.
func (c *Check) Tell(done, of int) {
	c.tb.Helper()
	if of >= 200 && done*20/of != (done-1)*20/of {
		c.tb.Logf("%d of %d after %s", done, of, time.Since(c.begun).Round(time.Second))
	}
}

// AtLeast holds that a count reached what was asked for.
func (c *Check) AtLeast(check string, got, want int) {
	c.tb.Helper()
	c.hold(check, strconv.Itoa(got), "≥ "+strconv.Itoa(want), got >= want)
}

// AtMost holds that a count stayed within a bound.
func (c *Check) AtMost(check string, got, want int) {
	c.tb.Helper()
	c.hold(check, strconv.Itoa(got), "≤ "+strconv.Itoa(want), got <= want)
}

// Equal holds that a count is exactly what it should be, mostly 0.
func (c *Check) Equal(check string, got, want int) {
	c.tb.Helper()
	c.hold(check, strconv.Itoa(got), "= "+strconv.Itoa(want), got == want)
}

// Hold holds anything else, described in words.
func (c *Check) Hold(check, value, target string, met bool) {
	c.tb.Helper()
	c.hold(check, value, target, met)
}

func (c *Check) hold(check, value, target string, met bool) {
	c.tb.Helper()
	row := Row{
		Section: c.section, Check: check, Value: value, Target: target, Met: met,
		Seed: c.seed, Seconds: time.Since(c.begun).Seconds(),
	}
	if !met {
		c.tb.Errorf("%s: %s is %s, want %s", c.section, check, value, target)
	}
	if err := write(row); err != nil {
		c.tb.Errorf("write a row: %v", err)
	}
}

// write appends the row to the rows of this process.
func write(row Row) error {
	dir := os.Getenv(EnvRows)
	if dir == "" {
		return nil
	}
	text, err := json.Marshal(row)
	if err != nil {
		return err
	}
	file, err := os.OpenFile(filepath.Join(dir, fmt.Sprintf("%d.jsonl", os.Getpid())), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(append(text, '\n'))
	if closed := file.Close(); err == nil {
		err = closed
	}
	return err
}
