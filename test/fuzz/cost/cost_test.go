//go:build !race

// Package cost looks for the request that costs most: a caller with a token of any rights
// must not be able to burn minutes of CPU time by one call. It searches families of
// requests by mutations that cost more, against the service over stores that answer at
// once, and measures work by a simple pass over a MiB in the same process (some 0.4 ms),
// so that it asserts no absolute time. The race detector's work would be measured too, so
// that with it the search does not run: make test and make prove run it without.
package cost_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"joboutputs/test/report"
)

const (
	// mostOfRequest is what a request may cost, in passes: some 55 ms. The dearest known are
	// bodies of 16,000 keys to order by, at some 65.
	mostOfRequest = 150
	// mostOfRow is what a row that a list looks at may cost, in passes: some 0.4 s for 1,000
	// rows. The dearest known have texts of three bytes a character in each column, and
	// 1,200 terms that look for almost the same, at some 0.4.
	mostOfRow = 1
)

// TestCost searches for the dearest request of each family, and for the dearest row.
func TestCost(t *testing.T) {
	r := newRig(t)
	for i, g := range []grammar{lists(), bodies(), heads()} {
		search(t, g, "request", uint64(i), report.Count(40, 4_000), mostOfRequest, func(s specimen, runs int) float64 {
			return r.request(t, s, runs)
		})
	}
	search(t, lists(), "row", 9, report.Count(80, 12_000), mostOfRow, row)
}

// search writes down the dearest that is found.
func search(t *testing.T, g grammar, what string, stream uint64, steps int, most float64, cost func(s specimen, runs int) float64) {
	check := report.Begin(t, "fuzz", report.Seed())
	rnd := rand.New(rand.NewPCG(report.Seed(), stream))
	dearest, at, tried := g.climb(rnd, steps, most, cost)
	t.Logf("%s: a %s of %.2f passes: %s", g.name, what, dearest, at)
	check.Hold(fmt.Sprintf("work of the dearest %s among %d %s, in simple passes over a MiB", what, tried, g.name),
		fmt.Sprintf("%.2f", dearest), fmt.Sprintf("≤ %g", most), dearest <= most)
}
