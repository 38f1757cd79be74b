package filter_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"joboutputs/shared/filter"
)

// TestPlan shows the way to the rows for every class of filter, and what is pushed.
func TestPlan(t *testing.T) {
	const active = "attribute_not_exists(deletion_time)"
	for _, test := range []struct{ body, want string }{
		// The access.
		{`{}`, "timeline: " + active},
		{`{"include_inactive": true}`, "timeline"},
		{terms(exact("pk", "5")), "by pk 5"},
		{terms(exact("id", `"5"`) + "," + contains("name", `"x"`)), "by pk 5"},
		{terms(group("and", exact("pk", "5"), exact("job", "2"))), "by pk 5"},
		{terms(compare("pk", ">=", "5") + "," + compare("pk", "<", "5.5")), "by pk 5"},
		{terms(exact("job", "2")), "by job 2"},
		{`{"expressions": [` + exact("job.pk", "2") + `]}`, "by job 2: " + active},
		{terms(exact("job", "2") + "," + exact("name", `"a"`)), "by job 2: name = 'a'"},
		{terms(exact("job", "2") + "," + compare("creation_time", ">", `"2023-01-01"`)), "by job 2: creation_time >= '2023-01-01T00:00:00.000001Z'"},
		{terms(exact("job", "2") + "," + exact("name", `"a"`) + "," + exact("type", `""`)), `by name 2 "a" ""`},
		{terms(exact("job", "2") + "," + exact("name", `"a"`) + "," + exact("type", "5.0")), `by name 2 "a" "5.0"`},
		{terms(exact("job", "2") + "," + folded("name", `"a"`) + "," + exact("type", `"t"`)), "by job 2: type = 't'"},
		{terms(compare("creation_time", ">=", `"2023-01-01"`)), "timeline from 2023-01-01T00:00:00.000000Z"},
		{terms(compare("creation_time", "<", `"2023-01-01"`)), "timeline to 2022-12-31T23:59:59.999999Z"},
		{terms(exact("creation_time", `"2023-01-01"`)), "timeline from 2023-01-01T00:00:00.000000Z to 2023-01-01T00:00:00.000000Z"},
		{terms(group("and", compare("creation_time", ">", `"2023-01-01"`), compare("creation_time", "<=", `"2023-02-01"`))),
			"timeline from 2023-01-01T00:00:00.000001Z to 2023-02-01T00:00:00.000000Z"},
		{terms(invert(group("or", compare("creation_time", "<", `"2023-01-01"`), isNull("creator")))),
			"timeline: attribute_exists(creator) AND creation_time > '2022-12-31T23:59:59.999999Z'"}, // only what isn't inverted bounds the access

		// Nothing to read.
		{terms(exact("pk", "1") + "," + exact("pk", "2")), "empty"},
		{terms(exact("pk", "true") + "," + exact("pk", "false")), "empty"},
		{terms(exact("pk", "9223372036854775808")), "empty"},
		{terms(exact("pk", "-1")), "empty"},
		{terms(exact("pk", "5.7")), "empty"},
		{terms(exact("name", `"a"`) + "," + exact("name", `"b"`)), "empty"},
		{terms(exact("name", `""`)), "empty"},
		{terms(exact("sha256", `""`)), "empty"},
		{terms(isNull("pk")), "empty"},
		{terms(isNull("creator") + "," + exact("creator", "1")), "empty"},
		{terms(compare("creation_time", ">", `"9999-12-31T23:59:59.999999"`)), "empty"},
		{`{"expressions": [` + invert(isNull("deletion_time")) + `]}`, "empty"},
		{`{"expressions": [` + compare("deletion_time", ">", `"2023-01-01"`) + `]}`, "empty"},
		{terms(group("or", exact("pk", "0.5"), isNull("name"))), "empty"},
		{terms(invert(compare("pk", ">=", "0"))), "empty"},

		// What is pushed: numbers and times.
		{terms(exact("creator", "2")), "timeline: creator = 2"},
		{terms(invert(exact("creator", "2"))), "timeline: attribute_not_exists(creator) OR creator <> 2"},
		{terms(invert(exact("pk", "2"))), "timeline: pk <> 2"},
		{terms(compare("size", ">", "2.5")), "timeline: size >= 3"},
		{terms(invert(compare("size", ">", "2.5"))), "timeline: size < 3"},
		{terms(compare("size", ">", "2") + "," + compare("size", "<", "9")), "timeline: size BETWEEN 3 AND 8"},
		{terms(invert(exact("size", "2.5"))), "timeline"},
		{terms(compare("creator", ">=", "-5")), "timeline: attribute_exists(creator)"},
		{terms(compare("size", ">=", "-5")), "timeline"},
		{terms(invert(compare("deletion_time", "<=", `"2023-01-01"`))), "timeline: attribute_not_exists(deletion_time) OR deletion_time > '2023-01-01T00:00:00.000000Z'"},
		{terms(contains("pk", `"5"`)), "timeline"},

		// NULL.
		{terms(isNull("creator")), "timeline: attribute_not_exists(creator)"},
		{terms(invert(isNull("creator"))), "timeline: attribute_exists(creator)"},
		{terms(isNull("sha256")), "timeline: attribute_not_exists(sha256)"},
		{terms(invert(isNull("type"))), "timeline"},

		// Texts.
		{terms(exact("name", `"a"`)), "timeline: name = 'a'"},
		{terms(invert(exact("name", `"a"`))), "timeline: name <> 'a'"},
		{terms(exact("type", `""`)), "timeline: attribute_not_exists(type)"},
		{terms(invert(exact("type", `""`))), "timeline: attribute_exists(type)"},
		{terms(invert(exact("type", `"a"`))), "timeline: attribute_not_exists(type) OR type <> 'a'"},
		{terms(compare("type", "<", `"a"`)), "timeline: attribute_not_exists(type) OR type < 'a'"},
		{terms(compare("type", ">", `"a"`)), "timeline: type > 'a'"},
		{terms(compare("type", ">", `""`)), "timeline: attribute_exists(type)"},
		{terms(compare("type", ">=", `""`)), "timeline"},
		{terms(compare("creator.username", "<", `"b"`)), "timeline: creator_username < 'b'"},
		{terms(invert(compare("creator.username", "<", `"b"`))), "timeline: attribute_not_exists(creator_username) OR creator_username >= 'b'"},
		{terms(contains("name", `"a"`)), "timeline: contains(name, 'a')"},
		{terms(invert(contains("name", `"a"`))), "timeline: NOT contains(name, 'a')"},
		{terms(invert(contains("type", `"a"`))), "timeline: attribute_not_exists(type) OR NOT contains(type, 'a')"},
		{terms(folded("name", `"a"`)), "timeline"},
		{terms(invert(foldedContains("name", `"a"`))), "timeline"},

		// Groups.
		{terms(group("or", exact("creator", "1"), contains("name", `"a"`))), "timeline: contains(name, 'a') OR creator = 1"},
		{terms(exact("size", "7") + "," + group("or", exact("creator", "1"), contains("name", `"a"`))), "timeline: size = 7 AND (contains(name, 'a') OR creator = 1)"},
		{terms(group("or", exact("pk", "1"), exact("pk", "2"), exact("type", `"t"`), exact("type", `""`))), "timeline: attribute_not_exists(type) OR pk IN (1, 2) OR type = 't'"},
		{terms(group("or", exact("pk", "1"), folded("name", `"a"`))), "timeline"}, // one part can't be asked
		{terms(invert(group("and", exact("size", "1"), folded("name", `"a"`)))), "timeline"},
		{terms(invert(group("or", contains("name", `"x"`), folded("name", `"a"`)))), "timeline: NOT contains(name, 'x')"},
		{terms(group("or", group("and", exact("size", "1"), folded("name", `"a"`)), group("and", exact("size", "2"), invert(exact("creator", "3"))))),
			"timeline: size = 1 OR size = 2 AND (attribute_not_exists(creator) OR creator <> 3)"},
		{terms(invert(group("and", invert(exact("pk", "1")), invert(exact("pk", "2"))))), "timeline: pk IN (1, 2)"},
	} {
		if got := describe(mustParse(t, test.body).Plan()); got != test.want {
			t.Errorf("%s\n got %s\nwant %s", test.body, got, test.want)
		}
	}
}

// describe prints a plan with the placeholders filled in.
func describe(p filter.Plan) string {
	if p.Empty {
		return "empty"
	}
	text := p.Access.String()
	switch p.Access {
	case filter.ByPK:
		text += fmt.Sprintf(" %d", p.PK)
	case filter.ByName:
		text += fmt.Sprintf(" %d %q %q", p.Job, p.Name, p.Type)
	case filter.ByJob:
		text += fmt.Sprintf(" %d", p.Job)
	}
	if !p.From.IsZero() {
		text += " from " + p.From.Format(filter.TimeLayout)
	}
	if !p.To.IsZero() {
		text += " to " + p.To.Format(filter.TimeLayout)
	}
	if p.Push.Text == "" {
		return text
	}
	return text + ": " + placeholders.ReplaceAllStringFunc(p.Push.Text, func(s string) string {
		if name, ok := p.Push.Names[s]; ok {
			return name
		}
		if v, ok := p.Push.Values[s].(string); ok {
			return "'" + v + "'"
		}
		return fmt.Sprint(p.Push.Values[s])
	})
}

func TestPushStaysWithinDynamoDBsLimits(t *testing.T) {
	notEqual := make([]string, 400)
	for i := range notEqual {
		notEqual[i] = invert(exact("pk", itoa(i)))
	}
	// Terms that must all hold are pushed as far as they go.
	e := mustParse(t, terms(strings.Join(notEqual, ","))).Plan().Push
	if got, want := strings.Count(e.Text, "<>"), 150; got != want {
		t.Errorf("terms pushed\n got %d\nwant %d", got, want)
	}
	checkLimits(t, e)
	// One of which some must hold goes as a whole or not at all.
	for _, test := range []struct {
		body string
		want bool
	}{
		{terms(group("or", notEqual[:150]...)), true},
		{terms(group("or", notEqual[:151]...)), false},
		{terms(group("or", manyTerms(400)...)), true},  // four IN
		{terms(group("or", manyTerms(500)...)), false}, // 3.4 KB, but not once guregu/dynamo has had it
	} {
		e := mustParse(t, test.body).Plan().Push
		if got := e.Text != ""; got != test.want {
			t.Errorf("%.100s: pushed\n got %v\nwant %v", test.body, got, test.want)
		}
		checkLimits(t, e)
	}
}

func TestExpressionIsPlaceholdersOnly(t *testing.T) {
	got := mustParse(t, terms(contains("name", `"#a0 = :v0) OR (1 = 1"`)+","+exact("size", "7")+","+compare("deletion_time", ">", `"2023-01-01"`))).Plan().Push
	want := filter.Expression{
		Text:   "#a3 = :v0 AND #a5 >= :v1 AND contains(#a6, :v2)",
		Names:  map[string]string{"#a3": "size", "#a5": "deletion_time", "#a6": "name"},
		Values: map[string]any{":v0": int64(7), ":v1": "2023-01-01T00:00:00.000001Z", ":v2": "#a0 = :v0) OR (1 = 1"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
