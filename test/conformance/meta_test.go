package conformance

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"joboutputs/infra/local/seed"
)

// storage serves what links lead to: the content and the file name it is asked for.
func storage(t *testing.T) string {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Disposition", disposition(r.FormValue("name")))
		_, _ = w.Write([]byte(r.FormValue("content")))
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// good is what a service that does everything right would answer.
func good(storage string, v *View, want *Want) *Answer {
	a := pretend(v, want)
	if c := want.Content; c != nil && c.Link {
		query := url.Values{"name": {c.Filename}, "content": {string(c.Bytes)}}
		text, _ := json.Marshal(c.Filename)
		a.Header.Set("Content-Type", "application/json")
		a.Body = fmt.Appendf(nil, `{"url":%q,"method":"GET","headers":{},"expires_at":%q,"filename":%s,"size":%d,"sha256":%q,"checksum":null}`,
			storage+"?"+query.Encode(), time.Now().Add(time.Minute).Format(time.RFC3339), text, len(c.Bytes), c.Output.sha256())
	}
	return a
}

// A good answer to each recorded request is found to be one.
func TestGoodAnswersPass(t *testing.T) {
	all, s := load(t)
	storage := storage(t)
	var results []*Result
	worlds(t, all, s, func(v *View, verdict Verdict) {
		a := good(storage, v, verdict.Want)
		results = append(results, &Result{v.x, verdict, v.Check(verdict.Want, a), a})
	})
	for _, wrong := range Wrong(results) {
		t.Error(wrong)
	}
	report := Report(results)
	if lines := strings.Split(strings.TrimSpace(report), "\n"); !strings.HasSuffix(strings.TrimSpace(lines[len(lines)-1]), " 0") {
		t.Errorf("report:\n%s", report)
	}
}

// mutations spoil a good answer; false where there is nothing to spoil.
var mutations = map[string]func(v *View, want *Want, a *Answer) bool{
	"status": func(_ *View, _ *Want, a *Answer) bool {
		a.Status++
		return true
	},
	"a server error": func(_ *View, _ *Want, a *Answer) bool {
		a.Status = 500
		return true
	},
	"a row dropped": func(_ *View, want *Want, a *Answer) bool {
		return editRows(a, want, func(rows []json.RawMessage) []json.RawMessage { return rows[1:] }, 1)
	},
	"a row twice": func(_ *View, want *Want, a *Answer) bool {
		return editRows(a, want, func(rows []json.RawMessage) []json.RawMessage { return append(rows, rows[0]) }, 1)
	},
	"rows swapped": func(_ *View, want *Want, a *Answer) bool {
		return editRows(a, want, func(rows []json.RawMessage) []json.RawMessage {
			rows[0], rows[1] = rows[1], rows[0]
			return rows
		}, 2)
	},
	"a row changed": func(_ *View, want *Want, a *Answer) bool {
		return want.List && replace(a, `"job":(\d)`, `"job":9`)
	},
	"another detail": func(v *View, want *Want, a *Answer) bool {
		return want.Detail != nil && v.method != "HEAD" && replace(a, `"detail":"`, `"detail":"Oops: `)
	},
	"no detail": func(v *View, want *Want, a *Answer) bool {
		return want.Codes != nil && v.method != "HEAD" && replace(a, `"detail":`, `"details":`)
	},
	"another code": func(v *View, want *Want, a *Answer) bool {
		return want.Codes != nil && v.method != "HEAD" && replace(a, `"code":"`, `"code":"x_`)
	},
	"no request_id": func(v *View, want *Want, a *Answer) bool {
		return want.Codes != nil && v.method != "HEAD" && replace(a, `"request_id":`, `"id":`)
	},
	"another media type": func(v *View, want *Want, a *Answer) bool {
		a.Header.Set("Content-Type", "text/html")
		return len(a.Body) > 0
	},
	"no challenge": func(_ *View, _ *Want, a *Answer) bool {
		a.Header.Del("WWW-Authenticate")
		return a.Status == 401
	},
	"no Allow": func(v *View, want *Want, a *Answer) bool {
		a.Header.Del("Allow")
		a.Header.Del("Access-Control-Allow-Methods")
		return want.Allow != nil
	},
	"no file name": func(_ *View, want *Want, a *Answer) bool {
		a.Header.Del("Content-Disposition")
		return want.Content != nil && !want.Content.Link
	},
	"another file name": func(_ *View, want *Want, a *Answer) bool {
		a.Header.Set("Content-Disposition", strings.Replace(a.Header.Get("Content-Disposition"), `filename="`, `filename="x`, 1))
		return want.Content != nil && !want.Content.Link
	},
	"no nosniff": func(_ *View, want *Want, a *Answer) bool {
		a.Header.Del("X-Content-Type-Options")
		return want.Content != nil && !want.Content.Link
	},
	"a byte less": func(v *View, want *Want, a *Answer) bool {
		if want.Content == nil || want.Content.Link || len(a.Body) == 0 {
			return false
		}
		a.Body = a.Body[1:]
		return true
	},
	"another link": func(_ *View, want *Want, a *Answer) bool {
		return want.Content != nil && want.Content.Link && replace(a, `content=`, `content=x`)
	},
	"another pk": func(_ *View, want *Want, a *Answer) bool {
		return want.Row != nil && len(a.Body) > 0 && replace(a, `"pk":\d+`, `"pk":1999`) && !want.NewPK
	},
	"a pk given before": func(_ *View, want *Want, a *Answer) bool {
		return want.NewPK && replace(a, `"pk":\d+`, `"pk":5`)
	},
	"no pk": func(_ *View, want *Want, a *Answer) bool {
		return want.Row != nil && len(a.Body) > 0 && replace(a, `"pk":\d+`, `"pk":null`)
	},
	"members in another order": func(_ *View, want *Want, a *Answer) bool {
		return (want.Row != nil || want.Job != nil) && replace(a, `^\{("pk":\d+),("[a-z]+":[^,]+),`, `{$2,$1,`)
	},
	"time with an offset": func(_ *View, want *Want, a *Answer) bool {
		return want.Row != nil && replace(a, `("creation_time":"[^"]*)Z"`, `$1+00:00"`)
	},
	"another time": func(_ *View, want *Want, a *Answer) bool {
		return want.Row != nil && replace(a, `("creation_time":")\d{4}`, `${1}2001`)
	},
	"deleted or not": func(_ *View, want *Want, a *Answer) bool {
		return want.Row != nil && (replace(a, `"deletion_time":null`, `"deletion_time":"2023-06-01T00:00:00.000000Z"`) ||
			replace(a, `"deletion_time":"[^"]*"`, `"deletion_time":null`))
	},
	"another digest": func(_ *View, want *Want, a *Answer) bool {
		return want.Row != nil && replace(a, `"sha256":"..`, `"sha256":"zz`)
	},
	"another holder": func(_ *View, want *Want, a *Answer) bool {
		return want.Holder != nil && replace(a, `"pk":\d+`, `"pk":1999`)
	},
	"other errors": func(_ *View, want *Want, a *Answer) bool {
		return want.Errors != nil && replace(a, `"errors":\{"`, `"errors":{"x`)
	},
	"a job's output missing": func(_ *View, want *Want, a *Answer) bool {
		return want.Job != nil && replace(a, `"outputs":\[\{[^}]*\},`, `"outputs":[`)
	},
	"another node": func(_ *View, want *Want, a *Answer) bool {
		return want.Job != nil && replace(a, `"node":\d`, `"node":7`)
	},
	"no token": func(_ *View, want *Want, a *Answer) bool {
		return len(want.Tokens) > 0 && replace(a, `"access":"[^"]*"`, `"access":""`)
	},
	"a body": func(_ *View, want *Want, a *Answer) bool {
		a.Body = []byte("{}")
		return want.Empty
	},
	"no next page": func(_ *View, want *Want, a *Answer) bool {
		a.Header.Del("X-Next-Cursor")
		return want.More
	},
	"another range": func(_ *View, want *Want, a *Answer) bool {
		a.Header.Set("Content-Range", "bytes 1-2/3")
		return want.Content != nil && want.Content.Range != ""
	},
}

var patterns = map[string]*regexp.Regexp{}

func replace(a *Answer, pattern, with string) bool {
	if patterns[pattern] == nil {
		patterns[pattern] = regexp.MustCompile(pattern)
	}
	changed := patterns[pattern].ReplaceAll(a.Body, []byte(with))
	if bytes.Equal(changed, a.Body) {
		return false
	}
	a.Body = changed
	return true
}

func editRows(a *Answer, want *Want, edit func([]json.RawMessage) []json.RawMessage, least int) bool {
	if len(want.Rows) < least {
		return false
	}
	var rows []json.RawMessage
	_ = json.Unmarshal(a.Body, &rows) // ours
	a.Body, _ = json.Marshal(edit(rows))
	return true
}

// Every spoiled answer is found to be wrong, whichever exchange it is an answer to.
func TestSpoiledAnswersFail(t *testing.T) {
	all, s := load(t)
	storage := storage(t)
	tried := map[string]int{}
	worlds(t, all, s, func(v *View, verdict Verdict) {
		for name, spoil := range mutations {
			a := good(storage, v, verdict.Want)
			if !spoil(v, verdict.Want, a) {
				continue
			}
			tried[name]++
			if wrong := v.Check(verdict.Want, a); len(wrong) == 0 {
				t.Errorf("%s/%s: %s goes unnoticed: %s", v.x.Topic, v.x.ID, name, a.Body)
			}
		}
	})
	for name := range mutations {
		if tried[name] == 0 {
			t.Errorf("no answer could be spoiled by %s", name)
		}
	}
}

// Where no rule decides, the recording does: had the original answered otherwise, its
// other answer would be wanted. So no rule swallows an answer that the original gave.
func TestRulesAreNarrow(t *testing.T) {
	all, s := load(t)
	others := []Response{
		{Status: 200, JSON: json.RawMessage(`{"pk":6,"job":2,"name":"statistics","type":"Compressed<JSON>","creator":2,"creation_time":"2023-01-02T16:04:05.678901+13:00","deletion_time":null}`)},
		{Status: 204},
		{Status: 403, JSON: json.RawMessage(`{"detail":"You do not have permission to perform this action."}`)},
		{Status: 404, JSON: json.RawMessage(`{"detail":"Not found."}`)},
		{Status: 409, JSON: json.RawMessage(`{"detail":"Something else."}`)},
	}
	compared := 0
	worlds(t, all, s, func(v *View, verdict Verdict) {
		if rule := verdict.Rule; rule != "" && rule != "D5" && rule != "D10" || v.escape || v.action == "" || v.action == "unmapped" {
			return
		}
		for _, other := range others {
			if other.Status == v.x.Response.Status {
				continue
			}
			x := *v.x
			x.Response = other
			got := Judge(NewView(&x, v.w))
			if _, _, node := v.nodeID(); node && got.Rule == "D6" || got.Rule == "D4" {
				continue // these go by the request alone
			}
			compared++
			if got.Want.Status != other.Status {
				complain(t, all)("%s/%s: had the original answered %d, rule %q would want %s", v.x.Topic, v.x.ID, other.Status, got.Rule, got.Want)
			}
		}
	})
	if compared < 1000 {
		t.Errorf("only %d answers were tried", compared)
	}
}

// A service that is down or answers one thing to everything is found wrong, and the
// replay goes on to the end.
func TestReplayOfABrokenService(t *testing.T) {
	all, s := load(t)
	broken := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusTeapot)
	}))
	t.Cleanup(broken.Close)
	target := &Target{
		Addr: broken.Listener.Addr().String(),
		Load: func(context.Context, *seed.Seed) error { return nil },
		Token: func(tenant, placeholder string, _ *View) (string, error) {
			return makeToken(paper{}, tenant, placeholder)
		},
	}
	for range 2 {
		results, err := Replay(t.Context(), target, NewPlan(all, s), s)
		if err == nil || len(results) != len(all) {
			t.Errorf("%d results and %v, want %d and an error", len(results), err, len(all))
		}
		if wrong := Wrong(results); len(wrong) != len(all) {
			t.Errorf("%d answers are wrong, want all %d", len(wrong), len(all))
		}
		broken.Close() // nobody answers
	}
}

// Every rule of the table that recordings can show is shown by some.
func TestEveryRuleIsUsed(t *testing.T) {
	all, s := load(t)
	used := map[string]bool{}
	worlds(t, all, s, func(_ *View, verdict Verdict) { used[verdict.Rule] = true })
	for _, rule := range Rules {
		if !used[rule.Name] {
			t.Errorf("%s (%s) decides nothing", rule.Name, rule.Why)
		}
	}
	// D8 needs two tenants, which no recording has.
	for i := 1; i <= 20; i++ {
		if name := fmt.Sprintf("D%d", i); !used[name] && !slices.Contains([]string{"D8"}, name) {
			t.Errorf("%s decides nothing", name)
		}
	}
}
