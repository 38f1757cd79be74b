package conformance

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"joboutputs/infra/local/seed"
)

// Limits of the API (deviations D15 and D16).
const (
	maxBody     = 256 << 10
	maxDepth    = 16
	maxTerms    = 1200
	maxName     = 200
	maxType     = 2048
	maxFiletype = 255
)

// Model is what this service answers by its own documents, step by step in their order:
// route, method, token, permission, node, body, row, permission on the row, the action.
// It is nil where only the recording knows: in auth, and in jobs' own actions.
func (v *View) Model() *Want {
	switch {
	case v.escape:
		return problem(400, "", "invalid_request")
	case v.action == "":
		return problem(404, "", "not_found")
	case v.rawPath: // no request target may hold it (RFC 9112, section 3.2)
		return problem(400, "", "invalid_request")
	case v.method == "OPTIONS":
		return &Want{Status: 200, Options: true, Empty: true, Allow: v.methods}
	case v.action == "unmapped":
		w := problem(405, fmt.Sprintf("Method \"%s\" not allowed.", v.x.Request.Method), "method_not_allowed")
		w.Allow = v.methods
		return w
	case v.auth():
		_, w := v.jsonBody()
		return w
	case !v.caller.good:
		return unauthorized()
	case v.is("refused"):
		return problem(403, sayForbidden, "permission_denied")
	case strings.HasPrefix(v.action, "job-") && v.action != "job-retrieve":
		return nil
	}
	node, w := v.permitted()
	if w != nil {
		return w
	}
	switch v.action {
	case "list":
		return v.list()
	case "retrieve", "destroy", "harddelete", "reinstate", "download":
		return v.byPK()
	case "job-retrieve":
		return v.jobBody()
	default:
		return v.byName(node)
	}
}

// permitted decides what can be decided without a row: admin rights, then Node-Id.
func (v *View) permitted() (node int64, refusal *Want) {
	user := v.caller.user
	text, parsed, sent := v.nodeID()
	if v.is("destroy", "harddelete", "reinstate", "delete") && !user.Admin || v.is("add") && !user.Admin && !sent {
		return 0, problem(403, sayForbidden, "permission_denied")
	}
	switch {
	case !sent:
		return 0, nil
	case parsed == nil:
		return 0, problem(400, fmt.Sprintf("Bad Node-Id header '%s': Unable to parse into an integer primary-key", text), "bad_node_id")
	case !v.granted(parsed):
		return 0, problem(403, "", "node_not_granted")
	}
	return parsed.Int64(), nil
}

func (v *View) list() *Want {
	body, w := v.object()
	if w != nil {
		return w
	}
	refusal := problem(400, "", "invalid_filter")
	spec, err := ParseSpec(body)
	if err != nil {
		if strings.Contains(string(v.body), `\u0000`) {
			refusal.Codes = append(refusal.Codes, "invalid_request")
		}
		return refusal
	}
	if strings.Count(string(v.body), `"field"`) > maxTerms+len(spec.order) {
		refusal.Codes = append(refusal.Codes, "invalid_request")
		return refusal
	}
	rows := spec.Select(v.w.All())
	whole := *spec
	whole.limit = 0
	return &Want{Status: 200, List: true, Rows: rows, More: len(whole.Select(v.w.All())) > len(rows)}
}

// byPK is an action on /v1/job-outputs/{pk}.
func (v *View) byPK() *Want {
	var filetype *string
	if v.is("download") {
		body, w := v.object()
		if w != nil {
			return w
		}
		if filetype, w = downloadOptions(body); w != nil {
			return w
		}
	}
	o := v.w.outputs[v.pk()]
	if o == nil {
		return problem(404, sayNotFound, "not_found")
	}
	after := *o
	switch v.action {
	case "retrieve":
		return v.row(o)
	case "destroy":
		return &Want{Status: 204, Empty: true}
	case "download":
		extension := o.Type
		if filetype != nil {
			extension = *filetype
		}
		return v.content(o, extension)
	case "harddelete":
		if !o.Deleted.Set {
			after.Deleted = justNow()
		}
	case "reinstate":
		after.Deleted = Moment{}
	}
	return &Want{Status: 200, Row: &after}
}

// byName is an action on /v1/jobs/{pk}/outputs/{name}/{type}.
func (v *View) byName(node int64) *Want {
	name, kind := v.params["name"], v.params["type"]
	if v.is("add") && v.coded() {
		return coded()
	}
	if v.is("add") && (utf8.RuneCountInString(name) > maxName || len(kind) > maxType || strings.ContainsRune(name+kind, 0)) {
		return problem(400, "", "invalid_name")
	}
	job, ok := v.w.Job(v.pk())
	if !ok {
		return problem(404, sayNotFound, "not_found")
	}
	o := v.w.Named(job.PK, name, kind)
	if v.is("add") {
		return v.add(job, node, o)
	}
	if o == nil {
		return problem(404, sayNoOutput(name, kind), "output_not_found")
	}
	switch v.action {
	case "get":
		return v.content(o, o.Type)
	case "delete":
		after := *o
		if !o.Deleted.Set {
			after.Deleted = justNow()
		}
		return &Want{Status: 200, Row: &after}
	default:
		return v.row(o)
	}
}

func (v *View) add(job seed.Job, node int64, holder *Output) *Want {
	name, kind, user := v.params["name"], v.params["type"], v.caller.user
	switch {
	case !user.Admin && (node == 0 || node != job.Node):
		return problem(403, sayForbidden, "permission_denied")
	case job.StartTime.IsZero():
		return problem(409, "Attempted to perform the following action on an un-started job: add_output", "job_not_started")
	case !job.EndTime.IsZero() && job.ErrorReason == nil:
		return problem(409, "Attempted to perform the following action on a finished job: add_output", "job_finished")
	case holder != nil:
		w := problem(409, sayDuplicate(name, kind), "duplicate_output")
		w.Holder = holder
		return w
	}
	return &Want{Status: 200, NewPK: true, Row: &Output{
		PK: v.w.last + 1, Job: job.PK, Name: name, Type: kind, Creator: user.PK, Username: user.Username,
		Created: justNow(), Content: slices.Clone(v.body), ContentType: v.x.Request.first("Content-Type"),
	}}
}

func justNow() Moment { return Moment{Set: true, Recent: true, At: time.Now()} }

func (v *View) row(o *Output) *Want {
	row := *o
	return &Want{Status: 200, Row: &row, Empty: v.method == "HEAD"}
}
