package flat

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"joboutputs/test/bench/load"
	"joboutputs/test/bench/result"
	"joboutputs/test/bench/rows"
)

// bigJob has as many outputs as the tenant has besides. Only its rows by name are there: its
// steps read nothing else.
const bigJob = 100_000_000

func bigJobRows(size int) []rows.Item {
	all := []rows.Item{rows.Job(tenant, bigJob, begun)}
	for pk := int64(1); pk <= int64(size); pk++ {
		o := output(pk)
		o.Job = bigJob
		_, byName := rows.Both(tenant, &o, fmt.Sprintf("%026d", pk))
		all = append(all, byName)
	}
	return all
}

// mostSteps is how much longer the median may take for the largest job than for the
// smallest.
const mostSteps = 1.2

// steps are what a node does with its job; each is measured from a state that is restored
// before it.
var steps = []struct {
	name, line string
	started    bool // before it
}{
	{"retrieve a job with all of them", "GET /v1/jobs/%d", true},
	{"start it", "POST /v1/jobs/%d/start", false},
	{"finish it", "POST /v1/jobs/%d/finish", true},
}

// perSlice is how often each step is taken in a slice.
const perSlice = 25

// measureSteps adds rows for the steps of jobs of every size, and the aims.
func measureSteps(ctx context.Context, t *result.Table, client *dynamodb.Client, tenants []*service, p plan) error {
	for _, step := range steps {
		medians, growth := make([][]float64, len(tenants)), []float64{}
		counted := make([]reads, len(tenants))
		take := func(s *service) (time.Duration, error) {
			job := rows.Job(tenant, bigJob, begun)
			if !step.started {
				delete(job, "start_time")
			}
			node := rows.Key("T#"+tenant+"#D#1", "D")
			if step.started {
				node["current_job"] = rows.Number(bigJob)
			}
			for _, item := range []rows.Item{job, node} {
				if _, err := client.PutItem(ctx, &dynamodb.PutItemInput{TableName: aws.String(tableName(s.size)), Item: item}); err != nil {
					return 0, fmt.Errorf("restore a job: %w", err)
				}
			}
			begun := time.Now()
			_, err := s.client.Do(ctx, []byte(fmt.Sprintf(step.line, bigJob)+s.header+"Node-Id: 1\r\n\r\n"))
			return time.Since(begun), err
		}
		for i, s := range tenants { // also warms up
			s.meter.begin()
			if _, err := take(s); err != nil {
				return err
			}
			counted[i] = s.meter.end()
		}
		for range p.rounds {
			for i, s := range tenants {
				var times []float64
				for range perSlice {
					elapsed, err := take(s)
					if err != nil {
						return err
					}
					times = append(times, elapsed.Seconds()*1e3)
				}
				medians[i] = append(medians[i], load.Median(times))
			}
			last := len(medians[0]) - 1
			growth = append(growth, medians[len(tenants)-1][last]/medians[0][last])
		}
		for i, size := range p.sizes {
			t.Rows = append(t.Rows, []string{
				step.name, thousands(size), result.Number(load.Median(medians[i])), "",
				result.Number(counted[i].calls), result.Number(counted[i].rows), result.Number(counted[i].units),
			})
		}
		t.Aims = append(t.Aims, result.Aim{
			Name:  fmt.Sprintf("%s, p50 of a job with %s outputs over p50 with %s", step.name, thousands(p.sizes[len(p.sizes)-1]), thousands(p.sizes[0])),
			Value: load.Median(growth), Target: mostSteps,
		})
	}
	return nil
}
