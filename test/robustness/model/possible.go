package model

import (
	"fmt"
	"slices"
	"strings"
)

// Possible are the states a tenant may be in, after answers that did not say.
type Possible []State

// Step is every state after a call that was answered so, or an error that says what could
// have been answered.
func (p Possible) Step(c Call, a Answer) (Possible, error) {
	var next Possible
	for _, s := range p {
		for _, after := range s.Step(c, a) {
			if !slices.ContainsFunc(next, after.Equal) {
				next = append(next, after)
			}
		}
	}
	if len(next) > 0 {
		return next, nil
	}
	var why []string
	for _, s := range p {
		want, after := s.Do(c)
		why = append(why, Differs(want, a, after))
	}
	return nil, fmt.Errorf("%s must not be answered so: %s", c, strings.Join(why, "\nor: "))
}

// Admits says in what the table's rows differ from every permitted state, "" = from one in
// nothing.
func (p Possible) Admits(seen State) string {
	var why []string
	for _, s := range p {
		diff := s.Admits(seen)
		if diff == "" {
			return ""
		}
		why = append(why, diff)
	}
	return strings.Join(why, "\nor: ")
}

// String is the call as a line of a script.
func (c Call) String() string {
	var b strings.Builder
	who := fmt.Sprintf("user %d", c.Caller.User)
	if c.Caller.Admin {
		who = "admin"
	}
	if c.Caller.Node != 0 {
		who += fmt.Sprintf(" for node %d", c.Caller.Node)
	}
	fmt.Fprintf(&b, "%s of %s: %s", who, c.Caller.Tenant, c.Action)
	for _, part := range []struct {
		name  string
		value any
		zero  bool
	}{
		{"job", c.Job, c.Job == 0}, {"pk", c.PK, c.PK == 0}, {"name", c.Name + "/" + c.Type, c.Name == ""}, {"upload", c.Upload, c.Upload == ""},
		{"node", c.Node, c.Node == 0}, {"content", fmt.Sprintf("%.20q", c.Content), c.Content == ""}, {"grace", c.Grace, c.Grace == 0},
	} {
		if !part.zero {
			fmt.Fprintf(&b, " %s=%v", part.name, part.value)
		}
	}
	if c.Key != "" {
		fmt.Fprintf(&b, " key=%s", c.Key)
	}
	if c.Error != nil {
		fmt.Fprintf(&b, " error=%q", *c.Error)
	}
	return b.String()
}
