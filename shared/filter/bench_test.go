package filter_test

import (
	"fmt"
	"testing"
	"time"

	"joboutputs/shared/filter"
)

// example is a filter as a client would write it: the models of a job since new year, or
// whatever alice made for it, latest first.
const example = `{
	"expressions": [
		{"type": "exact", "field": "job", "value": 3},
		{"type": "or", "sub_expressions": [
			{"type": "and", "sub_expressions": [
				{"type": "contains", "field": "name", "sub_string": "model", "case_insensitive": true},
				{"type": "compare", "field": "creation_time", "operator": ">=", "value": "2023-01-01T00:00:00Z"}
			]},
			{"type": "exact", "field": "creator.username", "value": "alice"}
		]},
		{"type": "exact", "field": "type", "value": "log", "invert": true}
	],
	"order_by": [{"field": "creation_time", "ascending": false}],
	"limit": 100
}`

func manyRows(n int) []filter.Row {
	many := make([]filter.Row, n)
	for i := range many {
		many[i] = filter.Row{
			PK: int64(i + 1), Job: int64(1 + i%5), Name: fmt.Sprintf("Predictions of Model %d", i), Type: "txt",
			Creator: int64(i % 7), Username: []string{"", "alice", "bob", "carol", "dave", "eve", "frank"}[i%7],
			CreationTime: time.Unix(1_600_000_000+int64(i)*1000, 0).UTC(), Size: int64(i),
		}
	}
	return many
}

func BenchmarkMatch(b *testing.B) {
	many := manyRows(100_000)
	for _, bench := range []struct{ name, body string }{
		{"none", `{}`},
		{"example", example},
		{"contains", terms(contains("name", `"Model 5"`))},
		{"contains/folded", terms(foldedContains("name", `"model 5"`))},
		{"contains/time", terms(contains("creation_time", `"13:00"`))},
		{"or1200", terms(group("or", manyTerms(1200)...))},
	} {
		b.Run(bench.name, func(b *testing.B) {
			s := mustParse(b, bench.body)
			b.ReportAllocs()
			matched := 0
			for i := 0; b.Loop(); i++ {
				if s.Match(&many[i%len(many)]) {
					matched++
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}

func BenchmarkParseAndPlan(b *testing.B) {
	for _, bench := range []struct{ name, body string }{
		{"none", ``},
		{"example", example},
		{"or1200", terms(group("or", manyTerms(1200)...))},
	} {
		b.Run(bench.name, func(b *testing.B) {
			body := []byte(bench.body)
			b.ReportAllocs()
			for b.Loop() {
				s, err := filter.Parse(body)
				if err != nil {
					b.Fatal(err)
				}
				s.Plan()
			}
		})
	}
}
