package openapi

import (
	"fmt"
	"html"
	"html/template"
	"slices"
	"strings"
)

// property is a line of a schema's table.
type property struct {
	Name     string
	Type     template.HTML
	Required bool
	Text     template.HTML
}

// schema is an entry of the page's list of schemas.
type schema struct {
	Name       string
	Type       template.HTML // of one that is no object with properties
	Text       template.HTML
	Properties []property
}

func newSchema(name string, n *node) schema {
	s := schema{Name: name, Text: markdown(n.get("description").str())}
	if properties := n.get("properties"); properties != nil {
		s.Properties = newProperties(properties, n.get("required").strs(), "")
	} else {
		s.Type = typeOf(n)
	}
	return s
}

// newProperties lists properties, those of objects in arrays below theirs.
func newProperties(all *node, required []string, prefix string) []property {
	var out []property
	for _, m := range all.all() {
		out = append(out, property{
			Name: prefix + m.Name, Type: typeOf(m.Value), Required: slices.Contains(required, m.Name),
			Text: markdown(m.Value.get("description").str()),
		})
		if items := m.Value.get("items"); items.get("properties") != nil {
			out = append(out, newProperties(items.get("properties"), items.get("required").strs(), prefix+m.Name+"[].")...)
		}
	}
	return out
}

// typeOf says in a few words what a value may be; schemas with a name are links.
func typeOf(n *node) template.HTML {
	return template.HTML(words(n)) //nolint:gosec // every text in it was escaped
}

func words(n *node) string {
	if n == nil {
		return "anything"
	}
	if name, ok := strings.CutPrefix(n.get("$ref").str(), "#/components/schemas/"); ok {
		return fmt.Sprintf(`<a href="#schema-%[1]s">%[1]s</a>`, html.EscapeString(name))
	}
	for _, choice := range []string{"oneOf", "anyOf"} {
		if all := n.get(choice).list(); all != nil {
			return alternatives(all)
		}
	}
	if all := n.get("allOf").list(); all != nil {
		return words(all[0]) // the others only narrow it
	}
	if value := n.get("const"); value != nil {
		return "always " + code(value.plain())
	}
	if values := n.get("enum").list(); values != nil {
		var texts []string
		for _, value := range values {
			texts = append(texts, code(show(value)))
		}
		return "one of " + strings.Join(texts, " ")
	}
	kinds := n.get("type").strs()
	if kind := n.get("type").str(); kind != "" {
		kinds = []string{kind}
	}
	if slices.Contains(kinds, "array") && n.get("items") != nil {
		text := "array of " + words(n.get("items"))
		if least := n.get("minItems"); least != nil && least.plain() != "0" {
			text += ", at least " + least.plain()
		}
		return text
	}
	text := html.EscapeString(strings.Join(kinds, " or "))
	if text == "" {
		text = "anything"
	}
	if limits := limitsOf(n); limits != "" {
		text += ", " + limits
	}
	if value := n.get("default"); value != nil {
		text += ", default " + code(value.plain())
	}
	return text
}

// show is a value in a list of values: an empty one needs its quotes.
func show(n *node) string {
	if n.plain() == "" {
		return string(n.raw)
	}
	return n.plain()
}

func code(text string) string { return "<code>" + html.EscapeString(text) + "</code>" }

func alternatives(all []*node) string {
	var texts []string
	for _, n := range all {
		texts = append(texts, words(n))
	}
	return strings.Join(texts, " or ")
}

// limitsOf says a range: of a number itself, of a text in characters.
func limitsOf(n *node) string {
	for _, r := range []struct{ low, high, of string }{{"minimum", "maximum", ""}, {"minLength", "maxLength", " characters"}} {
		low, high := n.get(r.low), n.get(r.high)
		switch {
		case low != nil && high != nil:
			return low.plain() + " to " + high.plain() + r.of
		case high != nil:
			return "up to " + high.plain() + r.of
		case low != nil && r.of == "":
			return "from " + low.plain()
		case low != nil:
			return "not empty"
		}
	}
	return ""
}
