package auth_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"joboutputs/shared/auth"
)

var alice = auth.Principal{
	Tenant: "demo", Issuer: "https://issuer.test/", Subject: "a,b=c \"é\"", UserPK: 2, Username: "älice 日本",
	Admin: true, Nodes: []int64{1, 2, 1<<63 - 1}, Expires: time.Unix(1_800_000_000, 0),
}

func TestContext(t *testing.T) {
	want := map[string]any{
		"tenant": "demo", "iss": "https://issuer.test/", "sub": "a,b=c \"é\"", "upk": "2", "username": "älice 日本",
		"admin": "true", "nodes": "1,2,9223372036854775807", "exp": "1800000000",
	}
	if diff := cmp.Diff(want, alice.Context()); diff != "" {
		t.Errorf("the context (-want +got):\n%s", diff)
	}
}

// TestContextRoundTrip is the way of the context through API Gateway, as JSON, which adds
// some of its own.
func TestContextRoundTrip(t *testing.T) {
	for name, p := range map[string]auth.Principal{
		"everything":    alice,
		"as few as can": {Tenant: "a", Expires: time.Unix(0, 0)},
	} {
		text, err := json.Marshal(p.Context())
		if err != nil {
			t.Fatal(err)
		}
		var context map[string]any
		if err := json.Unmarshal(text, &context); err != nil {
			t.Fatal(err)
		}
		context["principalId"], context["integrationLatency"] = "demo/alice", 87.0
		got, err := auth.FromContext(context)
		if diff := cmp.Diff(p, got); err != nil || diff != "" {
			t.Errorf("%s: %v (-want +got):\n%s", name, err, diff)
		}
	}
	// The node of a request is its header's, never the token's.
	p := alice
	p.Node = 1
	if got, err := auth.FromContext(p.Context()); err != nil || got.Node != 0 {
		t.Errorf("the node came through: %d, %v", got.Node, err)
	}
}

// TestFromContextRefuses: what the authorizer could not have made is nobody, not somebody
// with fewer rights.
func TestFromContextRefuses(t *testing.T) {
	if p, err := auth.FromContext(nil); err == nil {
		t.Errorf("no context is %+v", p)
	}
	for _, tc := range []struct {
		key   string
		value any // nil = absent
	}{
		{"tenant", nil}, {"tenant", ""}, {"tenant", "Demo"}, {"tenant", "a#b"}, {"tenant", strings.Repeat("a", 33)}, {"tenant", 5.0},
		{"upk", nil}, {"upk", ""}, {"upk", "x"}, {"upk", "1.0"}, {"upk", 2.0}, {"upk", "9223372036854775808"},
		{"exp", nil}, {"exp", ""}, {"exp", "tomorrow"}, {"exp", 1.8e9},
		{"nodes", "1,"}, {"nodes", "a"}, {"nodes", "0"}, {"nodes", "-1"}, {"nodes", "1;2"}, {"nodes", "1,2.0"},
	} {
		context := alice.Context()
		context[tc.key] = tc.value
		if tc.value == nil {
			delete(context, tc.key)
		}
		if p, err := auth.FromContext(context); err == nil || !cmp.Equal(p, auth.Principal{}) {
			t.Errorf("%s = %v: %+v, %v, want nobody and an error", tc.key, tc.value, p, err)
		}
	}
}

// TestOnlyTrueIsAdmin: rights are never read into a text.
func TestOnlyTrueIsAdmin(t *testing.T) {
	for _, value := range []any{"false", "", "True", "TRUE", "1", "yes", " true", true, 1.0, nil} {
		context := alice.Context()
		context["admin"] = value
		if p, err := auth.FromContext(context); err != nil || p.Admin {
			t.Errorf("admin = %v (%T): admin %v, %v", value, value, p.Admin, err)
		}
	}
}

func TestParseNodes(t *testing.T) {
	for text, want := range map[string][]int64{
		"":       nil,
		"1":      {1},
		"1,2":    {1, 2},
		" 1 , 2": {1, 2},
		"2,1,2":  {2, 1, 2},
		"007":    {7},
	} {
		if got, err := auth.ParseNodes(text); err != nil || !cmp.Equal(got, want) {
			t.Errorf("%q: %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{" ", ",", "1,", ",1", "1,,2", "0", "-1", "1.5", "x", "1 2", "9223372036854775808", "٣"} {
		if got, err := auth.ParseNodes(text); err == nil || got != nil {
			t.Errorf("%q: %v, %v, want an error", text, got, err)
		}
	}
}

func TestValidTenant(t *testing.T) {
	for name, want := range map[string]bool{
		"a": true, "0": true, "-": true, "acme-2": true, strings.Repeat("z", 32): true,
		"": false, strings.Repeat("z", 33): false, "A": false, "a_b": false, "a.b": false, "a/b": false, "a#b": false,
		"a b": false, "a\n": false, "é": false, "ａ": false, "a\x00": false, "..": false,
	} {
		if got := auth.ValidTenant(name); got != want {
			t.Errorf("%q is valid: %v, want %v", name, got, want)
		}
	}
}
