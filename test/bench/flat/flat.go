// Package flat measures whether an answer takes longer where more is stored: the same
// requests to tenants of 1,000 to 300,000 outputs, with what each reads; and how fast the
// whole list of a tenant streams.
package flat

import (
	"context"
	"fmt"
	"os"
	"time"

	"joboutputs/shared/localaws"
	"joboutputs/test/bench/load"
	"joboutputs/test/bench/result"
)

type plan struct {
	sizes  []int // the first and the last are compared
	rounds int   // slices of each size, alternating
	slice  time.Duration
	list   int // rows of the whole list
}

var (
	full  = plan{[]int{1_000, 10_000, 100_000, 300_000}, 7, 500 * time.Millisecond, 100_000}
	short = plan{[]int{1_000, 10_000}, 3, 200 * time.Millisecond, 10_000}
)

// most is how much longer the median may take in the largest tenant than in the smallest.
const most = 1.15

// Run measures.
func Run(ctx context.Context, quick bool) ([]result.Table, error) {
	p := full
	if quick {
		p = short
	}
	servers, err := start(ctx, p.sizes, os.Stderr)
	if err != nil {
		return nil, err
	}
	defer servers.Stop()
	tenants := make([]*service, len(p.sizes))
	for i, size := range p.sizes {
		if tenants[i], err = serve(ctx, servers, size); err != nil {
			return nil, err
		}
		defer tenants[i].close()
	}
	table := result.Table{
		Name:  "flat",
		Title: "However much is stored",
		Note: fmt.Sprintf("One client, through the local gateway; a table for each size, with ten other tenants beside. "+
			"Slices of %s alternate between the sizes, %d of each. Rows are those DynamoDB looked at, read units what it says that cost, of the table and the index.", p.slice, p.rounds),
		Columns: []string{"request", "outputs", "p50 ms", "p99 ms", "calls", "rows looked at", "read units"},
	}
	for _, q := range queries {
		growth, err := measure(ctx, &table, q, tenants, p)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", q.name, err)
		}
		if q.flat {
			table.Aims = append(table.Aims, result.Aim{
				Name:  fmt.Sprintf("%s, p50 with %s outputs over p50 with %s", q.name, thousands(p.sizes[len(p.sizes)-1]), thousands(p.sizes[0])),
				Value: growth, Target: most,
			})
		}
	}
	if err := measureSteps(ctx, &table, localaws.DynamoDB(servers.DynamoDBEndpoint), tenants, p); err != nil {
		return nil, err
	}
	list, err := whole(ctx, servers, p)
	if err != nil {
		return nil, err
	}
	return []result.Table{table, list}, nil
}

// measure adds a row for every size, and returns how much longer the largest took than
// the smallest.
func measure(ctx context.Context, table *result.Table, q query, tenants []*service, p plan) (float64, error) {
	p50, p99 := make([][]float64, len(tenants)), make([][]float64, len(tenants))
	reads := make([]reads, len(tenants))
	for i, t := range tenants { // also warms up
		var err error
		if reads[i], err = t.count(ctx, q); err != nil {
			return 0, err
		}
	}
	var growth []float64
	for range p.rounds {
		for i, t := range tenants {
			sample, err := load.For(ctx, 1, p.slice, func(ctx context.Context, _ int) error { return t.ask(ctx, q) })
			if err != nil {
				return 0, err
			}
			p50[i] = append(p50[i], sample.P50.Seconds()*1e3)
			p99[i] = append(p99[i], sample.P99.Seconds()*1e3)
		}
		last := len(p50[0]) - 1
		growth = append(growth, p50[len(tenants)-1][last]/p50[0][last])
	}
	for i, size := range p.sizes {
		table.Rows = append(table.Rows, []string{
			q.name, thousands(size), result.Number(load.Median(p50[i])), result.Number(load.Median(p99[i])),
			result.Number(reads[i].calls), result.Number(reads[i].rows), result.Number(reads[i].units),
		})
	}
	return load.Median(growth), nil
}

func thousands(n int) string { return result.Number(float64(n)) }
