package filter

// derived is a text that terms look at: a text column as it is or folded, or a number as
// it is printed.
type derived struct {
	col  Column
	fold bool // letters of any case are one: see fold
}

func (d derived) compare(other derived) int {
	if d.col != other.col {
		return int(d.col) - int(other.col)
	}
	if d.fold == other.fold {
		return 0
	}
	if d.fold {
		return 1
	}
	return -1
}

// A view is a row while it is matched, with what terms make of it, each made at most once
// and only if a term looks at it.
type view struct {
	*Row
	made  [numColumns]bool
	texts [numColumns]madeText // folded, or printed
	found []found              // by search
}

type madeText struct {
	bytes []byte // kept from row to row for its memory
	ok    bool   // false = NULL
}

type found struct {
	done  bool
	texts []bool // by number of the text sought
}

func newView(searches []*search) *view {
	v := &view{found: make([]found, len(searches))}
	for i, s := range searches {
		v.found[i].texts = make([]bool, s.count+1)
	}
	return v
}

// reset forgets the row, and what was made of it.
func (v *view) reset() {
	v.Row = nil
	v.made = [numColumns]bool{}
	for i := range v.found {
		if f := &v.found[i]; f.done {
			f.done = false
			clear(f.texts)
		}
	}
}

// text returns the folded text of a text column, or the printed one of a number, in which
// there is nothing to fold; !ok = NULL.
func (v *view) text(c Column) (text []byte, ok bool) {
	t := &v.texts[c]
	if !v.made[c] {
		v.made[c] = true
		if c.isText() {
			var s string
			s, t.ok = c.text(v.Row)
			t.bytes = appendFold(t.bytes[:0], s)
		} else {
			t.bytes, t.ok = c.appendPrinted(t.bytes[:0], v.Row)
		}
	}
	return t.bytes, t.ok
}

// contains reports whether the text that e looks at contains what e wants, for a term that
// is searched for together with others.
func (v *view) contains(e *like) bool {
	f := &v.found[e.search.index]
	if !f.done {
		f.done = true
		if e.col.isText() && !e.fold {
			s, _ := e.col.text(v.Row)
			run(e.search, s, f.texts)
		} else if text, ok := v.text(e.col); ok {
			run(e.search, text, f.texts)
		}
	}
	return f.texts[e.sought]
}
