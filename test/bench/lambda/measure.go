package lambda

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"time"

	"joboutputs/functions"
	"joboutputs/shared/api"
	"joboutputs/shared/auth"
	"joboutputs/test/bench/cost"
	"joboutputs/test/bench/result"
)

// starts measures each function's start, up to its first poll, in turns with an empty
// one's, so that what else the machine does falls on all alike.
func (b *bench) starts(ctx context.Context) (result.Table, error) {
	rounds := 15
	if b.quick {
		rounds = 5
	}
	all := append([]functions.Function{{Name: empty, Memory: 128}}, b.rows...)
	wall, cpu := make([][]time.Duration, len(all)), make([][]time.Duration, len(all))
	for range rounds {
		for i, f := range all {
			p, err := start(ctx, b.bootstrap(string(f.Name)), b.environment(f, f.Memory))
			if err != nil {
				return result.Table{}, err
			}
			took, err := p.ready(ctx)
			used := p.stop()
			if err != nil {
				return result.Table{}, err
			}
			wall[i], cpu[i] = append(wall[i], took), append(cpu[i], used)
		}
	}
	t := result.Table{
		Name: "starts", Title: "Start of a Lambda",
		Columns: []string{"function", "binary, MB", "start to first poll, ms", "× empty", "CPU, ms", "CPU × empty"},
		Note: fmt.Sprintf("Medians of %d starts in turns, of the binaries that are deployed, with an empty function of aws-lambda-go beside them. "+
			"No store is called before the first invocation. What a function with a store takes above the empty one is mostly the SDK's own tables, "+
			"of DynamoDB's shapes and of endpoints, which Go makes before main (GODEBUG=inittrace=1 lists them), and the pages of a larger binary.", rounds),
	}
	base, baseCPU := quantile(wall[0], 0.5), quantile(cpu[0], 0.5)
	var ratios []float64
	for i, f := range all {
		info, err := os.Stat(b.bootstrap(string(f.Name)))
		if err != nil {
			return result.Table{}, err
		}
		took, used := quantile(wall[i], 0.5), quantile(cpu[i], 0.5)
		t.Rows = append(t.Rows, []string{
			string(f.Name), mb(info.Size()), ms(took), fmt.Sprintf("%.2f", ratio(took, base)), ms(used), fmt.Sprintf("%.2f", ratio(used, baseCPU)),
		})
		ratios = append(ratios, ratio(took, base))
	}
	worst, sum := 0.0, 0.0
	for _, r := range ratios[1:] {
		worst, sum = max(worst, r), sum+r
	}
	t.Aims = []result.Aim{
		{Name: "start, the slowest function", Value: worst, Target: 1.5, Unit: "× an empty one"},
		{Name: "start, mean of all functions", Value: sum / float64(len(ratios)-1), Target: 1.5, Unit: "× an empty one"},
	}
	return t, nil
}

func ratio(a, b time.Duration) float64 { return a.Seconds() / b.Seconds() }

// warm is how long the invocations of a warm function take.
type warm struct {
	P50, P99           time.Duration // with stores that answer from memory: the function's own time
	CPU                time.Duration // of the process, for one of these
	StoreP50, StoreP99 time.Duration // with the local stores: p50 and p99
}

// warm invokes each function again and again: with the local stores, and with the same
// answers from memory.
func (b *bench) warm(ctx context.Context) (result.Table, error) {
	t := result.Table{
		Name: "warm", Title: "A warm invocation",
		Columns: []string{"function", "answers from memory: p50, ms", "p99", "CPU, ms", "local stores: p50, ms", "p99"},
		Note: "From the event's delivery to the answer's last byte, one at a time. Answers from memory are those the local stores gave, " +
			"so that what is left is the function's own time; obtain, refresh, verify and the authorizer have no local store.",
	}
	used := map[auth.Action]float64{} // ms
	for _, f := range b.rows {
		w, err := b.invocations(ctx, f)
		if err != nil {
			return result.Table{}, err
		}
		used[f.Name] = math.Round(w.CPU.Seconds()*1e5) / 100
		t.Rows = append(t.Rows, []string{string(f.Name), ms(w.P50), ms(w.P99), ms(w.CPU), ms(w.StoreP50), ms(w.StoreP99)})
	}
	if b.quick {
		return t, nil
	}
	text, err := json.MarshalIndent(used, "", "  ") // in the order of names
	if err != nil {
		return result.Table{}, err
	}
	return t, os.WriteFile(filepath.Join(b.root, "test", "bench", "cost", cost.Durations), append(text, '\n'), 0o644)
}

func (b *bench) invocations(ctx context.Context, f functions.Function) (warm, error) {
	warmUp, real, fromMemory := 20, 50, 500
	if b.quick {
		warmUp, real, fromMemory = 3, 10, 50
	}
	var w warm
	p, err := start(ctx, b.bootstrap(string(f.Name)), b.environment(f, f.Memory))
	if err != nil {
		return w, err
	}
	defer p.stop()
	if _, err := p.ready(ctx); err != nil {
		return w, err
	}
	var event []byte
	var times []time.Duration
	for nth := range warmUp + real {
		if event, err = b.scenes.event(ctx, f.Name, nth); err != nil {
			return w, err
		}
		b.stores.forget()
		a, took, err := p.invoke(ctx, event)
		if err == nil {
			err = succeeded(a)
		}
		if err != nil {
			return w, fmt.Errorf("%s: %w", f.Name, err)
		}
		if nth >= warmUp {
			times = append(times, took)
		}
	}
	w.StoreP50, w.StoreP99 = quantile(times, 0.5), quantile(times, 0.99)

	b.stores.remember()
	times = times[:0]
	var before time.Duration
	for nth := range warmUp + fromMemory {
		if nth == warmUp {
			if before, err = p.cpu(); err != nil {
				return w, err
			}
		}
		a, took, err := p.invoke(ctx, event)
		if err == nil {
			err = succeeded(a)
		}
		if err != nil {
			return w, fmt.Errorf("%s, from memory: %w", f.Name, err)
		}
		if nth >= warmUp {
			times = append(times, took)
		}
	}
	after, err := p.cpu()
	w.P50, w.P99, w.CPU = quantile(times, 0.5), quantile(times, 0.99), (after-before)/time.Duration(fromMemory)
	return w, err
}

// memory adds the largest content that one request can carry, again and again, in a
// function that is told to keep within its memory setting.
func (b *bench) memory(ctx context.Context) (result.Table, error) {
	const smallest = 128 // MB
	invocations := 20
	if b.quick {
		invocations = 3
	}
	t := result.Table{
		Name: "memory", Title: "Peak memory",
		Columns: []string{"function", "memory setting, MB", "peak resident, MB", "invocations"},
		Note:    fmt.Sprintf("Adding %d bytes, the largest content one request can carry, with GOMEMLIMIT as the stack sets it for the setting.", api.MaxContent),
	}
	for _, f := range b.rows {
		if f.Name != auth.JobsAddOutput {
			continue
		}
		for _, setting := range []int{smallest, f.Memory} {
			peak, err := b.peak(ctx, f, setting, invocations)
			if err != nil {
				return result.Table{}, err
			}
			t.Rows = append(t.Rows, []string{string(f.Name), fmt.Sprint(setting), mb(peak), fmt.Sprint(invocations)})
			t.Aims = append(t.Aims, result.Aim{
				Name: fmt.Sprintf("peak memory at %d MB", setting), Value: float64(peak) / (1 << 20), Target: float64(setting), Unit: "MiB",
			})
		}
	}
	return t, nil
}

func (b *bench) peak(ctx context.Context, f functions.Function, setting, invocations int) (int64, error) {
	p, err := start(ctx, b.bootstrap(string(f.Name)), b.environment(f, setting))
	if err != nil {
		return 0, err
	}
	defer p.stop()
	if _, err := p.ready(ctx); err != nil {
		return 0, err
	}
	b.scenes.content = strings.Repeat("\xff", api.MaxContent)
	defer func() { b.scenes.content = "" }()
	for nth := range invocations {
		event, err := b.scenes.event(ctx, f.Name, nth)
		if err != nil {
			return 0, err
		}
		b.stores.forget()
		a, _, err := p.invoke(ctx, event)
		if err == nil {
			err = succeeded(a)
		}
		if err != nil {
			return 0, err
		}
	}
	return p.peak()
}
