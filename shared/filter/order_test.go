package filter_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"joboutputs/shared/filter"
)

func itoa(i int) string { return strconv.Itoa(i) }

func TestCompare(t *testing.T) {
	for _, test := range []struct{ orderBy, want string }{
		{``, "7 1 2 3 4 5 6 15"}, // creation_time, then pk
		{`{"field": "creation_time"}`, "7 1 2 3 4 5 6 15"},
		{`{"field": "creation_time", "ascending": false}`, "15 6 5 4 3 2 1 7"}, // the index backwards, 6 before 5
		{`{"field": "creation_time", "ascending": false}, {"field": "pk"}`, "15 5 6 4 3 2 1 7"},
		{`{"field": "pk", "ascending": false}, {"field": "job"}`, "15 7 6 5 4 3 2 1"},
		{`{"field": "job", "ascending": false}`, "15 5 6 7 3 4 1 2"}, // otherwise ties ascend
		{`{"field": "job"}, {"field": "name"}`, "2 1 3 4 6 5 7 15"},
		{`{"field": "name"}`, "6 2 15 1 3 5 4 7"}, // by code point
		{`{"field": "name", "ascending": false}`, "7 4 5 3 1 15 2 6"},
		{`{"field": "creator"}`, "5 6 15 1 4 3 2 7"}, // NULLs last
		{`{"field": "creator", "nulls_first": false}`, "5 6 15 1 4 3 2 7"},
		{`{"field": "creator", "nulls_first": true}`, "2 7 5 6 15 1 4 3"},
		{`{"field": "creator", "ascending": false}`, "2 7 3 1 4 5 6 15"}, // NULLs first
		{`{"field": "creator", "ascending": false, "nulls_first": false}`, "2 7 3 1 4 5 6 15"},
		{`{"field": "creator", "ascending": false, "nulls_first": true}`, "2 7 3 1 4 5 6 15"},
		{`{"field": "creator__username"}, {"field": "pk", "ascending": false}`, "15 6 5 4 1 3 7 2"},
		{`{"field": "creator"}, {"field": "creator", "ascending": false}`, "5 6 15 1 4 3 2 7"}, // the second says nothing
		{`{"field": "deletion_time"}`, "3 1 2 4 5 6 7 15"},
		{`{"field": "content_type"}`, "2 1 3 4 5 6 7 15"},
		{`{"field": "type"}`, "3 15 5 6 1 4 7 2"}, // an empty type is not NULL
		{`{"field": "size", "ascending": false}`, "3 1 2 4 5 6 7 15"},
	} {
		s := mustParse(t, `{"order_by": [`+test.orderBy+`]}`)
		sorted := slices.Clone(rows)
		slices.Reverse(sorted)
		slices.SortStableFunc(sorted, func(a, b filter.Row) int { return s.Compare(&a, &b) })
		if got := pksOf(sorted); got != test.want {
			t.Errorf("%s\n got %s\nwant %s", test.orderBy, got, test.want)
		}
	}
}

func pksOf(rows []filter.Row) string {
	var pks []string
	for _, r := range rows {
		pks = append(pks, itoa(int(r.PK)))
	}
	return strings.Join(pks, " ")
}

func TestIndexOrder(t *testing.T) {
	for _, test := range []struct{ orderBy, want string }{
		{``, "true false"},
		{`{"field": "creation_time"}`, "true false"},
		{`{"field": "creation_time"}, {"field": "id"}`, "true false"},
		{`{"field": "creation_time"}, {"field": "pk"}, {"field": "name"}`, "true false"},
		{`{"field": "creation_time", "nulls_first": true}`, "true false"},
		{`{"field": "creation_time", "ascending": false}`, "true true"},
		{`{"field": "creation_time", "ascending": false}, {"field": "pk", "ascending": false}`, "true true"},
		{`{"field": "creation_time", "ascending": false}, {"field": "pk"}`, "false false"},
		{`{"field": "creation_time"}, {"field": "pk", "ascending": false}`, "false false"},
		{`{"field": "creation_time"}, {"field": "name"}`, "false false"},
		{`{"field": "name"}`, "false false"},
		{`{"field": "pk"}`, "false false"},
		{`{"field": "pk"}, {"field": "creation_time"}`, "false false"},
	} {
		ok, descending := mustParse(t, `{"order_by": [`+test.orderBy+`]}`).IndexOrder()
		if got := fmt.Sprint(ok, descending); got != test.want {
			t.Errorf("%s\n got %s\nwant %s", test.orderBy, got, test.want)
		}
	}
}
