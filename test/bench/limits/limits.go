// Package limits holds the service against what lies under it: the same clients, stores
// and rows, once through the local gateway and once by the bare calls of the AWS SDK that
// an action can't do without. What is left between the two is ours to lose.
package limits

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"joboutputs/shared/auth"
	"joboutputs/shared/localaws"
	"joboutputs/shared/localaws/fixture"
	"joboutputs/shared/table"
	"joboutputs/test/bench/load"
	"joboutputs/test/bench/result"
)

// aimClients is how many clients there are where ratios are held against their aims.
const aimClients = 8

// plan is how much is measured.
type plan struct {
	clients []int
	rounds  int           // slices of each kind, alternating
	slice   time.Duration // of one kind
	warm    time.Duration // before the first slice of each
}

var (
	full  = plan{[]int{1, 8, 32}, 5, time.Second, time.Second}
	short = plan{[]int{8}, 3, 400 * time.Millisecond, time.Second}
)

// Limits is the comparison. Profiles, if not empty, is a directory for CPU profiles of the
// service, one of each action.
type Limits struct{ Profiles string }

// Run measures.
func (l Limits) Run(ctx context.Context, quick bool) ([]result.Table, error) {
	p := full
	if quick {
		p = short
	}
	r, err := newRig(ctx)
	if err != nil {
		return nil, err
	}
	defer r.close()
	table := result.Table{
		Name:  "limits",
		Title: "Beside the bare calls",
		Columns: []string{"action", "clients", "requests/s", "bare", "ratio", "p50 ms", "bare", "p99 ms", "bare",
			"CPU µs", "bare", "allocations", "bare"},
	}
	var names []string
	for i := range actions {
		a := &actions[i]
		names = append(names, fmt.Sprintf("%s: %s", a.name, a.calls))
		for _, clients := range p.clients {
			m, err := r.measure(ctx, i, clients, p)
			if err != nil {
				return nil, fmt.Errorf("%s, %d clients: %w", a.name, clients, err)
			}
			table.Rows = append(table.Rows, m.row(a.name, clients))
			if clients == aimClients && a.aim > 0 {
				table.Aims = append(table.Aims, result.Aim{
					Name:  fmt.Sprintf("%s, requests/s over those of the bare calls at %d clients", a.name, clients),
					Value: m.ratio, Target: a.aim, AtLeast: true,
				})
			}
		}
		if l.Profiles != "" {
			if err := r.profile(ctx, i, filepath.Join(l.Profiles, fmt.Sprintf("limits-%d.pprof", i))); err != nil {
				return nil, err
			}
		}
	}
	table.Note = note(p, names)
	return []result.Table{table}, nil
}

func note(p plan, calls []string) string {
	return fmt.Sprintf("The service through the local gateway over kept connections, beside the bare calls of the AWS SDK "+
		"that an action can't do without (%s), on the same DynamoDB Local and VersityGW. Each runs in a process of its own; "+
		"the bare calls are made in a loop, with no HTTP before them, so that the service pays for the clients' and its own HTTP and they do not. "+
		"Slices of %s alternate, %d of each; figures are medians of slices, the ratio that of neighbours. "+
		"CPU and allocations are of that process alone, a request.", strings.Join(calls, "; "), p.slice, p.rounds)
}

// rig is the stores, and the two processes that are compared on them.
type rig struct {
	servers       *localaws.Servers
	service, bare *child
}

func newRig(ctx context.Context) (_ *rig, err error) {
	r := &rig{}
	defer func() {
		if err != nil {
			r.close()
		}
	}()
	if r.servers, err = localaws.Start(ctx, localaws.Options{Log: os.Stderr}); err != nil {
		return nil, err
	}
	on := stores{DynamoDB: r.servers.DynamoDBEndpoint, S3: r.servers.S3Endpoint, Table: "bench", Bucket: "bench"}
	dynamoDB, s3 := localaws.DynamoDB(on.DynamoDB), localaws.S3(on.S3)
	if err := localaws.CreateTable(ctx, dynamoDB, on.Table, table.Schema); err != nil {
		return nil, err
	}
	if err := localaws.CreateBucket(ctx, s3, on.Bucket); err != nil {
		return nil, err
	}
	return r, r.open(ctx, on)
}

// open loads what is stored before anything is measured, and starts the two processes.
func (r *rig) open(ctx context.Context, on stores) (err error) {
	into := table.New(table.Config{
		DynamoDB: localaws.DynamoDB(on.DynamoDB), S3: localaws.S3(on.S3), Table: on.Table, Bucket: on.Bucket,
	})
	if err := fixture.Load(auth.WithTenant(ctx, tenant), into, tenant, seed()); err != nil {
		return err
	}
	if err := fixture.Load(auth.WithTenant(ctx, bareTenant), into, bareTenant, fixture.Rows{Jobs: addJobs()}); err != nil {
		return err
	}
	if r.service, err = startChild(on); err != nil {
		return err
	}
	r.bare, err = startChild(on)
	return err
}

func (r *rig) close() {
	for _, c := range []*child{r.service, r.bare} {
		if c != nil {
			c.stop()
		}
	}
	if r.servers != nil {
		r.servers.Stop()
	}
}

// slice is what one slice of time showed.
type slice struct {
	load.Sample
	used load.Usage
}

// measured is the medians of the slices of an action with a number of clients.
type measured struct {
	service, bare figures
	ratio         float64
}

type figures struct{ perSecond, p50, p99, cpu, allocs float64 }

func (r *rig) measure(ctx context.Context, action, clients int, p plan) (measured, error) {
	caller, err := r.login(ctx)
	if err != nil {
		return measured{}, err
	}
	defer caller.close()
	if _, err := r.slice(ctx, caller, action, clients, p.warm, true); err != nil {
		return measured{}, err
	}
	if _, err := r.slice(ctx, caller, action, clients, p.warm, false); err != nil {
		return measured{}, err
	}
	var service, bare []slice
	var ratios []float64
	for round := range p.rounds {
		var pair [2]slice
		for turn := range 2 {
			which := (round + turn) % 2 // each is first in turn
			if pair[which], err = r.slice(ctx, caller, action, clients, p.slice, which == 0); err != nil {
				return measured{}, err
			}
		}
		service, bare = append(service, pair[0]), append(bare, pair[1])
		ratios = append(ratios, pair[0].PerSecond()/pair[1].PerSecond())
	}
	return measured{medians(service), medians(bare), load.Median(ratios)}, nil
}

// slice loads the service, or else has the bare calls made.
func (r *rig) slice(ctx context.Context, caller *caller, action, clients int, duration time.Duration, service bool) (slice, error) {
	side := r.bare
	if service {
		side = r.service
	}
	before, err := side.do(order{})
	if err != nil {
		return slice{}, err
	}
	var after report
	var sample load.Sample
	if service {
		if sample, err = loop(ctx, clients, duration, func(ctx context.Context, client, n int) error {
			return actions[action].service(ctx, caller, client, n)
		}); err != nil {
			return slice{}, err
		}
		after, err = side.do(order{})
	} else {
		after, err = side.do(order{Action: action, Clients: clients, Loop: duration})
		sample = after.Sample
	}
	return slice{sample, after.Usage.Since(before.Usage)}, err
}

// login makes the service's clients, with a token that outlives what they measure.
func (r *rig) login(ctx context.Context) (*caller, error) {
	body := fmt.Sprintf(`{"username":"%s@%s","password":"%s"}`, user, tenant, user)
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+r.service.address+"/v1/auth/obtain", strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	var pair struct{ Access string }
	if err := json.NewDecoder(response.Body).Decode(&pair); err != nil || pair.Access == "" {
		return nil, fmt.Errorf("log in: %s (%v)", response.Status, err)
	}
	return newCaller(r.service.address, pair.Access), nil
}

// profile writes a CPU profile of the service under an action.
func (r *rig) profile(ctx context.Context, action int, path string) error {
	caller, err := r.login(ctx)
	if err != nil {
		return err
	}
	defer caller.close()
	if _, err := r.service.do(order{Profile: path}); err != nil {
		return err
	}
	if _, err := r.slice(ctx, caller, action, aimClients, 5*time.Second, true); err != nil {
		return err
	}
	_, err = r.service.do(order{Stop: true})
	return err
}

func medians(slices []slice) figures {
	of := func(value func(slice) float64) float64 {
		var all []float64
		for _, s := range slices {
			all = append(all, value(s))
		}
		return load.Median(all)
	}
	each := func(s slice, total float64) float64 { return total / float64(max(s.Requests, 1)) }
	return figures{
		perSecond: of(slice.PerSecond),
		p50:       of(func(s slice) float64 { return s.P50.Seconds() * 1e3 }),
		p99:       of(func(s slice) float64 { return s.P99.Seconds() * 1e3 }),
		cpu:       of(func(s slice) float64 { return each(s, s.used.CPU.Seconds()*1e6) }),
		allocs:    of(func(s slice) float64 { return each(s, float64(s.used.Allocs)) }),
	}
}

func (m measured) row(action string, clients int) []string {
	n := result.Number
	s, b := m.service, m.bare
	return []string{
		action, fmt.Sprint(clients), n(s.perSecond), n(b.perSecond), n(m.ratio), n(s.p50), n(b.p50), n(s.p99), n(b.p99),
		n(s.cpu), n(b.cpu), n(s.allocs), n(b.allocs),
	}
}
