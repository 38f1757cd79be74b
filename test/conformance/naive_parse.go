package conformance

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"
)

// parser checks a specification and keeps the first thing that is wrong. It goes on after
// it, so that the remarks of the Spec are complete.
type parser struct {
	s   *Spec
	err error
}

func (p *parser) wrong(format string, args ...any) {
	if p.err == nil {
		p.err = fmt.Errorf(format, args...)
	}
}

func (p *parser) object(at string, v any, keys ...string) map[string]any {
	o, ok := v.(map[string]any)
	if !ok {
		p.wrong("%s must be an object", at)
	}
	for key := range o {
		if !slices.Contains(keys, key) {
			p.wrong("%s: unknown key %q", at, key)
		}
	}
	return o
}

func (p *parser) array(at string, v any) []any {
	a, ok := v.([]any)
	if !ok {
		p.wrong("%s must be an array", at)
	}
	return a
}

func (p *parser) flag(at string, o map[string]any, key string, absent bool) bool {
	v, there := o[key]
	if !there {
		return absent
	}
	b, ok := v.(bool)
	if !ok {
		p.wrong("%s.%s must be a bool", at, key)
	}
	return b
}

// field reads the name of a column.
func (p *parser) field(at string, o map[string]any) column {
	name, ok := o["field"].(string)
	if !ok || name == "" {
		p.wrong("%s.field must be text", at)
		return columns["pk"]
	}
	c, ok := columnNamed(name)
	if !ok {
		p.s.foreignField = true
		p.wrong("%s.field: unknown field %q", at, name)
		return columns["pk"]
	}
	return c
}

// expr reads an expression of one of the kinds that may stand here.
func (p *parser) expr(at string, v any, kinds string) expr {
	o, ok := v.(map[string]any)
	if !ok {
		p.wrong("%s must be an object", at)
		return expr{}
	}
	kind, _ := o["type"].(string)
	if kind == "" || !slices.Contains(strings.Fields(kinds), kind) {
		p.wrong("%s: type %v may not stand here", at, o["type"])
		return expr{}
	}
	if kind == "is_null" { // as the original's documents have it; its code has isnull alone
		p.s.isNull, kind = true, "isnull"
	}
	e := expr{kind: kind, invert: p.flag(at, o, "invert", false)}
	switch kind {
	case "and", "or":
		p.object(at, o, "type", "sub_expressions", "invert")
		inside := "exact contains isnull is_null compare"
		if kind == "or" {
			inside = "and " + inside
		}
		subs := p.array(at+".sub_expressions", o["sub_expressions"])
		if len(subs) < 2 {
			p.wrong("%s needs two sub_expressions", at)
		}
		for i, sub := range subs {
			e.subs = append(e.subs, p.expr(fmt.Sprintf("%s.sub_expressions[%d]", at, i), sub, inside))
		}
		return e
	case "isnull":
		p.object(at, o, "type", "field", "invert")
		e.field = p.field(at, o)
		return e
	case "contains":
		p.object(at, o, "type", "field", "sub_string", "case_insensitive", "invert")
		e.field, e.text, e.ci = p.field(at, o), true, p.flag(at, o, "case_insensitive", false)
		text, ok := o["sub_string"].(string)
		if !ok || text == "" || strings.ContainsRune(text, 0) || e.field.relation {
			p.wrong("%s: sub_string must be text, and the field one that is matched as text", at)
		}
		e.value = text
		return e
	case "exact":
		p.object(at, o, "type", "field", "value", "case_insensitive", "invert")
		e.field, e.op, e.ci = p.field(at, o), "=", p.flag(at, o, "case_insensitive", false)
	default:
		p.object(at, o, "type", "field", "operator", "value", "invert")
		e.field = p.field(at, o)
		e.op, _ = o["operator"].(string)
		if !slices.Contains([]string{"<", ">", "<=", ">="}, e.op) {
			p.wrong("%s: no such operator", at)
		}
		if _, isBool := o["value"].(bool); isBool {
			p.wrong("%s: a bool is not compared", at)
		}
	}
	if e.ci {
		text, ok := o["value"].(string)
		if !ok || e.field.relation {
			p.wrong("%s: only text is compared without case", at)
		}
		e.text, e.value = true, text
		return e
	}
	value, err := p.value(e.field, o["value"])
	if err != nil {
		p.wrong("%s.value: %v", at, err)
	}
	e.value = value
	return e
}

// value reads a value as its column has it.
func (p *parser) value(c column, v any) (any, error) {
	switch v := v.(type) {
	case string:
		if strings.ContainsRune(v, 0) {
			return nil, errors.New("holds NUL")
		}
		switch c.kind {
		case "text":
			return v, nil
		case "int":
			n, ok := pyInt(v)
			if !ok {
				return nil, fmt.Errorf("%q is no integer", v)
			}
			return new(big.Rat).SetInt(n), nil
		}
		t, offset, err := pyTime(v)
		if err == nil && !offset {
			p.s.naiveTime = true
		}
		return t, err
	case json.Number:
		text, ok := pyText(v.String())
		switch {
		case !ok:
			return nil, errors.New("the number is infinite")
		case c.kind == "text":
			return text, nil
		case c.kind == "int":
			if isFloat(v.String()) {
				p.s.floatOnInt = true
				if f, err := strconv.ParseFloat(v.String(), 64); err == nil && f == 0 {
					return new(big.Rat), nil // also 1e-99999999, whose exact value nobody wants
				}
			}
			r, ok := new(big.Rat).SetString(v.String())
			if !ok {
				return nil, errors.New("no number")
			}
			return r, nil
		}
	case bool:
		switch {
		case c.kind == "text" && v:
			return "True", nil
		case c.kind == "text":
			return "False", nil
		case c.kind == "int" && v:
			return big.NewRat(1, 1), nil
		case c.kind == "int":
			return new(big.Rat), nil
		}
	}
	return nil, fmt.Errorf("%v is not a value for this field", v)
}

func (p *parser) orderKey(at string, v any) orderKey {
	o := p.object(at, v, "field", "ascending", "nulls_first")
	if name, _ := o["field"].(string); strings.Contains(name, ".") {
		p.s.dottedOrder = true
	}
	return orderKey{p.field(at, o), p.flag(at, o, "ascending", true), p.flag(at, o, "nulls_first", false)}
}
