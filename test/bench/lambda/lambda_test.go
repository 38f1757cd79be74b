package lambda

import (
	"flag"
	"testing"

	"joboutputs/test/bench/result"
)

var full = flag.Bool("full", false, "measure all functions, many times, and write the durations that costs are computed from")

// TestRun measures, in the quick form if not told otherwise, and prints what it found
// with -v.
func TestRun(t *testing.T) {
	tables, err := Run(t.Context(), !*full)
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range tables {
		if len(table.Rows) == 0 {
			t.Errorf("the table %s is empty", table.Name)
		}
		for _, aim := range table.Aims {
			if aim.Value > 10*aim.Target {
				t.Errorf("%s is %.3g %s, which is an order of magnitude off %.3g", aim.Name, aim.Value, aim.Unit, aim.Target)
			}
		}
	}
	t.Log(result.Result{Tables: tables}.Markdown())
}
