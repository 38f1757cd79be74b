// Package scale drives the table's keys with adds of many tenants, some of them far busier
// than others, and says which partition becomes hot first. It calls no store: the keys and
// units are those of an add (addLoad). Called by test/bench.
package scale

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"joboutputs/shared/table"
	"joboutputs/test/bench/result"
)

// What is simulated.
const (
	tenants = 1_000
	jobs    = 20  // running at once, of a tenant
	skew    = 1.3 // of both, Zipf's s
	seed    = 1

	maxWrites = 1_000 // units a second and partition: DynamoDB
	lifetime  = 3     // changes of an output's entry in the timeline: add, soft delete, hard delete
)

// kinds of partitions, as addLoad names them.
var kinds = []string{"counters", "job", "queue", "output", "timeline"}

// partitionLoad is what an operation asks of one partition.
type partitionLoad struct {
	kind   string // one of kinds
	key    string // of the partition
	writes int    // write units, those of a transaction twice; rows of up to 1 KB
}

// addLoad is what adding an output asks of the table and its index: the calls of
// outputs.Store.Add, by the keys they use.
func addLoad(tenant string, job int64, name, typ, object string, pk int64, shards int) []partitionLoad {
	row := table.OutputRow{PK: pk, Job: job, Name: name, Type: typ, CreationTime: table.FormatTime(time.Unix(0, 0)), Object: object}
	byPK, byName := row.ByPK(tenant, shards), row.ByName(tenant)
	return []partitionLoad{
		{kind: "job", key: byName.Partition, writes: 2},
		{kind: "queue", key: table.QueueKey(time.Unix(0, 0), tenant, object).Partition, writes: 1 + 2}, // put, and deleted in the transaction
		{kind: "counters", key: table.CountersKey(tenant).Partition, writes: 1},
		{kind: "output", key: byPK.Partition, writes: 2},
		{kind: "timeline", key: byPK.TimelineKey, writes: 1},
	}
}

// Run simulates; quick, for fewer seconds.
func Run(_ context.Context, quick bool) ([]result.Table, error) {
	seconds := 10
	if quick {
		seconds = 2
	}
	return []result.Table{hottest(seconds), shards(seconds)}, nil
}

// load is the write units a second of the hottest partition of each kind, and the part of
// the adds that are the busiest tenant's.
type load struct {
	hottest map[string]float64
	busiest float64
}

// simulate makes adds at a rate, for some seconds, and counts.
func simulate(rate, seconds, shards int) load {
	random := rand.New(rand.NewPCG(seed, uint64(rate))) //nolint:gosec // repeatable, not secret
	tenant := rand.NewZipf(random, skew, 1, tenants-1)
	job := rand.NewZipf(random, skew, 1, jobs-1)
	last := map[string]int64{} // pk, by tenant
	units := map[string]map[string]int{}
	for _, kind := range kinds {
		units[kind] = map[string]int{}
	}
	most := int64(0)
	for n := range rate * seconds {
		name := fmt.Sprintf("t%d", tenant.Uint64())
		last[name]++
		most = max(most, last[name])
		object := fmt.Sprintf("%010d%016x", n, random.Uint64())
		//nolint:gosec // small
		for _, l := range addLoad(name, int64(job.Uint64())+1, fmt.Sprint("output ", n), "txt", object, last[name], shards) {
			units[l.kind][l.key] += l.writes
		}
	}
	l := load{hottest: map[string]float64{}, busiest: float64(most) / float64(rate*seconds)}
	for kind, byKey := range units {
		top := 0
		for _, n := range byKey {
			top = max(top, n)
		}
		l.hottest[kind] = float64(top) / float64(seconds)
	}
	return l
}

// hottest says for rates of all tenants together what each kind of partition is asked for.
func hottest(seconds int) result.Table {
	t := result.Table{
		Name: "scale-hottest", Title: "The hottest partition, by adds a second",
		Columns: []string{"adds/s", "of the busiest tenant", "counters", "its busiest job", "queue", "an output", "timeline"},
		Note: fmt.Sprintf("Write units a second; DynamoDB gives a partition %d. Simulated: %d tenants of %d running jobs, both chosen by Zipf's law (s = %.1f), "+
			"seed %d, %d seconds, %d shards. Limits and what follows beyond them: the comment of package table.", maxWrites, tenants, jobs, skew, seed, seconds, table.DefaultShards),
	}
	for _, rate := range []int{1, 10, 100, 1_000, 10_000} {
		l := simulate(rate, seconds, table.DefaultShards)
		row := []string{fmt.Sprint(rate), fmt.Sprintf("%.0f %%", 100*l.busiest)}
		for _, kind := range kinds {
			row = append(row, mark(l.hottest[kind]))
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

// mark renders units, and shows those that are too many.
func mark(units float64) string {
	if units > maxWrites {
		return fmt.Sprintf("**%.0f**", units)
	}
	return fmt.Sprintf("%.0f", units)
}

// shardCounts are those that are compared.
var shardCounts = []int{1, 2, 4, 8, 16, 32}

// shards says how hot the hottest shard of a timeline is. An entry is changed three times
// in an output's life, so that is counted, as if deletions went on at the rate of adds.
func shards(seconds int) result.Table {
	t := result.Table{
		Name: "scale-shards", Title: "The hottest timeline shard, by shards",
		Columns: []string{"adds/s"},
		Note: fmt.Sprintf("Write units a second of the busiest tenant's hottest shard, each output being added, soft-deleted and hard-deleted (%d changes). "+
			"The last line is one tenant at %d adds/s, more than which its counter does not give. The default, %d, is the least that keeps that line within %d; "+
			"every list of a tenant asks each shard. `-c shards=N` chooses another, at any time: readers take the union.", lifetime, maxWrites, table.DefaultShards, maxWrites),
	}
	for _, n := range shardCounts {
		t.Columns = append(t.Columns, fmt.Sprintf("%d shards", n))
	}
	for _, rate := range []int{1, 10, 100, 1_000, 10_000} {
		row := []string{fmt.Sprint(rate)}
		for _, n := range shardCounts {
			row = append(row, mark(lifetime*simulate(rate, seconds, n).hottest["timeline"]))
		}
		t.Rows = append(t.Rows, row)
	}
	row := []string{"one tenant's most"}
	for _, n := range shardCounts {
		row = append(row, mark(alone(n)))
	}
	t.Rows = append(t.Rows, row)
	return t
}

// alone is the hottest shard of one tenant that adds as much as its counter gives.
func alone(shards int) float64 {
	units := map[string]int{}
	top := 0
	for pk := range int64(maxWrites) {
		for _, l := range addLoad("t", 1, fmt.Sprint(pk), "txt", fmt.Sprint(pk), pk+1, shards) {
			if l.kind == "timeline" {
				units[l.key] += lifetime * l.writes
				top = max(top, units[l.key])
			}
		}
	}
	return float64(top)
}
