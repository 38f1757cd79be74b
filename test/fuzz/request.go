package fuzz

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// Operation is one method of one route of the description.
type Operation struct {
	Method, Template string
	Succeeds         bool // whether some answer is a success

	op     *openapi3.Operation
	params openapi3.Parameters
}

func (o Operation) String() string { return o.Method + " " + o.Template }

// Operations are all of a description, in a fixed order.
func Operations(doc *openapi3.T) []Operation {
	var all []Operation
	for template, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			o := Operation{Method: method, Template: template, op: op, params: append(slices.Clone(item.Parameters), op.Parameters...)}
			for status := range op.Responses.Map() {
				o.Succeeds = o.Succeeds || status < "400"
			}
			all = append(all, o)
		}
	}
	slices.SortFunc(all, func(a, b Operation) int { return strings.Compare(a.String(), b.String()) })
	return all
}

// Request is what is sent, byte for byte.
type Request struct {
	Operation Operation // that it was made from
	Broken    []string  // what was done to it; none = it is as described
	Method    string
	Target    string
	Header    http.Header
	Body      []byte
}

// Maker makes requests; of two with the same seed and knowledge, the same.
type Maker struct {
	maker
	operations []Operation
}

// NewMaker makes one. Known are values that mean something to the service, by the name of
// the member or parameter they are for.
func NewMaker(doc *openapi3.T, seed, stream uint64, known map[string][]any) *Maker {
	return &Maker{maker{rand.New(rand.NewPCG(seed, stream)), known}, Operations(doc)}
}

// Learn adds a value to those that mean something; the oldest are forgotten.
func (m *Maker) Learn(name string, value any) {
	m.known[name] = append(m.known[name], value)
	if len(m.known[name]) > 40 {
		m.known[name] = m.known[name][1:]
	}
}

// Next makes a request: every second one as described, the others broken in one to three
// places.
func (m *Maker) Next() Request {
	r := m.described(pick(m.rnd, m.operations))
	if m.chance(2) {
		return r
	}
	for range 1 + m.rnd.IntN(3) {
		b := pick(m.rnd, breakages())
		b.do(m, &r)
		r.Broken = append(r.Broken, b.name)
	}
	return r
}

// described is a request as the description has it.
func (m *Maker) described(o Operation) Request {
	r := Request{Operation: o, Method: o.Method, Target: o.Template, Header: http.Header{}}
	var query []string
	for _, ref := range o.params {
		p := ref.Value
		if !p.Required && !m.chance(2) {
			continue
		}
		name := p.Name
		if p.In == "path" && name == "pk" && strings.Contains(o.Template, "/jobs/") {
			name = "job"
			if own := o.Template[strings.LastIndex(o.Template, "/"):]; len(m.known["job"+own]) > 0 {
				name += own // jobs in a state in which this can succeed
			}
		}
		value := fmt.Sprint(m.value(name, p.Schema))
		switch p.In {
		case "path":
			r.Target = strings.ReplaceAll(r.Target, "{"+p.Name+"}", url.PathEscape(value))
		case "query":
			query = append(query, url.QueryEscape(p.Name)+"="+url.QueryEscape(value))
		case "header":
			r.Header.Set(p.Name, headerText(value))
		}
	}
	if len(query) > 0 {
		r.Target += "?" + strings.Join(query, "&")
	}
	if body := o.op.RequestBody; body != nil && (body.Value.Required || !m.chance(5)) {
		types := slices.Sorted(maps.Keys(body.Value.Content))
		mediaType := pick(m.rnd, types)
		if media := body.Value.Content[mediaType]; media.Schema != nil && strings.HasSuffix(mediaType, "json") {
			r.Body = encode(m.value("", media.Schema))
		} else {
			r.Body = []byte(m.text(&openapi3.Schema{}))
		}
		if !strings.Contains(mediaType, "*") {
			r.Header.Set("Content-Type", mediaType)
		} else if m.chance(2) { // content, whose digest the request may state
			sum := sha256.Sum256(r.Body)
			r.Header.Set("Repr-Digest", "sha-256=:"+base64.StdEncoding.EncodeToString(sum[:])+":")
		}
	}
	return r
}

// headerText leaves out what HTTP has no way to send in a header.
func headerText(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\t' || r == 0x7f {
			return -1
		}
		return r
	}, text)
}

// path and query are the target's parts.
func (r *Request) split() (path, query string) {
	path, query, _ = strings.Cut(r.Target, "?")
	return path, query
}

// segment replaces one segment of the path.
func (m *Maker) segment(r *Request, with string) {
	path, query := r.split()
	segments := strings.Split(path, "/")
	segments[1+m.rnd.IntN(len(segments)-1)] = with
	r.Target = strings.Join(segments, "/")
	if query != "" {
		r.Target += "?" + query
	}
}

// printable escapes what can't stand in a request line.
func printable(text string) string {
	var b bytes.Buffer
	for _, c := range []byte(text) {
		if c > ' ' && c < 0x7f {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}
