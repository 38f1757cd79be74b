package authz_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"regexp"
	"slices"
	"testing"
	"time"

	"joboutputs/functions"
	"joboutputs/test/harness"
	"joboutputs/test/report"
)

// ttl is how long the gateway uses an authorizer's answer again, as the stack has it.
const ttl = 60 * time.Second

// TestCache sends the same requests, shuffled, to a service whose gateway keeps what the
// authorizer said of a token and to one whose gateway always asks: the answers are the same.
// Time passes between them, so that tokens end, also while what was said of them is kept.
func TestCache(t *testing.T) {
	check := report.Begin(t, "authz", report.Seed())
	requests := report.Count(500, 5_000)
	random := rand.New(rand.NewPCG(report.Seed(), 5)) //nolint:gosec // repeatable, not secret
	clock := newClock()
	with, without := newWorld(t, clock, ttl), newWorld(t, clock, -1)

	// A few resources, which many requests change; of four callers three are proved.
	var pool []cell
	unproved := all(principals()[:notProved])
	everything := cells()
	for _, i := range random.Perm(len(everything)) {
		c := everything[i]
		if len(pool) == 80 {
			break
		}
		if !slices.Contains(unproved, c.principal.name) || random.IntN(2) == 0 {
			pool = append(pool, c)
		}
	}
	rows := seeds{}
	for _, c := range pool {
		if c.state >= 0 {
			rows.add(c.route.String(), c.state, c.resource, clock.Now())
		}
	}
	ids := map[*world][]string{}
	for _, w := range []*world{with, without} {
		w.load(rows)
		w.stage(pool)
		for _, c := range pool {
			ids[w] = append(ids[w], c.resource.id)
		}
	}

	type held struct {
		cell    int
		callers map[*world]harness.Caller
		end     time.Time // of the token
		kept    time.Time // when the authorizer was asked of it, as the one gateway remembers
	}
	live := make([]held, 4) // tokens that are used in turn, each for a while after its end
	differ, late := 0, 0
	statuses := map[int]int{}
	for sent := 0; sent < requests; sent++ {
		clock.Advance(time.Duration(random.IntN(9)) * time.Second)
		token := &live[random.IntN(len(live))]
		if clock.Now().After(token.end.Add(ttl)) {
			*token = held{cell: random.IntN(len(pool)), callers: map[*world]harness.Caller{}, end: clock.Now().Add(5 * time.Minute)}
			for _, w := range []*world{with, without} {
				c := pool[token.cell]
				token.callers[w] = c.principal.as(w, max(1, c.resource.number), c.another())
			}
		}
		c, r := pool[token.cell], everything[random.IntN(len(everything))].route // what is kept is used for every method and path
		answers := map[*world]string{}
		for _, w := range []*world{with, without} {
			at := *c.resource
			at.id = ids[w][token.cell]
			status, answer := w.send(r.method, target(r.template, at), w.bodyOf(r.String()), token.callers[w])
			statuses[status]++
			if status == http.StatusForbidden && refused(r) {
				// The gateway refuses these to everybody without a look at the token's end: for the
				// time that an answer is kept it may say 403 of a token that has ended, where 401 is due.
				status = http.StatusUnauthorized
			}
			answers[w] = fmt.Sprint(status, " ", settled(status, answer))
		}
		if answers[with] != answers[without] {
			differ++
			t.Errorf("%s of %d by %s:\nkept:  %.600s\nasked: %.600s", r, c.resource.number, c.principal.name, answers[with], answers[without])
		}
		switch now := clock.Now(); {
		case !now.Before(token.kept.Add(ttl)):
			token.kept = now
		case !now.Before(token.end) && token.kept.Before(token.end) && !slices.Contains(unproved, c.principal.name):
			late++
		}
	}
	t.Logf("answers: %v, %d with a token that had ended since it was kept", statuses, late)
	check.AtLeast("requests sent to a gateway that keeps what the authorizer said, and to one that does not", sum(statuses)/2, requests)
	check.Equal("of their answers that differ", differ, 0)
	check.AtLeast("requests with a token that ended while what was said of it was kept", late, 1)
}

// settled is an answer without what is drawn at random or tells the two services apart: ids,
// tokens and links. A 401 is one document to callers, whoever wrote it.
func settled(status int, answer string) string {
	if status == http.StatusUnauthorized {
		return ""
	}
	for _, drawn := range []*regexp.Regexp{
		regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}`),
		regexp.MustCompile(`01[0-9A-HJKMNP-TV-Z]{24}`),
		regexp.MustCompile(`eyJ[A-Za-z0-9_.-]+`),
		regexp.MustCompile(`http://127\.0\.0\.1:[^" ]+`),
	} {
		answer = drawn.ReplaceAllString(answer, "…")
	}
	return answer
}

// refused reports whether a route is refused to everybody.
func refused(r route) bool {
	return slices.ContainsFunc(functions.Refused, func(f functions.Route) bool {
		return f.Resource == r.template && slices.Contains(f.Methods, r.method)
	})
}

func sum(counts map[int]int) int {
	total := 0
	for _, n := range counts {
		total += n
	}
	return total
}
