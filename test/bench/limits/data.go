package limits

import (
	"crypto/rand"
	"fmt"
	"math"
	randv2 "math/rand/v2"
	"sync/atomic"
	"time"

	"joboutputs/shared/jobs"
	"joboutputs/shared/localaws/fixture"
	"joboutputs/shared/outputs"
)

// What is stored before anything is measured. The service's adds go to the same tenant,
// the bare ones to another, whose jobs are the same.
const (
	tenant     = "bench"
	bareTenant = "bare"

	maxClients = 32

	fullJobs   = 20 // pks 1 …, each full of
	perJob     = 50 // small outputs, whose pks are 1 … 1,000
	largeJob   = fullJobs + 1
	largePK    = fullJobs*perJob + 1 // the first of
	largeCount = 64                  // outputs of 100 KB
	firstAdd   = 100                 // adds of a client have a job of their own, from this one on
)

// content is 100 KB that no layer can make smaller.
var content = func() []byte {
	random := randv2.NewChaCha8([32]byte{1})
	b := make([]byte, 100_000)
	_, _ = random.Read(b) // never fails
	return b
}()

// small is an output to be read: all clients read all of them, in an order of their own.
func small(client, n int) int64 { return int64(scatter(client, n)%(fullJobs*perJob)) + 1 }

// own is an output that no other client changes.
func own(client, n int) int64 {
	const each = fullJobs * perJob / maxClients
	return int64(client*each+n%each) + 1
}

func fullJob(client, n int) int64 { return int64(scatter(client, n)%fullJobs) + 1 }

func large(client, n int) int64 { return int64(scatter(client, n)%largeCount) + largePK }

func addJob(client int) int64 { return int64(firstAdd + client) }

// scatter is a number that looks random and is the same in every run.
func scatter(client, n int) uint64 {
	x := uint64(client)<<32 | uint64(n)
	x *= 0x9E3779B97F4A7C15 // as SplitMix64 does
	x ^= x >> 32
	return x * 0xBF58476D1CE4E5B9 >> 8 & math.MaxInt32
}

// names makes names that were never used.
type names struct {
	once atomic.Pointer[string]
	n    atomic.Int64
}

func (g *names) newName() string {
	if g.once.Load() == nil {
		text := rand.Text()
		g.once.CompareAndSwap(nil, &text)
	}
	return fmt.Sprintf("%s-%d", *g.once.Load(), g.n.Add(1))
}

func seed() fixture.Rows {
	made := time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)
	var in fixture.Rows
	job := func(pk int64) jobs.Job {
		return jobs.Job{PK: pk, Description: "benchmark", Node: 1, Creator: 1, CreationTime: made, StartTime: made.Add(time.Minute)}
	}
	output := func(pk, job int64, content []byte) fixture.Output {
		return fixture.Output{Content: content, Output: outputs.Output{
			PK: pk, Job: job, Name: fmt.Sprintf("model-%d", pk), Type: "tflite", Creator: 1, CreatorUsername: "admin",
			CreationTime: made.Add(time.Duration(pk) * time.Second), ContentType: "application/octet-stream",
		}}
	}
	for pk := range int64(fullJobs * perJob) {
		in.Outputs = append(in.Outputs, output(pk+1, pk/perJob+1, nil))
	}
	for i := range int64(largeCount) {
		in.Outputs = append(in.Outputs, output(largePK+i, largeJob, content))
	}
	for pk := int64(1); pk <= largeJob; pk++ {
		in.Jobs = append(in.Jobs, job(pk))
	}
	in.Jobs = append(in.Jobs, addJobs()...)
	return in
}

// addJobs are the jobs that outputs are added to.
func addJobs() []jobs.Job {
	made := time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)
	var all []jobs.Job
	for client := range maxClients {
		all = append(all, jobs.Job{
			PK: addJob(client), Description: "benchmark", Node: 1, Creator: 1, CreationTime: made, StartTime: made.Add(time.Minute),
		})
	}
	return all
}
