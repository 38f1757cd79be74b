package list_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"strings"
	"testing"
	"time"

	"joboutputs/functions/joboutputs/list"
	"joboutputs/shared/api/apitest"
	"joboutputs/shared/auth"
	"joboutputs/shared/filter"
	"joboutputs/shared/outputs"
	"joboutputs/shared/problem"
)

// fake lists what it is told, and remembers what it was asked.
type fake struct {
	rows  iter.Seq2[outputs.Output, error]
	next  string
	err   error
	asked string
}

func (f *fake) List(_ context.Context, tenant string, spec *filter.Spec) (*outputs.Listing, error) {
	f.asked += fmt.Sprintf("list %s", tenant)
	if spec.IncludeInactive {
		f.asked += ", inactive too"
	}
	if spec.Limit != 0 {
		f.asked += fmt.Sprintf(", %d after %q", spec.Limit, spec.Cursor)
	}
	if f.err != nil {
		return nil, f.err
	}
	return &outputs.Listing{Rows: f.rows, Next: f.next}, nil
}

// rows yields n outputs whose types have the length given, and then an error if there is one.
func rows(n, typeLength int, err error) iter.Seq2[outputs.Output, error] {
	return func(yield func(outputs.Output, error) bool) {
		for pk := 1; pk <= n; pk++ {
			o := outputs.Output{PK: int64(pk), Job: 2, Name: "n", Type: strings.Repeat("t", typeLength), CreationTime: time.Unix(0, 0)}
			if !yield(o, nil) {
				return
			}
		}
		if err != nil {
			yield(outputs.Output{}, err)
		}
	}
}

var post = apitest.Call{Method: http.MethodPost, Resource: "/v1/job-outputs/list", As: apitest.Bob}

func body(text string) apitest.Call {
	c := post
	c.JSON = text
	return c
}

func TestList(t *testing.T) {
	with := func(n int) func(error) (http.Handler, func() string) {
		return func(err error) (http.Handler, func() string) {
			f := &fake{rows: rows(n, 1, nil), err: err}
			return list.New(f, true), func() string { return f.asked }
		}
	}
	const two = `200 [{"pk":1,"job":2,"name":"n","type":"t","creator":null,"creation_time":"1970-01-01T00:00:00.000000Z","deletion_time":null,"size":0,"content_type":null,"sha256":null,"checksum":null},` +
		`{"pk":2,"job":2,"name":"n","type":"t","creator":null,"creation_time":"1970-01-01T00:00:00.000000Z","deletion_time":null,"size":0,"content_type":null,"sha256":null,"checksum":null}]`
	apitest.Script(t, with(2), []apitest.Step{
		{Name: "the specification reaches the store", Call: body(`{"include_inactive":true,"limit":10,"cursor":"abc"}`), Want: two, Asked: `list demo, inactive too, 10 after "abc"`},
		{Name: "an array of pairs", Call: body(`[["include_inactive",true],["limit",7]]`), Want: two, Asked: `list demo, inactive too, 7 after ""`},
		{Name: "permission is before the body", Call: body(`{`).By(auth.Principal{}), Want: "401 not_authenticated: Authentication credentials were not provided or are not valid."},
		{Name: "the store: a cursor of another list", Call: body(`{"cursor":"abc"}`), Asked: "list demo",
			Err:  problem.New(problem.InvalidRequest, "cursor: is of another list"),
			Want: "400 invalid_request: cursor: is of another list"},
		{Name: "the store: too much to sort", Call: post, Err: problem.New(problem.ResultTooLarge, "Use limit."), Want: "413 result_too_large: Use limit.", Asked: "list demo"},
	},
		apitest.BodySteps(post, two, "list demo"),
		apitest.AccessSteps(auth.Authenticated, post),
		apitest.StoreSteps(post, "list demo"),
	)
	apitest.Script(t, with(0), []apitest.Step{{Name: "nothing found", Call: post, Want: "200 []", Asked: "list demo"}})
	apitest.Script(t, with(1), []apitest.Step{{Name: "one", Call: post, Want: two[:strings.Index(two, ",{")] + "]", Asked: "list demo"}})
}

func TestInvalidFilter(t *testing.T) {
	for _, text := range []string{
		`{"unknown":1}`,
		`{"limit":0}`,
		`{"limit":1001}`,
		`{"expressions":[{"type":"exact","field":"creator.password","value":"x"}]}`,
		`[["expressions",null]]`,
	} {
		f := &fake{}
		answer := body(text).Do(t, list.New(f, true))
		if answer.Status != http.StatusBadRequest || answer.Code() != problem.InvalidFilter || f.asked != "" {
			t.Errorf("%s: %s and the store was asked %q, want 400 invalid_filter and nothing asked", text, answer, f.asked)
		}
	}
}

func TestNextCursor(t *testing.T) {
	for _, next := range []string{"", "c2Vjb25k"} {
		answer := body(`{"limit":2}`).Stream(t, list.New(&fake{rows: rows(2, 1, nil), next: next}, true))
		if got := answer.Header.Values("X-Next-Cursor"); answer.Status != http.StatusOK || strings.Join(got, ",") != next || next == "" && got != nil {
			t.Errorf("next %q: %d with X-Next-Cursor %q", next, answer.Status, got)
		}
	}
}

// TestStreams: an answer of any length goes out while it is read.
func TestStreams(t *testing.T) {
	const n = 4_000 // 8.6 MB, more than a buffered Lambda may answer
	answer := post.Stream(t, list.New(&fake{rows: rows(n, 2_000, nil)}, true))
	var got []struct {
		PK int `json:"pk"`
	}
	answer.Into(t, &got)
	if answer.Status != http.StatusOK || answer.Cut != nil || len(got) != n || got[n-1].PK != n || len(answer.Body) < 6_000_000 {
		t.Errorf("%d rows in %d bytes, status %d, cut %v, want all %d rows", len(got), len(answer.Body), answer.Status, answer.Cut, n)
	}
}

// TestErrorInTheMiddle: once rows were sent, a problem leaves text that is not JSON.
func TestErrorInTheMiddle(t *testing.T) {
	away := problem.New(problem.Unavailable, "The service cannot reach its storage at the moment.")
	answer := post.Stream(t, list.New(&fake{rows: rows(200, 2_000, away)}, true))
	if answer.Status != http.StatusOK || answer.Cut == nil {
		t.Errorf("status %d, cut %v, want an answer cut after its 200", answer.Status, answer.Cut)
	}
	if json.Valid(answer.Body) || len(answer.Body) == 0 || strings.HasSuffix(string(answer.Body), "]") {
		t.Errorf("%d bytes that end in %q, want the beginning of an array", len(answer.Body), answer.Body[max(0, len(answer.Body)-20):])
	}
	if !strings.Contains(answer.Log, `"code":"unavailable"`) {
		t.Errorf("the log says %s, want the problem", answer.Log)
	}

	// Before the first bytes are out there is still time to say it.
	for name, err := range map[string]error{"503 unavailable": away, "500 internal": errors.New("boom")} {
		answer := post.Stream(t, list.New(&fake{rows: rows(3, 1, err)}, true))
		if !strings.HasPrefix(answer.Line(), name) || answer.Cut != nil {
			t.Errorf("a problem in the first rows: %s, cut %v, want %s", answer.Line(), answer.Cut, name)
		}
	}
}

// TestBuffered: where nothing streams the answer is whole, or none: over api.MaxResponse it is refused.
func TestBuffered(t *testing.T) {
	fits := post.Do(t, list.New(&fake{rows: rows(2_000, 2_000, nil)}, false))
	var got []json.RawMessage
	fits.Into(t, &got)
	if fits.Status != http.StatusOK || len(got) != 2_000 {
		t.Errorf("status %d with %d rows, want 200 with 2,000", fits.Status, len(got))
	}

	f := &fake{rows: rows(4_000, 2_000, nil), next: "c2Vjb25k"}
	tooLarge := post.Do(t, list.New(f, false))
	if want := "413 result_too_large: The result is over 4500000 bytes: use limit and cursor, or narrower filters."; tooLarge.Line() != want {
		t.Errorf("got %.200s, want %s", tooLarge.Line(), want)
	}
	if next := tooLarge.Header.Get("X-Next-Cursor"); next != "" {
		t.Errorf("X-Next-Cursor is %q: who follows it loses the rows that were refused", next)
	}

	answer := post.Do(t, list.New(&fake{rows: rows(2_000, 2_000, errors.New("boom"))}, false))
	if answer.Code() != "internal" {
		t.Errorf("a problem after 2,000 rows: %.200s, want 500 internal", answer.Line())
	}
}
