package filter_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"joboutputs/shared/filter"
)

// item returns a row as it is stored: NULL and empty strings are left out.
func item(r *filter.Row) map[string]any {
	it := map[string]any{
		"pk": r.PK, "job": r.Job, "name": r.Name, "size": r.Size,
		"creation_time": r.CreationTime.UTC().Format(filter.TimeLayout),
	}
	for name, s := range map[string]string{"type": r.Type, "creator_username": r.Username, "content_type": r.ContentType, "sha256": r.SHA256} {
		if s != "" {
			it[name] = s
		}
	}
	if r.Creator != 0 {
		it["creator"] = r.Creator
	}
	if !r.DeletionTime.IsZero() {
		it["deletion_time"] = r.DeletionTime.UTC().Format(filter.TimeLayout)
	}
	return it
}

// reach returns the rows that a plan reads, in the order of all.
func reach(tb testing.TB, p filter.Plan, all []filter.Row) []filter.Row {
	var read []filter.Row
	for i := range all {
		r := &all[i]
		ok := !p.Empty
		switch p.Access {
		case filter.ByPK:
			ok = ok && r.PK == p.PK
		case filter.ByName:
			ok = ok && r.Job == p.Job && r.Name == p.Name && r.Type == p.Type
		case filter.ByJob:
			ok = ok && r.Job == p.Job
		case filter.Timeline:
			text := func(t time.Time) string { return t.UTC().Format(filter.TimeLayout) }
			created := text(r.CreationTime)
			ok = ok && (p.From.IsZero() || created >= text(p.From)) && (p.To.IsZero() || created <= text(p.To))
		}
		if ok && holds(tb, p.Push, item(r)) {
			read = append(read, *r)
		}
	}
	return read
}

var (
	placeholders = regexp.MustCompile(`#a\d+|:v\d+`)
	operators    = regexp.MustCompile(`<>|<=|>=|[=<>]|AND|OR|NOT|BETWEEN|IN|attribute_exists|attribute_not_exists|contains`)
	tokens       = regexp.MustCompile(`#a\d+|:v\d+|<>|<=|>=|[=<>(),]|AND|OR|NOT|BETWEEN|IN|attribute_exists|attribute_not_exists|contains`)
)

// checkLimits fails on what DynamoDB would refuse: an expression that is too long or not
// of its grammar, and placeholders without use.
func checkLimits(tb testing.TB, e filter.Expression) {
	tb.Helper()
	// guregu/dynamo makes "(#x_a0 = :x_v0)" of "#a0 = :v0".
	if n := len("(" + placeholders.ReplaceAllString(e.Text, "x_$0") + ")"); n > 4096 {
		tb.Fatalf("%d bytes of expression", n)
	}
	if n := len(operators.FindAllString(e.Text, -1)) - strings.Count(e.Text, "BETWEEN"); n > 300 {
		tb.Fatalf("%d operators", n)
	}
	if rest := strings.Trim(tokens.ReplaceAllString(e.Text, ""), " "); rest != "" {
		tb.Fatalf("%q in %s", rest, e.Text)
	}
	if redundant(tokens.FindAllString(e.Text, -1)) {
		tb.Fatalf("redundant parentheses in %s", e.Text)
	}
	used := map[string]bool{}
	for _, p := range placeholders.FindAllString(e.Text, -1) {
		used[p] = true
	}
	if len(used) != len(e.Names)+len(e.Values) {
		tb.Fatalf("%s uses other placeholders than %v, %v", e.Text, e.Names, e.Values)
	}
	for p, v := range e.Values {
		if v == "" || !used[p] {
			tb.Fatalf("value %s is empty or not used: %v", p, v)
		}
	}
}

// redundant reports whether two pairs of parentheses hold the same, or one holds all.
func redundant(tokens []string) bool {
	tokens = slices.Concat([]string{"("}, tokens, []string{")"})
	var open []int
	for i, token := range tokens {
		switch token {
		case "(":
			open = append(open, i)
		case ")":
			start := open[len(open)-1]
			open = open[:len(open)-1]
			if start > 0 && tokens[start-1] == "(" && tokens[i+1] == ")" {
				return true
			}
		}
	}
	return false
}

// holds evaluates an expression as DynamoDB does: a comparison with an attribute that is
// not there is false.
func holds(tb testing.TB, e filter.Expression, item map[string]any) bool {
	if e.Text == "" {
		return true
	}
	x := evaluator{tb: tb, e: e, item: item, tokens: tokens.FindAllString(e.Text, -1)}
	result := x.or()
	if len(x.tokens) > 0 {
		tb.Fatalf("%v after the end of %s", x.tokens, e.Text)
	}
	return result
}

type evaluator struct {
	tb     testing.TB
	e      filter.Expression
	item   map[string]any
	tokens []string
}

func (x *evaluator) peek(token string) bool { return len(x.tokens) > 0 && x.tokens[0] == token }

func (x *evaluator) next() string {
	if len(x.tokens) == 0 {
		x.tb.Fatalf("unexpected end of %s", x.e.Text)
	}
	token := x.tokens[0]
	x.tokens = x.tokens[1:]
	return token
}

func (x *evaluator) expect(token string) {
	if got := x.next(); got != token {
		x.tb.Fatalf("%s instead of %s in %s", got, token, x.e.Text)
	}
}

func (x *evaluator) or() bool {
	result := x.and()
	for x.peek("OR") {
		x.next()
		right := x.and()
		result = result || right
	}
	return result
}

func (x *evaluator) and() bool {
	result := x.not()
	for x.peek("AND") {
		x.next()
		right := x.not()
		result = result && right
	}
	return result
}

func (x *evaluator) not() bool {
	if x.peek("NOT") {
		x.next()
		return !x.not()
	}
	switch token := x.next(); token {
	case "(":
		result := x.or()
		x.expect(")")
		return result
	case "attribute_exists", "attribute_not_exists":
		x.expect("(")
		_, ok := x.attribute(x.next())
		x.expect(")")
		return ok == (token == "attribute_exists")
	case "contains":
		x.expect("(")
		v, ok := x.attribute(x.next())
		x.expect(",")
		sub := x.value().(string)
		x.expect(")")
		return ok && strings.Contains(v.(string), sub)
	default:
		return x.comparison(token)
	}
}

func (x *evaluator) comparison(name string) bool {
	v, ok := x.attribute(name)
	switch sign := x.next(); sign {
	case "BETWEEN":
		lo := x.value()
		x.expect("AND")
		hi := x.value()
		return ok && order(v, lo) >= 0 && order(v, hi) <= 0
	case "IN":
		x.expect("(")
		result := false
		for n := 1; ; n++ {
			if n > 100 {
				x.tb.Fatalf("more than 100 operands of IN")
			}
			if w := x.value(); ok && order(v, w) == 0 {
				result = true
			}
			if x.next() == ")" {
				return result
			}
		}
	default:
		c := 0
		if w := x.value(); ok {
			c = order(v, w)
		}
		return ok && map[string]bool{"=": c == 0, "<>": c != 0, "<": c < 0, "<=": c <= 0, ">": c > 0, ">=": c >= 0}[sign]
	}
}

func (x *evaluator) attribute(placeholder string) (any, bool) {
	name, ok := x.e.Names[placeholder]
	if !ok {
		x.tb.Fatalf("no name for %s in %s", placeholder, x.e.Text)
	}
	v, ok := x.item[name]
	return v, ok
}

func (x *evaluator) value() any {
	placeholder := x.next()
	v, ok := x.e.Values[placeholder]
	if !ok {
		x.tb.Fatalf("no value for %s in %s", placeholder, x.e.Text)
	}
	return v
}

// order compares two values of one type, and panics if they aren't.
func order(a, b any) int {
	switch a := a.(type) {
	case int64:
		b := b.(int64)
		return map[bool]int{true: -1}[a < b] + map[bool]int{true: 1}[a > b]
	case string:
		return strings.Compare(a, b.(string))
	}
	panic(fmt.Sprintf("%T in an item", a))
}
