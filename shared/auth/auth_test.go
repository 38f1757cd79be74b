package auth_test

import (
	"strings"
	"testing"

	"joboutputs/shared/auth"
)

// TestMay is who may do what, written out. A row is a caller, a column is what is known of
// the thing acted on: its row is not read yet, it is a job of node 1, it is a job of no
// node (or no job at all).
func TestMay(t *testing.T) {
	var (
		nobody   = auth.Principal{}
		stray    = auth.Principal{Admin: true, Node: 1, UserPK: 1} // a caller without a tenant is nobody
		user     = auth.Principal{Tenant: "demo"}
		node1    = auth.Principal{Tenant: "demo", Node: 1}
		node2    = auth.Principal{Tenant: "demo", Node: 2}
		admin    = auth.Principal{Tenant: "demo", Admin: true}
		adminOn1 = auth.Principal{Tenant: "demo", Admin: true, Node: 1}
		adminOn2 = auth.Principal{Tenant: "demo", Admin: true, Node: 2}
	)
	resources := []auth.Resource{auth.Unread, auth.Job(1), auth.Job(0)}
	callers := []struct {
		name string
		auth.Principal
	}{
		{"nobody", nobody}, {"stray", stray}, {"user", user}, {"node1", node1}, {"node2", node2},
		{"admin", admin}, {"admin for node1", adminOn1}, {"admin for node2", adminOn2},
	}
	const (
		yes = "yes yes yes"
		no  = "no  no  no "
		own = "yes yes no " // not refused before the row is read; then only on a job of its node
		not = "yes no  no " // the same, by a node that owns no such job
	)
	rules := map[string][]string{
		//                 nobody stray user node1 node2 admin admin/1 admin/2
		"anyone":         {yes, yes, yes, yes, yes, yes, yes, yes},
		"a user":         {no, no, yes, yes, yes, yes, yes, yes},
		"a node":         {no, no, no, yes, yes, no, yes, yes},
		"the owner":      {no, no, no, own, not, no, own, not}, // an admin has no part in a node's work
		"owner or admin": {no, no, no, own, not, yes, yes, yes},
		"an admin":       {no, no, no, no, no, yes, yes, yes},
		"no one":         {no, no, no, no, no, no, no, no},
	}
	for action, rule := range map[auth.Action]string{
		auth.OutputsList:       "a user",
		auth.OutputsRetrieve:   "a user",
		auth.OutputsDownload:   "a user",
		auth.OutputsDestroy:    "an admin",
		auth.OutputsHardDelete: "an admin",
		auth.OutputsReinstate:  "an admin",
		auth.OutputsWrite:      "no one",

		auth.JobsCreate:        "an admin",
		auth.JobsRetrieve:      "a user",
		auth.JobsAcquire:       "a node",
		auth.JobsRelease:       "a node", // by a node that does not own it, it changes nothing
		auth.JobsStart:         "the owner",
		auth.JobsFinish:        "the owner",
		auth.JobsAddOutput:     "owner or admin",
		auth.JobsGetOutput:     "a user",
		auth.JobsGetOutputInfo: "a user",
		auth.JobsDeleteOutput:  "an admin",

		auth.AuthObtain:  "anyone",
		auth.AuthRefresh: "anyone",
		auth.AuthVerify:  "anyone",
		auth.DocsOpenAPI: "anyone",

		// Without a route nobody asks; who asks all the same is refused.
		auth.AuthAuthorize: "no one",
		auth.Cleanup:       "no one",
		"no-such-action":   "no one",
	} {
		for i, caller := range callers {
			words := strings.Fields(rules[rule][i])
			for j, on := range resources {
				if got, want := auth.May(caller.Principal, action, on), words[j] == "yes"; got != want {
					t.Errorf("May(%s, %s, %+v) is %v, want %v", caller.name, action, on, got, want)
				}
			}
		}
	}
}

func TestAccessOf(t *testing.T) {
	if got, ok := auth.AccessOf(auth.OutputsWrite); got != auth.Nobody || !ok {
		t.Errorf("what nobody may is %v, %v; it has a row", got, ok)
	}
	if got, ok := auth.AccessOf("no-such-action"); got != auth.Nobody || ok {
		t.Errorf("what does not exist is %v, %v; it has no row", got, ok)
	}
}

func TestGrants(t *testing.T) {
	p := auth.Principal{Tenant: "demo", Admin: true, Nodes: []int64{1, 3}}
	for node, want := range map[int64]bool{1: true, 3: true, 2: false, 0: false, -1: false, 13: false} {
		if got := p.Grants(node); got != want {
			t.Errorf("node %d granted: %v, want %v", node, got, want)
		}
	}
}
