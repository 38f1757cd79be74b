package result_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"joboutputs/test/bench/result"
)

func TestMarkdown(t *testing.T) {
	r := result.Result{
		Machine: "2 × Some CPU", Go: "go1.26", Commit: "abc", Command: "make bench",
		Date: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		Tables: []result.Table{{
			Name: "limits", Title: "Limits", Note: "How.",
			Columns: []string{"action", "requests/s", "what"},
			Rows:    [][]string{{"retrieve", "1,234", "GetItem"}, {"list", "7", "Query"}},
			Aims: []result.Aim{
				{Name: "retrieve", Value: 0.85, Target: 0.8, AtLeast: true},
				{Name: "memory", Value: 70, Target: 64, Unit: "MB"},
			},
		}},
	}
	want := "Measured on 2026-01-02, 2 × Some CPU, go1.26, commit `abc`, by `make bench`.\n" + `
### Limits

How.

| action | requests/s | what |
|---|--:|---|
| retrieve | 1,234 | GetItem |
| list | 7 | Query |

- retrieve: 0.85, aim ≥ 0.80: met
- memory: 70.0 MB, aim ≤ 64.0 MB: **missed**
`
	if diff := cmp.Diff(want, r.Markdown()); diff != "" {
		t.Errorf("Markdown (-want +got)\n%s", diff)
	}
}

func TestNumber(t *testing.T) {
	for v, want := range map[float64]string{
		0: "0", 0.00012: "0.00012", 0.123: "0.12", 9.99: "9.99", 9.999: "10.0", 99.94: "99.9", 99.96: "100",
		999.6: "1,000", 1234567: "1,234,567", -1.5: "-1.50",
	} {
		if got := result.Number(v); got != want {
			t.Errorf("Number(%v)\n got %s\nwant %s", v, got, want)
		}
	}
}

func TestAims(t *testing.T) {
	for _, test := range []struct {
		aim       result.Aim
		met, near bool
	}{
		{result.Aim{Value: 5, Target: 5, AtLeast: true}, true, true},
		{result.Aim{Value: 4, Target: 5, AtLeast: true}, false, true},
		{result.Aim{Value: 0.4, Target: 5, AtLeast: true}, false, false},
		{result.Aim{Value: 5, Target: 5}, true, true},
		{result.Aim{Value: 6, Target: 5}, false, true},
		{result.Aim{Value: 51, Target: 5}, false, false},
	} {
		if got := test.aim.Met(); got != test.met {
			t.Errorf("%v: met\n got %v\nwant %v", test.aim, got, test.met)
		}
		if got := test.aim.Near(10); got != test.near {
			t.Errorf("%v: near\n got %v\nwant %v", test.aim, got, test.near)
		}
	}
}
