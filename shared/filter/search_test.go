package filter_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"unicode"

	"pgregory.net/rapid"

	"joboutputs/shared/filter"
)

// TestContainsTogether: however many terms look for a text in a column, and however the
// texts overlap, each holds where its own text is found.
func TestContainsTogether(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		// Few letters, so that texts are each other's beginnings, ends and middles.
		letters := rapid.SampledFrom([]rune{'a', 'A', 'b', 'ß', 'ı', 'ς', 'Σ', 'ɐ', 'é', '🎉'})
		text := func(least, most int, label string) string {
			return rapid.StringOfN(letters, least, most, -1).Draw(rt, label)
		}
		column := rapid.SampledFrom([]string{"name", "type", "content_type"}).Draw(rt, "column")
		folded := rapid.Bool().Draw(rt, "folded")
		whole := text(0, 60, "whole")
		wants := make([]string, rapid.IntRange(1, 40).Draw(rt, "terms"))
		for i := range wants {
			wants[i] = text(1, 5, "part")
			if rapid.IntRange(0, 9).Draw(rt, "kind") == 0 {
				wants[i] = text(1, 40, "long part")
			}
		}

		// Row i holds in term i alone.
		var subs []string
		for i, want := range wants {
			quoted, _ := json.Marshal(want)
			term := contains(column, string(quoted))
			if folded {
				term = foldedContains(column, string(quoted))
			}
			subs = append(subs, group("and", exact("pk", itoa(i)), term))
		}
		s := mustParse(t, terms(group("or", append(subs, exact("pk", "-1"), exact("pk", "-1"))...)))
		upper := func(s string) string {
			if folded {
				return strings.Map(unicode.ToUpper, s)
			}
			return s
		}
		for i, want := range wants {
			row := filter.Row{PK: int64(i), Name: whole, Type: whole, ContentType: whole}
			if got, want := s.Match(&row), strings.Contains(upper(whole), upper(want)); got != want {
				rt.Fatalf("%q contains %q (folded: %v, of %q): %v, want %v", whole, wants[i], folded, wants, got, want)
			}
		}
	})
}

// TestRowsAreApart: what was found in a row is not found in the next.
func TestRowsAreApart(t *testing.T) {
	subs := []string{contains("name", `"mod"`), contains("name", `"xx"`), contains("name", `"yy"`), contains("name", `"zz"`), foldedContains("type", `"TX"`), contains("pk", `"15"`)}
	s := mustParse(t, terms(group("or", subs...)))
	if got := pksOf(matched(s, slices.Concat(rows, rows))); got != "1 2 4 15 1 2 4 15" {
		t.Errorf("got %s", got)
	}
}
