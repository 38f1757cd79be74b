package conformance

import (
	"math/big"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"joboutputs/infra/local/seed"
)

// View is a request as the rules look at it.
type View struct {
	x       *Exchange
	w       *World
	method  string // in upper case, as the original reads it
	path    string // with our pks in place of the original's
	lostBy  string // the rule by which we refused the output whose pk is in the path; "" = none
	rawPath bool   // holds bytes no request target may
	escape  bool   // has an invalid percent-escape
	action  string // "" for an unknown route
	methods []string
	params  map[string]string
	caller  caller
	body    []byte // as sent but for placeholders
}

// nobody is a pk that no output has.
const nobody = 1999999999

// caller is who the token says is calling.
type caller struct {
	good    bool
	user    seed.User
	newHere bool // good with us, not with the original (deviation D19)
}

// A route maps methods to actions; parameters are one segment, {pk} is digits.
var routes = []struct {
	template string
	methods  map[string]string
}{
	{"/v1/job-outputs/list", map[string]string{"POST": "list"}},
	{"/v1/job-outputs/create", map[string]string{"POST": "refused"}},
	{"/v1/job-outputs/{pk}", map[string]string{"GET": "retrieve", "DELETE": "destroy", "PUT": "refused", "PATCH": "refused"}},
	{"/v1/job-outputs/{pk}/hard", map[string]string{"DELETE": "harddelete"}},
	{"/v1/job-outputs/{pk}/reinstate", map[string]string{"DELETE": "reinstate", "POST": "reinstate"}},
	{"/v1/job-outputs/{pk}/download", map[string]string{"POST": "download"}},
	{"/v1/jobs/create", map[string]string{"POST": "job-create"}},
	{"/v1/jobs/{pk}", map[string]string{"GET": "job-retrieve"}},
	{"/v1/jobs/{pk}/acquire", map[string]string{"GET": "job-acquire"}},
	{"/v1/jobs/{pk}/release", map[string]string{"DELETE": "job-release"}},
	{"/v1/jobs/{pk}/start", map[string]string{"POST": "job-start"}},
	{"/v1/jobs/{pk}/finish", map[string]string{"POST": "job-finish"}},
	{"/v1/jobs/{pk}/outputs/{name}/{type}", map[string]string{"POST": "add", "GET": "get", "DELETE": "delete"}},
	{"/v1/jobs/{pk}/outputs/{name}/{type}/info", map[string]string{"GET": "info"}},
	{"/v1/auth/obtain", map[string]string{"POST": "auth-obtain"}},
	{"/v1/auth/refresh", map[string]string{"POST": "auth-refresh"}},
	{"/v1/auth/verify", map[string]string{"POST": "auth-verify"}},
}

var outputPath = regexp.MustCompile(`^(/v1/job-outputs/)(\d{1,18})(/|\?|$)`)

// NewView reads an exchange's request as it is in the world.
func NewView(x *Exchange, w *World) *View {
	v := &View{x: x, w: w, method: strings.ToUpper(x.Request.Method), path: x.Request.Path, body: x.Request.payload()}
	if m := outputPath.FindStringSubmatch(v.path); m != nil {
		recorded, _ := strconv.ParseInt(m[2], 10, 64)
		pk, made := w.ours[recorded]
		if v.lostBy = w.lost[recorded]; v.lostBy != "" {
			pk = nobody
		}
		if made || v.lostBy != "" {
			v.path = m[1] + strconv.FormatInt(pk, 10) + strings.TrimPrefix(v.path, m[1]+m[2])
		}
	}
	v.rawPath = strings.ContainsFunc(v.path, func(r rune) bool { return r > '~' || r <= ' ' })
	v.route()
	v.caller = v.readCaller()
	return v
}

// route finds the route by the API's own rules: segments are decoded once, nothing is
// cleaned, one trailing slash is optional except below outputs/.
func (v *View) route() {
	path, _, _ := strings.Cut(v.path, "?")
	var segments []string
	for raw := range strings.SplitSeq(strings.TrimPrefix(path, "/"), "/") {
		segment, err := url.PathUnescape(raw)
		v.escape = v.escape || err != nil
		if strings.Contains(segment, "/") {
			return
		}
		segments = append(segments, strings.ToValidUTF8(segment, "\uFFFD"))
	}
	if !strings.HasPrefix(path, "/") {
		return
	}
	for _, r := range routes {
		want := strings.Split(strings.TrimPrefix(r.template, "/"), "/")
		have := segments
		if last := len(have) - 1; have[last] == "" && !strings.Contains(r.template, "/outputs/") {
			have = have[:last]
		}
		if params, ok := matchSegments(want, have); ok {
			v.params = params
			for method := range r.methods {
				v.methods = append(v.methods, method)
				if method == "GET" {
					v.methods = append(v.methods, "HEAD")
				}
			}
			slices.Sort(v.methods)
			method := v.method
			if method == "HEAD" {
				method = "GET"
			}
			v.action = r.methods[method]
			if v.action == "" {
				v.action = "unmapped"
			}
			return
		}
	}
}

func matchSegments(want, have []string) (map[string]string, bool) {
	if len(want) != len(have) {
		return nil, false
	}
	params := map[string]string{}
	for i, segment := range want {
		name, isParam := strings.CutPrefix(segment, "{")
		switch name = strings.TrimSuffix(name, "}"); {
		case !isParam && have[i] != segment, have[i] == "":
			return nil, false
		case isParam && name == "pk" && strings.Trim(have[i], "0123456789") != "":
			return nil, false
		case isParam:
			params[name] = have[i]
		}
	}
	return params, true
}

// pk is the path's pk; 0 stands for one that nothing has.
func (v *View) pk() int64 {
	n, ok := new(big.Int).SetString(v.params["pk"], 10)
	if !ok || !n.IsInt64() || n.Int64() >= 1<<31 {
		return 0
	}
	return n.Int64()
}

// is reports whether the action is one of these.
func (v *View) is(actions ...string) bool { return slices.Contains(actions, v.action) }

// auth reports whether the action is for callers without a token.
func (v *View) auth() bool { return strings.HasPrefix(v.action, "auth-") }

// bytes reports whether success is an output's bytes.
func (v *View) bytes() bool { return v.is("get", "download") }

// readsJSON reports whether the action reads a JSON body.
func (v *View) readsJSON() bool {
	return v.auth() || v.is("list", "download", "job-create", "job-finish")
}

var bearer = regexp.MustCompile(`^Bearer[ \t]+\{\{([^{}]+)\}\}$`)

// goodTokens are the defects of a token that are none to us. The original refuses those marked
// true: it looks users up at each call and wants a jti (deviation D19).
var goodTokens = map[string]bool{
	"": false, "extra-claims": false, "upk-string": false,
	"unknown-user": true, "deleted-user": true, "no-jti": true,
}

// readCaller says who calls by the Authorization header: one, of two parts.
func (v *View) readCaller() caller {
	headers := v.x.Request.header("Authorization")
	if len(headers) != 1 {
		return caller{}
	}
	m := bearer.FindStringSubmatch(strings.Trim(headers[0], " \t"))
	if m == nil {
		return caller{}
	}
	use, defect, name := splitPlaceholder(m[1])
	newHere, ok := goodTokens[defect]
	if use != "access" || !ok {
		return caller{}
	}
	user, known := v.w.User(name)
	if !known {
		user = ghost
	}
	return caller{good: known && user.Active || !known && newHere, user: user, newHere: newHere}
}

// ghost is who a token of an unknown user names.
var ghost = seed.User{PK: 999999, Username: "ghost", Active: true}

// splitPlaceholder takes "access-no-exp:alice" apart.
func splitPlaceholder(text string) (use, defect, user string) {
	text, user, _ = strings.Cut(text, ":")
	use, defect, _ = strings.Cut(text, "-")
	return use, defect, user
}

// nodeID reads the Node-Id header as the original's int() does.
func (v *View) nodeID() (text string, node *big.Int, sent bool) {
	values := v.x.Request.header("Node-Id")
	if len(values) == 0 {
		return "", nil, false
	}
	text = strings.Trim(strings.Join(values, ","), " \t") // as HTTP joins them
	node, _ = pyInt(text)
	return text, node, true
}

// granted reports whether the caller may act for the node.
func (v *View) granted(node *big.Int) bool {
	return node.IsInt64() && slices.Contains(v.caller.user.Nodes, node.Int64())
}

// query reports whether the target has a query parameter of the name, and its value.
func (v *View) query(name string) (string, bool) {
	_, query, _ := strings.Cut(v.path, "?")
	values, _ := url.ParseQuery(query)
	return values.Get(name), values.Has(name)
}

var refusedByQ = regexp.MustCompile(`(?i)(^|;)\s*q\s*=\s*0(\.0*)?\s*(;|$)`)

// mediaTypes are the types of the Accept header without parameters; those refused with
// q=0 are left out unless all is set, as the original does not know q. No header: */*.
func (v *View) mediaTypes(all bool) []string {
	values := v.x.Request.header("Accept")
	if len(values) == 0 {
		return []string{"*/*"}
	}
	var types []string
	for part := range strings.SplitSeq(strings.Join(values, ","), ",") {
		name, params, _ := strings.Cut(part, ";")
		if all || !refusedByQ.MatchString(params) {
			types = append(types, strings.ToLower(strings.TrimSpace(name)))
		}
	}
	return types
}

// wantsLink reports whether a download asks for the link as JSON (deviation D14).
func (v *View) wantsLink() bool {
	types := v.mediaTypes(false)
	return slices.Contains(types, "application/json") &&
		!slices.ContainsFunc(types, func(t string) bool {
			return slices.Contains([]string{"*/*", "application/*", "application/octet-stream", "application/data"}, t)
		})
}
