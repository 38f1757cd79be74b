package authz_test

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"joboutputs/functions"
	"joboutputs/test/report"
)

var update = flag.Bool("update", false, "write what the service does into testdata/matrix.txt, which is then to be reviewed")

const file = "testdata/matrix.txt"

// preface says how the file is read.
const preface = `# Who may do what: the status of every route's answer, by what the request is about (the
# columns) and by who asks. Two tenants, A and B; callers are A's where nothing else is said.
# "nobody who is proved" is all of these: nobody | garbage | an admin whose token expired |
# an admin of another issuer | an admin with a forged signature | an admin's refresh token |
# an admin who is not active | an admin of no tenant. "granted": by the token.
# "deleted": a soft-deleted output or job, an aborted upload. The request itself is fine: a
# 409 means that the caller may, and that the state does not allow it.
#
# This file is the specification. go test ./test/authz -update writes what the
# service does; what changes is then to be reviewed, line by line.
`

// route is a method of a resource template.
type route struct{ method, template string }

func (r route) String() string { return r.method + " " + r.template }

// routes are all of the catalogue, and those that are refused to everybody.
func routes() []route {
	var all []route
	add := func(served []functions.Route) {
		for _, r := range served {
			for _, method := range r.Methods {
				all = append(all, route{method, r.Resource})
			}
		}
	}
	for _, f := range functions.Catalogue() {
		add(f.Routes)
	}
	add(functions.Refused)
	return all
}

// cell is one request: each has a resource of its own, since many change it.
type cell struct {
	route     route
	principal principal
	state     int // -1: the route names no resource
	resource  *resource
}

func cells() []cell {
	var all []cell
	for _, r := range routes() {
		for _, p := range principals() {
			if !strings.Contains(r.template, "{") {
				all = append(all, cell{r, p, -1, &resource{}})
				continue
			}
			for state := range states {
				all = append(all, cell{r, p, state, &resource{number: int64(1_000 + len(all))}})
			}
		}
	}
	return all
}

// another is a node of no job, for a resource.
func (c cell) another() int64 { return c.resource.number + 1_000_000 }

func TestMatrix(t *testing.T) {
	check := report.Begin(t, "authz", 0)
	w := newWorld(t, newClock(), 0)
	asked := cells()
	rows := seeds{}
	for _, c := range asked {
		if c.state >= 0 {
			rows.add(c.route.String(), c.state, c.resource, w.clock.Now())
		}
	}
	w.load(rows)
	w.stage(asked)
	var table strings.Builder
	table.WriteString(preface)
	of := map[route]map[string][]string{} // by route and principal: the statuses
	for _, c := range asked {
		status, _ := w.send(c.route.method, target(c.route.template, *c.resource), w.bodyOf(c.route.String()), c.principal.as(w, max(1, c.resource.number), c.another()))
		if of[c.route] == nil {
			of[c.route] = map[string][]string{}
		}
		of[c.route][c.principal.name] = append(of[c.route][c.principal.name], fmt.Sprint(status))
	}
	for _, r := range routes() {
		writeRoute(&table, r, of[r])
	}

	if *update {
		if err := os.WriteFile(file, []byte(table.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(table.String(), "\n"))
	if diff != "" {
		t.Errorf("what the service does is not what %s says (-file +service):\n%s", file, diff)
	}
	check.AtLeast("cells, of route, caller and state of what is asked for", len(asked), 800)
	check.AtLeast("kinds of caller", len(principals()), 12)
	check.Hold("the table is the reviewed one, testdata/matrix.txt", fmt.Sprint(diff == ""), "true", diff == "")
}

// writeRoute writes a route's rows: callers who get the same share one.
func writeRoute(table *strings.Builder, r route, statuses map[string][]string) {
	fmt.Fprintf(table, "\n%s\n", r)
	if strings.Contains(r.template, "{") {
		for _, state := range states[:len(states)-1] {
			fmt.Fprintf(table, "  %-12s", state)
		}
		fmt.Fprintf(table, "  %s\n", states[len(states)-1])
	}
	var lines []string
	callers := map[string][]string{}
	for _, p := range principals() {
		line := ""
		for _, status := range statuses[p.name] {
			line += fmt.Sprintf("  %-12s", status)
		}
		if !slices.Contains(lines, line) {
			lines = append(lines, line)
		}
		callers[line] = append(callers[line], p.name)
	}
	for _, line := range lines {
		fmt.Fprintf(table, "%s  %s\n", line, together(callers[line]))
	}
}

// together is the names of callers who get the same.
func together(names []string) string {
	unproved := names[:min(len(names), notProved)]
	switch {
	case len(names) == len(principals()):
		return "everybody"
	case slices.Equal(unproved, all(principals()[:notProved])):
		return strings.Join(append([]string{"nobody who is proved"}, names[notProved:]...), " | ")
	}
	return strings.Join(names, " | ")
}

func all(principals []principal) []string {
	var names []string
	for _, p := range principals {
		names = append(names, p.name)
	}
	return names
}
