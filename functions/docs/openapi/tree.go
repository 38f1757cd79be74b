package openapi

import (
	"fmt"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// node is a value of the document. Its members stay in the order they were written in,
// which is the order to read them in.
type node struct {
	raw     jsontext.Value
	members []member
	items   []*node
	text    string // of a string
}

type member struct {
	Name  string
	Value *node
}

func parse(raw jsontext.Value) (*node, error) {
	n := &node{raw: raw}
	dec := jsontext.NewDecoder(strings.NewReader(string(raw)))
	switch raw.Kind() {
	case '"':
		token, err := dec.ReadToken()
		if err != nil {
			return nil, err
		}
		n.text = token.String()
	case '{', '[':
		if _, err := dec.ReadToken(); err != nil {
			return nil, err
		}
		for dec.PeekKind() != '}' && dec.PeekKind() != ']' {
			var name string
			if raw.Kind() == '{' {
				token, err := dec.ReadToken()
				if err != nil {
					return nil, err
				}
				name = token.String()
			}
			value, err := dec.ReadValue()
			if err != nil {
				return nil, err
			}
			child, err := parse(value.Clone())
			if err != nil {
				return nil, err
			}
			if raw.Kind() == '{' {
				n.members = append(n.members, member{name, child})
			} else {
				n.items = append(n.items, child)
			}
		}
	}
	return n, nil
}

// get returns a member by name, nil if there is none; also of nil.
func (n *node) get(name string) *node {
	if n != nil {
		for _, m := range n.members {
			if m.Name == name {
				return m.Value
			}
		}
	}
	return nil
}

// at walks down by names.
func (n *node) at(names ...string) *node {
	for _, name := range names {
		n = n.get(name)
	}
	return n
}

// str is the text of a string, "" of anything else.
func (n *node) str() string {
	if n == nil {
		return ""
	}
	return n.text
}

// all are the members, also of nil.
func (n *node) all() []member {
	if n == nil {
		return nil
	}
	return n.members
}

// list are the items, also of nil.
func (n *node) list() []*node {
	if n == nil {
		return nil
	}
	return n.items
}

// strs are the items that are strings.
func (n *node) strs() []string {
	var texts []string
	for _, item := range n.list() {
		texts = append(texts, item.text)
	}
	return texts
}

// plain is a value as a person writes it: text without quotes.
func (n *node) plain() string {
	if n.raw.Kind() == '"' {
		return n.text
	}
	return string(n.raw)
}

// pretty is a value as an example is shown.
func (n *node) pretty() string {
	if n.raw.Kind() == '"' {
		return n.text
	}
	out := n.raw.Clone()
	if err := out.Indent(jsontext.WithIndent("  ")); err != nil {
		return string(n.raw)
	}
	return string(out)
}

// resolve follows a reference within the document; name is the last part of it, "" if n
// is none.
func resolve(root, n *node) (target *node, name string, err error) {
	ref := n.get("$ref").str()
	if ref == "" {
		return n, "", nil
	}
	parts := strings.Split(strings.TrimPrefix(ref, "#/"), "/")
	if target = root.at(parts...); target == nil {
		return nil, "", fmt.Errorf("%s refers to nothing", ref)
	}
	return target, parts[len(parts)-1], nil
}
