package scale

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"joboutputs/shared/table"
	"joboutputs/test/bench/result"
)

// TestDefault holds that the default number of shards is what the simulation chooses: the
// least that takes what one tenant can add.
func TestDefault(t *testing.T) {
	for _, n := range shardCounts {
		if alone(n) <= maxWrites {
			if n != table.DefaultShards {
				t.Errorf("%d shards are enough, and the default is %d", n, table.DefaultShards)
			}
			return
		}
	}
	t.Error("no number of shards is enough")
}

// TestLimits verifies what the comment of package table says: at a tenant's most its counter is
// full, while its timeline is not; the queue's 16 partitions are even.
func TestLimits(t *testing.T) {
	const rate = 10_000
	one, four := simulate(rate, 2, 1), simulate(rate, 2, 4)
	if one.hottest["counters"] != one.hottest["timeline"] {
		t.Errorf("unsharded, a tenant's timeline takes %.0f units a second and its counters %.0f", one.hottest["timeline"], one.hottest["counters"])
	}
	if got, want := four.hottest["timeline"], one.hottest["timeline"]/4; got < want || got > want+1 {
		t.Errorf("the hottest of four shards takes %.0f of %.0f units", got, one.hottest["timeline"])
	}
	const even = 3 * rate / 16
	if got := one.hottest["queue"]; got < even || got > 1.1*even {
		t.Errorf("the hottest queue partition takes %.0f units, evenly it were %d", got, even)
	}
}

func TestRun(t *testing.T) {
	first, err := Run(t.Context(), true)
	if err != nil {
		t.Fatal(err)
	}
	again, err := Run(t.Context(), true)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(first, again); diff != "" {
		t.Errorf("two runs differ (-first +again):\n%s", diff)
	}
	t.Log(result.Result{Tables: first}.Markdown())
}
