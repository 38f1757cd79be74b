package filter_test

import (
	"slices"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"joboutputs/shared/filter"
	"joboutputs/shared/problem"
)

// addBodies seeds a target with one body of every shape.
func addBodies(f *testing.F) {
	for _, body := range []string{
		``, `{}`, `[]`, `""`, `{"limit": 5, "cursor": "AQ"}`, example,
		terms(exact("pk", `"١_0"`)), terms(exact("type", "1e5")), terms(exact("name", `"\ud83c\udf89"`)),
		terms(compare("creation_time", ">=", `"2023-W01-3T13:05:06,5+13:00"`)),
		terms(compare("size", "<", "-12.5e-3") + "," + invert(isNull("creator"))),
		terms(group("or", group("and", folded("name", `"ı"`), contains("pk", `"5"`)), exact("type", `""`), exact("pk", "1"), exact("pk", "2"))),
		`{"order_by": [{"field": "creator", "ascending": false}, {"field": "name", "nulls_first": true}]}`,
	} {
		f.Add([]byte(body))
	}
}

// parsable reports whether a body is what Parse may be called with.
func parsable(body []byte) bool {
	return len(body) == 0 || jsontext.Value(body).IsValid(jsontext.AllowDuplicateNames(true))
}

func FuzzParse(f *testing.F) {
	addBodies(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		if !parsable(body) {
			return
		}
		s, err := filter.Parse(body)
		if err != nil {
			if f, ok := problem.As(err); !ok || f.Kind != problem.InvalidFilter {
				t.Fatalf("not a problem with the filter: %v", err)
			}
			return
		}
		matched(s, rows)
		slices.SortFunc(slices.Clone(rows), func(a, b filter.Row) int { return s.Compare(&a, &b) })
		s.IndexOrder()
		if _, err := s.DecodeCursor("t1"); err != nil && !problem.Is(err, problem.InvalidRequest) {
			t.Fatalf("not a problem with the cursor: %v", err)
		}
		s.Cursor = s.EncodeCursor("t1", &rows[0])
		if after, err := s.DecodeCursor("t1"); err != nil || s.Compare(after, &rows[0]) != 0 {
			t.Fatalf("cursor: got %v, %v", after, err)
		}
	})
}

func FuzzPlan(f *testing.F) {
	addBodies(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		if !parsable(body) {
			return
		}
		s, err := filter.Parse(body)
		if err != nil {
			return
		}
		p := s.Plan()
		checkLimits(t, p.Push) // that is, placeholders, operators and functions only
		if got, want := pksOf(matched(s, reach(t, p, rows))), pksOf(matched(s, rows)); got != want {
			t.Fatalf("%s by %s\n got %s\nwant %s", body, describe(p), got, want)
		}
	})
}

// FuzzCursor: a cursor that is taken is the one and only spelling of what it says, and is
// refused in every other tenant and order.
func FuzzCursor(f *testing.F) {
	const byName, bySize = `{"order_by": [{"field": "name"}]}`, `{"order_by": [{"field": "size", "ascending": false}, {"field": "deletion_time"}]}`
	for i := range rows {
		for _, body := range []string{byName, bySize} {
			f.Add(mustParse(f, body).EncodeCursor("t1", &rows[i]))
		}
	}
	f.Add("AQ")
	f.Add("AQ==")
	f.Fuzz(func(t *testing.T, cursor string) {
		taken := 0
		for _, body := range []string{byName, bySize} {
			for _, tenant := range []string{"t1", "t2"} {
				s := mustParse(t, body)
				s.Cursor = cursor
				after, err := s.DecodeCursor(tenant)
				if cursor == "" || err != nil {
					if cursor == "" && (after != nil || err != nil) || cursor != "" && !problem.Is(err, problem.InvalidRequest) {
						t.Fatalf("%q: %v, %v", cursor, after, err)
					}
					continue
				}
				taken++
				if again := s.EncodeCursor(tenant, after); again != cursor {
					t.Fatalf("%q says the same as %q", cursor, again)
				}
			}
		}
		if taken > 1 {
			t.Fatalf("%q is taken for %d lists", cursor, taken)
		}
	})
}
