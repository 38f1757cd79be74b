package cost_test

import (
	"fmt"
	"math/bits"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/guregu/dynamo/v2"

	"joboutputs/shared/api"
	"joboutputs/shared/api/apitest"
	"joboutputs/shared/filter"
	"joboutputs/shared/outputs"
)

// lists is the lists of rows as long as they can be: what is looked for is made for them.
func lists() grammar {
	return grammar{"lists", []gene{
		{"length", []string{"1", "2", "9", "17", "31", "33", "64", "134", "500", "1000", "2040"}},
		{"unit", []string{"a", "A", "ab", "ß", "ı", "ɐ", "é", "🎉", "0", "2023-01-01 "}}, // of the rows' texts
		{"end", []string{"", "b", "É"}}, // of them
		{"field", []string{"type", "name", "creator.username", "content_type", "sha256", "pk", "size", "creation_time", "deletion_time", "each"}},
		{"term", []string{"contains", "exact", "<", ">=", "each"}},
		{"folded", []string{`,"case_insensitive":true`, ""}},
		{"invert", []string{"", `,"invert":true`}},
		{"value", []string{"text", "number", "float", "exponent", "time"}},
		{"begin", []string{"", "b", "same"}}, // of what is looked for
		{"last", []string{"number", "b", "", "collision"}},
		{"terms", []string{"1200", "30", "3", "1"}},
		{"group", []string{"or", "and", "or of and"}},
		{"order", []string{"", `{"field":"type"}`, `{"field":"name"},{"field":"type"},{"field":"creator.username"},{"field":"content_type"},{"field":"sha256"}`, `{"field":"deletion_time"}`}},
		{"orders", []string{"1", "5000"}},
		{"limit", []string{"", `,"limit":1`, `,"limit":1000`}},
	}, list}
}

func list(choice func(string) string) specimen {
	number := func(gene string) int {
		n, _ := strconv.Atoi(choice(gene))
		return n
	}
	body := func(terms int) string {
		all := make([]string, terms)
		for i := range all {
			all[i] = term(choice, number("length"), i)
		}
		expressions := strings.Join(all, ",")
		switch group := choice("group"); {
		case terms < 2:
		case group == "or of and" && terms >= 4:
			half := terms / 2
			expressions = fmt.Sprintf(`{"type":"or","sub_expressions":[{"type":"and","sub_expressions":[%s]},{"type":"and","sub_expressions":[%s]}]}`,
				strings.Join(all[:half], ","), strings.Join(all[half:], ","))
		case group == "or", group == "and":
			expressions = fmt.Sprintf(`{"type":%q,"sub_expressions":[%s]}`, group, expressions)
		}
		order := choice("order")
		if order != "" {
			order = strings.TrimSuffix(strings.Repeat(order+",", number("orders")), ",")
		}
		return fmt.Sprintf(`{"include_inactive":true,"expressions":[%s],"order_by":[%s]%s}`, expressions, order, choice("limit"))
	}
	// As many terms as a body may hold.
	terms := min(number("terms"), filter.MaxTerms)
	text := body(terms)
	for len(text) > api.MaxBody && terms > 0 {
		terms = min(terms-1, terms*api.MaxBody/len(text))
		text = body(terms)
	}
	rows, items := found(choice("unit"), choice("end"))
	return specimen{apitest.Call{Method: http.MethodPost, Resource: "/v1/job-outputs/list", JSON: text, As: apitest.Bob}, rows, items}
}

// term is one of many, each a little different.
func term(choice func(string) string, length, i int) string {
	field, kind := choice("field"), choice("term")
	if field == "each" {
		field = []string{"type", "name", "creator.username", "content_type", "pk", "creation_time"}[i%6]
	}
	if kind == "each" {
		kind = []string{"contains", "exact", "<"}[i%3]
	}
	rest := fmt.Sprintf(`"field":%q%s`, field, choice("invert"))
	value := strconv.Quote(pattern(choice, length, i))
	if kind != "contains" {
		switch choice("value") {
		case "number":
			value = "1" + strings.Repeat("0", min(length, 4299))
		case "float":
			value = "1." + strings.Repeat("9", length) + "1"
		case "exponent":
			value = strings.Repeat("7", length) + "e-300"
		case "time":
			value = `"2023-01-01T00:00:00.` + strings.Repeat("1", length) + `Z"`
		}
	}
	switch kind {
	case "contains":
		return fmt.Sprintf(`{"type":"contains","sub_string":%s%s,%s}`, value, choice("folded"), rest)
	case "exact":
		return fmt.Sprintf(`{"type":"exact","value":%s%s,%s}`, value, choice("folded"), rest)
	}
	return fmt.Sprintf(`{"type":"compare","operator":%q,"value":%s,%s}`, kind, value, rest)
}

// pattern is what is looked for: almost the rows' text.
func pattern(choice func(string) string, length, i int) string {
	unit := choice("unit")
	if choice("folded") != "" {
		unit = strings.ToLower(unit)
	}
	text := strings.Repeat(unit, 1+length/len(unit))
	switch choice("last") {
	case "b":
		text += "b"
	case "number":
		text += strconv.Itoa(i)
	case "collision":
		text = collide(text, i)
	}
	switch choice("begin") {
	case "b":
		text = "b" + text
	case "same":
		text = choice("end") + text
	}
	return text
}

// found are rows whose texts are as long as they can be.
func found(unit, end string) (rows []filter.Row, items []dynamo.Item) {
	fill := func(size int) string { return strings.Repeat(unit, (size-len(end))/len(unit)) + end }
	const count = 20
	for pk := range int64(count) {
		o := outputs.Output{
			PK: pk + 1, Job: 1, Name: fill(outputs.MaxName * len(unit) / utf8.RuneCountInString(unit)), Type: fill(outputs.MaxType),
			Creator: 3, CreatorUsername: fill(2_048), CreationTime: apitest.Now, DeletionTime: apitest.Now, Size: 1 << 50,
			ContentType: fill(255), SHA256: fill(64),
		}
		row := o.Row()
		item, err := dynamo.MarshalItem(row.ByPK("demo", 1))
		if err != nil {
			panic(err) // it is a row as the service writes it
		}
		items = append(items, item)
		rows = append(rows, filter.Row{
			PK: o.PK, Job: o.Job, Name: o.Name, Type: o.Type, Creator: o.Creator, Username: o.CreatorUsername,
			CreationTime: o.CreationTime, DeletionTime: o.DeletionTime, Size: o.Size, ContentType: o.ContentType, SHA256: o.SHA256,
		})
	}
	return rows, items
}

// collide returns another text of the same length that has the same hash in strings.Index,
// if it is long enough: Rabin-Karp with an odd base modulo 2³² does not see a Thue-Morse
// word of 128 signs added.
func collide(text string, i int) string {
	const word = 128
	if len(text) < word || text[0] >= utf8.RuneSelf {
		return text + strconv.Itoa(i)
	}
	b := []byte(text)
	at := len(b) - word - i%(len(b)-word+1) // late, so that comparing takes long
	for j := range word {
		b[at+j] += byte(1 - 2*(bits.OnesCount(uint(j))%2))
	}
	return string(b)
}
