package limits

import (
	"context"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"joboutputs/test/bench/load"
	"joboutputs/test/bench/result"
)

// times is how much faster than the peer to be.
const times = 5

// peerWarm is how long each is at a work before it is measured: a JVM that has just been
// started takes as long to be as fast as it is.
const peerWarm = 10 * time.Second

// Peer does the same work on the service and on an MLflow tracking server. The quick form
// leaves it out: installing MLflow takes longer than the form may.
func Peer(ctx context.Context, quick bool) ([]result.Table, error) {
	if quick {
		return nil, nil
	}
	version, err := exec.CommandContext(ctx, MLflow, "--version").Output()
	if err != nil {
		return nil, fmt.Errorf("ask MLflow for its version (make bench installs it): %w", err)
	}
	r, err := newRig(ctx)
	if err != nil {
		return nil, err
	}
	defer r.close()
	m, err := startMLflow(ctx)
	if err != nil {
		return nil, err
	}
	defer m.stop()
	work, err := m.work(ctx)
	if err != nil {
		return nil, err
	}
	table := result.Table{
		Name:  "peer",
		Title: "Beside MLflow",
		Note: fmt.Sprintf("The same work on the service (through the local gateway, over DynamoDB Local and VersityGW) and on a tracking server of %s "+
			"that proxies artifacts (sqlite, files, %d workers), with %d clients. Slices of %s alternate, %d of each; medians.",
			strings.TrimSpace(strings.ReplaceAll(string(version), ", version", "")), mlflowWorkers, aimClients, full.slice, full.rounds),
		Columns: []string{"work", "requests/s", "MLflow", "times", "p50 ms", "MLflow", "p99 ms", "MLflow"},
	}
	for _, w := range work {
		ours, theirs, ratio, err := r.beside(ctx, w)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", w.name, err)
		}
		n := result.Number
		table.Rows = append(table.Rows, []string{w.name, n(ours.perSecond), n(theirs.perSecond), n(ratio), n(ours.p50), n(theirs.p50), n(ours.p99), n(theirs.p99)})
		table.Aims = append(table.Aims, result.Aim{
			Name: w.name + ", requests/s over those of MLflow", Value: ratio, Target: times, AtLeast: true, Unit: "×",
		})
	}
	return []result.Table{table}, nil
}

// work is something both can do.
type work struct {
	name   string
	action int // the service's, of actions
	peer   func(ctx context.Context, client, n int) error
}

const (
	retrieveAction = iota
	listAction
	downloadAction
	addAction
)

// work makes a run to read from, and says what is asked of MLflow.
func (m *mlflow) work(ctx context.Context) ([]work, error) {
	id, artifacts, err := m.run(ctx, perJob)
	if err != nil {
		return nil, err
	}
	_, fresh, err := m.run(ctx, 0)
	if err != nil {
		return nil, err
	}
	var clients [maxClients]*load.Client
	for i := range clients {
		clients[i] = load.NewClient(m.address)
	}
	var unused names
	send := func(ctx context.Context, client int, line string, body []byte) error {
		head := line + " HTTP/1.1\r\nHost: " + m.address + "\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n"
		_, err := clients[client].Do(ctx, []byte(head), body)
		return err
	}
	return []work{
		{"put an artifact of 100 KB", addAction, func(ctx context.Context, client, _ int) error {
			return send(ctx, client, "PUT "+fresh+"/"+unused.newName(), content)
		}},
		{"get an artifact of 100 KB", downloadAction, func(ctx context.Context, client, n int) error {
			return send(ctx, client, fmt.Sprintf("GET %s/model-%d", artifacts, scatter(client, n)%perJob), nil)
		}},
		{"list a run's 50 artifacts", listAction, func(ctx context.Context, client, _ int) error {
			return send(ctx, client, "GET /api/2.0/mlflow/artifacts/list?run_id="+id, nil)
		}},
	}, nil
}

// beside measures the service and the peer in turn.
func (r *rig) beside(ctx context.Context, w work) (ours, theirs figures, ratio float64, err error) {
	caller, err := r.login(ctx)
	if err != nil {
		return ours, theirs, 0, err
	}
	defer caller.close()
	peer := func(ctx context.Context, duration time.Duration) (slice, error) {
		sample, err := loop(ctx, aimClients, duration, w.peer)
		return slice{Sample: sample}, err
	}
	if _, err := r.slice(ctx, caller, w.action, aimClients, peerWarm, true); err != nil {
		return ours, theirs, 0, err
	}
	if _, err := peer(ctx, peerWarm); err != nil {
		return ours, theirs, 0, err
	}
	var service, other []slice
	var ratios []float64
	for range full.rounds {
		a, err := r.slice(ctx, caller, w.action, aimClients, full.slice, true)
		if err != nil {
			return ours, theirs, 0, err
		}
		b, err := peer(ctx, full.slice)
		if err != nil {
			return ours, theirs, 0, err
		}
		service, other = append(service, a), append(other, b)
		ratios = append(ratios, a.PerSecond()/b.PerSecond())
	}
	return medians(service), medians(other), load.Median(ratios), nil
}
