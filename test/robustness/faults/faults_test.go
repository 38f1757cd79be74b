package faults_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/smithy-go/middleware"

	"joboutputs/test/harness"
	"joboutputs/test/report"
	"joboutputs/test/robustness/faults"
	"joboutputs/test/robustness/model"
)

// trials is how many cases run at once: most of a case is waiting, for a store or for the end
// of somebody's time.
const trials = 8

// tally is what came of cases.
type tally struct {
	tried, wrong, doubled int
	runs                  []run // of each case
}

// tryAll runs cases on several trials.
func tryAll(t *testing.T, check *report.Check, cases []faultCase) tally {
	t.Helper()
	var (
		next  atomic.Int64
		all   sync.WaitGroup
		lines sync.Mutex
		sum   = tally{tried: len(cases), runs: make([]run, len(cases))}
	)
	for i := range trials {
		trial := harness.NewTrial(t, fmt.Sprintf("case-%d", i))
		all.Go(func() {
			for {
				n := next.Add(1) - 1
				if n >= int64(len(cases)) {
					return
				}
				check.Tell(int(n), len(cases))
				c := cases[n]
				got, err := try(trial, c)
				if err != nil {
					got.broken = append(got.broken, "the case itself failed: "+err.Error())
				}
				lines.Lock()
				sum.runs[n] = got
				if c.mode != plain && got.effects() > c.clean.effects() {
					sum.doubled++
				}
				if len(got.broken) > 0 {
					if sum.wrong++; sum.wrong <= 20 {
						t.Errorf("%s:\n%s", c, strings.Join(got.broken, "\n"))
					}
				}
				lines.Unlock()
			}
		})
	}
	all.Wait()
	return sum
}

// hold reports what every case must keep.
func (s tally) hold(check *report.Check) {
	check.Equal("of these outside the model, or with a promise broken", s.wrong, 0)
	check.Equal("effects doubled by a retry", s.doubled, 0)
}

// recorded are the clean runs of every scenario, without its faults.
func recorded(t *testing.T) (all []faultCase) {
	t.Helper()
	trial := harness.NewTrial(t, "clean")
	for _, s := range scenarios() {
		action := s.call(trial.Begin()).Action
		for _, m := range []mode{plain, keyed, byClient} {
			if m == keyed && !model.Keyed(action) || m == byClient && !harness.HasClient(action) {
				continue
			}
			c := faultCase{scenario: s, mode: m, cleanups: 1}
			got, err := try(trial, c)
			if err != nil {
				t.Fatalf("%s: %v", c, err)
			}
			for _, what := range got.broken {
				t.Errorf("without a fault, %s: %s", c, what)
			}
			if !got.answer.Well() || m == keyed && got.effects() != 1 {
				t.Errorf("without a fault, %s: %d effects, %+v", c, got.effects(), got.answer)
			}
			c.clean = got
			all = append(all, c)
		}
	}
	return all
}

// with is the case with faults.
func (c faultCase) with(retries, cleanups int, kinds map[point]faults.Kind) faultCase {
	c.retries, c.cleanups, c.faults = retries, cleanups, kinds
	return c
}

// clientRetries is how often the client retries: more often than a case has faults, but for
// those that last.
const clientRetries = 3

// single is every case in which one call fails so.
func (c faultCase) single(call faults.Call, kind faults.Kind) (all []faultCase) {
	if !kind.Befalls(call.Operation) {
		return nil
	}
	fault := map[point]faults.Kind{{0, call}: kind}
	switch c.mode {
	case plain:
		for retries := range 3 {
			for cleanups := 1; cleanups <= 2; cleanups++ {
				if kind.Ends() && retries+cleanups > 2 { // it takes long
					continue
				}
				all = append(all, c.with(retries, cleanups, fault))
			}
		}
	case keyed:
		all = append(all, c.with(1, 1, fault), c.with(2, 1, fault))
	case byClient:
		if kind == faults.Conflict && call.Operation == "CompleteMultipartUpload" { // it would begin another upload
			return nil
		}
		once := c.with(clientRetries, 1, fault)
		always := once
		always.always = true
		if all = append(all, once); !kind.Ends() {
			all = append(all, always)
		}
	}
	return all
}

// TestFaults lets faults befall the scenarios.
func TestFaults(t *testing.T) {
	t.Parallel()
	clean := recorded(t)
	t.Run("every fault", func(t *testing.T) { t.Parallel(); everyFault(t, clean) })
	t.Run("lost responses", func(t *testing.T) { t.Parallel(); lostResponses(t, clean) })
	t.Run("pairs", func(t *testing.T) { t.Parallel(); pairs(t, clean) })
}

// everyFault lets every fault befall every call of every action, with every number of
// repetitions and cleanups: of the request as it is, with a key, and by the client. At less
// than the full scale, a sample of that.
func everyFault(t *testing.T, clean []faultCase) {
	t.Helper()
	check := report.Begin(t, "faults", report.Seed())
	var cases []faultCase
	for _, c := range clean {
		for _, call := range c.clean.calls {
			for _, kind := range faults.Kinds {
				cases = append(cases, c.single(call, kind)...)
			}
		}
	}
	all := len(cases)
	random := rand.New(rand.NewPCG(report.Seed(), 1)) //nolint:gosec // repeatable
	random.Shuffle(len(cases), func(i, j int) { cases[i], cases[j] = cases[j], cases[i] })
	slices.SortStableFunc(cases, func(a, b faultCase) int { return a.rank() - b.rank() }) // what breaks most comes first
	telling := slices.IndexFunc(cases, func(c faultCase) bool { return c.rank() > 0 })
	cases = cases[:report.Count(telling+40, all)]
	sum := tryAll(t, check, cases)
	check.AtLeast(fmt.Sprintf("cases (action, call, fault, retries, cleanups) tried, of %d there are", all), sum.tried, len(cases))
	for _, m := range []mode{keyed, byClient} {
		n := 0
		for _, c := range cases {
			if c.mode == m {
				n++
			}
		}
		check.AtLeast("of these, repeated "+string(m), n, report.Count(5, 1000))
	}
	sum.hold(check)
}

// rank is 0 for the cases that break most: a write that is the last, that is refused, or
// whose answer is lost, and nobody who tries again.
func (c faultCase) rank() int {
	for p, kind := range c.faults {
		if faults.Writes(p.call.Operation) && slices.Contains([]faults.Kind{faults.CrashAfter, faults.LostOnce, faults.Conflict}, kind) && c.mode == plain && c.retries == 0 && c.cleanups == 1 {
			return 0
		}
	}
	return 1
}

// commit is the call that makes a write's effect visible.
func (c faultCase) commit() faults.Call {
	last := faults.Call{}
	for _, call := range c.clean.calls {
		if call.Operation == "TransactWriteItems" {
			last = call
		}
	}
	return last
}

// lostResponses loses the response to the commit of every write, on every way there is,
// and has the client retry: the write is done once. If the client then finds nobody, it says
// that the outcome is unknown.
func lostResponses(t *testing.T, clean []faultCase) {
	t.Helper()
	check := report.Begin(t, "faults", report.Seed())
	var cases []faultCase
	writes := 0
	for _, c := range clean {
		if c.mode != byClient || c.clean.effects() == 0 {
			continue
		}
		writes++
		every := writes%5 == 1 || report.Count(0, 4) > 0 // way to lose a response
		first := faults.Call{Operation: c.clean.calls[0].Operation, Nth: 1}
		away := func(kinds map[point]faults.Kind) map[point]faults.Kind {
			kinds[point{1, first}] = faults.Away
			return kinds
		}
		for _, kind := range faults.Kinds {
			if kind.LosesResponse() && (kind == faults.Lost || every) {
				lost := point{0, c.commit()}
				cases = append(cases, c.with(clientRetries, 1, map[point]faults.Kind{lost: kind}), c.with(1, 1, away(map[point]faults.Kind{lost: kind})))
			}
		}
		c.unheard = true
		cases = append(cases, c.with(clientRetries, 1, nil), c.with(1, 1, away(map[point]faults.Kind{})))
	}
	all, sum := len(cases), tally{}
	lost, retried, unknown := 0, 0, 0
	for range 4 { // on a busy machine, some functions come to their end before the commit
		some := tryAll(t, check, cases)
		sum.wrong, sum.doubled = sum.wrong+some.wrong, sum.doubled+some.doubled
		var again []faultCase
		for i, got := range some.runs {
			c := cases[i]
			if !got.lost {
				c.patience += 4 * functionTime
				again = append(again, c)
				continue
			}
			lost++
			gone := c.retries == 1
			if gone != got.answer.Unknown || got.effects() != 1 {
				t.Errorf("%s: %d effects, and the client says %+v, unknown: %v", c, got.effects(), got.answer, gone)
			}
			if got.attempts > 1 {
				retried++
			}
			if got.answer.Unknown {
				unknown++
			}
		}
		if cases = again; len(cases) == 0 {
			break
		}
	}
	check.AtLeast("actions that write", writes, 19)
	check.Equal("cases (write, way to lose the response to its commit, what the retry meets) tried", lost, all)
	check.Equal("of these, retried by the client", retried, all)
	check.Equal("of these, done once where the client found nobody, and said that the outcome is unknown", unknown, all/2)
	sum.hold(check)
}

// pairs lets two faults befall an action, its repetitions and the cleanup after them.
func pairs(t *testing.T, clean []faultCase) {
	t.Helper()
	check := report.Begin(t, "faults", report.Seed())
	cleanup := clean[slices.IndexFunc(clean, func(c faultCase) bool { return c.scenario.name == "cleanup" })]
	random := rand.New(rand.NewPCG(report.Seed(), 2)) //nolint:gosec // repeatable
	want := report.Count(40, 5000)
	var cases []faultCase
	for len(cases) < want {
		c := clean[random.IntN(len(clean))].with(random.IntN(3), 1+random.IntN(2), map[point]faults.Kind{})
		for len(c.faults) < 2 {
			request, of := random.IntN(c.retries+2), c.clean.calls
			if request > c.retries {
				request, of = cleanupRequest, cleanup.clean.calls
			}
			call, kind := of[random.IntN(len(of))], faults.Kinds[random.IntN(len(faults.Kinds))]
			if kind.Befalls(call.Operation) && (c.mode != byClient || call.Operation != "CompleteMultipartUpload") {
				c.faults[point{request, call}] = kind
			}
		}
		if c.mode == byClient && c.retries == 0 {
			c.retries = -1 // as it says that
		}
		cases = append(cases, c)
	}
	sum := tryAll(t, check, cases)
	check.AtLeast("seeded pairs of faults tried", sum.tried, want)
	sum.hold(check)
}

// TestPlanted loses the intents of adds on their way: a crash then leaves bytes that
// nothing will ever remove, and the trial says so.
func TestPlanted(t *testing.T) {
	t.Parallel()
	trial := harness.NewTrial(t, "planted", func(stack *middleware.Stack) error {
		return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("no intents", func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
			if put, ok := in.Parameters.(*dynamodb.PutItemInput); ok && put.Item["kind"] != nil {
				return middleware.InitializeOutput{Result: &dynamodb.PutItemOutput{}}, middleware.Metadata{}, nil
			}
			return next.HandleInitialize(ctx, in)
		}), middleware.Before)
	})
	for _, s := range scenarios() {
		if s.name != "add" {
			continue
		}
		crash := map[point]faults.Kind{{0, faults.Call{Operation: "TransactWriteItems", Nth: 1}}: faults.CrashBefore}
		got, err := try(trial, faultCase{scenario: s, mode: plain, faults: crash, cleanups: 1})
		if err != nil || len(got.broken) == 0 {
			t.Errorf("broken: %v, %v", got.broken, err)
		}
	}
}
