// Package load makes clients that each send their next request when they have the answer
// to the last, and sums up what they saw. The benchmarks use it for the service, for bare
// calls and for the peer alike, so that its own cost is the same for all.
package load

import (
	"context"
	"slices"
	"sync"
	"time"
)

// Sample is what some clients saw in one slice of time.
type Sample struct {
	Requests int           `json:"requests"`
	Elapsed  time.Duration `json:"elapsed"`
	P50      time.Duration `json:"p50"`
	P99      time.Duration `json:"p99"`
}

// PerSecond is the rate of the sample's requests.
func (s Sample) PerSecond() float64 { return float64(s.Requests) / s.Elapsed.Seconds() }

// For has each of clients call do again and again until the time is over. An answer that
// is late still counts, and so does the time it took. The first error ends it.
func For(ctx context.Context, clients int, duration time.Duration, do func(ctx context.Context, client int) error) (Sample, error) {
	latencies := make([][]time.Duration, clients)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var all sync.WaitGroup
	begun := time.Now()
	end := begun.Add(duration)
	for client := range clients {
		all.Go(func() {
			for now := time.Now(); now.Before(end); {
				if err := do(ctx, client); err != nil {
					cancel(err) // the first one is the cause of the others
					return
				}
				done := time.Now()
				latencies[client] = append(latencies[client], done.Sub(now))
				now = done
			}
		})
	}
	all.Wait()
	elapsed := time.Since(begun)
	if err := context.Cause(ctx); err != nil {
		return Sample{}, err
	}
	return summary(slices.Concat(latencies...), elapsed), nil
}

func summary(latencies []time.Duration, elapsed time.Duration) Sample {
	slices.Sort(latencies)
	return Sample{
		Requests: len(latencies), Elapsed: elapsed,
		P50: quantile(latencies, 0.50), P99: quantile(latencies, 0.99),
	}
}

// quantile is the smallest value that at least q of the sorted values do not exceed.
func quantile(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	at := int(q*float64(len(sorted)) + 0.999999)
	return sorted[min(max(at, 1), len(sorted))-1]
}

// Median is the middle of the values, or of two middles the lower.
func Median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[(len(sorted)-1)/2]
}
