package filter

import (
	"cmp"
	"strings"
)

// Order is one key of an order.
type Order struct {
	Column     Column
	Descending bool
	NullsFirst bool // asked for, or because of Descending
}

// completeOrder makes the order total: it drops keys that can't matter and ends in pk.
//
// Without keys the order is by creation_time. Rows that are equal so far stand in
// ascending order of pk, except that creation_time descending alone is followed by pk
// descending: that is the timeline index read backwards.
func completeOrder(keys []Order) []Order {
	var order []Order
	var seen [numColumns]bool
	for _, k := range keys {
		if !seen[k.Column] && !seen[pk] {
			seen[k.Column] = true
			order = append(order, k)
		}
	}
	if len(order) == 0 {
		order = append(order, Order{Column: creationTime})
	}
	if !seen[pk] {
		backwards := len(order) == 1 && order[0].Column == creationTime && order[0].Descending
		order = append(order, Order{Column: pk, Descending: backwards})
	}
	return order
}

// Compare returns a negative number if a is listed before b, a positive one if after,
// and 0 only for the same row. It looks at nothing but the columns of s.OrderBy.
//
// NULLs are where PostgreSQL puts them: last, but first in a descending order or with
// nulls_first. nulls_first false asks for nothing, whatever UFDL's pages say.
func (s *Spec) Compare(a, b *Row) int {
	for _, k := range s.OrderBy {
		if c := k.compare(a, b); c != 0 {
			return c
		}
	}
	return 0
}

func (k Order) compare(a, b *Row) (c int) {
	var aOK, bOK bool
	if k.Column.isText() {
		var x, y string
		x, aOK = k.Column.text(a)
		y, bOK = k.Column.text(b)
		c = strings.Compare(x, y)
	} else {
		var x, y int64
		x, aOK = k.Column.number(a)
		y, bOK = k.Column.number(b)
		c = cmp.Compare(x, y)
	}
	switch {
	case aOK && bOK && k.Descending:
		return -c
	case aOK && bOK:
		return c
	case aOK == bOK:
		return 0
	case aOK == k.NullsFirst: // b is the NULL that goes first, or a the one that goes last
		return 1
	default:
		return -1
	}
}

// IndexOrder reports whether reading the timeline index, whose key is creation_time and
// then pk, gives the order by itself, and if so whether from the end.
func (s *Spec) IndexOrder() (ok, descending bool) {
	first, second := s.OrderBy[0], s.OrderBy[len(s.OrderBy)-1]
	ok = len(s.OrderBy) == 2 && first.Column == creationTime && first.Descending == second.Descending
	return ok, ok && first.Descending
}
