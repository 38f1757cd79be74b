package lambda

import (
	"testing"

	"joboutputs/infra/bench/result"
)

// TestRun measures in the quick form, and prints what it found with -v.
func TestRun(t *testing.T) {
	tables, err := Run(t.Context(), true)
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
