package gateway

import (
	"log/slog"
	"net/url"
	"strings"
	"testing"
	"time"

	"joboutputs/functions"
	"joboutputs/shared/api"
	"joboutputs/shared/problem"
)

// FuzzMatch: a path that is found is the route's template with the parameters put in, each
// one segment; a path is bad only for an escape or a character that is.
func FuzzMatch(f *testing.F) {
	for _, path := range []string{
		"/v1/job-outputs/5", "/v1/job-outputs/5/", "/v1/job-outputs/%6Cist", "/v1/jobs/5/outputs/a%20b/t", "/v1/jobs/5/outputs/n/t/",
		"/v1/jobs/5/outputs/%2E%2e/..", "/v1/jobs/5/outputs/a%2Fb/t", "/v1/jobs/5/outputs/%C3%A9/%FF", "/v1/job-outputs/%zz", "/v1/jobs/é",
		"/v1/jobs//outputs/n/t", "//v1/jobs/1", "", "/", "*", "http://x/v1/jobs/1", "/v1/jobs/%00/outputs/%252F/%", "/v1/%6aobs/1",
	} {
		f.Add(path)
	}
	g := New(Config{
		Functions: house(), Refused: functions.Refused, Log: slog.New(slog.DiscardHandler),
		Edge: api.Edge{Log: slog.New(slog.DiscardHandler), Now: time.Now},
	})
	f.Fuzz(func(t *testing.T, path string) {
		found, params, refusal := g.match(path)
		segments := strings.Split(strings.TrimPrefix(path, "/"), "/")
		bad := strings.ContainsFunc(path, func(c rune) bool { return c > '~' && c != 0x7f })
		for _, s := range segments {
			_, err := url.PathUnescape(s)
			bad = bad || err != nil
		}
		switch {
		case refusal != nil && refusal.Kind == problem.InvalidRequest:
			if !bad {
				t.Fatalf("%q is refused as malformed", path)
			}
			return
		case refusal != nil && refusal.Kind == problem.NotFound:
			if bad && strings.HasPrefix(path, "/") {
				t.Fatalf("%q is malformed and only not found", path)
			}
			return
		case refusal != nil || bad:
			t.Fatalf("%q: %v, malformed: %t", path, refusal, bad)
		}
		if found.slash && len(segments) == len(found.segments)+1 && segments[len(segments)-1] == "" {
			segments = segments[:len(segments)-1]
		}
		if len(segments) != len(found.segments) {
			t.Fatalf("%q has %d segments, and %s was found", path, len(segments), found.template)
		}
		for i, s := range found.segments {
			text, _ := url.PathUnescape(segments[i])
			switch {
			case !s.param && text != s.text:
				t.Fatalf("%q: segment %q is not %q", path, text, s.text)
			case s.param && (params[s.text] != segments[i] || text == "" || strings.Contains(text, "/")):
				t.Fatalf("%q: %s is %q, decoded %q", path, s.text, params[s.text], text)
			}
		}
	})
}
