package apitest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"joboutputs/shared/auth"
	"joboutputs/shared/problem"
)

// Step is one request to an action and what comes of it.
type Step struct {
	Name  string
	Call  Call
	Err   error  // what the action's store returns, nil for success
	Want  string // the answer, as Answer.Line tells it
	Asked string // what reached the store, as the fake words it; "" = it was not asked

	Replayed bool // the response is marked as an earlier call's
}

// Script runs each step on a handler of its own. build gets the store's error and answers
// the handler with what its fake was asked.
func Script(t *testing.T, build func(storeErr error) (h http.Handler, asked func() string), steps ...[]Step) {
	t.Helper()
	for _, part := range steps {
		for _, step := range part {
			t.Run(step.Name, func(t *testing.T) {
				h, asked := build(step.Err)
				answer := step.Call.Do(t, h)
				if diff := cmp.Diff(step.Want, answer.Line()); diff != "" {
					t.Errorf("the answer (-want +got):\n%s", diff)
				}
				if diff := cmp.Diff(step.Asked, asked()); diff != "" {
					t.Errorf("what reached the store (-want +got):\n%s", diff)
				}
				answer.checkHeaders(t)
				if got, want := answer.Header.Get("Idempotent-Replay"), map[bool]string{true: "true"}[step.Replayed]; got != want {
					t.Errorf("Idempotent-Replay is %q, want %q", got, want)
				}
				if step.Err != nil && strings.Contains(string(answer.Body), secret) {
					t.Errorf("the answer gives away an error of ours: %s", answer.Body)
				}
			})
		}
	}
}

// Line tells an answer in one line: "200 {…}" or, of a problem, "404 not_found: Not found."
func (a *Answer) Line() string {
	if a.Problem() != nil {
		return fmt.Sprintf("%d %s: %s", a.Status, a.Code(), a.Detail())
	}
	return strings.TrimSpace(fmt.Sprintf("%d %s", a.Status, a.Body))
}

// checkHeaders holds what is so of every answer of an action that reads or writes JSON.
func (a *Answer) checkHeaders(t *testing.T) {
	t.Helper()
	want := map[string]string{}
	switch {
	case a.Status >= http.StatusBadRequest:
		want = map[string]string{"Content-Type": "application/problem+json", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
	case len(a.Body) > 0:
		want = map[string]string{"Content-Type": "application/json", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
	}
	switch a.Status {
	case http.StatusUnauthorized:
		want["WWW-Authenticate"] = `Bearer realm="api"`
	case http.StatusServiceUnavailable:
		want["Retry-After"] = "2"
	}
	got := maps.Clone(want)
	for name := range want {
		got[name] = a.Header.Get(name)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("headers of %s (-want +got):\n%s", a, diff)
	}
}

// By is the call made by somebody else.
func (c Call) By(p auth.Principal) Call {
	c.As = p
	return c
}

// With is the call with one more header.
func (c Call) With(name, value string) Call {
	c.Header = maps.Clone(c.Header)
	if c.Header == nil {
		c.Header = map[string]string{}
	}
	c.Header[name] = value
	return c
}

// On is the call with another path parameter.
func (c Call) On(param, value string) Call {
	c.Params = maps.Clone(c.Params)
	c.Params[param] = value
	return c
}

// For is the principal acting for a node: Node-Id is sent.
func For(p auth.Principal, node int64) auth.Principal {
	p.Node = node
	return p
}

const (
	unauthenticated = "Authentication credentials were not provided or are not valid."
	notFound        = "404 not_found: Not found."
	forbidden       = "403 permission_denied: You do not have permission to perform this action."
	badNode         = "400 bad_node_id: Bad Node-Id header 'one': Unable to parse into an integer primary-key"
	notGranted      = "403 node_not_granted: The token does not grant node 9."

	secret = "arn:aws:dynamodb"
)

// AccessSteps are the refusals of callers by an action with that access. None of them
// asks the store: a caller who may not do this does not learn which rows exist.
func AccessSteps(access auth.Access, call Call) []Step {
	expired := call.By(Admin)
	expired.As.Expires = Now.Truncate(time.Second)
	expired.Now = expired.As.Expires // a token is dead from its exp on
	steps := []Step{
		{Name: "without a token", Call: call.By(auth.Principal{}), Want: "401 not_authenticated: " + unauthenticated},
		{Name: "with a token that has expired", Call: expired, Want: "401 token_not_valid: " + unauthenticated},
		{Name: "an admin for an unparsable node", Call: call.By(Admin).With("Node-Id", "one"), Want: badNode},
		{Name: "an admin for a node the token does not grant", Call: call.By(For(Admin, 9)), Want: notGranted},
		{Name: "for node 0, which is none", Call: call.By(Admin).With("Node-Id", "0"), Want: strings.ReplaceAll(notGranted, "9", "0")},
	}
	// What a user without rights gets: alone, for an unparsable node, for a node not granted.
	var bob, bobUnparsable, bobNotGranted string
	switch access {
	case auth.Admin: // no node could change it, so Node-Id is not looked at
		bob, bobUnparsable, bobNotGranted = forbidden, forbidden, forbidden
		steps = append(steps, Step{Name: "a user for her own node", Call: call.By(For(Alice, 1)), Want: forbidden})
	case auth.OwnerOrAdmin, auth.Owner, auth.Node:
		bob, bobUnparsable, bobNotGranted = forbidden, badNode, notGranted
	default:
		bobUnparsable, bobNotGranted = badNode, notGranted
	}
	if access == auth.Node || access == auth.Owner {
		steps = append(steps, Step{Name: "an admin without a node", Call: call.By(Admin), Want: forbidden})
	}
	if bob != "" {
		steps = append(steps, Step{Name: "a user without rights", Call: call.By(Bob), Want: bob})
	}
	return append(steps,
		Step{Name: "a user without rights for an unparsable node", Call: call.By(Bob).With("Node-Id", "one"), Want: bobUnparsable},
		Step{Name: "a user without rights for a node", Call: call.By(For(Bob, 9)), Want: bobNotGranted},
	)
}

// KeySteps are the idempotency keys that are refused, before the store or the body is looked
// at, by an action that takes them.
func KeySteps(call Call) []Step {
	const want = "400 invalid_request: Idempotency-Key: must be sent once and have 1 to 255 printable ASCII characters"
	var steps []Step
	for name, key := range map[string]string{
		"an empty key": "", "a key of 256 characters": strings.Repeat("k", 256), "a key with a tab": "a\tb", "a key beyond ASCII": "é", "a key with DEL": "\x7f",
	} {
		steps = append(steps, Step{Name: name, Call: call.With("Idempotency-Key", key), Want: want})
	}
	return append(steps, Step{Name: "a bad key and no token", Call: call.By(auth.Principal{}).With("Idempotency-Key", ""), Want: "401 not_authenticated: " + unauthenticated})
}

// UsedKey is an idempotency key that was used before: a fake returns a replay.
const UsedKey = "used"

// Keyed is what a fake adds to what it was asked, with an idempotency key.
func Keyed(key string) string {
	if key == "" {
		return ""
	}
	return ", keyed " + key
}

// ChangeSteps are KeySteps, and the keys that reach the store of an action that changes
// something.
func ChangeSteps(call Call, want, asked string) []Step {
	return append(KeySteps(call),
		Step{Name: "a key", Call: call.With("Idempotency-Key", `"8e03978e-40d5-43dd-bc93-6894a57f9324"`), Want: want, Asked: asked + `, keyed "8e03978e-40d5-43dd-bc93-6894a57f9324"`},
		Step{Name: "a key that was used", Call: call.With("Idempotency-Key", UsedKey), Want: want, Asked: asked + ", keyed used", Replayed: true},
	)
}

// PKSteps are the forms of {pk}: 5 with leading zeros is found, as asked says; what cannot
// be a primary key is not, and nobody is asked.
func PKSteps(call Call, want, asked string) []Step {
	steps := []Step{{Name: "pk 0005", Call: call.On("pk", "0005"), Want: want, Asked: asked}}
	for _, pk := range []string{"0", "-1", "+5", "5a", "5.0", " 5", "٥", "0x5", "5/6", "2147483648", "9223372036854775808", strings.Repeat("5", 5000)} {
		steps = append(steps, Step{Name: "pk " + pk[:min(len(pk), 20)], Call: call.On("pk", pk), Want: notFound})
	}
	return steps
}

// StoreSteps are what the store may return to any action; each is answered alike.
func StoreSteps(call Call, asked string) []Step {
	return []Step{
		{Name: "the store: not found", Call: call, Err: problem.New(problem.NotFound, "Not found."), Asked: asked, Want: notFound},
		{
			Name: "the store: away", Call: call, Asked: asked,
			Err:  problem.New(problem.Unavailable, "The service cannot reach its storage at the moment.").After(2 * time.Second).Because(errors.New(secret)),
			Want: "503 unavailable: The service cannot reach its storage at the moment.",
		},
		{
			Name: "the store: lost", Call: call, Asked: asked,
			Err:  problem.New(problem.OutcomeUnknown, "The outcome is unknown.").After(2 * time.Second).Because(errors.New(secret)),
			Want: "503 outcome_unknown: The outcome is unknown.",
		},
		{
			Name: "the store: a wrapped problem", Call: call, Asked: asked,
			Err:  fmt.Errorf("read %s: %w", secret, problem.New(problem.Conflict, "The pk is taken.")),
			Want: "409 conflict: The pk is taken.",
		},
		{
			Name: "the store: too slow", Call: call, Asked: asked,
			Err:  fmt.Errorf("read %s: %w", secret, context.DeadlineExceeded),
			Want: "503 unavailable: The request took too long.",
		},
		{
			Name: "the store: a defect", Call: call, Asked: asked,
			Err:  errors.New("AccessDenied: " + secret),
			Want: "500 internal: Something went wrong on our side. It was logged under the request_id.",
		},
	}
}

// BodySteps are the bodies that ask for nothing, with the answer want and what reaches the
// store, and those that an action which reads a JSON object refuses.
func BodySteps(call Call, want, asked string) []Step {
	with := func(body, mediaType string) Call {
		c := call
		c.JSON, c.Body = "", body
		if mediaType != "" {
			c = c.With("Content-Type", mediaType)
		}
		return c
	}
	const mustBe = "400 invalid_request: The body must be a JSON object"
	steps := []Step{
		{Name: "no body", Call: with("", ""), Want: want, Asked: asked},
		{Name: "no body, declared as text", Call: with("", "text/plain"), Want: want, Asked: asked},
		{Name: "an empty object", Call: with("{}", "application/json"), Want: want, Asked: asked},
		{Name: "an empty array", Call: with(" [] ", "application/json; charset=utf-8"), Want: want, Asked: asked},
		{Name: "an empty string", Call: with(`""`, "Application/JSON"), Want: want, Asked: asked},
		{Name: "a body without a type", Call: with("{}", ""), Want: `415 unsupported_media_type: Unsupported media type "" in request.`},
		{Name: "a text", Call: with("{}", "text/plain"), Want: `415 unsupported_media_type: Unsupported media type "text/plain" in request.`},
		{Name: "a form", Call: with("a=b", "application/x-www-form-urlencoded"), Want: `415 unsupported_media_type: Unsupported media type "application/x-www-form-urlencoded" in request.`},
		{Name: "a coded body", Call: with("{}", "application/json").With("Content-Encoding", "gzip"), Want: `415 unsupported_media_type: Content-Encoding: the body must be sent without a content coding, not in "gzip".`},
		{Name: "the coding identity", Call: with("{}", "application/json").With("Content-Encoding", "identity"), Want: want, Asked: asked},
		{Name: "over 256 KiB", Call: with(strings.Repeat(" ", 256<<10)+"{}", "application/json"), Want: "413 payload_too_large: The body is over 262144 bytes."},
		{Name: "over 16 deep", Call: with(strings.Repeat("[", 17)+strings.Repeat("]", 17), "application/json"), Want: "400 invalid_json: The body is nested more than 16 deep."},
		{Name: "an array of one", Call: with("[1]", "application/json"), Want: mustBe + ": element 0 of the array is not a pair of a name and a value."},
	}
	for _, body := range []string{"null", "true", "5", `"text"`} {
		steps = append(steps, Step{Name: "the body " + body, Call: with(body, "application/json"), Want: mustBe + "."})
	}
	return append(steps,
		Step{Name: "half an object", Call: with("{", "application/json"), Want: "400 invalid_json: JSON parse error at line 1, column 2: unexpected EOF"},
		Step{Name: "text after the object", Call: with("{}\n  {}", "application/json"), Want: "400 invalid_json: JSON parse error at line 1, column 3: text after the value"},
	)
}
