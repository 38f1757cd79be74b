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
)

// trials is how many cases run at once: most of a case is waiting for a store.
const trials = 4

// tryAll runs cases on several trials, and returns how many were run and how many broke a
// promise or the model.
func tryAll(t *testing.T, check *report.Check, cases []faultCase) (tried, wrong int) {
	t.Helper()
	var (
		next  atomic.Int64
		bad   atomic.Int64
		all   sync.WaitGroup
		lines sync.Mutex
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
				broken, _, err := try(trial, c)
				if err != nil {
					broken = append(broken, "the case itself failed: "+err.Error())
				}
				if len(broken) > 0 {
					lines.Lock()
					if bad.Add(1) <= 20 {
						t.Errorf("%s:\n%s", c, strings.Join(broken, "\n"))
					}
					lines.Unlock()
				}
			}
		})
	}
	all.Wait()
	return len(cases), int(bad.Load())
}

// recorded are the calls of a clean run of every scenario.
func recorded(t *testing.T) map[string][]faults.Call {
	t.Helper()
	trial := harness.NewTrial(t, "clean")
	all := map[string][]faults.Call{}
	for _, s := range scenarios() {
		broken, calls, err := try(trial, faultCase{scenario: s, cleanups: 1})
		if err != nil {
			t.Fatalf("%s: %v", s.name, err)
		}
		for _, what := range broken {
			t.Errorf("without a fault, %s: %s", s.name, what)
		}
		all[s.name] = calls
	}
	return all
}

// TestEveryFault lets every fault befall every call of every action, with every number of
// repetitions and cleanups; at less than the full scale, a sample of that.
func TestEveryFault(t *testing.T) {
	t.Parallel()
	check := report.Begin(t, "faults", report.Seed())
	var cases []faultCase
	calls := recorded(t)
	for _, s := range scenarios() {
		for _, call := range calls[s.name] {
			for _, kind := range faults.Kinds {
				if !kind.Befalls(call.Operation) {
					continue
				}
				for retries := range 3 {
					for cleanups := 1; cleanups <= 2; cleanups++ {
						cases = append(cases, faultCase{s, map[point]faults.Kind{{0, call}: kind}, retries, cleanups})
					}
				}
			}
		}
	}
	all := len(cases)
	random := rand.New(rand.NewPCG(report.Seed(), 1)) //nolint:gosec // repeatable
	random.Shuffle(len(cases), func(i, j int) { cases[i], cases[j] = cases[j], cases[i] })
	slices.SortStableFunc(cases, func(a, b faultCase) int { return a.rank() - b.rank() }) // what breaks most comes first
	telling := slices.IndexFunc(cases, func(c faultCase) bool { return c.rank() > 0 })
	cases = cases[:report.Count(telling+20, all)]
	tried, wrong := tryAll(t, check, cases)
	check.AtLeast(fmt.Sprintf("cases (action, call, fault, retries, cleanups) tried, of %d there are", all), tried, len(cases))
	check.Equal("of these outside the model, or with a promise broken", wrong, 0)
}

// rank is 0 for the cases that break most: a write that is the last, that is refused, or
// whose answer is lost, and nobody who tries again.
func (c faultCase) rank() int {
	for p, kind := range c.faults {
		if faults.Writes(p.call.Operation) && slices.Contains([]faults.Kind{faults.CrashAfter, faults.LostOnce, faults.Conflict}, kind) && c.retries == 0 && c.cleanups == 1 {
			return 0
		}
	}
	return 1
}

// TestPairs lets two faults befall an action, its repetitions and the cleanup after them.
func TestPairs(t *testing.T) {
	t.Parallel()
	check := report.Begin(t, "faults", report.Seed())
	calls := recorded(t)
	random := rand.New(rand.NewPCG(report.Seed(), 2)) //nolint:gosec // repeatable
	all := scenarios()
	want := report.Count(40, 5000)
	var cases []faultCase
	for len(cases) < want {
		s := all[random.IntN(len(all))]
		c := faultCase{s, map[point]faults.Kind{}, random.IntN(3), 1 + random.IntN(2)}
		for len(c.faults) < 2 {
			request, of := random.IntN(c.retries+2), calls[s.name]
			if request > c.retries {
				request, of = cleanupRequest, calls["cleanup"]
			}
			call, kind := of[random.IntN(len(of))], faults.Kinds[random.IntN(len(faults.Kinds))]
			if kind.Befalls(call.Operation) {
				c.faults[point{request, call}] = kind
			}
		}
		cases = append(cases, c)
	}
	tried, wrong := tryAll(t, check, cases)
	check.AtLeast("seeded pairs of faults tried", tried, want)
	check.Equal("of these outside the model, or with a promise broken", wrong, 0)
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
		broken, _, err := try(trial, faultCase{s, crash, 0, 1})
		if err != nil || len(broken) == 0 {
			t.Errorf("broken: %v, %v", broken, err)
		}
	}
}
