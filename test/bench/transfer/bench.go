package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"joboutputs/shared/client"
	"joboutputs/shared/localaws"
)

// bench is the service under load: a process of its own, as make run starts it, on a pair
// of stores that the AWS CLI and the bare calls use, too.
type bench struct {
	options
	dir  string
	rows []row

	stores  *localaws.Servers
	service *exec.Cmd
	url     string
	proxy   *proxy // between service and object store, which clients reach by links

	api        *client.Client // an administrator acting for node 1
	job        int64          // that node 1 works
	clientPeak int64          // of all runs of the command, bytes resident
	serverPeak int64          // of services that have ended
}

func (b *bench) start(ctx context.Context) (err error) {
	if b.stores, err = localaws.Start(ctx, localaws.Options{Log: os.Stderr}); err != nil {
		return err
	}
	if b.proxy, err = newProxy(b.stores.S3Endpoint); err != nil {
		return err
	}
	if err := b.serve(ctx, b.stores.S3Endpoint); err != nil {
		b.stop()
		return err
	}
	return nil
}

// serve starts the service anew, over an object store at an endpoint.
func (b *bench) serve(ctx context.Context, s3 string) error {
	b.end()
	data := filepath.Join(b.dir, "data")
	c := exec.Command(filepath.Join(b.bin, "local"), "-addr", "127.0.0.1:0", "-data", data, "-dynamodb-endpoint", b.stores.DynamoDBEndpoint, "-s3-endpoint", s3)
	c.Stderr = os.Stderr
	out, err := c.StdoutPipe()
	if err != nil {
		return err
	}
	if err := c.Start(); err != nil {
		return err
	}
	b.service = c
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if url, ok := strings.CutPrefix(lines.Text(), "ready "); ok {
			b.url = url
			go func() { _, _ = io.Copy(io.Discard, out) }()
			b.api, err = client.New(client.Config{Server: url, Username: "admin", Password: "admin", Node: 1})
			return err
		}
	}
	return fmt.Errorf("%s ended before it was ready", c.Path)
}

func (b *bench) end() {
	if b.service != nil {
		b.serverPeak = max(b.serverPeak, peakOf(b.service.Process.Pid))
		_ = b.service.Process.Signal(os.Interrupt)
		_ = b.service.Wait()
		b.service = nil
	}
}

func (b *bench) stop() {
	b.end()
	b.proxy.close()
	b.stores.Stop()
}

// newJob has node 1 work another job, and no other.
func (b *bench) newJob(ctx context.Context) error {
	if b.job == 0 {
		b.job = 1 // the demo's
	}
	if _, err := b.api.Finish(ctx, b.job, nil); err != nil {
		return err
	}
	j, err := b.api.CreateJob(ctx, client.NewJob{Node: 1, Description: "bench"})
	if err != nil {
		return err
	}
	b.job = j.PK
	_, err = b.api.Start(ctx, j.PK)
	return err
}

// joboutputs runs the command to its end and answers how long that took.
func (b *bench) joboutputs(ctx context.Context, args ...string) (time.Duration, error) {
	c := b.command(ctx, args...)
	var said bytes.Buffer
	c.Stdout, c.Stderr = &said, &said
	began := time.Now()
	if err := c.Start(); err != nil {
		return 0, err
	}
	watched := b.watch(c.Process.Pid)
	err := c.Wait()
	took := time.Since(began)
	watched()
	if err != nil {
		return 0, fmt.Errorf("joboutputs %s: %w\n%s", args[0], err, said.String())
	}
	return took, nil
}

func (b *bench) command(ctx context.Context, args ...string) *exec.Cmd {
	c := exec.CommandContext(ctx, filepath.Join(b.bin, "joboutputs"), args...)
	c.Env = append(os.Environ(), "JOBOUTPUTS_SERVER="+b.url, "JOBOUTPUTS_USERNAME=admin", "JOBOUTPUTS_PASSWORD=admin", "JOBOUTPUTS_CONFIG="+filepath.Join(b.dir, "config.json"))
	return c
}

// watch notes a process' peak of resident memory until the function it returns is called.
func (b *bench) watch(pid int) (end func()) {
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		ticker := time.NewTicker(50 * time.Millisecond)
		defer ticker.Stop()
		for {
			select {
			case <-stop:
				return
			case <-ticker.C:
				b.clientPeak = max(b.clientPeak, peakOf(pid)) // nobody else writes it: one runs at a time
			}
		}
	}()
	return func() { close(stop); <-done }
}

// peakOf is VmHWM of a process, in bytes; 0 when it is gone (proc_pid_status(5)).
func peakOf(pid int) int64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			n, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			return n << 10
		}
	}
	return 0
}

// memory is told last: the peaks of everything before.
func (b *bench) memory(context.Context) error {
	const aim = 128 << 20
	server := max(b.serverPeak, peakOf(b.service.Process.Pid))
	b.add("peak of the command, resident", float64(b.clientPeak)/(1<<20), "MiB", "≤ 128 MiB", b.clientPeak > 0 && b.clientPeak <= aim, "")
	b.add("peak of the service, resident", float64(server)/(1<<20), "MiB", "≤ 128 MiB", server > 0 && server <= aim, "")
	return nil
}

// median of an odd number of durations, or the upper of the two in the middle.
func median(all []time.Duration) time.Duration {
	sorted := slices.Sorted(slices.Values(all))
	return sorted[len(sorted)/2]
}

func list(all []time.Duration) string {
	var text []string
	for _, d := range all {
		text = append(text, fmt.Sprintf("%.2f", d.Seconds()))
	}
	return strings.Join(text, ", ") + " s"
}

// alternate measures two things by turns, each once a round, and who is first changes.
func (b *bench) alternate(one, other func(round int) (time.Duration, error)) (ones, others []time.Duration, err error) {
	for round := range b.rounds {
		for turn := range 2 {
			what, taken := one, &ones
			if (round+turn)%2 == 1 {
				what, taken = other, &others
			}
			d, err := what(round)
			if err != nil {
				return nil, nil, err
			}
			*taken = append(*taken, d)
		}
	}
	return ones, others, nil
}
