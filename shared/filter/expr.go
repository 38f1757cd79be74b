package filter

import (
	"bytes"
	"strings"
)

// An expr is a condition on a row. It is true or false, never unknown: a comparison
// with NULL is false, and not turns it into true.
type expr interface {
	match(v *view) bool
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
		derived // want is folded if this is
		op      operator
		want    string // not empty if op is contains

		search *search // nil = want is looked for alone
		sought int     // which of the texts sought want is
	}
)

func (e allOf) match(v *view) bool {
	for _, sub := range e {
		if !sub.match(v) {
			return false
		}
	}
	return true
}

func (e anyOf) match(v *view) bool {
	for _, sub := range e {
		if sub.match(v) {
			return true
		}
	}
	return false
}

func (e not) match(v *view) bool { return !e.expr.match(v) }

func (e *isNull) match(v *view) bool {
	var ok bool
	if e.col.isText() {
		_, ok = e.col.text(v.Row)
	} else {
		_, ok = e.col.number(v.Row)
	}
	return !ok
}

func (e *within) match(v *view) bool {
	n, ok := e.col.number(v.Row)
	return ok && e.span.lo <= n && n <= e.span.hi
}

func (e *like) match(v *view) bool {
	switch {
	case e.search != nil:
		return v.contains(e)
	case e.col.isText() && !e.fold:
		s, ok := e.col.text(v.Row)
		return ok && e.holds(s)
	}
	text, ok := v.text(e.col)
	if e.op == contains {
		return ok && bytes.Contains(text, []byte(e.want))
	}
	return ok && string(text) == e.want
}

// holds compares s, which is not NULL and is as e wants it. Texts are ordered by code
// point, which is the order of their UTF-8 bytes.
func (e *like) holds(s string) bool {
	switch e.op {
	case equal:
		return s == e.want
	case contains:
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
