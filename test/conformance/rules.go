package conformance

import (
	"fmt"
	"slices"
	"strings"
)

// A Rule is a row of the deviation table. It allows a difference between the recorded
// answer and what our documents say (ours), by the request and the class of the recorded
// answer. want is the recorded answer in our terms, nil where the original crashed.
type Rule struct {
	Name   string // "D3"
	Why    string
	Allows func(v *View, want, ours *Want) bool
}

// Rules are asked in this order, the most particular first: the first that allows a
// difference names it.
var Rules = []Rule{
	{"D20", "an invalid percent-escape is refused", func(v *View, _, ours *Want) bool {
		return v.escape && ours.is(400, "invalid_request")
	}},
	{"D2", "unknown routes are 404, before the token", func(v *View, _, ours *Want) bool {
		return v.action == "" && ours.is(404, "not_found")
	}},
	{"D2", "wrong methods are 405 with Allow, before the token", func(v *View, _, ours *Want) bool {
		return v.action == "unmapped" && ours.is(405, "method_not_allowed")
	}},
	{"D2", "OPTIONS tells the methods, not the framework's description of itself", func(v *View, want, ours *Want) bool {
		return v.method == "OPTIONS" && v.action != "" && ours.Options && (want == nil || want.JSON != nil)
	}},
	{"D7", "who may not is told before the body is read", func(v *View, want, ours *Want) bool {
		sent := len(v.body) > 0 || v.is("add")
		return sent && ours.in(401, 403) && v.parsedFirst()
	}},
	{"D19", "users are not looked up at each call; a token needs our claims alone", func(v *View, want, _ *Want) bool {
		return !v.auth() && v.caller.newHere && v.caller.good && want.in(401)
	}},
	{"D19", "refresh looks at the user", func(v *View, want, ours *Want) bool {
		return v.is("auth-refresh") && v.refreshOfStranger() && want.in(200) && ours.in(401)
	}},
	{"D19", "a token needs no jti", func(v *View, want, ours *Want) bool {
		return v.noJTI() && want.in(401) && ours.in(200)
	}},
	{"D6", "a Node-Id without a token is worth nothing", func(v *View, want, ours *Want) bool {
		_, _, sent := v.nodeID()
		return v.is("add") && sent && len(v.x.Request.header("Authorization")) == 0 && want.in(200, 400, 404, 406, 417) && ours.in(401)
	}},
	{"D6", "a Node-Id counts only if the token grants the node", func(v *View, _, ours *Want) bool {
		_, node, sent := v.nodeID()
		return sent && node != nil && !v.granted(node) && ours.is(403, "node_not_granted")
	}},
	{"D15", "where JSON is read the body must be declared as JSON", func(v *View, want, ours *Want) bool {
		return v.readsJSON() && v.form() && want.in(200, 400) && ours.is(415, "unsupported_media_type")
	}},
	{"D15", "a chunked body is read", func(v *View, want, _ *Want) bool {
		return v.readsJSON() && v.x.Request.Transfer == "chunked" && want.in(200)
	}},
	{"D15", "a body that nobody reads does not matter", func(v *View, want, ours *Want) bool {
		return !v.readsJSON() && !v.is("add") && len(v.body) > 0 && v.parsedFirst() && !ours.in(400, 415)
	}},
	{"D15", "bodies have limits", func(v *View, _, ours *Want) bool {
		over := len(v.body) > maxBody || depth(v.body) > maxDepth || strings.Count(string(v.body), `"field"`) > maxTerms
		return v.readsJSON() && over && ours.in(400, 413)
	}},
	{"D14", "JSON actions answer JSON, whatever Accept says", func(v *View, want, _ *Want) bool {
		return !v.bytes() && v.refusedAccept() && want.in(406)
	}},
	{"D14", "on a download, Accept with JSON alone asks for the link", func(v *View, want, ours *Want) bool {
		return v.bytes() && v.refusedAccept() && want.in(406) && v.wantsLink() && (ours.Content == nil || ours.Content.Link)
	}},
	{"D10", "on a download, any other Accept gets the bytes", func(v *View, want, ours *Want) bool {
		return v.bytes() && v.refusedAccept() && want.in(406) && !v.wantsLink() && (ours.Content == nil || !ours.Content.Link)
	}},
	{"D20", "the query parameter format is ignored", func(v *View, want, _ *Want) bool {
		format, sent := v.query("format")
		return sent && (format != "json" || v.bytes()) && v.x.Response.Status == 404 && !v.x.Response.html()
	}},
	{"D16", "names and types have limits", func(v *View, want, ours *Want) bool {
		return v.is("add") && ours.is(400, "invalid_name")
	}},
	{"D16", "a file's extension has a limit", func(v *View, want, ours *Want) bool {
		return v.is("download") && want.in(200) && ours.is(400, "invalid_request") && len(v.body) > maxFiletype
	}},
	{"D16", "what was refused for its name is not there", func(v *View, want, ours *Want) bool {
		return v.lost() == "D16" && (want == nil || want.in(200)) && ours.in(404)
	}},
	{"D25", "a body with a content coding is refused", func(v *View, want, ours *Want) bool {
		return v.coded() && want.in(200, 400) && ours.is(415, "unsupported_media_type")
	}},
	{"D25", "what was refused for its coding is not there", func(v *View, want, ours *Want) bool {
		return v.lost() == "D25" && want.in(200) && ours.in(404)
	}},
	{"D11", "an upload needs no Content-Disposition", func(v *View, want, _ *Want) bool {
		r := &v.x.Response
		return v.is("add") && r.Status == 400 && (strings.HasPrefix(r.detail(), "Missing filename") || r.html())
	}},
	{"D3", "an output that is not there by name is 404", func(v *View, want, ours *Want) bool {
		r := &v.x.Response
		missing := r.Status == 400 && strings.HasPrefix(r.detail(), "Bad name") && strings.Contains(r.detail(), "no output by this name/type")
		impossible := want == nil && strings.ContainsRune(v.params["name"]+v.params["type"], 0)
		return v.is("get", "info", "delete") && (missing || impossible) && ours.is(404, "output_not_found")
	}},
	{"D3", "adding what the job does not take is 409", func(v *View, want, ours *Want) bool {
		r := &v.x.Response
		refused := r.Status == 400 && strings.Contains(r.detail(), "already has an output by this name/type") ||
			r.Status == 417 && strings.Contains(r.detail(), "un-started job") ||
			r.Status == 406 && strings.Contains(r.detail(), "finished job")
		return v.is("add") && refused && ours.is(409, "duplicate_output", "job_not_started", "job_finished")
	}},
	{"D4", "a hard delete tells the pk", func(v *View, want, ours *Want) bool {
		if !v.is("harddelete") || want == nil || want.Row == nil || want.Row.PK != 0 || ours.Row == nil {
			return false
		}
		row := *want.Row
		row.PK = ours.Row.PK
		return row.PK == v.pk() && row.differs(ours.Row) == ""
	}},
	{"D17", "GET and HEAD know Range and If-None-Match", func(v *View, want, ours *Want) bool {
		asked := len(v.x.Request.header("Range"))+len(v.x.Request.header("If-None-Match")) > 0
		return v.bytes() && v.method != "POST" && asked && want.in(200) && ours.in(206, 304, 416)
	}},
	{"D12", "the fields and spellings of filters", func(v *View, want, ours *Want) bool {
		s := v.spec()
		switch {
		case s == nil:
			return false
		case s.foreignField:
			return (want == nil || want.in(200)) && ours.is(400, "invalid_filter")
		case s.isNull:
			return want.in(400) && ours.in(200)
		default:
			return s.dottedOrder && want == nil && ours.in(200)
		}
	}},
	{"D18", "list takes limit and cursor", func(v *View, want, ours *Want) bool {
		s := v.spec()
		return s != nil && s.paged && want.in(400) && ours.in(200)
	}},
	{"D13", "integers and floats compare exactly", func(v *View, want, ours *Want) bool {
		s := v.spec()
		return s != nil && s.floatOnInt && want.in(200) && ours.in(200)
	}},
	{"D9", "times without offset are UTC", func(v *View, want, ours *Want) bool {
		s := v.spec()
		return s != nil && s.naiveTime && want.in(200) && ours.in(200)
	}},
	{"D10", "file names follow RFC 6266", func(v *View, want, ours *Want) bool {
		if !v.bytes() || want == nil || want.Content == nil || ours.Content == nil || string(want.Content.Bytes) != string(ours.Content.Bytes) {
			return false
		}
		return len(want.Content.Filename) > 255 || ours.Content.Filename != want.Content.Filename && !plain(v.w.name(ours.Content.Output))
	}},
	{"D1", "where the original crashes we do not", func(v *View, want, ours *Want) bool {
		return want == nil && ours.Status < 500
	}},
}

// shapes are the rules that change how an answer looks and never what it says; they name
// an exchange that no other rule does.
func (v *View) shape(want *Want) string {
	switch {
	case want.Codes != nil:
		return "D5"
	case want.Content != nil:
		return "D10"
	}
	return ""
}

// Verdict is what is expected of our answer, and which rule makes it differ from the
// recorded one ("" = none).
type Verdict struct {
	Want *Want
	Rule string
	Note string // where model and recording disagree and no rule allows it
}

// Judge decides what our answer must be.
func Judge(v *View) Verdict {
	ours := v.Model()
	want := v.Recorded(ours)
	if ours == nil { // only the recording knows
		ours = v.onlyRecorded(want)
		if ours == nil {
			return Verdict{Want: want, Rule: v.shape(want)}
		}
	}
	difference := "the original crashed"
	if want != nil {
		if difference = want.differs(ours); difference == "" {
			return Verdict{Want: merge(want, ours), Rule: v.shape(want)}
		}
	}
	for _, rule := range Rules {
		if rule.Allows(v, want, ours) {
			if want == nil { // the original said nothing, so no words are expected
				ours.Detail = nil
			}
			return Verdict{Want: ours, Rule: rule.Name}
		}
	}
	return Verdict{Want: want, Rule: v.shape(want), Note: "the model differs: " + difference}
}

// onlyRecorded is what stands in for the model where it knows nothing: tokens of strangers
// and crashes of auth.
func (v *View) onlyRecorded(want *Want) *Want {
	switch {
	case want == nil:
		return problem(400, "", "invalid_json", "invalid_request")
	case v.is("auth-refresh") && v.refreshOfStranger() && want.Status == 200:
		return unauthorized()
	case v.noJTI() && v.is("auth-verify"):
		return &Want{Status: 200, JSON: []byte(`{}`)}
	case v.noJTI():
		return &Want{Status: 200, JSON: []byte(`{"access":"<token>"}`), Tokens: []string{"access"}}
	}
	return nil
}

// noJTI reports whether the token to be refreshed or verified lacks nothing but the jti.
func (v *View) noJTI() bool {
	body := string(v.body)
	return v.is("auth-refresh") && strings.Contains(body, "{{refresh-no-jti:") || v.is("auth-verify") && strings.Contains(body, "-no-jti:")
}

// merge adds to the recorded answer what only the model knows.
func merge(want, ours *Want) *Want {
	w := *want
	w.NewPK, w.More, w.Holder = ours.NewPK, ours.More, ours.Holder
	if w.Detail == nil {
		w.Detail = ours.Detail
	}
	if w.Content != nil && w.Content.Filename == "" {
		content := *w.Content
		content.Filename = ours.Content.Filename
		w.Content = &content
	}
	return &w
}

// is reports whether the expectation is a problem with this status and one of the codes.
func (w *Want) is(status int, codes ...string) bool {
	return w != nil && w.Status == status && slices.ContainsFunc(w.Codes, func(c string) bool { return slices.Contains(codes, c) })
}

// in reports whether the expectation has one of these statuses.
func (w *Want) in(statuses ...int) bool { return w != nil && slices.Contains(statuses, w.Status) }

// parsedFirst reports whether the original stumbled over the body or the headers of an
// upload, which it reads before anything else.
func (v *View) parsedFirst() bool {
	r := &v.x.Response
	detail := r.detail()
	return r.Status == 415 || r.Status == 400 &&
		(strings.HasPrefix(detail, "JSON parse error") || strings.HasPrefix(detail, "Missing filename") || v.is("add") && r.html())
}

// form reports whether the body is a form, which the original reads wherever it reads JSON.
func (v *View) form() bool {
	mediaType, _, _ := strings.Cut(strings.ToLower(v.x.Request.first("Content-Type")), ";")
	mediaType = strings.TrimSpace(mediaType)
	return len(v.body) > 0 && (mediaType == "application/x-www-form-urlencoded" || mediaType == "multipart/form-data")
}

// refusedAccept reports whether the original cannot satisfy the Accept header: it looks
// for a type by name, and does not know q.
func (v *View) refusedAccept() bool {
	offered := []string{"*/*", "application/*", "application/json", "text/html", "text/*"}
	if v.bytes() {
		offered = []string{"*/*", "application/*", "application/data"}
	}
	return strings.HasPrefix(v.x.Response.detail(), "Could not satisfy") &&
		!slices.ContainsFunc(v.mediaTypes(true), func(t string) bool { return slices.Contains(offered, t) })
}

// spec is the specification of a list request, nil if the request is another or its body
// is no object.
func (v *View) spec() *Spec {
	if !v.is("list") {
		return nil
	}
	body, w := v.object()
	if w != nil {
		return nil
	}
	s, _ := ParseSpec(body)
	return s
}

// refreshOfStranger reports whether the body's refresh token is of a user who is unknown
// or inactive.
func (v *View) refreshOfStranger() bool {
	_, rest, ok := strings.Cut(string(v.body), "{{refresh")
	if !ok {
		return false
	}
	text, _, _ := strings.Cut(rest, "}}")
	_, defect, name := splitPlaceholder("refresh" + text)
	user, known := v.w.User(name)
	return defect == "" && known && !user.Active || slices.Contains([]string{"unknown-user", "deleted-user", "no-upk", "upk-text"}, defect)
}

// lost is the rule by which we did not make the output that the request is about, though
// the original made it in the scenario; "" = there is no such rule.
func (v *View) lost() string {
	switch v.action {
	case "retrieve", "destroy", "harddelete", "reinstate", "download":
		return v.lostBy
	case "get", "info", "delete":
		return v.w.gone[nameKey{v.pk(), v.params["name"], v.params["type"]}]
	}
	return ""
}

// name is an output's name and type as a file's, uncleaned.
func (w *World) name(o *Output) string { return fmt.Sprintf("%s.%s", o.Name, o.Type) }
