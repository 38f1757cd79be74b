package limits

import (
	"context"
	"fmt"
	"strconv"

	"joboutputs/test/bench/load"
)

// action is one thing measured: what is asked of the service, and the bare calls that it
// can't do without.
type action struct {
	name    string
	calls   string  // the bare calls, for the table
	aim     float64 // of the ratio at aimClients
	service func(ctx context.Context, c *caller, client, n int) error
	bare    func(ctx context.Context, b *bare, client, n int) error
}

var actions = []action{
	{
		"retrieve", "GetItem", 0.8,
		func(ctx context.Context, c *caller, client, n int) error {
			return c.send(ctx, client, "GET /v1/job-outputs/"+decimal(small(client, n)), nil)
		},
		func(ctx context.Context, b *bare, client, n int) error {
			_, err := b.output(ctx, small(client, n))
			return err
		},
	},
	{
		"list a job's 50 outputs", "Query", 0.8,
		func(ctx context.Context, c *caller, client, n int) error {
			body := fmt.Appendf(nil, `{"expressions":[{"type":"exact","field":"job","value":%d}]}`, fullJob(client, n))
			return c.send(ctx, client, "POST /v1/job-outputs/list", body)
		},
		func(ctx context.Context, b *bare, client, n int) error { return b.list(ctx, fullJob(client, n)) },
	},
	{
		"download 100 KB", "GetItem, GetObject", 0.8,
		func(ctx context.Context, c *caller, client, n int) error {
			return c.send(ctx, client, "POST /v1/job-outputs/"+decimal(large(client, n))+"/download", nil)
		},
		func(ctx context.Context, b *bare, client, n int) error { return b.download(ctx, large(client, n)) },
	},
	{
		"add 100 KB", "BatchGetItem, PutItem ∥ UpdateItem, PutObject, TransactWriteItems", 0.6,
		func(ctx context.Context, c *caller, client, n int) error {
			return c.send(ctx, client, fmt.Sprintf("POST /v1/jobs/%d/outputs/%s/bin", addJob(client), c.newName()), content)
		},
		func(ctx context.Context, b *bare, client, _ int) error {
			return b.add(ctx, addJob(client), b.newName())
		},
	},
	{
		"destroy and reinstate", "twice GetItem, TransactWriteItems", 0,
		func(ctx context.Context, c *caller, client, n int) error {
			path := "/v1/job-outputs/" + decimal(own(client, n))
			if err := c.send(ctx, client, "DELETE "+path, nil); err != nil {
				return err
			}
			return c.send(ctx, client, "POST "+path+"/reinstate", nil)
		},
		func(ctx context.Context, b *bare, client, n int) error {
			if err := b.change(ctx, own(client, n), true); err != nil {
				return err
			}
			return b.change(ctx, own(client, n), false)
		},
	},
}

// caller is the clients of the service.
type caller struct {
	names
	header  string // of every request
	clients [maxClients]*load.Client
}

func newCaller(address, token string) *caller {
	c := &caller{header: " HTTP/1.1\r\nHost: " + address + "\r\nAuthorization: Bearer " + token + "\r\n"}
	for i := range c.clients {
		c.clients[i] = load.NewClient(address)
	}
	return c
}

func (c *caller) send(ctx context.Context, client int, line string, body []byte) error {
	head := line + c.header
	if body != nil {
		head += "Content-Type: application/json\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n"
	}
	_, err := c.clients[client].Do(ctx, []byte(head+"\r\n"), body)
	return err
}

func (c *caller) close() {
	for _, client := range c.clients {
		client.Close()
	}
}

func decimal(pk int64) string { return strconv.FormatInt(pk, 10) }
