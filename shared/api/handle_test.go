package api_test

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"joboutputs/shared/api"
	"joboutputs/shared/api/apitest"
	"joboutputs/shared/auth"
	"joboutputs/shared/problem"
)

const (
	outputs = "/v1/job-outputs/{pk}"
	named   = "/v1/jobs/{pk}/outputs/{name}/{type}"
)

var add = map[string]string{"pk": "1", "name": "n", "type": "t"}

// with is a principal changed for one case.
func with(p auth.Principal, change func(*auth.Principal)) auth.Principal {
	change(&p)
	return p
}

// The order: the token (401), the permission that needs no row (403), Node-Id (400, 403),
// and only then the action's own code.
func TestHandleChecksInOrder(t *testing.T) {
	now := apitest.Now.Truncate(time.Second) // tokens know whole seconds alone
	expired := func(p *auth.Principal) { p.Expires = now }
	nearly := func(p *auth.Principal) { p.Expires = now.Add(time.Second) }
	tenant := func(p *auth.Principal) { p.Tenant = "Not A Tenant" }
	for _, tt := range []struct {
		name   string
		action auth.Action
		as     auth.Principal
		node   string // Node-Id, "-" = not sent
		code   problem.Kind
		status int
		acting int64 // the node the action sees
	}{
		{"nobody", auth.OutputsRetrieve, auth.Principal{}, "-", problem.NotAuthenticated, 401, 0},
		{"nobody with a bad node", auth.JobsAddOutput, auth.Principal{}, "abc", problem.NotAuthenticated, 401, 0},
		{"a context no authorizer made", auth.OutputsRetrieve, with(apitest.Admin, tenant), "-", problem.NotAuthenticated, 401, 0},
		{"expired", auth.OutputsDestroy, with(apitest.Bob, expired), "abc", problem.TokenNotValid, 401, 0},
		{"about to expire", auth.OutputsRetrieve, with(apitest.Bob, nearly), "-", "", 200, 0},
		{"anyone", auth.AuthObtain, auth.Principal{}, "abc", "", 200, 0},
		{"anyone, expired", auth.AuthObtain, with(apitest.Bob, expired), "-", "", 200, 0},

		{"not an admin", auth.OutputsDestroy, apitest.Bob, "-", problem.PermissionDenied, 403, 0},
		{"not an admin, for a node that is not granted", auth.OutputsDestroy, apitest.Bob, "1", problem.PermissionDenied, 403, 0},
		{"not an admin, for a bad node", auth.OutputsDestroy, apitest.Bob, "abc", problem.PermissionDenied, 403, 0},
		{"an action without a row", auth.Action("made-up"), apitest.Admin, "-", problem.PermissionDenied, 403, 0},
		{"nobody's action", auth.OutputsWrite, apitest.Admin, "-", problem.PermissionDenied, 403, 0},
		{"no node where one is needed", auth.JobsStart, apitest.Admin, "-", problem.PermissionDenied, 403, 0},
		{"neither admin nor node", auth.JobsAddOutput, apitest.Bob, "-", problem.PermissionDenied, 403, 0},

		{"bad node where one may do", auth.JobsAddOutput, apitest.Bob, "abc", problem.BadNodeID, 400, 0},
		{"bad node as admin", auth.OutputsDestroy, apitest.Admin, "abc", problem.BadNodeID, 400, 0},
		{"empty node", auth.OutputsRetrieve, apitest.Alice, "", problem.BadNodeID, 400, 0},
		{"fraction", auth.OutputsRetrieve, apitest.Alice, "1.0", problem.BadNodeID, 400, 0},
		{"node not granted", auth.JobsAddOutput, apitest.Alice, "3", problem.NodeNotGranted, 403, 0},
		{"node not granted to an admin", auth.OutputsRetrieve, apitest.Admin, "1", problem.NodeNotGranted, 403, 0},
		{"node 0", auth.OutputsRetrieve, apitest.Alice, "0", problem.NodeNotGranted, 403, 0},
		{"negative node", auth.OutputsRetrieve, apitest.Alice, "-1", problem.NodeNotGranted, 403, 0},
		{"node beyond numbers", auth.OutputsRetrieve, apitest.Alice, "999999999999999999999", problem.NodeNotGranted, 403, 0},
		{"node as Python writes it", auth.OutputsRetrieve, apitest.Alice, "1_0", problem.NodeNotGranted, 403, 0},

		{"granted node", auth.JobsStart, apitest.Alice, "2", "", 200, 2},
		{"granted node with blanks and zeros", auth.JobsStart, apitest.Alice, " 02 ", "", 200, 2},
		{"granted node where none is needed", auth.OutputsRetrieve, apitest.Alice, "1", "", 200, 1},
		{"granted node, owner unknown yet", auth.JobsAddOutput, apitest.Alice, "1", "", 200, 1},
		{"admin", auth.OutputsDestroy, apitest.Admin, "-", "", 200, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var seen *auth.Principal
			h := api.Handle(tt.action, func(w http.ResponseWriter, r *http.Request, p auth.Principal) error {
				seen = &p
				if _, err := api.Body(r); err == nil {
					t.Error("the body is malformed and was read")
				}
				return api.JSON(w, http.StatusOK, "done")
			})
			call := apitest.Call{Method: "POST", Resource: named, Params: add, As: tt.as, Now: now, JSON: "{", Header: map[string]string{}}
			if tt.node != "-" {
				call.Header["node-id"] = tt.node
			}
			answer := call.Do(t, h)
			if answer.Status != tt.status || answer.Code() != tt.code {
				t.Fatalf("got %v, want %d %s", answer, tt.status, tt.code)
			}
			if (seen != nil) != (tt.status == http.StatusOK) {
				t.Errorf("the action ran: %v", seen != nil)
			}
			if seen != nil && seen.Node != tt.acting {
				t.Errorf("acts for node %d, want %d", seen.Node, tt.acting)
			}
			if tt.status == http.StatusUnauthorized {
				if got := answer.Header.Get("WWW-Authenticate"); got != api.Challenge || answer.Detail() != api.UnauthorizedText {
					t.Errorf("the 401 is not the fixed one: %q, %v", got, answer)
				}
			}
		})
	}
}

func TestHandleGivesThePrincipal(t *testing.T) {
	var got auth.Principal
	h := api.Handle(auth.OutputsRetrieve, func(w http.ResponseWriter, _ *http.Request, p auth.Principal) error {
		got = p
		return nil
	})
	want := with(apitest.Alice, func(p *auth.Principal) {
		p.Node, p.Admin, p.Expires = 2, true, apitest.Now.Truncate(time.Second).Add(time.Minute)
	})
	apitest.Call{Method: "GET", Resource: outputs, Params: map[string]string{"pk": "1"}, As: want}.Do(t, h)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("principal (-want +got):\n%s", diff)
	}
}

func TestPK(t *testing.T) {
	for text, want := range map[string]int64{
		"5": 5, "0005": 5, "2147483647": 2147483647,
		"0": 0, "-1": 0, "+5": 0, " 5": 0, "5 ": 0, "5.0": 0, "1_0": 0, "٥": 0, "abc": 0, ".": 0, "..": 0, "5?": 0,
		"2147483648": 0, "9223372036854775808": 0, strings.Repeat("9", 5000): 0,
	} {
		h := api.Handle(auth.OutputsRetrieve, func(w http.ResponseWriter, r *http.Request, _ auth.Principal) error {
			pk, err := api.PK(r, "pk")
			if err != nil {
				return err
			}
			return api.JSON(w, http.StatusOK, pk)
		})
		answer := apitest.Call{Method: "GET", Resource: outputs, Params: map[string]string{"pk": text}, As: apitest.Bob}.Do(t, h)
		if want == 0 {
			if answer.Status != http.StatusNotFound || answer.Code() != problem.NotFound || answer.Detail() != "Not found." {
				t.Errorf("PK(%.20q): got %v, want the plain 404", text, answer)
			}
			continue
		}
		var got int64
		if answer.Into(t, &got); answer.Status != http.StatusOK || got != want {
			t.Errorf("PK(%q): got %v, want %d", text, answer, want)
		}
	}
}

// Path parameters are decoded once, here and nowhere else.
func TestPathDecoding(t *testing.T) {
	for _, tt := range []struct {
		raw, want string
		code      problem.Kind
	}{
		{raw: "plain", want: "plain"},
		{raw: "a%20b+c", want: "a b+c"},
		{raw: "a%2520b", want: "a%20b"},
		{raw: "%C3%A9%F0%9F%8E%89", want: "é🎉"},
		{raw: "é", want: "é"},
		{raw: "%FF%fe", want: "\uFFFD\uFFFD"}, // one for each, as Python has it
		{raw: "a%FFb%FFc", want: "a\uFFFDb\uFFFDc"},
		{raw: "..", want: ".."},
		{raw: "%2E%2E", want: ".."},
		{raw: "%3F%23%3B%22%3C%3E%5C", want: `?#;"<>\`},
		{raw: "%00%0A", want: "\x00\n"},
		{raw: "a%2Fb", code: problem.NotFound},
		{raw: "5%2f", code: problem.NotFound},
		{raw: "a%ZZ", code: problem.InvalidRequest},
		{raw: "a%", code: problem.InvalidRequest},
	} {
		var got string
		h := api.Handle(auth.JobsGetOutput, func(w http.ResponseWriter, r *http.Request, _ auth.Principal) error {
			got = r.PathValue("name")
			return nil
		})
		event := apitest.Call{Method: "GET", Resource: named, Params: add, As: apitest.Bob}.Event(t)
		event.PathParameters["name"] = tt.raw
		response, err := edge(t).Buffered(h)(t.Context(), event)
		if err != nil {
			t.Fatal(err)
		}
		if tt.code != "" {
			if response.StatusCode != api.Status(tt.code) || !strings.Contains(response.Body, string(tt.code)) || got != "" {
				t.Errorf("%q: got %d %s, want %s", tt.raw, response.StatusCode, response.Body, tt.code)
			}
		} else if response.StatusCode != http.StatusOK || got != tt.want {
			t.Errorf("%q: got %d %+q, want %+q", tt.raw, response.StatusCode, got, tt.want)
		}
	}
}

// TestParamsEitherWay: a name is the same whether the gateway passes parameters on as they
// were sent, as a live event shows it, or decoded with "%" encoded again, as its guide says.
func TestParamsEitherWay(t *testing.T) {
	for _, name := range []string{"plain", "a b+c", "100%", "100%25", "%2F", "é🎉", "?#;", "..", "\x00\n"} {
		for way, raw := range map[string]string{"as sent": url.PathEscape(name), "decoded": strings.ReplaceAll(name, "%", "%25")} {
			var got string
			h := api.Handle(auth.JobsGetOutput, func(_ http.ResponseWriter, r *http.Request, _ auth.Principal) error {
				got = r.PathValue("name")
				return nil
			})
			event := apitest.Call{Method: "GET", Resource: named, Params: add, As: apitest.Bob}.Event(t)
			event.PathParameters["name"] = raw
			if _, err := edge(t).Buffered(h)(t.Context(), event); err != nil || got != name {
				t.Errorf("%q %s: %q, %v", name, way, got, err)
			}
		}
	}
}

func TestErrors(t *testing.T) {
	secret := errors.New("table T: key k")
	for _, tt := range []struct {
		name   string
		fn     api.Func
		status int
		code   problem.Kind
		logged string // must be in the log and not in the answer
		retry  string
	}{
		{"problem", func(http.ResponseWriter, *http.Request, auth.Principal) error {
			return problem.New(problem.JobFinished, "It is over.")
		}, 409, problem.JobFinished, "", ""},
		{"error of ours", func(http.ResponseWriter, *http.Request, auth.Principal) error { return secret }, 500, problem.Internal, "table T", ""},
		{"cause of a problem", func(http.ResponseWriter, *http.Request, auth.Principal) error {
			return problem.New(problem.Unavailable, "Wait.").After(1500 * time.Millisecond).Because(secret)
		}, 503, problem.Unavailable, "table T", "2"},
		{"panic", func(http.ResponseWriter, *http.Request, auth.Principal) error { panic(secret) }, 500, problem.Internal, "table T", ""},
		{"headers of an answer that is not given", func(w http.ResponseWriter, _ *http.Request, _ auth.Principal) error {
			w.Header().Set("Content-Length", "5")
			w.Header().Set("ETag", `"x"`)
			w.Header().Set("Content-Disposition", "attachment")
			return problem.Missing()
		}, 404, problem.NotFound, "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			call := apitest.Call{Method: "GET", Resource: outputs, Params: map[string]string{"pk": "1"}, As: apitest.Bob, Header: map[string]string{"Origin": "https://a.test"}}
			for kind, do := range map[string]func(testing.TB, http.Handler) *apitest.Answer{"buffered": call.Do, "streamed": call.Stream} {
				answer := do(t, api.Handle(auth.OutputsRetrieve, tt.fn))
				if answer.Status != tt.status || answer.Code() != tt.code || answer.Cut != nil {
					t.Errorf("%s: got %v (cut: %v), want %d %s", kind, answer, answer.Cut, tt.status, tt.code)
				}
				if strings.Contains(string(answer.Body), "table T") || !strings.Contains(answer.Log, tt.logged) || strings.Count(answer.Log, "\n") != 1 {
					t.Errorf("%s: answer %s\nlog %s", kind, answer.Body, answer.Log)
				}
				if got := answer.Header.Get("Retry-After"); got != tt.retry {
					t.Errorf("%s: Retry-After %q, want %q", kind, got, tt.retry)
				}
				if h := answer.Header; h.Get("ETag")+h.Get("Content-Disposition") != "" || h.Get("Content-Length") == "5" || h.Get("Access-Control-Allow-Origin") != "*" {
					t.Errorf("%s: headers %v", kind, h)
				}
			}
		})
	}
}
