package filter

import "strings"

// An expr is a condition on a row. It is true or false, never unknown: a comparison
// with NULL is false, and not turns it into true.
type expr interface {
	match(r *Row) bool
}

type (
	allOf []expr
	anyOf []expr
	not   struct{ expr }

	isNull struct{ col Column }

	// within is every comparison of a number or time: the values that pass are
	// neighbours, so exact, <, <=, > and >= all come down to a span.
	within struct {
		col  Column
		span span
	}

	// like is every comparison of a text, and of the printed form of a number.
	like struct {
		col  Column
		op   operator
		fold bool   // want is folded, and what it is compared with is to be
		want string // not empty if op is contains
	}
)

func (e allOf) match(r *Row) bool {
	for _, sub := range e {
		if !sub.match(r) {
			return false
		}
	}
	return true
}

func (e anyOf) match(r *Row) bool {
	for _, sub := range e {
		if sub.match(r) {
			return true
		}
	}
	return false
}

func (e not) match(r *Row) bool { return !e.expr.match(r) }

func (e *isNull) match(r *Row) bool {
	var ok bool
	if e.col.isText() {
		_, ok = e.col.text(r)
	} else {
		_, ok = e.col.number(r)
	}
	return !ok
}

func (e *within) match(r *Row) bool {
	v, ok := e.col.number(r)
	return ok && e.span.lo <= v && v <= e.span.hi
}

func (e *like) match(r *Row) bool {
	if e.col.isText() {
		s, ok := e.col.text(r)
		return ok && e.holds(s)
	}
	var buf printed
	text, ok := e.col.print(r, &buf)
	return ok && e.holds(string(text)) // short enough for the stack
}

// holds compares s, which is not NULL. Texts are ordered by code point, which is the
// order of their UTF-8 bytes.
func (e *like) holds(s string) bool {
	switch e.op {
	case equal:
		if e.fold {
			return equalFolded(s, e.want)
		}
		return s == e.want
	case contains:
		if e.fold {
			return containsFolded(s, e.want)
		}
		return strings.Contains(s, e.want)
	case less:
		return s < e.want
	case lessEqual:
		return s <= e.want
	case greater:
		return s > e.want
	case greaterEqual:
		return s >= e.want
	}
	panic("filter: unknown operator")
}

type operator uint8

const (
	equal operator = iota
	contains
	less
	lessEqual
	greater
	greaterEqual
)

// operators is what compare takes.
var operators = map[string]operator{"<": less, "<=": lessEqual, ">": greater, ">=": greaterEqual}
