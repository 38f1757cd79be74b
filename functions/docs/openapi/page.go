package openapi

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

//go:embed page.html
var pageHTML string

//go:embed page.css
var pageCSS string

// policy lets the page be shown and nothing else: its one style sheet, known by its hash,
// and nothing from anywhere.
var policy = func() string {
	sum := sha256.Sum256([]byte(pageCSS))
	return fmt.Sprintf("default-src 'none'; style-src 'sha256-%s'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
		base64.StdEncoding.EncodeToString(sum[:]))
}()

// view is what the template shows.
type view struct {
	CSS            template.CSS
	Title, Summary string
	Version        string
	Text           template.HTML
	Tags           []tag
	Problems       []errorCode
	Schemas        []schema
}

type tag struct {
	Name, ID   string
	Text       template.HTML
	Operations []operation
}

type operation struct {
	ID, Method, Path, Summary string
	Who                       string
	Brief                     bool // only the statuses are listed: everything is said elsewhere
	Text                      template.HTML
	Params                    []param
	Body                      *body
	Answers                   []answer
}

type param struct {
	Name, In string
	Required bool
	Type     template.HTML
	Text     template.HTML
	Example  string
}

type body struct {
	Required bool
	Text     template.HTML
	Media    []media
}

type media struct {
	Type     string
	Schema   template.HTML
	Examples []example
}

type example struct{ Summary, Text string }

type answer struct {
	Status  string
	Text    template.HTML
	Headers []param
	Media   []media  // of an answer that is no problem document
	Codes   []string // of one that is
}

// errorCode is a code, with an example.
type errorCode struct {
	Code, Status string
	Example      example
}

// who are the words for x-access.
var who = map[string]string{
	"anyone":         "Anyone",
	"authenticated":  "Every user",
	"node":           "A node",
	"owner":          "The job's node",
	"owner-or-admin": "The job's node or an admin",
	"admin":          "An admin",
	"nobody":         "Nobody",
}

// render makes the page of an OpenAPI document.
func render(document string) (string, error) {
	root, err := parse(jsontext.Value(document))
	if err != nil {
		return "", err
	}
	v := view{
		CSS:     template.CSS(pageCSS), //nolint:gosec // our own file
		Title:   root.at("info", "title").str(),
		Summary: root.at("info", "summary").str(),
		Version: root.at("info", "version").str(),
		Text:    markdown(root.at("info", "description").str()),
	}
	b := builder{root: root}
	for _, n := range root.get("tags").list() {
		name := n.get("name").str()
		v.Tags = append(v.Tags, tag{
			Name: name, ID: "tag-" + strings.ReplaceAll(strings.ToLower(name), " ", "-"),
			Text: markdown(n.get("description").str()), Operations: b.operations(name),
		})
	}
	v.Problems = b.problems()
	for _, m := range root.at("components", "schemas").all() {
		v.Schemas = append(v.Schemas, newSchema(m.Name, m.Value))
	}
	page, err := template.New("page").Parse(pageHTML)
	if err != nil {
		return "", err
	}
	var out strings.Builder
	if err := page.Execute(&out, v); err != nil {
		return "", err
	}
	return out.String(), b.err
}

// builder makes views of nodes; err is the first reference that leads nowhere.
type builder struct {
	root *node
	err  error
}

func (b *builder) resolve(n *node) *node {
	target, _, err := resolve(b.root, n)
	if err != nil && b.err == nil {
		b.err = err
	}
	return target
}

// operations are those of a tag, in the document's order.
func (b *builder) operations(tag string) []operation {
	var out []operation
	for _, path := range b.root.get("paths").all() {
		for _, m := range path.Value.all() {
			if m.Name == "parameters" || !slices.Contains(m.Value.get("tags").strs(), tag) {
				continue
			}
			access := m.Value.get("x-access").str()
			op := operation{
				ID: m.Value.get("operationId").str(), Method: strings.ToUpper(m.Name), Path: path.Name,
				Summary: m.Value.get("summary").str(), Who: who[access], Brief: m.Name == "head" || access == "nobody",
				Text: markdown(m.Value.get("description").str()),
				Body: b.body(m.Value.get("requestBody")),
			}
			if op.Who == "" && b.err == nil {
				b.err = fmt.Errorf("%s %s: x-access is %q", op.Method, op.Path, access)
			}
			for _, n := range append(slices.Clone(path.Value.get("parameters").list()), m.Value.get("parameters").list()...) {
				n = b.resolve(n)
				op.Params = append(op.Params, b.param(n.get("name").str(), n.get("in").str(), n))
			}
			for _, response := range m.Value.get("responses").all() {
				op.Answers = append(op.Answers, b.answer(response.Name, b.resolve(response.Value)))
			}
			out = append(out, op)
		}
	}
	return out
}

func (b *builder) param(name, in string, n *node) param {
	p := param{
		Name: name, In: in, Required: n.get("required") != nil,
		Type: typeOf(n.get("schema")), Text: markdown(n.get("description").str()),
	}
	if shown := n.get("example"); shown != nil {
		p.Example = shown.plain()
	}
	return p
}

func (b *builder) body(n *node) *body {
	if n == nil {
		return nil
	}
	return &body{Required: n.get("required") != nil, Text: markdown(n.get("description").str()), Media: b.media(n.get("content"))}
}

func (b *builder) media(content *node) []media {
	var out []media
	for _, m := range content.all() {
		shown := media{Type: m.Name, Schema: typeOf(m.Value.get("schema"))}
		if m.Value.get("schema") == nil {
			shown.Schema = "any bytes"
		}
		if single := m.Value.get("example"); single != nil {
			shown.Examples = append(shown.Examples, example{"Example", single.pretty()})
		}
		for _, e := range m.Value.get("examples").all() {
			shown.Examples = append(shown.Examples, b.example(e.Value))
		}
		out = append(out, shown)
	}
	return out
}

func (b *builder) example(n *node) example {
	n = b.resolve(n)
	summary := n.get("summary").str()
	if summary == "" {
		summary = "Example"
	}
	return example{summary, n.get("value").pretty()}
}

const problemType = "application/problem+json"

func (b *builder) answer(status string, n *node) answer {
	a := answer{Status: status, Text: markdown(n.get("description").str())}
	for _, m := range n.get("headers").all() {
		a.Headers = append(a.Headers, b.param(m.Name, "header", b.resolve(m.Value)))
	}
	if document := n.at("content", problemType); document != nil {
		a.Codes = codes(document)
	} else {
		a.Media = b.media(n.get("content"))
	}
	return a
}

// codes are those a problem document of an answer may have: its schema narrows them.
func codes(document *node) []string {
	for _, part := range document.at("schema", "allOf").list() {
		if all := part.at("properties", "code", "enum").strs(); all != nil {
			return all
		}
	}
	return nil
}

// problems are the codes of all answers, each with its example, by status and name.
func (b *builder) problems() []errorCode {
	examples := map[string]*node{}
	for _, m := range b.root.at("components", "examples").all() {
		if code := m.Value.at("value", "code").str(); code != "" && examples[code] == nil {
			examples[code] = m.Value
		}
	}
	var out []errorCode
	for _, code := range b.root.at("components", "schemas", "Problem", "properties", "code", "enum").strs() {
		if n := examples[code]; n != nil {
			out = append(out, errorCode{Code: code, Status: n.at("value", "status").plain(), Example: b.example(n)})
		}
	}
	slices.SortStableFunc(out, func(a, b errorCode) int { return strings.Compare(a.Status+a.Code, b.Status+b.Code) })
	return out
}
