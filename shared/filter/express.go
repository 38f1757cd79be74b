package filter

import (
	"strconv"
	"strings"
	"time"
)

// Expression is a DynamoDB filter expression with what its placeholders stand for. Its
// text is made of placeholders, operators and functions alone; nothing of it comes from a
// caller. It has no parentheses around it. All of it is empty if there is nothing to
// filter by.
type Expression struct {
	Text   string
	Names  map[string]string // #a6 → name, one of the attributes of an item
	Values map[string]any    // :v0 → a string (S, never empty) or an int64 (N)
}

// DynamoDB's limits, from "Quotas in Amazon DynamoDB: expression parameters".
const (
	maxExpression = 4 << 10 // bytes of text, placeholders as they stand
	maxOperators  = 300     // functions included; BETWEEN and IN count once
	maxOperands   = 100     // of an IN

	// wrapping and prefix are what guregu/dynamo adds to an expression it is given:
	// parentheses around it, x_ to each placeholder.
	wrapping = len("()")
	prefix   = len("x_")
)

// express says of the literals, all of which must hold, as much as DynamoDB can. What it
// can't say, or what would pass its limits, is left out: a row for which the literals
// hold is always let through. possible is false if they hold for no row.
func express(all []literal) (e Expression, possible bool) {
	var w writer
	var said []condition
	for _, l := range all {
		before := w
		c := w.literal(l)
		if c.kind == never {
			return Expression{}, false
		}
		if c.kind == always {
			continue
		}
		if len(said) > 0 {
			w.operators++ // the AND
		}
		if said = append(said, c); !w.allows(join(said, " AND ").text) {
			w, said = before, said[:len(said)-1]
		}
	}
	if len(said) == 0 {
		return Expression{}, true
	}
	return w.expression(join(said, " AND ").text), true
}

// A writer hands out placeholders and counts. Assigning an earlier copy of it takes back
// what was written since, which matters because DynamoDB refuses placeholders that aren't
// used.
type writer struct {
	named        [numColumns]bool
	values       []any
	operators    int // functions included
	placeholders int // in the text, each as often as it stands there
}

// allows reports whether DynamoDB takes what was written, of which text is all.
func (w *writer) allows(text string) bool {
	return w.operators <= maxOperators && len(text)+wrapping+prefix*w.placeholders <= maxExpression
}

func (w *writer) expression(text string) Expression {
	e := Expression{Text: text, Names: map[string]string{}}
	for c := range numColumns {
		if w.named[c] {
			e.Names[namePlaceholder(c)] = c.String()
		}
	}
	if len(w.values) > 0 { // DynamoDB refuses an empty map
		e.Values = make(map[string]any, len(w.values))
	}
	for i, v := range w.values {
		e.Values[valuePlaceholder(i)] = v
	}
	return e
}

func namePlaceholder(c Column) string { return "#a" + strconv.Itoa(int(c)) }
func valuePlaceholder(i int) string   { return ":v" + strconv.Itoa(i) }

func (w *writer) name(c Column) string {
	w.named[c] = true
	w.placeholders++
	return namePlaceholder(c)
}

func (w *writer) value(v any) string {
	w.values = append(w.values, v)
	w.placeholders++
	return valuePlaceholder(len(w.values) - 1)
}

func (w *writer) function(name string, c Column) condition {
	w.operators++
	return condition{says, name + "(" + w.name(c) + ")"}
}

func (w *writer) compare(c Column, sign string, v any) condition {
	w.operators++
	return condition{says, w.name(c) + " " + sign + " " + w.value(v)}
}

// oneOf takes one value or as many as an IN does.
func (w *writer) oneOf(c Column, values []any) condition {
	if len(values) == 1 {
		return w.compare(c, "=", values[0])
	}
	w.operators++
	operands := make([]string, len(values))
	for i, v := range values {
		operands[i] = w.value(v)
	}
	return condition{says, w.name(c) + " IN (" + strings.Join(operands, ", ") + ")"}
}

// join puts an AND or OR between conditions that say something, and parentheses around
// those that need them: DynamoDB refuses redundant ones.
func join(conditions []condition, separator string) condition {
	if len(conditions) == 1 {
		return conditions[0]
	}
	kind := says
	if separator == " OR " {
		kind = saysOr
	}
	texts := make([]string, len(conditions))
	for i, c := range conditions {
		texts[i] = c.text
		if c.kind == saysOr && kind == says {
			texts[i] = "(" + c.text + ")"
		}
	}
	return condition{kind, strings.Join(texts, separator)}
}

// stored returns a number as items hold it.
func stored(c Column, v int64) any {
	if c.isTime() {
		return time.UnixMicro(v).UTC().Format(TimeLayout)
	}
	return v
}
