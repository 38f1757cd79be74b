package conformance

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"joboutputs/infra/local/seed"
)

const committed = "testdata/recordings"

func load(tb testing.TB) ([]*Exchange, *seed.Seed) {
	tb.Helper()
	all, err := ReadRecordings(committed)
	if err != nil {
		tb.Fatal(err)
	}
	s, err := seed.ReadFile(filepath.Join(committed, "seed.json"))
	if err != nil {
		tb.Fatal(err)
	}
	return all, s
}

// complain fails the test. If recordings were added to those that the model was made for,
// it only says what it finds: what counts then is TestConformance.
func complain(t *testing.T, all []*Exchange) func(format string, args ...any) {
	const madeFor = 1484
	if len(all) > madeFor {
		return t.Logf
	}
	return t.Errorf
}

// worlds are the states in which exchanges are judged, as if every answer were as wanted.
func worlds(tb testing.TB, all []*Exchange, s *seed.Seed, look func(v *View, verdict Verdict)) {
	tb.Helper()
	byID := map[string]*Exchange{}
	for _, x := range all {
		byID[x.Topic+"/"+x.ID] = x
	}
	for _, x := range all {
		w := NewWorld(s, time.Now())
		for _, id := range x.After {
			v := NewView(byID[x.Topic+"/"+id], w)
			verdict := Judge(v)
			v.Learn(verdict, pretend(v, verdict.Want))
		}
		v := NewView(x, w)
		look(v, Judge(v))
	}
}

// Where no rule allows a difference, the model answers as the original did: the model is
// right about the original, and the rules are all there are.
func TestModelAgreesWithRecordings(t *testing.T) {
	all, s := load(t)
	worlds(t, all, s, func(v *View, verdict Verdict) {
		if verdict.Note != "" {
			complain(t, all)("%s/%s: %s %s: %s\n  want %s", v.x.Topic, v.x.ID, v.x.Request.Method, v.x.Request.Path, verdict.Note, verdict.Want)
		}
	})
}

// No expectation is a failure of ours.
func TestNothingWantsA5xx(t *testing.T) {
	all, s := load(t)
	worlds(t, all, s, func(v *View, verdict Verdict) {
		if verdict.Want.Status >= 500 {
			t.Errorf("%s/%s wants %s", v.x.Topic, v.x.ID, verdict.Want)
		}
		if v.x.Response.Status >= 500 && verdict.Rule == "" {
			t.Errorf("%s/%s: the original crashed and no rule says what instead", v.x.Topic, v.x.ID)
		}
	})
}

func TestEveryPlaceholderIsKnown(t *testing.T) {
	all, _ := load(t)
	for _, x := range all {
		text := string(x.Request.payload())
		for _, h := range x.Request.Headers {
			text += " " + h[1]
		}
		if _, err := fill(text, func(name string) (string, error) { return makeToken(paper{}, "t", name) }); err != nil {
			t.Errorf("%s/%s: %v", x.Topic, x.ID, err)
		}
	}
}

// paper is an issuer whose tokens nobody proves.
type paper struct{}

func (paper) Claims(tenant, username, use string) (map[string]any, error) {
	return map[string]any{"tenant": tenant, "username": username, "token_use": use, "upk": 2}, nil
}

func (paper) Mint(map[string]any, map[string]any) (string, error) { return "e30.e30.e30", nil }

// A plan judges every exchange once, and no scenario twice over.
func TestPlan(t *testing.T) {
	all, s := load(t)
	plan := NewPlan(all, s)
	times := map[*Exchange]int{}
	for _, x := range plan.Reads {
		times[x]++
	}
	for _, x := range plan.Refused {
		times[x]++
	}
	steps := 0
	for _, sc := range plan.Scenarios {
		for i, x := range sc.Steps {
			if sc.First[i] {
				times[x]++
			}
			steps++
		}
		for _, asked := range sc.At {
			for _, x := range asked {
				times[x]++
			}
		}
	}
	for _, x := range all {
		if times[x] != 1 {
			t.Errorf("%s/%s is judged %d times", x.Topic, x.ID, times[x])
		}
	}
	t.Logf("%d exchanges: %d reads, %d refused, %d scenarios of %d steps", len(all), len(plan.Reads), len(plan.Refused), len(plan.Scenarios), steps)
}

// The naive evaluator alone, without any rule, gives what the original gave.
func TestNaiveAgreesWithRecordedLists(t *testing.T) {
	all, s := load(t)
	compared := 0
	for _, x := range all {
		if x.Response.PKs == nil || len(x.After) > 0 {
			continue
		}
		v := NewView(x, NewWorld(s, time.Now()))
		body, refusal := v.object()
		if refusal != nil {
			complain(t, all)("%s: %s", x.ID, refusal)
			continue
		}
		spec, err := ParseSpec(body)
		if spec.foreignField || spec.naiveTime || spec.floatOnInt || x.Request.Transfer == "chunked" {
			continue // by D12, D9, D13 and D15 the answers may differ
		}
		if err != nil {
			complain(t, all)("%s: %v", x.ID, err)
			continue
		}
		compared++
		rows := map[int64]bool{}
		selected := spec.Select(v.w.All())
		for _, o := range selected {
			rows[o.PK] = true
		}
		for _, pk := range *x.Response.PKs {
			if !rows[pk] {
				complain(t, all)("%s: row %d is missing", x.ID, pk)
			}
			delete(rows, pk)
		}
		for pk := range rows {
			complain(t, all)("%s: row %d is too much", x.ID, pk)
		}
		recorded := []*Output{}
		for _, pk := range *x.Response.PKs {
			recorded = append(recorded, v.w.outputs[pk])
		}
		if strings.HasPrefix(x.RowOrder, "partial") && !ordered(spec, recorded) {
			complain(t, all)("%s: the recorded order is not ours", x.ID)
		}
		if x.RowOrder == "total" && pkList(recorded) != pkList(selected) {
			complain(t, all)("%s: order %s, want %s", x.ID, pkList(selected), pkList(recorded))
		}
	}
	if compared < 250 {
		t.Errorf("only %d lists were compared", compared)
	}
}
