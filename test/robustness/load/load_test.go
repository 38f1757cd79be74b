package load

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"joboutputs/test/report"
)

// duration is a length of time that grows with the proof's scale as counts do.
func duration(fast, full time.Duration) time.Duration {
	return time.Duration(report.Count(int(fast), int(full)))
}

// load runs all clients until the context ends, or the function does.
func load(ctx context.Context, all []*client, during func()) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var wg sync.WaitGroup
	for _, c := range all {
		wg.Go(func() { c.run(ctx) })
	}
	during()
	cancel()
	wg.Wait()
}

func newClients(s *site, seed uint64) []*client {
	var all []*client
	for job := range clients {
		all = append(all, newClient(s, int64(job+1), seed))
	}
	return all
}

// counted starts a new count of what the clients do.
func counted(all []*client) *tally {
	t := &tally{}
	for _, c := range all {
		c.tally = t
	}
	return t
}

// conclude reads everything at the end, and writes the rows that every load has.
func conclude(t *testing.T, check *report.Check, what string, s *site, all []*client, counts *tally) {
	t.Helper()
	var wg sync.WaitGroup
	for _, c := range all {
		wg.Go(c.verify)
	}
	wg.Wait()
	broken, err := s.broken()
	if err != nil {
		t.Fatal(err)
	}
	for _, texts := range [][]string{counts.wrongs, counts.losses, broken} {
		for _, text := range texts[:min(len(texts), 5)] {
			t.Error(text)
		}
	}
	check.Equal(what+": answers 5xx but 503", counts.failed, 0)
	check.Equal(what+": answers that a client knows to be wrong", len(counts.wrongs)-counts.failed, 0)
	check.Equal(what+": acknowledged writes lost", len(counts.losses), 0)
	check.Equal(what+": invariants broken, by a scan of table and bucket", len(broken), 0)
}

// TestLoad is many clients on one site: for a while; for a longer while in which the
// serving process must not grow; and while the program and its stores go and come back.
func TestLoad(t *testing.T) {
	s := newSite(t, report.Count(500, 50_000))
	all := newClients(s, report.Seed())
	busy(t, s, all, "load", duration(2*time.Second, time.Minute))
	long := duration(2*time.Second, 5*time.Minute)
	steady(t, busy(t, s, all, "soak", long), long)
	ended(t, s, all)
	killed(t, s, all, "the object store", s.servers.KillS3, s.servers.RestartS3, 0)
	if report.Count(0, 1) == 0 {
		return // make test does so in infra/local, with adds alone: a hard delete that is forgotten leaves a row without bytes
	}
	killed(t, s, all, "DynamoDB Local", s.killForgetful, s.servers.RestartDynamoDB, 1)
}

// busy keeps all clients at it, undisturbed, and answers what the process used meanwhile.
func busy(t *testing.T, s *site, all []*client, what string, length time.Duration) []usage {
	t.Helper()
	check := report.Begin(t, "load", report.Seed())
	counts := counted(all)
	var used []usage
	load(t.Context(), all, func() { used = watch(t, s, length) })
	requests := counts.reads + counts.writes
	slices.Sort(counts.took)
	quantile := func(of float64) time.Duration {
		return counts.took[int(of*float64(len(counts.took)-1))].Round(time.Millisecond)
	}
	check.Hold(fmt.Sprintf("%s: %d clients on %d rows for %s", what, clients, s.stored, length),
		fmt.Sprintf("%d requests, %d %% reading; median %s, 99th percentile %s", requests, counts.reads*100/max(requests, 1), quantile(0.5), quantile(0.99)),
		"any, 75 to 85 % reading", requests > 0 && (requests < 1000 || counts.reads*100 >= 75*requests && counts.reads*100 <= 85*requests))
	check.Equal(what+": answers 503, or none", counts.unavailable+counts.cut, 0)
	conclude(t, check, what, s, all, counts)
	return used
}

// watch measures the serving process until the time is over.
func watch(t *testing.T, s *site, length time.Duration) []usage {
	t.Helper()
	var used []usage
	for end := time.Now().Add(length); time.Now().Before(end); time.Sleep(length / 100) {
		u, err := s.usage()
		if err != nil {
			t.Error(err)
		}
		used = append(used, u)
	}
	return used
}

// steady holds that memory and goroutines did not grow once the process was warm, after a
// quarter of the time. In less than half a minute a slope says nothing.
func steady(t *testing.T, used []usage, length time.Duration) {
	t.Helper()
	check := report.Begin(t, "load", report.Seed())
	warm := used[len(used)/4:]
	heap := slope(warm, func(u usage) float64 { return float64(u.Heap) / (1 << 20) })
	goroutines := slope(warm, func(u usage) float64 { return float64(u.Goroutines) })
	t.Logf("%d measurements: heap %+.3f MiB/min, goroutines %+.2f/min, from %+v to %+v", len(warm), heap, goroutines, warm[0], warm[len(warm)-1])
	if length < 30*time.Second {
		return
	}
	check.Hold("soak: growth of the live heap after warm-up", fmt.Sprintf("%+.2f MiB/min", heap), "≤ 1 MiB/min", heap <= 1)
	check.Hold("soak: growth of the number of goroutines after warm-up", fmt.Sprintf("%+.1f/min, %d at the end", goroutines, warm[len(warm)-1].Goroutines), "≤ 2/min", goroutines <= 2)
}

// slope is that of the straight line nearest to the measurements (least squares), per minute.
func slope(used []usage, of func(usage) float64) float64 {
	var n, x, y, xx, xy float64
	for _, u := range used {
		at, value := u.At.Sub(used[0].At).Minutes(), of(u)
		n, x, y, xx, xy = n+1, x+at, y+value, xx+at*at, xy+at*value
	}
	if n*xx == x*x {
		return 0
	}
	return (n*xy - x*y) / (n*xx - x*x)
}

// ended asks the program to end while all clients are at it, and starts it again at the
// same address, a few times.
func ended(t *testing.T, s *site, all []*client) {
	t.Helper()
	const what = "SIGTERM in the middle"
	check := report.Begin(t, "load", report.Seed())
	counts := counted(all)
	rounds := report.Count(1, 8)
	load(t.Context(), all, func() {
		for range rounds {
			time.Sleep(time.Second)
			s.end(syscall.SIGTERM)
			s.start()
		}
		time.Sleep(time.Second)
	})
	check.AtLeast(what+": times", rounds, report.Count(1, 8))
	check.AtLeast(what+": calls that had no answer", counts.cut, 1)
	conclude(t, check, what, s, all, counts)
}

// killed kills a store while all clients are at it, and starts it again a little later, at
// the same address and on the same data, a few times. It may forget so many writes each time.
func killed(t *testing.T, s *site, all []*client, store string, kill func(), restart func(context.Context) error, forgets int) {
	t.Helper()
	check := report.Begin(t, "load", report.Seed())
	counts := counted(all)
	rounds, recovered := report.Count(1, 4), 0
	load(t.Context(), all, func() {
		for range rounds {
			time.Sleep(time.Second)
			kill()
			time.Sleep(3 * time.Second) // longer than a call is tried again
			if err := restart(t.Context()); err != nil {
				t.Error(err)
			}
			if counts.recovers() {
				recovered++
			}
		}
	})
	what := "kill -9 of " + store
	check.AtLeast(what+": answers 503", counts.unavailable, 1)
	check.Equal(what+": of these without Retry-After", counts.withoutRetry, 0)
	check.Equal(what+": times that it recovered when the store was back", recovered, rounds)
	conclude(t, check, what, s, all, counts)
	if forgets > 0 {
		check.AtMost(what+": writes of its last moment that it acknowledged and forgot, by a fault of its own", counts.forgotten, rounds*forgets)
	}
}

// recovers waits until as many writes as there are clients were answered well.
func (t *tally) recovers() bool {
	written := func() int {
		t.mu.Lock()
		defer t.mu.Unlock()
		return t.written
	}
	before := written()
	for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if written() >= before+clients {
			return true
		}
	}
	return false
}
