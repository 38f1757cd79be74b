// Package match measures the filter language on the hot path: parsing, planning and
// matching one documented example against rows in memory, on one core.
package match

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"runtime"
	"time"

	"joboutputs/shared/api"
	"joboutputs/shared/filter"
	"joboutputs/test/bench/load"
	"joboutputs/test/bench/result"
)

// What is aimed at.
const (
	leastRows  = 2_000_000 // a second and core
	mostAllocs = 0         // a row
)

// example is the filter that the API's description has an example of: the models of the
// last days by anyone but one user, newest first.
func example() ([]byte, error) {
	var document struct {
		Paths map[string]struct {
			Post struct {
				RequestBody struct {
					Content map[string]struct {
						Examples map[string]struct{ Value json.RawMessage }
					}
				}
			}
		}
	}
	if err := json.Unmarshal([]byte(api.OpenAPI()), &document); err != nil {
		return nil, fmt.Errorf("read the API's description: %w", err)
	}
	found := document.Paths["/v1/job-outputs/list"].Post.RequestBody.Content["application/json"].Examples["models"].Value
	if len(found) == 0 {
		return nil, errors.New("the API's description has no example of a filter for models")
	}
	return found, nil
}

const count = 100_000

// Run measures.
func Run(_ context.Context, quick bool) ([]result.Table, error) {
	rounds := 21
	if quick {
		rounds = 5
	}
	body, err := example()
	if err != nil {
		return nil, err
	}
	rows := rows(count)
	var parse, match, whole, allocs []float64
	matched := 0
	for range rounds {
		begun := time.Now()
		spec, err := filter.Parse(body)
		if err != nil {
			return nil, fmt.Errorf("parse the example: %w", err)
		}
		if plan := spec.Plan(); plan.Empty {
			return nil, fmt.Errorf("the example's plan reads nothing: %+v", plan)
		}
		parsed := time.Now()
		before := mallocs()
		start := time.Now()
		matched = 0
		for i := range rows {
			if spec.Match(&rows[i]) {
				matched++
			}
		}
		took := time.Since(start)
		allocs = append(allocs, float64(mallocs()-before)/count)
		parse = append(parse, parsed.Sub(begun).Seconds()*1e6)
		match = append(match, count/took.Seconds())
		whole = append(whole, count/(took+parsed.Sub(begun)).Seconds())
	}
	if matched == 0 || matched == count {
		return nil, fmt.Errorf("the example matched %d of %d rows", matched, count)
	}
	rate, perRow := load.Median(whole), math.Round(load.Median(allocs)*1000)/1000 // the runtime makes some of its own
	n := result.Number
	return []result.Table{{
		Name:  "filters",
		Title: "Filters",
		Note: fmt.Sprintf("The filter of the API's description (five terms: a disjunction with a case-insensitive search, a range, a negation) over %s rows in memory, on one core, medians of %d. "+
			"%s rows match.", n(count), rounds, n(float64(matched))),
		Columns: []string{"parse and plan µs", "rows/s matched", "rows/s with parse and plan", "allocations a row"},
		Rows:    [][]string{{n(load.Median(parse)), n(load.Median(match)), n(rate), n(perRow)}},
		Aims: []result.Aim{
			{Name: "rows parsed for, planned for and matched a second", Value: rate, Target: leastRows, AtLeast: true},
			{Name: "allocations a row", Value: perRow, Target: mostAllocs},
		},
	}}, nil
}

func mallocs() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.Mallocs
}

// rows are outputs of a year, half of which the example's range lets through.
func rows(n int) []filter.Row {
	types := []string{"txt", "Model<Domain<'Image Classification'>, Framework<'tensorflow', '1.14'>>", "tflite", "log"}
	names := []string{"predictions", "weights", "metrics", "checkpoint"}
	first := time.Date(2025, 11, 1, 0, 0, 0, 0, time.UTC)
	many := make([]filter.Row, n)
	for i := range many {
		many[i] = filter.Row{
			PK: int64(i + 1), Job: int64(1 + i/50), Name: names[i/3%4], Type: types[i/7%4],
			Creator: int64(1 + i%5), Username: "alice",
			CreationTime: first.Add(365 * 24 * time.Hour / time.Duration(n) * time.Duration(i)), Size: int64(i%50) * 100_000,
		}
	}
	return many
}
