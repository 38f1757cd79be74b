package filter

import (
	"slices"
	"strings"
)

// A filter may hold 1,200 contains terms, a column 2 KB and more, and a caller chooses
// both. Searched one by one, such terms would cost milliseconds a row: strings.Contains
// falls back on Rabin-Karp with a fixed prime, for which texts can be made whose every
// position collides. So terms that look at the same text are searched together, by the
// automaton of Aho and Corasick ("Efficient string matching", CACM 18(6), 1975), in one
// pass whose time depends on the length of the text alone.

// Terms are searched one by one where that is faster and cannot be slow: few of them, each
// short enough that strings.Contains never falls back on Rabin-Karp on amd64 or arm64.
const (
	fewTerms  = 4
	shortTerm = 32 // bytes
)

// A search finds which of a number of texts a text contains.
//
// Its states are the prefixes of the texts sought, in order of length and then by their
// bytes, so that the states that prolong one stand together. State 0 is the empty prefix.
type search struct {
	text   derived
	index  int // which of the filter's searches it is
	states []state
	count  int // of different texts sought
}

type state struct {
	label byte  // the prefix's last byte
	end   int32 // which of the texts sought the prefix is, from 1; 0 = none
	child int32 // the first state that prolongs this one by a byte; the last is before the next state's first
	back  int32 // the longest proper suffix that is a state
	shows int32 // the longest proper suffix that is a text sought; 0 = none
}

// searchTogether gives terms that look at the same text a search in common, where that pays.
func searchTogether(terms []*like) (searches []*search) {
	slices.SortStableFunc(terms, func(a, b *like) int {
		if a.derived != b.derived {
			return a.derived.compare(b.derived)
		}
		return strings.Compare(a.want, b.want)
	})
	for len(terms) > 0 {
		n := 1
		for n < len(terms) && terms[n].derived == terms[0].derived {
			n++
		}
		same := terms[:n]
		terms = terms[n:]
		long := slices.ContainsFunc(same, func(e *like) bool { return len(e.want) > shortTerm })
		if n < fewTerms && !long {
			continue
		}
		s := newSearch(same)
		s.index = len(searches)
		searches = append(searches, s)
	}
	return searches
}

// newSearch makes the search for terms that look at the same text and are sorted by what
// they want.
func newSearch(terms []*like) *search {
	s := &search{text: terms[0].derived}
	// open are the terms that begin with a state's prefix.
	type open struct{ from, to int }
	level := []open{{0, len(terms)}}
	s.states = append(s.states, state{})
	for depth, first := 0, 0; len(level) > 0; depth++ {
		var next []open
		for i, o := range level {
			at := first + i
			s.states[at].child = int32(len(s.states))
			if o.from < o.to && len(terms[o.from].want) == depth { // the shortest come first
				s.count++
				s.states[at].end = int32(s.count)
			}
			for o.from < o.to && len(terms[o.from].want) == depth {
				terms[o.from].search, terms[o.from].sought = s, s.count
				o.from++
			}
			for o.from < o.to {
				label, to := terms[o.from].want[depth], o.from+1
				for to < o.to && terms[to].want[depth] == label {
					to++
				}
				s.states = append(s.states, state{label: label})
				next = append(next, open{o.from, to})
				o.from = to
			}
		}
		first += len(level)
		level = next
	}
	s.states = append(s.states, state{child: int32(len(s.states))}) // ends the last one's children
	s.link()
	return s
}

// link fills in back and shows, level by level.
func (s *search) link() {
	for at := range s.states[:len(s.states)-1] {
		for child := s.states[at].child; child < s.states[at+1].child; child++ {
			c := &s.states[child]
			if at != 0 {
				c.back = s.step(s.states[at].back, c.label)
			}
			if c.shows = c.back; s.states[c.back].end == 0 {
				c.shows = s.states[c.back].shows
			}
		}
	}
}

// step returns the state after another one and a byte.
func (s *search) step(at int32, b byte) int32 {
	for {
		low, high := s.states[at].child, s.states[at+1].child
		for low < high { // a binary search: its time must not depend on the number of children
			if middle := (low + high) / 2; s.states[middle].label < b {
				low = middle + 1
			} else {
				high = middle
			}
		}
		if low < s.states[at+1].child && s.states[low].label == b {
			return low
		}
		if at == 0 {
			return 0
		}
		at = s.states[at].back
	}
}

// run marks in found, by number, the texts sought that text contains.
func run[T string | []byte](s *search, text T, found []bool) {
	at := int32(0)
	for i := range len(text) {
		at = s.step(at, text[i])
		hit := at
		if s.states[hit].end == 0 {
			hit = s.states[hit].shows
		}
		// Whoever marked one has marked all that it ends in.
		for ; hit != 0 && !found[s.states[hit].end]; hit = s.states[hit].shows {
			found[s.states[hit].end] = true
		}
	}
}
