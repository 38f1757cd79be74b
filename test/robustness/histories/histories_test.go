package histories_test

import (
	"crypto/sha256"
	"encoding/hex"
	"testing"

	"joboutputs/shared/auth"
	"joboutputs/test/harness"
	"joboutputs/test/report"
	"joboutputs/test/robustness/model"
)

func sum(content string) string {
	sum := sha256.Sum256([]byte(content))
	return hex.EncodeToString(sum[:])
}

// TestHistories lets clients meet, with faults and without, and explains what they saw.
func TestHistories(t *testing.T) {
	t.Parallel()
	check := report.Begin(t, "histories", report.Seed())
	trial := harness.NewTrial(t, "history")
	want, wantFaulty := report.Count(6, 500), report.Count(3, 200)
	var recorded, faulty, calls, withKey, lost, unanswered, illegal, undecided, broken int
	for n := range want {
		check.Tell(n, want)
		withFaults := n < wantFaulty
		h := record(trial, report.Seed()*1_000_000+uint64(n), withFaults)
		recorded++
		calls += len(h.events)
		if withFaults {
			faulty++
		}
		for _, e := range h.events {
			if lost += e.lost; e.tries > 0 {
				withKey++
			}
			if e.answer.Unknown && !withFaults && e.lost == 0 {
				unanswered++
				t.Logf("history %d: not answered: %s %+v", n, e.call, e.answer)
			}
		}
		bad, open := h.explain()
		illegal += len(bad)
		undecided += len(open)
		for _, what := range append(bad, open...) {
			t.Errorf("history %d (faults: %v): %s is not explained, or not in time", n, withFaults, what)
		}
		for _, what := range append(h.Broken, append(h.strangers(), afterwards(t, trial)...)...) {
			broken++
			t.Errorf("history %d (faults: %v): %s", n, withFaults, what)
		}
	}
	check.AtLeast("histories of 8 clients with 25 operations each", recorded, want)
	check.AtLeast("of these with faults", faulty, wantFaulty)
	check.AtLeast("calls in them", calls, want*clients*operations)
	check.AtLeast("of these with a key and retries, half of them or more by the client", withKey, calls/4)
	check.AtLeast("responses lost on their way, after which the call was retried", lost, want*5)
	check.Equal("histories with no linearization", illegal, 0)
	check.Equal("histories not decided", undecided, 0)
	check.Equal("promises broken after them", broken, 0)
	check.AtMost("calls not answered without a fault", unanswered, calls/1000)
}

// afterwards holds what is stored against what is promised, before and after a cleanup, and
// clears it.
func afterwards(t *testing.T, trial *harness.Trial) []string {
	t.Helper()
	stores, err := harness.ReadStores(t.Context(), trial.Rig.AWS)
	if err != nil {
		t.Fatal(err)
	}
	broken := stores.Broken(false)
	trial.Rig.Clock.Advance(harness.AllDue)
	if _, err := trial.Rig.Service.Deps.Cleanup.Run(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	if stores, err = harness.ReadStores(t.Context(), trial.Rig.AWS); err != nil {
		t.Fatal(err)
	}
	broken = append(broken, stores.Broken(true)...)
	if err := stores.Empty(t.Context()); err != nil {
		t.Fatal(err)
	}
	return broken
}

// TestDoctored changes one answer of a history: it is explained no more.
func TestDoctored(t *testing.T) {
	t.Parallel()
	trial := harness.NewTrial(t, "doctored")
	for _, tc := range []struct {
		name   string
		doctor func(*event) bool // whether it found what to change
	}{
		{"", func(*event) bool { return true }},
		{"a lost write, or one never made", func(e *event) bool { // the last read, beside which nothing happens
			answer := model.Answer{Status: 404, Code: "output_not_found"}
			if e.answer.Output == nil {
				answer = model.Answer{Status: 200, Output: invented(e.call.Name)}
			}
			return replace(&e.answer, e.call.Action == auth.JobsGetOutputInfo, answer)
		}},
		{"two winners", func(e *event) bool {
			return e.call.Action == auth.JobsAddOutput && replace(&e.answer, e.answer.Code == "duplicate_output", model.Answer{Status: 200, Output: invented(e.call.Name)})
		}},
		{"an add after the end", func(e *event) bool {
			return e.call.Action == auth.JobsAddOutput && replace(&e.answer, e.answer.Code == "job_finished", model.Answer{Status: 409, Code: "job_not_started"})
		}},
	} {
		h := record(trial, 1, false)
		if tc.name != "" {
			h.do(0, model.Call{Action: auth.JobsAddOutput, Caller: h.Admin, Job: 1, Name: "a", Type: "bin", Content: "late"})
			h.do(0, model.Call{Action: auth.JobsGetOutputInfo, Caller: h.Admin, Job: 1, Name: "a", Type: "bin"})
		}
		found := false
		for i := len(h.events) - 1; i >= 0 && !found; i-- {
			found = tc.doctor(&h.events[i])
		}
		illegal, undecided := h.explain()
		if !found || len(undecided) > 0 || (len(illegal) > 0) != (tc.name != "") {
			t.Errorf("%q (found %v): illegal %v, undecided %v", tc.name, found, illegal, undecided)
		}
		if err := trial.Clear(); err != nil {
			t.Fatal(err)
		}
	}
}

// invented is an output that was never added.
func invented(name string) *model.Output {
	return &model.Output{PK: 1000, Job: 1, Name: name, Type: "bin", Creator: 1, CreationTime: "2026-01-01T00:00:00.000000Z", Size: 5, SHA256: sum("other")}
}

func replace(a *model.Answer, when bool, by model.Answer) bool {
	if when {
		*a = by
	}
	return when
}
