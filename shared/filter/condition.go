package filter

import "slices"

// A condition is what DynamoDB can be asked, or what is known without asking.
type condition struct {
	kind kind
	text string // if it says something
}

type kind uint8

const (
	never  kind = iota
	always      // also for what can't be asked
	says
	saysOr // says, and is an OR outside of parentheses
)

func settled(b bool) condition {
	if b {
		return condition{kind: always}
	}
	return condition{kind: never}
}

// literal writes a condition that is true wherever l holds. Negations are carried down to
// the terms, so that above them a condition which lets through too much stays one.
func (w *writer) literal(l literal) condition {
	l = l.unwrap()
	switch e := l.expr.(type) {
	case allOf:
		return w.group(e, l.negated, !l.negated)
	case anyOf:
		return w.group(e, l.negated, l.negated)
	case *isNull:
		return w.term(e.col, settled(l.negated), e.col.nullable() != l.negated)
	case *within:
		return w.term(e.col, w.within(e, l.negated), l.negated)
	case *like:
		if e.fold || !e.col.isText() {
			return condition{kind: always} // DynamoDB can't
		}
		// A text that an item lacks is NULL, which is like nothing; or, where there is
		// no NULL, it is empty.
		lacks := !e.col.nullable() && e.holds("")
		return w.term(e.col, w.like(e, l.negated), lacks != l.negated)
	}
	return condition{kind: always}
}

// group writes an AND of the expressions, each of them negated or not, or else an OR.
func (w *writer) group(exprs []expr, negated, and bool) condition {
	separator, decisive := " OR ", always
	if and {
		separator, decisive = " AND ", never
	}
	before := *w
	var terms []condition
	var equals [numColumns][]any // alternatives, which make an IN
	for _, e := range exprs {
		l := literal{e, negated}.unwrap()
		if c, v, ok := l.equality(); ok && !and {
			equals[c] = append(equals[c], v)
			continue
		}
		c := w.literal(l)
		if c.kind == decisive {
			*w = before
			return c
		}
		if c.kind >= says {
			terms = append(terms, c)
		}
	}
	for c := range numColumns {
		for values := range slices.Chunk(equals[c], maxOperands) {
			terms = append(terms, w.oneOf(c, values))
		}
	}
	if len(terms) == 0 {
		return settled(and)
	}
	w.operators += len(terms) - 1
	return join(terms, separator)
}

// equality returns the one value that l lets through, if that is one items can hold.
func (l literal) equality() (c Column, value any, ok bool) {
	switch e := l.expr.(type) {
	case *within:
		if e.span.single() && !l.negated {
			return e.col, stored(e.col, e.span.lo), true
		}
	case *like:
		if e.op == equal && !e.fold && e.want != "" && !l.negated {
			return e.col, e.want, true
		}
	}
	return 0, nil, false
}

// term puts together what is asked of the items that have c's attribute, and what is known
// of those that lack it. Whether DynamoDB calls a comparison with nothing false or unknown
// never matters.
func (w *writer) term(c Column, has condition, lacks bool) condition {
	if !c.sparse() || has == settled(lacks) {
		return has
	}
	switch {
	case !lacks && has.kind == always:
		return w.function("attribute_exists", c)
	case !lacks:
		return has
	case has.kind == never:
		return w.function("attribute_not_exists", c)
	}
	w.operators++
	return join([]condition{w.function("attribute_not_exists", c), has}, " OR ")
}

// within asks about a number that an item holds.
func (w *writer) within(e *within, negated bool) condition {
	lo, hi := stored(e.col, e.span.lo), stored(e.col, e.span.hi)
	switch all := e.col.domain(); {
	case e.span.empty():
		return settled(negated)
	case e.span == all:
		return settled(!negated)
	case e.span.single():
		return w.compare(e.col, sign(equal, negated), lo)
	case e.span.hi == all.hi:
		return w.compare(e.col, sign(greaterEqual, negated), lo)
	case e.span.lo == all.lo:
		return w.compare(e.col, sign(lessEqual, negated), hi)
	case negated:
		w.operators++
		return join([]condition{w.compare(e.col, "<", lo), w.compare(e.col, ">", hi)}, " OR ")
	}
	w.operators++
	return condition{says, w.name(e.col) + " BETWEEN " + w.value(lo) + " AND " + w.value(hi)}
}

// like asks about a text that an item holds, which is never empty.
func (w *writer) like(e *like, negated bool) condition {
	if e.want == "" {
		return settled(e.holds("any text") != negated)
	}
	if e.op != contains {
		return w.compare(e.col, sign(e.op, negated), e.want)
	}
	w.operators++
	text := "contains(" + w.name(e.col) + ", " + w.value(e.want) + ")"
	if negated {
		w.operators++
		text = "NOT " + text
	}
	return condition{says, text}
}

// signs has for each operator the sign that is true where it is, and the one that is true
// where it is not.
var signs = [...]struct{ plain, negated string }{
	equal:        {"=", "<>"},
	less:         {"<", ">="},
	lessEqual:    {"<=", ">"},
	greater:      {">", "<="},
	greaterEqual: {">=", "<"},
}

func sign(op operator, negated bool) string {
	if negated {
		return signs[op].negated
	}
	return signs[op].plain
}
