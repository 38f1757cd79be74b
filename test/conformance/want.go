package conformance

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Want is what an answer must be.
type Want struct {
	Status int
	Codes  []string // of a problem document, any of these; nil = not a problem
	Detail *string  // its sentence; nil = any
	Errors json.RawMessage
	Holder *Output  // whose pk, sha256 and deletion_time the problem must tell
	Allow  []string // methods the Allow header must name; "" is checked not to be there

	Row     *Output         // a body that is this output
	RowPK   int64           // > 0: the body's pk, where the row may be gone
	NewPK   bool            // the pk is new: greater than any before
	Rows    []*Output       // a body that is these outputs, in order; nil = none
	List    bool            // the body is an array, of Rows
	More    bool            // X-Next-Cursor must be there
	Job     json.RawMessage // a body that is this job, as the original answers it
	Content *Content
	JSON    json.RawMessage // another body; members named in Tokens hold any token
	Tokens  []string
	Empty   bool
	Options bool // the answer to OPTIONS
}

// Content is an answer that is an output's bytes, or the way to them.
type Content struct {
	Output   *Output
	Filename string
	Link     bool   // JSON with a URL
	Range    string // of a 206, as Content-Range has it
	Bytes    []byte
}

func problem(status int, detail string, codes ...string) *Want {
	w := &Want{Status: status, Codes: codes}
	if detail != "" {
		w.Detail = &detail
	}
	return w
}

// Sentences of the API.
const (
	sayNotFound  = "Not found."
	sayForbidden = "You do not have permission to perform this action."
)

func sayNoOutput(name, kind string) string {
	return fmt.Sprintf("Bad name '%s': Job has no output by this name/type (%s/%s)", name, name, kind)
}

func sayDuplicate(name, kind string) string {
	return fmt.Sprintf("Bad name '%s': Job already has an output by this name/type (%s/%s)", name, name, kind)
}

func unauthorized() *Want { return problem(401, "", "not_authenticated", "token_not_valid") }

// differs says in which way two expectations ask for different answers, "" if one answer
// can fulfil both.
func (w *Want) differs(o *Want) string {
	switch {
	case w.Status != o.Status:
		return fmt.Sprintf("status %d, not %d", w.Status, o.Status)
	case (w.Codes == nil) != (o.Codes == nil):
		return "one is a problem"
	case w.Codes != nil && !slices.ContainsFunc(w.Codes, func(code string) bool { return slices.Contains(o.Codes, code) }):
		return fmt.Sprintf("code %s, not %s", w.Codes, o.Codes)
	case w.Detail != nil && o.Detail != nil && *w.Detail != *o.Detail:
		return fmt.Sprintf("detail %q, not %q", *w.Detail, *o.Detail)
	case w.Empty != o.Empty, w.List != o.List, w.Options != o.Options:
		return "another kind of body"
	case (w.Row == nil) != (o.Row == nil), (w.Content == nil) != (o.Content == nil), (w.Job == nil) != (o.Job == nil):
		return "another kind of body"
	}
	if w.Row != nil {
		if d := w.Row.differs(o.Row); d != "" {
			return d
		}
	}
	if w.List {
		if left, right := pks(w.Rows), pks(o.Rows); !slices.Equal(left, right) {
			return fmt.Sprintf("rows %v, not %v", left, right)
		}
	}
	if w.Content != nil {
		l, r := w.Content, o.Content
		switch {
		case l.Link != r.Link, l.Range != r.Range:
			return "another part of the content"
		case string(l.Bytes) != string(r.Bytes):
			return fmt.Sprintf("content %.40q, not %.40q", l.Bytes, r.Bytes)
		case l.Filename != "" && r.Filename != "" && l.Filename != r.Filename: // a recording may have none that can be read
			return fmt.Sprintf("file name %q, not %q", l.Filename, r.Filename)
		}
	}
	return ""
}

func (o *Output) differs(p *Output) string {
	switch {
	case o.PK != p.PK:
		return fmt.Sprintf("pk %d, not %d", o.PK, p.PK)
	case o.Job != p.Job, o.Name != p.Name, o.Type != p.Type, o.Creator != p.Creator:
		return fmt.Sprintf("%d %q %q %d, not %d %q %q %d", o.Job, o.Name, o.Type, o.Creator, p.Job, p.Name, p.Type, p.Creator)
	case o.Created.differs(p.Created):
		return "creation_time"
	case o.Deleted.differs(p.Deleted):
		return "deletion_time"
	}
	return ""
}

// differs compares what is known of both.
func (m Moment) differs(o Moment) bool {
	return m.Set != o.Set || m.Set && !m.Recent && !o.Recent && !m.At.Equal(o.At)
}

func pks(rows []*Output) []int64 {
	list := []int64{}
	for _, o := range rows {
		list = append(list, o.PK)
	}
	return list
}

// String is short, for reports.
func (w *Want) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d", w.Status)
	if w.Codes != nil {
		fmt.Fprintf(&b, " %s", strings.Join(w.Codes, "|"))
	}
	if w.Detail != nil {
		fmt.Fprintf(&b, " %q", *w.Detail)
	}
	if w.Errors != nil {
		fmt.Fprintf(&b, " errors %s", w.Errors)
	}
	switch {
	case w.Row != nil:
		fmt.Fprintf(&b, " output %d %.40q %.40q deleted %v", w.Row.PK, w.Row.Name, w.Row.Type, w.Row.Deleted.Set)
	case w.List:
		fmt.Fprintf(&b, " rows %v", pks(w.Rows))
	case w.Content != nil && w.Content.Link:
		fmt.Fprintf(&b, " a link to output %d", w.Content.Output.PK)
	case w.Content != nil:
		fmt.Fprintf(&b, " %d bytes as %.60q", len(w.Content.Bytes), w.Content.Filename)
	case w.Job != nil:
		b.WriteString(" the job")
	case w.JSON != nil:
		fmt.Fprintf(&b, " %s", w.JSON)
	case w.Options:
		b.WriteString(" the methods")
	case w.Empty:
		b.WriteString(" no body")
	}
	return b.String()
}
