package filter

// parser reads expressions.
type parser struct {
	terms    int     // read so far
	searched []*like // of them those that look for a text anywhere
}

// nested is what may stand inside an expression besides terms.
type nested struct{ or, and bool }

// exprs reads an array of at least so many expressions.
func (p *parser) exprs(v value, least int, allowed nested) ([]expr, error) {
	items, err := v.array()
	if err != nil {
		return nil, err
	}
	if len(items) < least {
		return nil, v.fail("must have at least %d elements", least)
	}
	exprs := make([]expr, len(items))
	for i, item := range items {
		if exprs[i], err = p.expr(item, allowed); err != nil {
			return nil, err
		}
	}
	return exprs, nil
}

func (p *parser) expr(v value, allowed nested) (expr, error) {
	o, err := v.object()
	if err != nil {
		return nil, err
	}
	kindValue, err := o.required("type")
	if err != nil {
		return nil, err
	}
	kind, err := kindValue.string()
	if err != nil {
		return nil, err
	}
	var read func(object) (expr, error)
	switch {
	case kind == "or" && allowed.or:
		read = func(o object) (expr, error) {
			subs, err := p.subExpressions(o, nested{and: true})
			return anyOf(subs), err
		}
	case kind == "and" && allowed.and:
		read = func(o object) (expr, error) {
			subs, err := p.subExpressions(o, nested{})
			return allOf(subs), err
		}
	case kind == "or", kind == "and":
		return nil, kindValue.fail("%q is not allowed here", kind)
	default:
		if read = terms[kind]; read == nil {
			return nil, kindValue.fail("must be one of and, or, exact, contains, compare, is_null")
		}
		if p.terms++; p.terms > MaxTerms {
			return nil, v.fail("more than %d field expressions", MaxTerms)
		}
	}
	e, err := read(o)
	if err != nil {
		return nil, err
	}
	if l, ok := e.(*like); ok && l.op == contains {
		p.searched = append(p.searched, l)
	}
	invert, err := o.flag("invert", false)
	if err != nil {
		return nil, err
	}
	if invert {
		e = not{e}
	}
	return e, nil
}

func (p *parser) subExpressions(o object, allowed nested) ([]expr, error) {
	if err := o.only("type", "sub_expressions", "invert"); err != nil {
		return nil, err
	}
	v, err := o.required("sub_expressions")
	if err != nil {
		return nil, err
	}
	return p.exprs(v, 2, allowed)
}

var terms = map[string]func(object) (expr, error){
	"exact":    parseExact,
	"contains": parseContains,
	"compare":  parseCompare,
	"is_null":  parseIsNull, // as UFDL's pages have it
	"isnull":   parseIsNull, // as UFDL has it
}

func parseIsNull(o object) (expr, error) {
	if err := o.only("type", "field", "invert"); err != nil {
		return nil, err
	}
	f, err := o.field()
	return &isNull{f.Column}, err
}

func parseContains(o object) (expr, error) {
	if err := o.only("type", "field", "sub_string", "case_insensitive", "invert"); err != nil {
		return nil, err
	}
	f, err := o.field()
	if err != nil {
		return nil, err
	}
	v, err := o.required("sub_string")
	if err != nil {
		return nil, err
	}
	want, err := v.filled()
	if err != nil {
		return nil, err
	}
	ignoreCase, err := o.flag("case_insensitive", false)
	if err != nil {
		return nil, err
	}
	return textTerm(o, f, contains, want, ignoreCase)
}

func parseExact(o object) (expr, error) {
	if err := o.only("type", "field", "value", "case_insensitive", "invert"); err != nil {
		return nil, err
	}
	f, err := o.field()
	if err != nil {
		return nil, err
	}
	v, err := o.required("value")
	if err != nil {
		return nil, err
	}
	ignoreCase, err := o.flag("case_insensitive", false)
	if err != nil {
		return nil, err
	}
	if ignoreCase {
		want, err := v.string() // the original takes no number here, not even for a text field
		if err != nil {
			return nil, err
		}
		return textTerm(o, f, equal, want, true)
	}
	if kind := v.raw.Kind(); kind != '"' && kind != '0' && kind != 't' && kind != 'f' {
		return nil, v.fail("must be a string, a number or a bool")
	}
	return valueTerm(f.Column, equal, v)
}

func parseCompare(o object) (expr, error) {
	if err := o.only("type", "field", "operator", "value", "invert"); err != nil {
		return nil, err
	}
	f, err := o.field()
	if err != nil {
		return nil, err
	}
	opValue, err := o.required("operator")
	if err != nil {
		return nil, err
	}
	sign, err := opValue.string()
	if err != nil {
		return nil, err
	}
	op, ok := operators[sign]
	if !ok {
		return nil, opValue.fail("must be one of <, >, <=, >=")
	}
	v, err := o.required("value")
	if err != nil {
		return nil, err
	}
	if kind := v.raw.Kind(); kind != '"' && kind != '0' {
		return nil, v.fail("must be a string or a number")
	}
	return valueTerm(f.Column, op, v)
}

// textTerm looks at the field as text, whatever it is.
func textTerm(o object, f field, op operator, want string, ignoreCase bool) (expr, error) {
	if f.relation {
		return nil, o.members["field"].fail("%s can't be matched as text; its pk can, as %s.pk", f, f)
	}
	if ignoreCase {
		want = string(appendFold(nil, want))
	}
	return &like{derived: derived{f.Column, ignoreCase}, op: op, want: want}, nil
}

// valueTerm reads a value as the column has it. v is a string, a number or a bool.
func valueTerm(c Column, op operator, v value) (expr, error) {
	kind := v.raw.Kind()
	num := number(v.raw)
	var s string
	switch kind {
	case '"':
		var err error
		if s, err = v.string(); err != nil {
			return nil, err
		}
	case '0':
		if !num.valid() {
			return nil, v.fail("the number is too large")
		}
	}
	if c.isText() {
		switch kind {
		case '0':
			s = num.text()
		case 't':
			s = "True"
		case 'f':
			s = "False"
		}
		return &like{derived: derived{col: c}, op: op, want: s}, nil
	}
	if c.isTime() {
		micros, ok := parseTime(s) // not of an empty string, as numbers and bools left it
		if !ok {
			return nil, v.fail("must be an ISO 8601 date or time, such as 2023-01-04T00:00:00Z")
		}
		return &within{c, spanOf(op, integer{micros, true}, c.domain())}, nil
	}
	n := integer{0, true}
	switch kind {
	case '"':
		var ok bool
		if n, ok = parseInt(s); !ok {
			return nil, v.fail("must be an integer, not %s", excerpt(s))
		}
	case '0':
		n = num.integer()
	case 't':
		n.floor = 1
	}
	return &within{c, spanOf(op, n, c.domain())}, nil
}
