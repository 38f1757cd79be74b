//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"joboutputs/infra/local/issuer"
	"joboutputs/infra/local/seed"
	"joboutputs/shared/auth"
	"joboutputs/shared/localaws/fixture"
	"joboutputs/test/conformance"
)

const recordings = "../conformance/testdata/recordings"

// The recorded exchanges with UFDL, through the deployed API. What the emulator cannot do
// is skipped by name (skips_test.go).
func TestConformance(t *testing.T) {
	all, err := conformance.ReadRecordings(recordings)
	if err != nil {
		t.Fatal(err)
	}
	s, err := seed.ReadFile(filepath.Join(recordings, "seed.json"))
	if err != nil {
		t.Fatal(err)
	}
	skip := func(x *conformance.Exchange, why string) {
		t.Run(x.Topic+"/"+x.ID, func(t *testing.T) { t.Skip(why) })
	}
	left := map[string]bool{}
	for _, x := range all {
		if why := unsent(x); why != "" {
			left[x.Topic+"/"+x.ID] = true
			skip(x, why)
		}
	}
	all = slices.DeleteFunc(all, func(x *conformance.Exchange) bool {
		for _, id := range x.After {
			if left[x.Topic+"/"+id] {
				t.Fatalf("%s/%s comes after %s, which is skipped", x.Topic, x.ID, id)
			}
		}
		return left[x.Topic+"/"+x.ID]
	})

	store := own.store()
	target := &conformance.Target{
		Addr:    own.door.addr,
		Token:   kept(conformance.Minted(tokens)),
		Workers: 8, // an invocation waits 40 ms for the emulator's sockets
		Load: func(ctx context.Context, s *seed.Seed) error {
			for _, u := range s.Users {
				err := tokens.AddUser(issuer.User{
					Tenant: s.Tenant, PK: u.PK, Username: u.Username, Password: u.Password, Admin: u.Admin, Active: u.Active, Nodes: u.Nodes,
				})
				if err != nil {
					return err
				}
			}
			return fixture.Load(auth.WithTenant(ctx, s.Tenant), store, s.Tenant, s.Rows())
		},
	}
	results, err := conformance.Replay(t.Context(), target, conformance.NewPlan(all, s), s)
	if err != nil {
		t.Fatal(err)
	}
	if len(results) != len(all) {
		t.Errorf("%d exchanges were judged, want %d", len(results), len(all))
	}

	expected := map[string]string{}
	for why, names := range wrong {
		for _, name := range names {
			expected[name] = why
		}
	}
	var judged []*conformance.Result
	for _, r := range results {
		name := r.Exchange.Topic + "/" + r.Exchange.ID
		why, known := expected[name]
		delete(expected, name)
		switch {
		case !known:
			judged = append(judged, r)
		case len(r.Wrong) == 0:
			t.Errorf("%s is answered rightly: take it out of the list of wrong ones", name)
		default:
			skip(r.Exchange, why)
		}
	}
	for name := range expected {
		t.Errorf("%s is in the list of wrong ones and not in the recordings", name)
	}
	fmt.Printf("\n%s\n", conformance.Report(judged))
	for _, text := range conformance.Wrong(judged) {
		t.Errorf("wrong:\n%s", text)
	}
}

// kept makes each token once, as a client would, so that API Gateway may keep what the
// authorizer said of it.
func kept(token func(string, string, *conformance.View) (string, error)) func(string, string, *conformance.View) (string, error) {
	var mu sync.Mutex
	known := map[string]string{}
	return func(tenant, placeholder string, v *conformance.View) (string, error) {
		mu.Lock()
		defer mu.Unlock()
		key := tenant + " " + placeholder
		if known[key] == "" {
			made, err := token(tenant, placeholder, v)
			if err != nil {
				return "", err
			}
			known[key] = made
		}
		return known[key], nil
	}
}
