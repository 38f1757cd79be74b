package main

import (
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

// worthABar is the smallest transfer that gets a bar of its own, in bytes; smaller ones
// are done before it is drawn.
const worthABar = 1 << 20

// progress shows how far transfers are: bars on a terminal, else a line now and then. It
// writes beside the results, which go through line while it lasts.
type progress struct {
	a    *app
	bars *mpb.Progress // nil = lines
	mu   sync.Mutex    // of lines
}

func (a *app) progress() *progress {
	p := &progress{a: a}
	if a.errTerminal && !a.quiet {
		p.bars = mpb.New(mpb.WithOutput(a.err), mpb.WithWidth(72), mpb.WithRefreshRate(150*time.Millisecond), mpb.WithAutoRefresh())
	}
	return p
}

// line prints a result. Bars make room for it where both are on one terminal.
func (p *progress) line(text string) error {
	if p.bars != nil && p.a.outTerminal {
		_, err := io.WriteString(p.bars, text+"\n")
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	_, err := fmt.Fprintln(p.a.out, text)
	return err
}

// note tells something beside the results.
func (p *progress) note(format string, args ...any) {
	if p.a.quiet {
		return
	}
	if p.bars != nil {
		fmt.Fprintf(p.bars, format+"\n", args...)
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	fmt.Fprintf(p.a.err, format+"\n", args...)
}

// end takes the bars away.
func (p *progress) end() {
	if p.bars != nil {
		p.bars.Wait()
	}
}

// start shows a transfer. report is told of bytes, by any goroutine; done ends the show.
func (p *progress) start(label string, size int64) (report func(int64), done func()) {
	var count atomic.Int64
	if p.a.quiet || size < worthABar {
		return func(n int64) {}, func() {}
	}
	if p.bars != nil {
		bar := p.bars.AddBar(size,
			mpb.BarRemoveOnComplete(),
			mpb.PrependDecorators(decor.Name(cell(label)+" ")),
			mpb.AppendDecorators(decor.CountersKiloByte("% .1f / % .1f", decor.WCSyncSpace), decor.AverageSpeed(decor.SizeB1000(0), "% .1f", decor.WCSyncSpace), decor.AverageETA(decor.ET_STYLE_GO, decor.WCSyncSpace)),
		)
		return func(n int64) { bar.SetCurrent(count.Add(n)) }, func() { bar.Abort(true) }
	}
	ticker, stop := time.NewTicker(10*time.Second), make(chan struct{})
	go func() {
		for {
			select {
			case <-ticker.C:
				p.note("%s: %s of %s", cell(label), bytesText(count.Load()), bytesText(size))
			case <-stop:
				return
			}
		}
	}()
	return func(n int64) { count.Add(n) }, sync.OnceFunc(func() { ticker.Stop(); close(stop) })
}
