package conformance

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"joboutputs/infra/local/seed"
)

// Plan is the order in which exchanges are replayed.
type Plan struct {
	// Shared change nothing, and are sent to one tenant, Refused after Reads: those could
	// change something if the service were wrong.
	Reads, Refused []*Exchange
	Scenarios      []*Scenario
}

// Scenario is a sequence of requests on a tenant of its own, and what is asked between
// them: At[i] after i steps.
type Scenario struct {
	Steps []*Exchange
	At    [][]*Exchange
	First []bool // whether the step is judged here; it was in an earlier scenario otherwise
}

// changes are the actions that write.
var changes = []string{"destroy", "harddelete", "reinstate", "add", "delete"}

// NewPlan puts exchanges into an order. Every exchange is judged once. A scenario goes
// through as many of the recorded states as lie on its way, so that there are no more of
// them than needed.
func NewPlan(all []*Exchange, s *seed.Seed) *Plan {
	p := &Plan{}
	byID := map[string]*Exchange{}
	paths := map[string][]*Exchange{} // states that must be reached, by the steps that lead there
	here := map[string][]*Exchange{}  // what is asked in a state
	isStep := map[string]bool{}
	for _, x := range all {
		byID[x.Topic+"/"+x.ID] = x
		for _, id := range x.After {
			isStep[x.Topic+"/"+id] = true
		}
	}
	for _, x := range all {
		var steps []*Exchange
		for _, id := range x.After {
			steps = append(steps, byID[x.Topic+"/"+id])
		}
		switch {
		case mayChange(x, s), isStep[x.Topic+"/"+x.ID]:
			steps = append(steps, x)
		case len(x.After) == 0 && slices.Contains(changes, NewView(x, NewWorld(s, time.Now())).action):
			p.Refused = append(p.Refused, x)
			continue
		case len(x.After) == 0:
			p.Reads = append(p.Reads, x)
			continue
		default:
			here[pathKey(steps)] = append(here[pathKey(steps)], x)
		}
		paths[pathKey(steps)] = steps
	}
	judged := map[string]bool{}
	for _, key := range longestFirst(paths) {
		if judged[key] {
			continue // on the way of an earlier scenario
		}
		sc := &Scenario{Steps: paths[key], At: make([][]*Exchange, len(paths[key])+1)}
		for i := range sc.Steps {
			at := pathKey(sc.Steps[:i+1])
			sc.First = append(sc.First, !judged[at])
			judged[at] = true
			sc.At[i+1] = here[at]
			delete(here, at)
		}
		p.Scenarios = append(p.Scenarios, sc)
	}
	return p
}

// mayChange reports whether a request could write: with us, or in a state we do not know.
func mayChange(x *Exchange, s *seed.Seed) bool {
	v := NewView(x, NewWorld(s, time.Now()))
	if !slices.Contains(changes, v.action) || !v.caller.good {
		return false
	}
	if _, refusal := v.permitted(); refusal != nil {
		return false
	}
	want := Judge(v).Want
	return len(x.After) > 0 || want.Status < 300
}

func pathKey(steps []*Exchange) string {
	var b strings.Builder
	for _, x := range steps {
		fmt.Fprintf(&b, "%s/%s\n", x.Topic, x.ID)
	}
	return b.String()
}

func longestFirst(paths map[string][]*Exchange) []string {
	var keys []string
	for key := range paths {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, func(a, b string) int {
		if d := len(paths[b]) - len(paths[a]); d != 0 {
			return d
		}
		return strings.Compare(a, b)
	})
	return keys
}

// Learn takes over what a request did to the tenant.
func (v *View) Learn(verdict Verdict, got *Answer) {
	w, recorded := v.w, v.recordedPK()
	if got.Status >= 300 {
		if v.is("add") && recorded != 0 { // the original has it, we do not
			w.lost[recorded] = verdict.Rule
			w.gone[nameKey{v.pk(), v.params["name"], v.params["type"]}] = verdict.Rule
		}
		return
	}
	body := readOutput(got.Body)
	switch v.action {
	case "add":
		user := v.caller.user
		w.outputs[body.PK] = &Output{
			PK: body.PK, Job: v.pk(), Name: v.params["name"], Type: v.params["type"], Creator: user.PK, Username: user.Username,
			Created: body.Created, Content: slices.Clone(v.body), ContentType: v.x.Request.first("Content-Type"),
		}
		w.last = max(w.last, body.PK)
		if recorded != 0 {
			w.ours[recorded] = body.PK
		}
	case "destroy":
		if o := w.outputs[v.pk()]; o != nil && !o.Deleted.Set {
			o.Deleted = justNow()
		}
	case "harddelete":
		delete(w.outputs, v.pk())
	default: // an answer that shows the output tells times we only knew to be of the run
		if o := w.outputs[body.PK]; o != nil && slices.Contains([]string{"reinstate", "delete", "retrieve", "info"}, v.action) {
			o.Deleted = body.Deleted
		}
	}
}

// recordedPK is the pk the original gave in its answer, 0 if none.
func (v *View) recordedPK() int64 { return readOutput(v.x.Response.JSON).PK }

// readOutput reads what it can of an output's body.
func readOutput(body []byte) *Output {
	o := &Output{}
	members, _ := decodeJSON(body)
	object, _ := members.(map[string]any)
	if n, ok := object["pk"].(interface{ Int64() (int64, error) }); ok {
		o.PK, _ = n.Int64()
	}
	if t, ok := instant(object["creation_time"]).(time.Time); ok {
		o.Created = moment(t)
	}
	if t, ok := instant(object["deletion_time"]).(time.Time); ok {
		o.Deleted = moment(t)
	}
	return o
}
