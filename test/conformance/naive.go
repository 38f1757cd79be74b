package conformance

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A column is a field as filters see it.
type column struct {
	kind     string              // "int", "text" or "time"
	relation bool                // job and creator: no text matching
	of       func(o *Output) any // *big.Int, string, time.Time, or nil for null
}

func intColumn(of func(o *Output) int64, relation bool) column {
	return column{"int", relation, func(o *Output) any {
		if n := of(o); n != 0 {
			return big.NewInt(n)
		}
		return nil
	}}
}

func textColumn(of func(o *Output) (string, bool)) column {
	return column{"text", false, func(o *Output) any {
		if s, ok := of(o); ok {
			return s
		}
		return nil
	}}
}

func timeColumn(of func(o *Output) Moment) column {
	return column{"time", false, func(o *Output) any {
		if t := of(o); t.Set {
			return t.At
		}
		return nil
	}}
}

func pkOf(o *Output) int64      { return o.PK }
func jobOf(o *Output) int64     { return o.Job }
func creatorOf(o *Output) int64 { return o.Creator }

// columns are the fields a filter may name (deviation D12), "." for "__".
var columns = map[string]column{
	"pk": intColumn(pkOf, false), "id": intColumn(pkOf, false),
	"job": intColumn(jobOf, true), "job_id": intColumn(jobOf, true),
	"job.pk": intColumn(jobOf, false), "job.id": intColumn(jobOf, false),
	"creator": intColumn(creatorOf, true), "creator_id": intColumn(creatorOf, true),
	"creator.pk": intColumn(creatorOf, false), "creator.id": intColumn(creatorOf, false),
	"creator.username": textColumn(func(o *Output) (string, bool) { return o.Username, o.Username != "" }),
	"name":             textColumn(func(o *Output) (string, bool) { return o.Name, true }),
	"type":             textColumn(func(o *Output) (string, bool) { return o.Type, true }),
	"creation_time":    timeColumn(func(o *Output) Moment { return o.Created }),
	"deletion_time":    timeColumn(func(o *Output) Moment { return o.Deleted }),
	"size":             {"int", false, func(o *Output) any { return big.NewInt(int64(len(o.Content))) }},
	"sha256":           textColumn(func(o *Output) (string, bool) { return o.sha256(), true }),
	"content_type":     textColumn(func(o *Output) (string, bool) { return o.ContentType, o.ContentType != "" }),
}

func columnNamed(field string) (column, bool) {
	c, ok := columns[strings.ReplaceAll(field, "__", ".")]
	return c, ok
}

// Spec is a list specification, read and checked.
type Spec struct {
	exprs           []expr
	order           []orderKey
	includeInactive bool
	limit           int

	// What the request holds that a rule is about.
	isNull, dottedOrder, foreignField, naiveTime, floatOnInt, paged bool
}

type expr struct {
	kind   string
	invert bool
	subs   []expr
	field  column
	op     string // of compare; "=" of exact
	value  any    // *big.Rat, string or time.Time, as the column has it
	text   bool   // the column is looked at as text
	ci     bool
}

type orderKey struct {
	field                 column
	ascending, nullsFirst bool
}

// ParseSpec reads a specification by the original's schema with the deviations D9, D12,
// D13 and D18. The Spec is there also when an error is: then its remarks count.
func ParseSpec(body map[string]any) (*Spec, error) {
	s := &Spec{}
	p := parser{s: s}
	p.object("", body, "expressions", "order_by", "include_inactive", "limit", "cursor")
	s.includeInactive = p.flag("", body, "include_inactive", false)
	if v, ok := body["expressions"]; ok {
		for i, e := range p.array("expressions", v) {
			s.exprs = append(s.exprs, p.expr(fmt.Sprintf("expressions[%d]", i), e, "and or exact contains isnull is_null compare"))
		}
	}
	if v, ok := body["order_by"]; ok {
		for i, k := range p.array("order_by", v) {
			s.order = append(s.order, p.orderKey(fmt.Sprintf("order_by[%d]", i), k))
		}
	}
	if v, ok := body["limit"]; ok {
		s.paged = true
		n, isNumber := v.(json.Number)
		var err error
		if s.limit, err = strconv.Atoi(n.String()); !isNumber || err != nil || s.limit < 1 || s.limit > 1000 {
			p.wrong("limit must be 1 to 1,000")
		}
	}
	if _, ok := body["cursor"]; ok {
		s.paged = true
		p.wrong("no recorded cursor can be one of ours")
	}
	return s, p.err
}

// Select is the outputs a specification asks for, in its order: by creation_time if it
// names none, and by pk in the end.
func (s *Spec) Select(all []*Output) []*Output {
	var rows []*Output
	for _, o := range all {
		if (s.includeInactive || !o.Deleted.Set) && !slices.ContainsFunc(s.exprs, func(e expr) bool { return !e.holds(o) }) {
			rows = append(rows, o)
		}
	}
	s.Sort(rows)
	if s.limit > 0 && len(rows) > s.limit {
		rows = rows[:s.limit]
	}
	return rows
}

// Sort orders rows as the specification asks.
func (s *Spec) Sort(rows []*Output) {
	keys := s.order
	if len(keys) == 0 {
		keys = []orderKey{{field: columns["creation_time"], ascending: true}}
	}
	slices.SortFunc(rows, func(a, b *Output) int {
		for _, k := range keys {
			if c := k.compare(a, b); c != 0 {
				return c
			}
		}
		return cmp.Compare(a.PK, b.PK)
	})
}

// compare orders by one key. Nulls come first when asked for, or when descending.
func (k orderKey) compare(a, b *Output) int {
	left, right := k.field.of(a), k.field.of(b)
	switch {
	case left == nil && right == nil:
		return 0
	case left == nil || right == nil:
		if (left == nil) == (k.nullsFirst || !k.ascending) {
			return -1
		}
		return 1
	case k.ascending:
		return compareValues(left, right)
	default:
		return -compareValues(left, right)
	}
}

func compareValues(a, b any) int {
	switch a := a.(type) {
	case string:
		return strings.Compare(a, b.(string)) // bytes of UTF-8 order as code points
	case time.Time:
		return a.Compare(b.(time.Time))
	case *big.Int:
		if b, ok := b.(*big.Rat); ok {
			return new(big.Rat).SetInt(a).Cmp(b)
		}
		return a.Cmp(b.(*big.Int))
	}
	panic(fmt.Sprintf("%T is no column's value", a))
}

// holds is two-valued: a null matches nothing, and invert is the complement.
func (e expr) holds(o *Output) bool { return e.matches(o) != e.invert }

func (e expr) matches(o *Output) bool {
	switch e.kind {
	case "and":
		return !slices.ContainsFunc(e.subs, func(sub expr) bool { return !sub.holds(o) })
	case "or":
		return slices.ContainsFunc(e.subs, func(sub expr) bool { return sub.holds(o) })
	}
	value := e.field.of(o)
	if e.kind == "isnull" {
		return value == nil
	}
	if value == nil {
		return false
	}
	if e.text {
		have, want := asText(value), e.value.(string)
		if e.ci {
			have, want = pgUpper(have), pgUpper(want)
		}
		if e.kind == "contains" {
			return strings.Contains(have, want)
		}
		return have == want
	}
	c := compareValues(value, e.value)
	switch e.op {
	case "=":
		return c == 0
	case "<":
		return c < 0
	case ">":
		return c > 0
	case "<=":
		return c <= 0
	default:
		return c >= 0
	}
}

func asText(value any) string {
	switch v := value.(type) {
	case string:
		return v
	case time.Time:
		return pgTime(v)
	default:
		return v.(*big.Int).String()
	}
}

// decodeJSON decodes well-formed JSON: numbers as written, the last of equal keys.
func decodeJSON(text []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var v any
	err := d.Decode(&v)
	return v, err
}
