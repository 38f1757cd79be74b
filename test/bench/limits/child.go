package limits

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"runtime/debug"
	"runtime/pprof"
	"time"

	"joboutputs/infra/local/gateway"
	"joboutputs/infra/local/issuer"
	"joboutputs/infra/local/service"
	"joboutputs/shared/localaws"
	"joboutputs/test/bench/load"
)

// The service and the bare calls each run in a process of their own, the same program
// started again, so that what they use can be told apart from what the clients use.

// Child is the program's argument that makes it such a process.
const Child = "limits-child"

// stores is what a child works on. It is the first line of its input.
type stores struct {
	DynamoDB, S3  string // endpoints
	Table, Bucket string
}

// order is a line of a child's input after that, report its answer.
type order struct {
	Action  int // for Loop
	Loop    time.Duration
	Clients int
	Profile string // a file: begin a CPU profile
	Stop    bool   // end it
}

type report struct {
	Address string // of the service, in the first report
	Usage   load.Usage
	Sample  load.Sample
	Error   string
}

// RunChild is a child's life: it ends with its input.
func RunChild(in io.Reader, out io.Writer) error {
	lines, answers := json.NewDecoder(bufio.NewReader(in)), json.NewEncoder(out)
	var on stores
	if err := lines.Decode(&on); err != nil {
		return fmt.Errorf("read what to work on: %w", err)
	}
	debug.SetGCPercent(400) // as make run does, for both
	b := &bare{dynamodb: localaws.DynamoDB(on.DynamoDB), s3: localaws.S3(on.S3), table: on.Table, bucket: on.Bucket}
	first := report{}
	var err error
	if first.Address, err = serve(on); err != nil {
		return err
	}
	if err := answers.Encode(first); err != nil {
		return err
	}
	for {
		var o order
		if err := lines.Decode(&o); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		r, err := obey(b, o)
		if err != nil {
			r.Error = err.Error()
		}
		r.Usage = load.Self()
		if err := answers.Encode(r); err != nil {
			return err
		}
	}
}

func obey(b *bare, o order) (r report, err error) {
	switch {
	case o.Loop > 0:
		r.Sample, err = loop(context.Background(), o.Clients, o.Loop, func(ctx context.Context, client, n int) error {
			return actions[o.Action].bare(ctx, b, client, n)
		})
	case o.Profile != "":
		var file *os.File
		if file, err = os.Create(o.Profile); err == nil {
			err = pprof.StartCPUProfile(file)
		}
	case o.Stop:
		pprof.StopCPUProfile()
	}
	return r, err
}

// loop has every client do its next thing.
func loop(ctx context.Context, clients int, duration time.Duration, do func(ctx context.Context, client, n int) error) (load.Sample, error) {
	counts := make([]int, clients)
	return load.For(ctx, clients, duration, func(ctx context.Context, client int) error {
		counts[client]++
		return do(ctx, client, counts[client])
	})
}

// serve serves the service as the local run does.
func serve(on stores) (string, error) {
	log := slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	svc, err := service.New(service.Config{
		DynamoDB: localaws.DynamoDB(on.DynamoDB), S3: localaws.S3(on.S3), Table: on.Table, Bucket: on.Bucket, Log: log,
	})
	if err != nil {
		return "", err
	}
	if err := svc.Issuer.AddUser(issuer.User{Tenant: tenant, PK: 1, Username: user, Password: user, Admin: true, Active: true}); err != nil {
		return "", err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	go func() { fmt.Fprintln(os.Stderr, gateway.NewServer(svc, log).Serve(listener)) }()
	return listener.Addr().String(), nil
}

const user = "admin"

// child is such a process as its parent has it.
type child struct {
	cmd     *exec.Cmd
	in      io.WriteCloser
	orders  *json.Encoder
	reports *json.Decoder
	address string
}

func startChild(on stores) (*child, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	c := &child{cmd: exec.Command(program, Child)}
	c.cmd.Stderr = os.Stderr
	if c.in, err = c.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := c.cmd.Start(); err != nil {
		return nil, err
	}
	c.orders, c.reports = json.NewEncoder(c.in), json.NewDecoder(out)
	var first report
	err = c.orders.Encode(on)
	if err == nil {
		err = c.reports.Decode(&first)
	}
	if err != nil {
		c.stop()
		return nil, fmt.Errorf("start a process to be measured: %w", err)
	}
	c.address = first.Address
	return c, nil
}

func (c *child) do(o order) (report, error) {
	var r report
	if err := c.orders.Encode(o); err != nil {
		return r, fmt.Errorf("the process that is measured is gone: %w", err)
	}
	if err := c.reports.Decode(&r); err != nil {
		return r, fmt.Errorf("the process that is measured is gone: %w", err)
	}
	if r.Error != "" {
		return r, errors.New(r.Error)
	}
	return r, nil
}

// stop ends the child by the end of its input.
func (c *child) stop() {
	_ = c.in.Close()
	_ = c.cmd.Wait()
}
