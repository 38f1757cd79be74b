package conformance

import (
	"encoding/base64"
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Recorded is the recorded answer as an expectation, in the terms of our API: errors are
// problem documents (deviation D5), bytes are sent as such (D10), pks are ours, times are
// instants. What the recording cannot say (the size of an output, the order of ties) is
// taken from the model, which may be nil. It is nil where the original crashed.
func (v *View) Recorded(model *Want) *Want {
	r := &v.x.Response
	switch {
	case r.Status >= 500:
		return nil
	case r.Status >= 400:
		return v.recordedProblem()
	case v.method == "OPTIONS":
		return &Want{Status: r.Status, Options: true, Empty: r.JSON == nil, Allow: v.methods, JSON: r.JSON}
	case r.Status == 204:
		return &Want{Status: 204, Empty: true}
	case r.PKs != nil:
		return &Want{Status: r.Status, List: true, Rows: v.recordedRows(model)}
	case v.bytes():
		return v.recordedContent(model)
	case v.method == "HEAD":
		w := &Want{Status: r.Status, Empty: true}
		if model != nil {
			w.Row, w.Job = model.Row, model.Job
		}
		return w
	case v.is("job-retrieve"):
		return &Want{Status: r.Status, Job: r.JSON}
	case v.auth():
		w := &Want{Status: r.Status, JSON: r.JSON}
		for _, path := range v.x.Dynamic {
			w.Tokens = append(w.Tokens, strings.TrimPrefix(path, "$."))
		}
		return w
	}
	if row := v.recordedRow(model); row != nil {
		return &Want{Status: r.Status, Row: row, NewPK: v.is("add")}
	}
	return &Want{Status: r.Status, JSON: r.JSON}
}

// Python's sentences: of its JSON parser, of the schema check, and those that show a value
// by repr(). Ours differ (deviation D5).
var pythons = []struct {
	prefix string
	codes  []string
}{
	{"JSON parse error", []string{"invalid_json"}},
	{"Unable to parse JSON", []string{"invalid_filter"}},
	{"The type passed to download parameter", []string{"invalid_request"}},
}

// codes of the sentences that are the API's own, by how they begin.
var sentences = []struct{ prefix, code string }{
	{"Bad Node-Id header", "bad_node_id"},
	{"Unsupported media type", "unsupported_media_type"},
	{"Method ", "method_not_allowed"},
	{sayForbidden, "permission_denied"},
	{sayNotFound, "not_found"},
}

func (v *View) recordedProblem() *Want {
	r := &v.x.Response
	w := &Want{Status: r.Status, Codes: []string{"invalid_request"}}
	if r.Status == 401 {
		w := unauthorized()
		if detail := r.detail(); v.auth() { // elsewhere a 401 has one text
			w.Detail = &detail
		}
		return w
	}
	if r.Status == 405 {
		w.Allow = v.methods
	}
	if r.html() {
		if r.Status == 404 {
			w.Codes = []string{"not_found"}
		}
		return w
	}
	detail := r.detail()
	if v.auth() && detail == "" { // a form's errors, by field
		w.Errors = r.JSON
		return w
	}
	for _, p := range pythons {
		if strings.HasPrefix(detail, p.prefix) {
			w.Codes = p.codes
			return w
		}
	}
	w.Detail = &detail
	for _, s := range sentences {
		if strings.HasPrefix(detail, s.prefix) {
			w.Codes = []string{s.code}
		}
	}
	return w
}

// recordedRows are the outputs of a list answer, in an order that the recording allows:
// its own where it is total, else ours.
func (v *View) recordedRows(model *Want) []*Output {
	var rows []*Output
	for _, recorded := range *v.x.Response.PKs {
		pk := v.w.PK(recorded)
		if o := v.w.outputs[pk]; o != nil {
			rows = append(rows, o)
		} else {
			rows = append(rows, &Output{PK: pk})
		}
	}
	if v.x.RowOrder == "total" {
		return rows
	}
	spec := &Spec{}
	if body, w := v.object(); w == nil {
		if s, err := ParseSpec(body); err == nil {
			spec = s
		}
	}
	if v.x.RowOrder != "" && v.x.RowOrder != "free" && !ordered(spec, rows) {
		return rows // the recording contradicts our reading of its order: let it decide
	}
	rows = slices.Clone(rows)
	spec.Sort(rows)
	return rows
}

// ordered reports whether rows are in the order of a specification, but for ties.
func ordered(spec *Spec, rows []*Output) bool {
	for i := 1; i < len(rows); i++ {
		for _, k := range spec.order {
			c := k.compare(rows[i-1], rows[i])
			if c > 0 {
				return false
			}
			if c < 0 {
				break
			}
		}
	}
	return true
}

var quotedName = regexp.MustCompile(`^attachment; filename="(.*)"$`)

// recordedContent is an answer of bytes. A JSON file is recorded as JSON, not as its
// bytes; the output's own are then meant.
func (v *View) recordedContent(model *Want) *Want {
	r := &v.x.Response
	w := &Want{Status: r.Status, Content: &Content{}, Empty: v.method == "HEAD"}
	if model != nil && model.Content != nil {
		*w.Content = *model.Content
		w.Content.Link, w.Content.Range, w.Content.Bytes = false, "", model.Content.Output.Content
	}
	switch {
	case w.Empty:
	case r.BodyB64 != nil:
		w.Content.Bytes, _ = base64.StdEncoding.DecodeString(*r.BodyB64)
	case r.Body != nil:
		w.Content.Bytes = []byte(*r.Body)
	case r.JSON != nil && !sameJSON(r.JSON, w.Content.Bytes):
		w.Content.Bytes = r.JSON
	}
	w.Content.Filename = ""
	if m := quotedName.FindStringSubmatch(r.Headers["Content-Disposition"]); m != nil && plain(m[1]) {
		w.Content.Filename = m[1]
	}
	return w
}

func sameJSON(a, b []byte) bool {
	left, errLeft := decodeJSON(a)
	right, errRight := decodeJSON(b)
	if errLeft != nil || errRight != nil {
		return false
	}
	l, _ := json.Marshal(left)
	r, _ := json.Marshal(right)
	return string(l) == string(r)
}

// recordedRow is an answer that is one output, nil if it is something else.
func (v *View) recordedRow(model *Want) *Output {
	var in struct {
		PK           *int64     `json:"pk"`
		Job          int64      `json:"job"`
		Name         string     `json:"name"`
		Type         string     `json:"type"`
		Creator      *int64     `json:"creator"`
		CreationTime time.Time  `json:"creation_time"`
		DeletionTime *time.Time `json:"deletion_time"`
	}
	if json.Unmarshal(v.x.Response.JSON, &in) != nil || in.Job == 0 {
		return nil
	}
	o := &Output{Job: in.Job, Name: in.Name, Type: in.Type, Created: moment(in.CreationTime)}
	if model != nil && model.Row != nil {
		row := *model.Row
		row.Job, row.Name, row.Type, row.Creator, row.Created, row.Deleted = o.Job, o.Name, o.Type, 0, o.Created, Moment{}
		o = &row
	}
	o.PK = 0 // null, as the original has it after a hard delete
	switch {
	case in.PK != nil && v.is("add"): // given just now: ours is our next
		o.PK = v.w.last + 1
	case in.PK != nil:
		o.PK = v.w.PK(*in.PK)
	}
	if in.Creator != nil {
		o.Creator = *in.Creator
	}
	if in.DeletionTime != nil {
		o.Deleted = moment(*in.DeletionTime)
	}
	// A time of the run is whatever we gave it: known to the world, or of right now.
	known := v.w.outputs[o.PK]
	if v.x.dynamic("creation_time") && o.Created.Set {
		o.Created = runTime(known, func(k *Output) Moment { return k.Created })
	}
	if v.x.dynamic("deletion_time") && o.Deleted.Set {
		o.Deleted = runTime(known, func(k *Output) Moment { return k.Deleted })
	}
	return o
}

func runTime(known *Output, of func(*Output) Moment) Moment {
	if known != nil && of(known).Set {
		return of(known)
	}
	return justNow()
}
