package filter

import "time"

// Access is the way to the rows of a plan, from the dearest to the cheapest.
type Access int

const (
	Timeline Access = iota // the index by creation_time, whole or a range of it
	ByJob                  // the partition of Plan.Job
	ByName                 // the one row of Plan.Job, Plan.Name and Plan.Type
	ByPK                   // the one row of Plan.PK
)

func (a Access) String() string {
	return [...]string{"timeline", "by job", "by name", "by pk"}[a]
}

// Plan says how to read the rows of a filter: by Access, leaving out what Push refuses.
// That gives every row that Spec.Match lets through and perhaps others.
type Plan struct {
	Empty  bool // no row can match: read nothing
	Access Access

	PK         int64  // for ByPK
	Job        int64  // for ByName and ByJob
	Name, Type string // for ByName

	// For Timeline, both included, in whole microseconds; zero = open.
	From, To time.Time

	// What DynamoDB may leave out, besides what Access does. Always empty for ByPK and
	// ByName: GetItem takes no filter.
	Push Expression
}

// Plan returns the cheapest way to the rows.
func (s *Spec) Plan() Plan {
	k := newKnown()
	if !s.IncludeInactive {
		k.null[deletionTime] = true
	}
	for _, e := range s.where {
		k.learn(literal{e, false})
	}
	if k.impossible() {
		return Plan{Empty: true}
	}
	if id := k.spans[pk]; id.single() {
		return Plan{Access: ByPK, PK: id.lo}
	}
	var p Plan
	if id := k.spans[job]; id.single() {
		p.Access, p.Job = ByJob, id.lo
		if k.texts[name] != nil && k.texts[typ] != nil {
			p.Access, p.Name, p.Type = ByName, *k.texts[name], *k.texts[typ]
			return p
		}
		k.forget(job)
	} else {
		created, all := k.spans[creationTime], creationTime.domain()
		if created.lo > all.lo {
			p.From = time.UnixMicro(created.lo).UTC()
		}
		if created.hi < all.hi {
			p.To = time.UnixMicro(created.hi).UTC()
		}
		k.forget(creationTime)
	}
	push, possible := express(k.literals())
	if !possible {
		return Plan{Empty: true}
	}
	p.Push = push
	return p
}

// A literal is an expression that must hold or, if negated, must not.
type literal struct {
	expr
	negated bool
}

// unwrap takes not from the expression.
func (l literal) unwrap() literal {
	for {
		inner, ok := l.expr.(not)
		if !ok {
			return l
		}
		l = literal{inner.expr, !l.negated}
	}
}

// known is what must be true of every row that matches: a bound on each column, and what
// can't be said as a bound.
type known struct {
	spans   [numNumbers]span
	texts   [numColumns]*string // equal to this
	null    [numColumns]bool
	notNull [numColumns]bool
	clash   bool // no text is equal to two others
	rest    []literal
}

func newKnown() *known {
	var k known
	for c := range numColumns {
		k.notNull[c] = !c.nullable()
		if !c.isText() {
			k.spans[c] = c.domain()
		}
	}
	return &k
}

// learn adds what follows from l.
func (k *known) learn(l literal) {
	l = l.unwrap()
	switch e := l.expr.(type) {
	case allOf:
		if !l.negated {
			for _, sub := range e {
				k.learn(literal{sub, false})
			}
			return
		}
	case anyOf:
		if l.negated {
			for _, sub := range e {
				k.learn(literal{sub, true})
			}
			return
		}
	case *isNull:
		if l.negated {
			k.notNull[e.col] = true
		} else {
			k.null[e.col] = true
		}
		return
	case *within:
		if !l.negated {
			k.spans[e.col] = k.spans[e.col].and(e.span)
			k.notNull[e.col] = true
			return
		}
	case *like:
		if !l.negated && e.op == equal && !e.fold {
			k.clash = k.clash || k.texts[e.col] != nil && *k.texts[e.col] != e.want
			k.texts[e.col] = &e.want
			k.notNull[e.col] = true
			return
		}
	}
	k.rest = append(k.rest, l)
}

func (k *known) impossible() bool {
	for c := range numColumns {
		if k.null[c] && k.notNull[c] || !c.isText() && k.spans[c].empty() {
			return true
		}
	}
	return k.clash
}

// forget leaves to the access what is known of a number that is never NULL.
func (k *known) forget(c Column) { k.spans[c] = c.domain() }

// literals returns what is known in its shortest form.
func (k *known) literals() []literal {
	var all []literal
	for c := range numColumns {
		switch {
		case k.null[c]:
			all = append(all, literal{&isNull{c}, false})
		case k.texts[c] != nil:
			all = append(all, literal{&like{derived: derived{col: c}, op: equal, want: *k.texts[c]}, false})
		case !c.isText() && k.spans[c] != c.domain():
			all = append(all, literal{&within{c, k.spans[c]}, false})
		case k.notNull[c] && c.nullable():
			all = append(all, literal{&isNull{c}, true})
		}
	}
	return append(all, k.rest...)
}
