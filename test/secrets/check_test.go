package secrets_test

import (
	"context"
	"log/slog"
	"os"
	"strings"
	"testing"

	"joboutputs/shared/localaws"
	"joboutputs/test/harness"
	"joboutputs/test/report"
)

// complaints is a test that only remembers whether something was complained about.
type complaints struct {
	testing.TB
	said []string
}

func (c *complaints) Helper()                   {}
func (c *complaints) Name() string              { return "a test of the check" }
func (c *complaints) Errorf(f string, a ...any) { c.said = append(c.said, f) }

// TestCheckFails holds that every kind of secret is found, wherever in a line it stands, also
// once the line was taken; and that an ordinary line is none.
func TestCheckFails(t *testing.T) {
	rig := harness.New(t)
	rig.Load(t, `{"tenant":"{tenant}","users":[{"pk":1,"username":"admin","password":"admin"}]}`, "acme")
	token := rig.Login(t, "admin", "acme").Token
	check, found, missed := report.Begin(t, "secrets", 0), 0, 0
	for name, tc := range map[string]struct {
		text string
		want bool
	}{
		"a token":             {token, true},
		"its claims":          {strings.Split(token, ".")[1], true},
		"a header":            {"Authorization: Bearer x", true},
		"a link":              {"http://127.0.0.1/b/t/acme/01?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=0f", true},
		"a signature":         {"x-amz-signature=0f", true},
		"a session":           {"X-Amz-Security-Token=abc", true},
		"our key":             {localaws.SecretAccessKey, true},
		"a key of AWS":        {"AKIAIOSFODNN7EXAMPLE", true},
		"a body":              {`{"username":"admin","password":"x"}`, true},
		"a stored text":       {"the canary-name-3 of a tenant", true},
		"an action":           {"joboutputs-retrieve", false},
		"a key of an object":  {"t/acme/01JABCDEFGHJKMNPQRSTVWXYZ0", false},
		"how tokens are told": {"the token is refused", false},
	} {
		for _, write := range []func(*slog.Logger){
			func(l *slog.Logger) {
				l.LogAttrs(context.Background(), slog.LevelError, "request", slog.String("error", "before "+tc.text+" after"))
			},
			func(l *slog.Logger) { l.Info(tc.text) },
		} {
			log, c := &harness.Log{}, &complaints{TB: t}
			write(slog.New(slog.NewJSONHandler(log, nil)))
			if taken := log.Take(); taken == "" {
				t.Fatalf("%s: nothing was logged", name)
			}
			unreported(t, func() { log.Check(c) })
			switch got := len(c.said) > 0; {
			case got != tc.want:
				missed++
				t.Errorf("%s: complained: %v, want %v", name, got, tc.want)
			case got:
				found++
			}
		}
	}
	check.AtLeast("secrets of all kinds that were written into a log on purpose and are found", found, 20)
	check.Equal("of these, and of ordinary lines, that are taken for the other", missed, 0)
}

// unreported keeps the checks of a test of the check out of the report.
func unreported(t *testing.T, f func()) {
	rows := os.Getenv(report.EnvRows)
	t.Setenv(report.EnvRows, "")
	f()
	t.Setenv(report.EnvRows, rows)
}
