package filter

import (
	"bytes"
	"crypto/sha256"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// Parse reads a body: the text of a JSON object, or nothing at all. The text must be valid
// JSON in valid UTF-8, as api.Body returns it. The original takes [] and "" for an empty
// object, and so does Parse.
//
// The language, with ? for what may be missing:
//
//	body    {expressions?: [term|and|or …], order_by?: [order …], include_inactive?: bool,
//	         limit?: 1–1000, cursor?: string}
//	or      {type: "or",  sub_expressions: [term|and, … at least 2], invert?: bool}
//	and     {type: "and", sub_expressions: [term, … at least 2], invert?: bool}
//	term    {type: "exact", field, value: string|number|bool, case_insensitive?: bool, invert?: bool}
//	        {type: "contains", field, sub_string: string, case_insensitive?: bool, invert?: bool}
//	        {type: "compare", field, operator: "<"|"<="|">"|">=", value: string|number, invert?: bool}
//	        {type: "is_null" or "isnull", field, invert?: bool}
//	order   {field, ascending?: bool, nulls_first?: bool}
//
// Nothing else is taken, null least of all. Problem: InvalidFilter, with the place in the body.
func Parse(body []byte) (*Spec, error) {
	s := &Spec{OrderBy: completeOrder(nil)}
	if len(body) == 0 {
		return s, nil
	}
	top := value{raw: bytes.TrimSpace(body)}
	if top.isEmpty() {
		return s, nil
	}
	o, err := top.object()
	if err != nil {
		return nil, err
	}
	if err := o.only("expressions", "order_by", "include_inactive", "limit", "cursor"); err != nil {
		return nil, err
	}
	if s.IncludeInactive, err = o.flag("include_inactive", false); err != nil {
		return nil, err
	}
	if v, ok := o.members["expressions"]; ok {
		var p parser
		if s.where, err = p.exprs(v, 0, nested{or: true, and: true}); err != nil {
			return nil, err
		}
		s.searches = searchTogether(p.searched)
	}
	if v, ok := o.members["order_by"]; ok {
		if s.OrderBy, err = parseOrder(v); err != nil {
			return nil, err
		}
	}
	if v, ok := o.members["limit"]; ok {
		if s.Limit, err = strconv.Atoi(string(v.raw)); err != nil || s.Limit < 1 || s.Limit > MaxLimit {
			return nil, v.fail("must be an integer from 1 to %d", MaxLimit)
		}
	}
	if v, ok := o.members["cursor"]; ok {
		if s.Cursor, err = v.filled(); err != nil {
			return nil, err
		}
	}
	s.identity = identify(o)
	return s, nil
}

// isEmpty reports whether v is [] or "".
func (v value) isEmpty() bool {
	return string(v.raw) == `""` || v.raw.Kind() == '[' && len(bytes.TrimSpace(v.raw[1:len(v.raw)-1])) == 0
}

func parseOrder(v value) ([]Order, error) {
	items, err := v.array()
	if err != nil {
		return nil, err
	}
	keys := make([]Order, len(items))
	for i, item := range items {
		o, err := item.object()
		if err != nil {
			return nil, err
		}
		if err := o.only("field", "ascending", "nulls_first"); err != nil {
			return nil, err
		}
		f, err := o.field()
		if err != nil {
			return nil, err
		}
		ascending, err := o.flag("ascending", true)
		if err != nil {
			return nil, err
		}
		nullsFirst, err := o.flag("nulls_first", false)
		if err != nil {
			return nil, err
		}
		keys[i] = Order{Column: f.Column, Descending: !ascending, NullsFirst: nullsFirst || !ascending}
	}
	return completeOrder(keys), nil
}

// field returns what the object's member field names.
func (o object) field() (field, error) {
	v, err := o.required("field")
	if err != nil {
		return field{}, err
	}
	s, err := v.filled()
	if err != nil {
		return field{}, err
	}
	f, ok := fieldNamed(s)
	if !ok {
		return field{}, v.fail("unknown field %s", excerpt(s))
	}
	return f, nil
}

// identify returns a digest of what a body asks for, page by page the same. White space
// and the way a string is escaped don't count.
func identify(o object) digest {
	var text []byte
	for _, name := range []string{"expressions", "order_by", "include_inactive"} {
		text = append(append(text, name...), ' ')
		if v, ok := o.members[name]; ok {
			text, _ = jsontext.AppendFormat(text, v.raw, jsontext.AllowDuplicateNames(true)) // valid, so no error
		}
	}
	return sha256.Sum256(text)
}
