// Package filter is the filter language of POST /v1/job-outputs/list.
//
// [Parse] turns the request's body into a [Spec]. Spec.Match is the meaning of a filter
// and Spec.Compare the meaning of an order; nothing else decides which rows are listed
// and where they stand. Spec.Plan only says how to reach the rows cheaply: it may let
// through rows that Match refuses, never the other way round, so the store runs Match
// on everything it reads.
//
// The language and its corners are those of the UFDL backend (a Django application on
// PostgreSQL), recorded over HTTP: Python's reading of numbers and times, and
// PostgreSQL's two-valued view of NULL once a condition may be inverted. Comments name
// the rule where it surprises.
//
// The package is pure: no I/O, no clock, no AWS. Its caller is the outputs store.
package filter

import (
	"sync/atomic"
	"time"
)

// Limits of a body. [Parse] refuses what is over them; the size of a body, 256 KiB, is
// its caller's to check.
const (
	MaxTerms = 1_200 // field expressions, wherever they stand
	MaxLimit = 1_000 // rows in a page
)

// Row is what a filter can see of an output. Times count in whole microseconds within
// the years 0 to 9999, numbers are not negative. The zero value of a nullable field is
// NULL.
type Row struct {
	PK, Job      int64
	Name, Type   string // never NULL; Type may be empty
	Creator      int64  // nullable
	Username     string // of the creator when the output was made; nullable
	CreationTime time.Time
	DeletionTime time.Time // nullable: set on soft-deleted outputs
	Size         int64     // bytes
	ContentType  string    // nullable
	SHA256       string    // lower-case hex; nullable
}

// Spec is a parsed body. It is made by [Parse] alone, and safe for concurrent use.
type Spec struct {
	IncludeInactive bool    // soft-deleted outputs are listed too
	OrderBy         []Order // complete: the last key is pk, so no two rows are equal
	Limit           int     // rows in a page, 1 to MaxLimit; 0 = all
	Cursor          string  // where the last page ended, as sent; empty = from the start

	where    allOf
	searches []*search
	spare    atomic.Pointer[view] // for the next row; nil while it is in use
	identity digest               // of everything but limit and cursor; see EncodeCursor
}

// Match reports whether the filter lets r through. It allocates nothing.
func (s *Spec) Match(r *Row) bool {
	if !s.IncludeInactive && !r.DeletionTime.IsZero() {
		return false
	}
	if len(s.where) == 0 {
		return true
	}
	v := s.spare.Swap(nil)
	if v == nil { // the first row, or others are matched at this moment
		v = newView(s.searches)
	}
	v.Row = r
	ok := s.where.match(v)
	v.reset()
	s.spare.Store(v)
	return ok
}
