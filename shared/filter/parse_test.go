package filter_test

import (
	"strings"
	"testing"

	"joboutputs/shared/filter"
	"joboutputs/shared/problem"
)

func TestParseRefuses(t *testing.T) {
	ok := exact("pk", "1")
	for _, test := range []struct {
		body string
		kind problem.Kind
		want string // the message
	}{
		// Not an object of ours.
		{`null`, problem.InvalidFilter, "the body must be a JSON object"},
		{`[["limit", 1]]`, problem.InvalidFilter, "the body must be a JSON object"},
		{`"{}"`, problem.InvalidFilter, "the body must be a JSON object"},
		{`{"Limit": 1}`, problem.InvalidFilter, `unknown key "Limit"; known are expressions, order_by, include_inactive, limit, cursor`},
		{`{"include_inactive": 1}`, problem.InvalidFilter, "include_inactive: must be true or false"},
		{`{"limit": 0}`, problem.InvalidFilter, "limit: must be an integer from 1 to 1000"},
		{`{"limit": 1001}`, problem.InvalidFilter, "limit: must be an integer from 1 to 1000"},
		{`{"limit": "5"}`, problem.InvalidFilter, "limit: must be an integer from 1 to 1000"},
		{`{"limit": 5.0}`, problem.InvalidFilter, "limit: must be an integer from 1 to 1000"},
		{`{"limit": null}`, problem.InvalidFilter, "limit: must be an integer from 1 to 1000"},
		{`{"cursor": 5}`, problem.InvalidFilter, "cursor: must be a string"},
		{`{"cursor": ""}`, problem.InvalidFilter, "cursor: must not be empty"},
		{`{"order_by": {}}`, problem.InvalidFilter, "order_by: must be an array"},
		{`{"order_by": [{}]}`, problem.InvalidFilter, "order_by[0]: field is required"},
		{`{"order_by": [{"field": "-pk"}]}`, problem.InvalidFilter, `order_by[0].field: unknown field "-pk"`},
		{`{"order_by": [{"field": "pk", "ascending": null}]}`, problem.InvalidFilter, "order_by[0].ascending: must be true or false"},
		{`{"order_by": [{"field": "pk", "nulls_first": 0}]}`, problem.InvalidFilter, "order_by[0].nulls_first: must be true or false"},
		{`{"order_by": [{"field": "pk", "nulls_last": true}]}`, problem.InvalidFilter, `order_by[0]: unknown key "nulls_last"; known are field, ascending, nulls_first`},

		// Expressions.
		{`{"expressions": null}`, problem.InvalidFilter, "expressions: must be an array"},
		{terms("5"), problem.InvalidFilter, "expressions[0]: must be an object"},
		{terms(ok + `, {}`), problem.InvalidFilter, "expressions[1]: type is required"},
		{terms(`{"type": "isNull", "field": "pk"}`), problem.InvalidFilter, "expressions[0].type: must be one of and, or, exact, contains, compare, is_null"},
		{terms(`{"type": "isnull"}`), problem.InvalidFilter, "expressions[0]: field is required"},
		{terms(`{"type": "isnull", "field": "pk", "case_insensitive": true}`), problem.InvalidFilter, `expressions[0]: unknown key "case_insensitive"; known are type, field, invert`},
		{terms(`{"type": "isnull", "field": "pk", "invert": null}`), problem.InvalidFilter, "expressions[0].invert: must be true or false"},
		{terms(isNull("creator.password")), problem.InvalidFilter, `expressions[0].field: unknown field "creator.password"`},
		{terms(isNull("name__icontains")), problem.InvalidFilter, `expressions[0].field: unknown field "name__icontains"`},
		{terms(isNull(strings.Repeat("x", 61))), problem.InvalidFilter, `expressions[0].field: unknown field "` + strings.Repeat("x", 60) + `…"`},
		{terms(isNull("")), problem.InvalidFilter, "expressions[0].field: must not be empty"},
		{terms(exact("name", "null")), problem.InvalidFilter, "expressions[0].value: must be a string, a number or a bool"},
		{terms(exact("name", `"a\u0000"`)), problem.InvalidFilter, "expressions[0].value: must not contain NUL"},
		{terms(exact("pk", `"5.0"`)), problem.InvalidFilter, `expressions[0].value: must be an integer, not "5.0"`},
		{terms(exact("pk", "1e400")), problem.InvalidFilter, "expressions[0].value: the number is too large"},
		{terms(exact("name", "-1e400")), problem.InvalidFilter, "expressions[0].value: the number is too large"},
		{terms(exact("pk", strings.Repeat("1", 4301))), problem.InvalidFilter, "expressions[0].value: the number is too large"},
		{terms(exact("creation_time", "5")), problem.InvalidFilter, "expressions[0].value: must be an ISO 8601 date or time, such as 2023-01-04T00:00:00Z"},
		{terms(exact("deletion_time", "true")), problem.InvalidFilter, "expressions[0].value: must be an ISO 8601 date or time, such as 2023-01-04T00:00:00Z"},
		{terms(folded("name", "5")), problem.InvalidFilter, "expressions[0].value: must be a string"},
		{terms(folded("creator", `"5"`)), problem.InvalidFilter, "expressions[0].field: creator can't be matched as text; its pk can, as creator.pk"},
		{terms(contains("job_id", `"5"`)), problem.InvalidFilter, "expressions[0].field: job can't be matched as text; its pk can, as job.pk"},
		{terms(contains("name", `""`)), problem.InvalidFilter, "expressions[0].sub_string: must not be empty"},
		{terms(contains("name", `5`)), problem.InvalidFilter, "expressions[0].sub_string: must be a string"},
		{terms(compare("pk", "<", "true")), problem.InvalidFilter, "expressions[0].value: must be a string or a number"},
		{terms(compare("pk", "==", "1")), problem.InvalidFilter, "expressions[0].operator: must be one of <, >, <=, >="},

		// Groups.
		{terms(group("and", ok)), problem.InvalidFilter, "expressions[0].sub_expressions: must have at least 2 elements"},
		{terms(`{"type": "or"}`), problem.InvalidFilter, "expressions[0]: sub_expressions is required"},
		{terms(`{"type": "or", "field": "pk"}`), problem.InvalidFilter, `expressions[0]: unknown key "field"; known are type, sub_expressions, invert`},
		{terms(group("and", ok, group("and", ok, ok))), problem.InvalidFilter, `expressions[0].sub_expressions[1].type: "and" is not allowed here`},
		{terms(group("and", group("or", ok, ok), ok)), problem.InvalidFilter, `expressions[0].sub_expressions[0].type: "or" is not allowed here`},
		{terms(group("or", group("or", ok, ok), ok)), problem.InvalidFilter, `expressions[0].sub_expressions[0].type: "or" is not allowed here`},
		{terms(group("or", group("and", ok, compare("pk", "=", "1")), ok)), problem.InvalidFilter, "expressions[0].sub_expressions[0].sub_expressions[1].operator: must be one of <, >, <=, >="},
		{terms(group("or", manyTerms(filter.MaxTerms+1)...)), problem.InvalidFilter, "expressions[0].sub_expressions[1200]: more than 1200 field expressions"},
	} {
		_, err := filter.Parse([]byte(test.body))
		f, ok := problem.As(err)
		if !ok {
			t.Errorf("%.200s\n got %v\nwant a problem", test.body, err)
			continue
		}
		if f.Kind != test.kind || f.Message != test.want {
			t.Errorf("%.200s\n got %s, %s\nwant %s, %s", test.body, f.Kind, f.Message, test.kind, test.want)
		}
	}
}

func TestParseUpToTheLimits(t *testing.T) {
	if got, want := matching(t, terms(group("or", manyTerms(filter.MaxTerms)...))), every; got != want {
		t.Errorf("%d terms\n got %s\nwant %s", filter.MaxTerms, got, want)
	}
}

// manyTerms returns n terms, which let through the first n pks.
func manyTerms(n int) []string {
	subs := make([]string, n)
	for i := range subs {
		subs[i] = exact("pk", itoa(i+1))
	}
	return subs
}
