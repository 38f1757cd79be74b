package match

import (
	"testing"

	"joboutputs/shared/filter"
)

// TestExample holds that the documented example is found, that it is read from the
// timeline within its range, and that it lets some rows through and not others.
func TestExample(t *testing.T) {
	body, err := example()
	if err != nil {
		t.Fatal(err)
	}
	spec, err := filter.Parse(body)
	if err != nil {
		t.Fatal(err)
	}
	plan := spec.Plan()
	if plan.Empty || plan.Access != filter.Timeline || plan.From.IsZero() {
		t.Errorf("plan %+v", plan)
	}
	matched := 0
	many := rows(1000)
	for i := range many {
		if spec.Match(&many[i]) {
			matched++
		}
	}
	if matched < 50 || matched > 500 {
		t.Errorf("%d of %d rows match", matched, len(many))
	}
}
