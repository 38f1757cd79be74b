package filter_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"joboutputs/shared/filter"
)

// rows are what most tables here look at: NULLs, empty types and names that differ in case.
var rows = []filter.Row{
	{PK: 1, Job: 2, Name: "model", Type: "Model<str>", Creator: 2, Username: "alice", CreationTime: at("2023-01-01T00:00:00Z"), Size: 7, SHA256: "aa"},
	{PK: 2, Job: 2, Name: "MODEL", Type: "txt", CreationTime: at("2023-01-01T00:00:00.000001Z"), ContentType: "text/plain"},
	{PK: 3, Job: 3, Name: "straße", Type: "", Creator: 3, Username: "bob", CreationTime: at("2023-01-04T00:00:00Z"), DeletionTime: at("2023-06-01T12:34:56.78Z"), Size: 9},
	{PK: 4, Job: 3, Name: "ıstanbul", Type: "TXT", Creator: 2, Username: "alice", CreationTime: at("2023-01-04T13:00:00Z")},
	{PK: 5, Job: 5, Name: "İstanbul", Type: "5", Creator: 1, Username: "admin", CreationTime: at("2023-01-05T00:00:00Z")},
	{PK: 6, Job: 5, Name: "100%", Type: "5.0", Creator: 1, Username: "admin", CreationTime: at("2023-01-05T00:00:00Z")},
	{PK: 7, Job: 5, Name: "σίσυφος", Type: "True", CreationTime: at("1970-01-01T00:00:00Z")},
	{PK: 15, Job: 7, Name: "b_\\", Type: "100000.0", Creator: 1, Username: "admin", CreationTime: at("2037-12-31T23:59:59.999999Z")},
}

const every = "1 2 3 4 5 6 7 15"

func at(s string) time.Time {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		panic(err)
	}
	return t
}

func mustParse(tb testing.TB, body string) *filter.Spec {
	tb.Helper()
	s, err := filter.Parse([]byte(body))
	if err != nil {
		tb.Fatalf("Parse(%s): %v", body, err)
	}
	return s
}

// matching returns the pks that a body lets through, in the order of rows.
func matching(tb testing.TB, body string) string {
	tb.Helper()
	s := mustParse(tb, body)
	var pks []int64
	for i := range rows {
		if s.Match(&rows[i]) {
			pks = append(pks, rows[i].PK)
		}
	}
	text := fmt.Sprint(pks)
	return text[1 : len(text)-1]
}

// terms wraps expressions in a body that leaves nothing out by itself.
func terms(expressions string) string {
	return `{"include_inactive": true, "expressions": [` + expressions + `]}`
}

func exact(field, value string) string {
	return fmt.Sprintf(`{"type": "exact", "field": %q, "value": %s}`, field, value)
}

func folded(field, value string) string {
	return fmt.Sprintf(`{"type": "exact", "field": %q, "value": %s, "case_insensitive": true}`, field, value)
}

func contains(field, sub string) string {
	return fmt.Sprintf(`{"type": "contains", "field": %q, "sub_string": %s}`, field, sub)
}

func foldedContains(field, sub string) string {
	return fmt.Sprintf(`{"type": "contains", "field": %q, "sub_string": %s, "case_insensitive": true}`, field, sub)
}

func compare(field, op, value string) string {
	return fmt.Sprintf(`{"type": "compare", "field": %q, "operator": %q, "value": %s}`, field, op, value)
}

func isNull(field string) string {
	return fmt.Sprintf(`{"type": "is_null", "field": %q}`, field)
}

func invert(expression string) string {
	return expression[:len(expression)-1] + `, "invert": true}`
}

func group(kind string, subs ...string) string {
	body := fmt.Sprintf(`{"type": %q, "sub_expressions": [`, kind)
	for i, sub := range subs {
		if i > 0 {
			body += ", "
		}
		body += sub
	}
	return body + "]}"
}

func TestMatch(t *testing.T) {
	const active = "1 2 4 5 6 7 15"
	for _, test := range []struct{ body, want string }{
		// Bodies without a filter.
		{``, active},
		{`{}`, active},
		{`[]`, active},
		{` [ ] `, active},
		{`""`, active},
		{`{"include_inactive": true}`, every},
		{`{"include_inactive": true, "include_inactive": false}`, active},
		{`{"expressions": null, "expressions": []}`, active}, // the last one counts, the others must only be JSON
		{`{"expressions": [{"type": "isnull", "field": "deletion_time", "invert": true}]}`, ""},

		// Every name of every field.
		{terms(exact("pk", "5")), "5"},
		{terms(exact("id", "5")), "5"},
		{terms(exact("job", "3")), "3 4"},
		{terms(exact("job_id", "3")), "3 4"},
		{terms(exact("job.pk", "3")), "3 4"},
		{terms(exact("job__id", "3")), "3 4"},
		{terms(exact("creator", "2")), "1 4"},
		{terms(exact("creator_id", "2")), "1 4"},
		{terms(exact("creator.id", "2")), "1 4"},
		{terms(exact("creator__pk", "2")), "1 4"},
		{terms(exact("creator.username", `"bob"`)), "3"},
		{terms(exact("creator__username", `"bob"`)), "3"},
		{terms(exact("name", `"model"`)), "1"},
		{terms(exact("type", `"txt"`)), "2"},
		{terms(exact("creation_time", `"2023-01-05"`)), "5 6"},
		{terms(exact("deletion_time", `"2023-06-01T12:34:56.78Z"`)), "3"},
		{terms(exact("size", "7")), "1"},
		{terms(exact("content_type", `"text/plain"`)), "2"},
		{terms(exact("sha256", `"aa"`)), "1"},

		// Integers: Python's int() of a string, exact arithmetic on a number.
		{terms(exact("pk", `" 5 "`)), "5"},
		{terms(exact("pk", `"+5"`)), "5"},
		{terms(exact("pk", `"1_5"`)), "15"},
		{terms(exact("pk", `"٥"`)), "5"},
		{terms(exact("pk", "true")), "1"},
		{terms(exact("pk", "false")), ""},
		{terms(exact("pk", "5.0")), "5"},
		{terms(exact("pk", "0.5e1")), "5"},
		{terms(exact("pk", "5.7")), ""},
		{terms(exact("pk", "5.00000000000000000000001")), ""},
		{terms(exact("pk", "-1")), ""},
		{terms(exact("pk", "9223372036854775808")), ""},
		{terms(exact("creator", "0")), ""},
		{terms(compare("pk", "<", "4.5")), "1 2 3 4"},
		{terms(compare("pk", "<=", "4.5")), "1 2 3 4"},
		{terms(compare("pk", ">", "6.5")), "7 15"},
		{terms(compare("pk", ">=", "6.5")), "7 15"},
		{terms(compare("pk", "<", "4")), "1 2 3"},
		{terms(compare("pk", "<=", "4")), "1 2 3 4"},
		{terms(compare("pk", ">", "7")), "15"},
		{terms(compare("pk", ">=", "7")), "7 15"},
		{terms(compare("pk", ">=", "-1e300")), every},
		{terms(compare("pk", "<", "1e300")), every},
		{terms(compare("pk", "<", "-0.5")), ""},
		{terms(compare("pk", "<", "1000000000000000000000000000000")), every},
		{terms(compare("pk", ">", "1000000000000000000000000000000")), ""},
		{terms(compare("creator", "<", "1000000000000000000000000000000")), "1 3 4 5 6 15"}, // NULL is not below

		// Texts: a number by Python's str().
		{terms(exact("type", "5")), "5"},
		{terms(exact("type", "5.0")), "6"},
		{terms(exact("type", "5.00")), "6"},
		{terms(exact("type", "1e5")), "15"},
		{terms(exact("type", "true")), "7"},
		{terms(exact("type", `""`)), "3"},
		{terms(compare("type", "<", "5.5")), "3 5 6 15"},
		{terms(compare("name", ">", `"model"`)), "3 4 5 7"},
		{terms(compare("name", ">=", `"model"`)), "1 3 4 5 7"},
		{terms(compare("name", "<=", `"MODEL"`)), "2 6"},
		{terms(compare("creator.username", ">=", `""`)), "1 3 4 5 6 15"},
		{terms(contains("name", `"mod"`)), "1"},
		{terms(contains("name", `"%"`)), "6"},
		{terms(contains("name", `"_\\"`)), "15"},
		{terms(exact("name", `"MODEL"`)), "2"},
		{terms(folded("name", `"moDel"`)), "1 2"},
		{terms(folded("name", `"mode"`)), ""},
		{terms(folded("name", `"models"`)), ""},
		{terms(folded("name", `"STRASSE"`)), ""},
		{terms(folded("name", `"STRAßE"`)), "3"},
		{terms(folded("name", `"STRAẞE"`)), ""},
		{terms(folded("name", `"Istanbul"`)), "4"},
		{terms(folded("name", `"İSTANBUL"`)), "5"},
		{terms(folded("type", `""`)), "3"},
		{terms(foldedContains("name", `"ISTAN"`)), "4"},
		{terms(foldedContains("name", `"ΦΟΣ"`)), "7"},
		{terms(foldedContains("name", `"del"`)), "1 2"},

		// Numbers as PostgreSQL prints them.
		{terms(contains("pk", `"5"`)), "5 15"},
		{terms(contains("job.pk", `"5"`)), "5 6 7"},
		{terms(folded("pk", `"5"`)), "5"},
		{terms(folded("pk", `"abc"`)), ""},
		{terms(contains("creation_time", `"2023-01-0"`)), "1 2 3 4 5 6"},
		{terms(contains("creation_time", `" 13:00:00+00"`)), "4"},
		{terms(contains("deletion_time", `".78+00"`)), "3"},
		{terms(folded("deletion_time", `"2023-06-01T12:34:56.78Z"`)), ""},

		// Times.
		{terms(compare("creation_time", "<", `"2023-01-01T00:00:00.0000015Z"`)), "1 7"}, // cut off, not rounded
		{terms(compare("creation_time", ">=", `"2023-01-05T02:00:00+02:00"`)), "5 6 15"},
		{terms(compare("creation_time", ">", `"9999-12-31T23:59:59-12:00"`)), ""},
		{terms(compare("creation_time", ">=", `"0001-01-01T00:00:00+14:00"`)), every},
		{terms(compare("deletion_time", "<", `"2024-01-01"`)), "3"},

		// NULL is two-valued: false for a comparison, true for its inverse.
		{terms(isNull("creator")), "2 7"},
		{terms(invert(isNull("creator"))), "1 3 4 5 6 15"},
		{terms(isNull("type")), ""},
		{terms(invert(isNull("pk"))), every},
		{terms(invert(exact("creator", "2"))), "2 3 5 6 7 15"},
		{terms(invert(compare("deletion_time", "<", `"2024-01-01"`))), "1 2 4 5 6 7 15"},
		{terms(invert(contains("creator.username", `"a"`))), "2 3 7"},
		{terms(invert(contains("content_type", `"a"`))), "1 3 4 5 6 7 15"},

		// Groups.
		{terms(exact("job", "5") + "," + exact("creator", "1")), "5 6"},
		{terms(group("and", exact("job", "5"), exact("creator", "1"))), "5 6"},
		{terms(group("or", exact("job", "5"), exact("creator", "1"))), "5 6 7 15"},
		{terms(invert(group("or", exact("job", "5"), exact("creator", "1")))), "1 2 3 4"},
		{terms(invert(group("and", exact("job", "5"), exact("creator", "1")))), "1 2 3 4 7 15"},
		{terms(group("or", group("and", exact("job", "5"), exact("creator", "1")), invert(exact("job", "5")))), "1 2 3 4 5 6 15"},
	} {
		if got := matching(t, test.body); got != test.want {
			t.Errorf("%s\n got %s\nwant %s", test.body, got, test.want)
		}
	}
}

func TestMatchAllocatesNothing(t *testing.T) {
	for _, body := range []string{example, terms(contains("creation_time", `"13:00"`)), terms(folded("pk", `"5"`)), terms(foldedContains("name", `"ΦΟΣ"`))} {
		s := mustParse(t, body)
		if got := testing.AllocsPerRun(100, func() {
			for i := range rows {
				s.Match(&rows[i])
			}
		}); got != 0 {
			t.Errorf("%s: %v allocations", body, got)
		}
	}
}

func TestFieldsParsed(t *testing.T) {
	got := mustParse(t, `{"limit": 25, "cursor": "abc", "include_inactive": true}`)
	type fields struct {
		Limit           int
		Cursor          string
		IncludeInactive bool
	}
	if diff := cmp.Diff(fields{25, "abc", true}, fields{got.Limit, got.Cursor, got.IncludeInactive}); diff != "" {
		t.Error(diff)
	}
}
