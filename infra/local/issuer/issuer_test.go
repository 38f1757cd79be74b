package issuer_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"joboutputs/infra/local/issuer"
	"joboutputs/shared/auth"
	"joboutputs/shared/problem"
	"joboutputs/shared/token"
)

var start = time.Date(2026, 5, 6, 7, 8, 9, 0, time.UTC)

func at(t time.Time) func() time.Time { return func() time.Time { return t } }

// users are some of both tenants: alice is another person in each, carol is not active.
func users() []issuer.User {
	return []issuer.User{
		{Tenant: "demo", PK: 1, Username: "admin", Password: "admin", Admin: true, Active: true, Nodes: []int64{1, 2}},
		{Tenant: "demo", PK: 2, Username: "alice", Password: "alice-pw", Active: true, Nodes: []int64{1, 2}},
		{Tenant: "demo", PK: 4, Username: "carol", Password: "carol-pw"},
		{Tenant: "demo", PK: 5, Username: "x@nowhere", Password: "x-pw", Active: true},
		{Tenant: "acme", PK: 2, Username: "alice", Password: "other-pw", Active: true},
	}
}

func newIssuer(t *testing.T, cfg issuer.Config) *issuer.Issuer {
	t.Helper()
	i, err := issuer.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func withUsers(t *testing.T, cfg issuer.Config) *issuer.Issuer {
	t.Helper()
	i := newIssuer(t, cfg)
	for _, u := range users() {
		if err := i.AddUser(u); err != nil {
			t.Fatal(err)
		}
	}
	return i
}

func principal(t *testing.T, i *issuer.Issuer, raw string, now time.Time) (auth.Principal, error) {
	t.Helper()
	return token.New(i.TokenConfig(), i.Client(), at(now)).Principal(t.Context(), raw)
}

func TestObtain(t *testing.T) {
	i := withUsers(t, issuer.Config{Now: at(start)})
	type who struct {
		Tenant, Username string
		PK               int64
		Admin            bool
		Nodes            []int64
	}
	for _, tt := range []struct {
		login, password string
		want            who
	}{
		{"admin", "admin", who{"demo", "admin", 1, true, []int64{1, 2}}},
		{"alice", "alice-pw", who{"demo", "alice", 2, false, []int64{1, 2}}},
		{"alice@demo", "alice-pw", who{"demo", "alice", 2, false, []int64{1, 2}}},
		{"alice@acme", "other-pw", who{"acme", "alice", 2, false, nil}},
		{"x@nowhere", "x-pw", who{"demo", "x@nowhere", 5, false, nil}},
		{"x@nowhere@demo", "x-pw", who{"demo", "x@nowhere", 5, false, nil}},
	} {
		t.Run(tt.login, func(t *testing.T) {
			pair, err := i.Obtain(t.Context(), tt.login, tt.password)
			if err != nil {
				t.Fatal(err)
			}
			p, err := principal(t, i, pair.Access, start)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, who{p.Tenant, p.Username, p.UserPK, p.Admin, p.Nodes}); diff != "" {
				t.Errorf("caller (-want +got):\n%s", diff)
			}
			if life := p.Expires.Sub(start); life != 300*time.Second {
				t.Errorf("the access token lives %s", life)
			}
			if _, err := principal(t, i, pair.Refresh, start); !problem.Is(err, problem.TokenNotValid) {
				t.Errorf("the refresh token gives access: %v", err)
			}
			if err := i.Verify(t.Context(), pair.Refresh); err != nil {
				t.Errorf("verify the refresh token: %v", err)
			}
			if err := i.Verify(t.Context(), pair.Access); err != nil {
				t.Errorf("verify the access token: %v", err)
			}
		})
	}
	for _, tt := range []struct{ login, password string }{
		{"alice", "Alice-pw"}, {"alice", ""}, {"Alice", "alice-pw"}, {"nobody", ""}, {"", ""}, {"carol", "carol-pw"},
		{"alice@acme", "alice-pw"}, {"alice", "other-pw"}, {"alice@nowhere", "alice-pw"}, {"admin@acme", "admin"}, {"@demo", ""},
	} {
		_, err := i.Obtain(t.Context(), tt.login, tt.password)
		f, ok := problem.As(err)
		if !ok || f.Kind != problem.NotAuthenticated || f.Message != "No active account found with the given credentials" {
			t.Errorf("%q with %q: got %v", tt.login, tt.password, err)
		}
	}
}

func TestRefresh(t *testing.T) {
	now := start
	i := withUsers(t, issuer.Config{Now: func() time.Time { return now }})
	pair, err := i.Obtain(t.Context(), "alice", "alice-pw")
	if err != nil {
		t.Fatal(err)
	}
	now = start.Add(8*time.Hour - time.Second)
	access, err := i.Refresh(t.Context(), pair.Refresh)
	if err != nil {
		t.Fatal(err)
	}
	if p, err := principal(t, i, access, now); err != nil || p.UserPK != 2 || !p.Expires.Equal(now.Add(300*time.Second)) {
		t.Errorf("the new access token: %+v, %v", p, err)
	}
	mint := func(tenant, username, use string, change map[string]any) string {
		claims, err := i.Claims(tenant, username, use)
		if err != nil {
			t.Fatal(err)
		}
		for name, value := range change {
			if claims[name] = value; value == nil {
				delete(claims, name)
			}
		}
		raw, err := i.Mint(claims, nil)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	for _, tt := range []struct{ name, raw, want string }{
		{"garbage", "garbage", "Token is invalid or expired"},
		{"an access token", access, "Token has wrong type"},
		{"no use", mint("demo", "alice", "refresh", map[string]any{"token_use": nil}), "Token has no type"},
		{"no exp", mint("demo", "alice", "refresh", map[string]any{"exp": nil}), "Token has no 'exp' claim"},
		{"inactive", mint("demo", "carol", "refresh", nil), "Token is invalid or expired"},
		{"gone", mint("demo", "alice", "refresh", map[string]any{"upk": 99}), "Token is invalid or expired"},
		{"no upk", mint("demo", "alice", "refresh", map[string]any{"upk": nil}), "Token is invalid or expired"},
		{"another tenant", mint("demo", "admin", "refresh", map[string]any{"tenant": "acme"}), "Token is invalid or expired"},
		{"expired", mint("demo", "alice", "refresh", map[string]any{"exp": start.Unix()}), "Token is invalid or expired"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := i.Refresh(t.Context(), tt.raw)
			if f, ok := problem.As(err); !ok || f.Kind != problem.TokenNotValid || f.Message != tt.want {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

func TestMint(t *testing.T) {
	i := withUsers(t, issuer.Config{Now: at(start)})
	claims, err := i.Claims("demo", "alice", issuer.UseAccess)
	if err != nil {
		t.Fatal(err)
	}
	claims["extra"], claims["upk"] = []int{1}, "2"
	raw, err := i.Mint(claims, map[string]any{"typ": nil, "x5t": "abc"})
	if err != nil {
		t.Fatal(err)
	}
	if p, err := principal(t, i, raw, start); err != nil || p.UserPK != 2 {
		t.Errorf("got %+v, %v", p, err)
	}
	for name, header := range map[string]map[string]any{
		"none": {"alg": "none"}, "another alg": {"alg": "HS512"}, "another kid": {"kid": "x"}, "no kid": {"kid": nil}, "jku": {"jku": "x"},
	} {
		raw, err := i.Mint(claims, header)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := principal(t, i, raw, start); !problem.Is(err, problem.TokenNotValid) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if _, err := i.Claims("demo", "nobody", issuer.UseAccess); err == nil {
		t.Error("claims of nobody")
	}
	other := withUsers(t, issuer.Config{Now: at(start)})
	if _, err := principal(t, other, raw, start); !problem.Is(err, problem.TokenNotValid) {
		t.Errorf("another issuer takes the token: %v", err)
	}
}

func TestJWKS(t *testing.T) {
	i := newIssuer(t, issuer.Config{})
	server := httptest.NewServer(i.JWKS())
	defer server.Close()
	response, err := server.Client().Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var set struct{ Keys []map[string]any }
	if err := json.NewDecoder(response.Body).Decode(&set); err != nil {
		t.Fatal(err)
	}
	if len(set.Keys) != 1 || set.Keys[0]["alg"] != "ES256" || set.Keys[0]["d"] != nil {
		t.Errorf("got %v", set.Keys)
	}
}

func TestRestart(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "issuer")
	first := withUsers(t, issuer.Config{Dir: dir, Now: at(start)})
	pair, err := first.Obtain(t.Context(), "alice@acme", "other-pw")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"key.pem", "users.jsonl"} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v, want mode 0600", name, info, err)
		}
	}
	usersPath := filepath.Join(dir, "users.jsonl")
	saved, err := os.ReadFile(usersPath)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(usersPath, append(saved, `{"tenant":"demo","pk":9,"user`...), 0o600); err != nil {
		t.Fatal(err)
	}

	again := withUsers(t, issuer.Config{Dir: dir, Now: at(start)})
	if p, err := principal(t, again, pair.Access, start); err != nil || p.Tenant != "acme" {
		t.Errorf("a token of before: %+v, %v", p, err)
	}
	if _, err := again.Refresh(t.Context(), pair.Refresh); err != nil {
		t.Errorf("a refresh token of before: %v", err)
	}
	kept, err := os.ReadFile(usersPath)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(saved), string(kept)); diff != "" {
		t.Errorf("users after loading the same again (-want +got):\n%s", diff)
	}

	if err := os.WriteFile(filepath.Join(dir, "key.pem"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := issuer.New(issuer.Config{Dir: dir}); err == nil || !strings.Contains(err.Error(), "key.pem") {
		t.Errorf("a broken key: got %v", err)
	}
}

func TestAddUser(t *testing.T) {
	i := withUsers(t, issuer.Config{})
	for _, u := range users() {
		if err := i.AddUser(u); err != nil {
			t.Errorf("the same again: %v", err)
		}
	}
	if diff := cmp.Diff([]string{"acme", "demo"}, i.Tenants()); diff != "" {
		t.Errorf("tenants (-want +got):\n%s", diff)
	}
	for _, tt := range []struct {
		name   string
		change func(*issuer.User)
		want   string
	}{
		{"password", func(u *issuer.User) { u.Password = "new" }, "password is another"},
		{"is_staff", func(u *issuer.User) { u.Admin = true }, "is_staff is another"},
		{"is_active", func(u *issuer.User) { u.Active = false }, "is_active is another"},
		{"nodes", func(u *issuer.User) { u.Nodes = nil }, "nodes is another"},
		{"pk", func(u *issuer.User) { u.PK = 77 }, "pk is another"},
		{"username", func(u *issuer.User) { u.Username = "alicia" }, "username is another"},
		{"tenant", func(u *issuer.User) { u.Tenant = "Demo" }, "tenant must be"},
		{"pk zero", func(u *issuer.User) { u.PK = 0 }, "pk must be"},
		{"no name", func(u *issuer.User) { u.Username = "" }, "username must not be blank"},
		{"no password", func(u *issuer.User) { u.Password = " " }, "password must not be blank"},
		{"node zero", func(u *issuer.User) { u.Nodes = []int64{0} }, "nodes must be"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			u := users()[1]
			tt.change(&u)
			err := i.AddUser(u)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("got %v, want %q", err, tt.want)
			}
			if strings.Contains(err.Error(), "alice-pw") {
				t.Errorf("the error holds a password: %v", err)
			}
		})
	}
	if pair, err := i.Obtain(t.Context(), "alice", "alice-pw"); err != nil || pair.Access == "" {
		t.Errorf("alice after all that: %v", err)
	}
}

func TestConcurrentUse(t *testing.T) {
	i := withUsers(t, issuer.Config{Dir: t.TempDir()})
	var all sync.WaitGroup
	for n := range 16 {
		all.Go(func() {
			u := issuer.User{Tenant: fmt.Sprint("t", n), PK: 1, Username: "u", Password: "p", Active: true}
			if err := i.AddUser(u); err != nil {
				t.Error(err)
			}
			pair, err := i.Obtain(t.Context(), "u@"+u.Tenant, "p")
			if err != nil {
				t.Error(err)
				return
			}
			if _, err := i.Refresh(t.Context(), pair.Refresh); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}

func TestPasswordsAreNotLogged(t *testing.T) {
	var log strings.Builder
	u := users()[1]
	slog.New(slog.NewJSONHandler(&log, nil)).Info("added", "user", u)
	for _, text := range []string{log.String(), fmt.Sprint(u), fmt.Sprintf("%+v", u)} {
		if strings.Contains(text, u.Password) {
			t.Errorf("it says %s", text)
		}
	}
}
