package client

import (
	"context"
	"fmt"
	"net/http"
)

// Job is as much of a job as its outputs need. A nil field is null.
type Job struct {
	PK           int64       `json:"pk"`
	Description  string      `json:"description"`
	Node         *int64      `json:"node"` // that acquired it
	Creator      *int64      `json:"creator"`
	CreationTime Time        `json:"creation_time"`
	StartTime    *Time       `json:"start_time"`
	EndTime      *Time       `json:"end_time"`
	ErrorReason  *string     `json:"error_reason"` // an error's text may be empty
	DeletionTime *Time       `json:"deletion_time"`
	Cancelled    bool        `json:"is_cancelled"`
	Outputs      []JobOutput `json:"outputs"`                     // soft-deleted ones too, at most 1,000
	Truncated    bool        `json:"outputs_truncated,omitempty"` // there are more outputs than these: see List
}

// JobOutput is a job's mention of an output.
type JobOutput struct {
	PK   int64  `json:"pk"`
	Name string `json:"name"`
	Type string `json:"type"`
}

// NewJob is a job to be created. The zero value is a good one.
type NewJob struct {
	PK          int64  `json:"pk,omitempty"`   // at most 1,000,000 above the last job's; 0 = the next free one
	Node        int64  `json:"node,omitempty"` // 0 = for any node to acquire
	Description string `json:"description,omitempty"`
}

// CreateJob makes a job.
func (c *Client) CreateJob(ctx context.Context, n NewJob) (j Job, err error) {
	err = c.into(ctx, call{method: http.MethodPost, path: "/v1/jobs/create"}.withJSON(n).changes(), &j)
	return j, err
}

// Job retrieves a job with its outputs.
func (c *Client) Job(ctx context.Context, pk int64) (Job, error) {
	return c.job(ctx, pk, call{method: http.MethodGet}, "")
}

// Acquire takes a free job for Config.Node. Again, it changes nothing.
func (c *Client) Acquire(ctx context.Context, pk int64) (Job, error) {
	return c.job(ctx, pk, call{method: http.MethodGet}.changes(), "/acquire")
}

// Release gives a job of Config.Node back.
func (c *Client) Release(ctx context.Context, pk int64) (Job, error) {
	return c.job(ctx, pk, call{method: http.MethodDelete}.changes(), "/release")
}

// Start begins the work on a job of Config.Node.
func (c *Client) Start(ctx context.Context, pk int64) (Job, error) {
	return c.job(ctx, pk, call{method: http.MethodPost}.changes(), "/start")
}

// Finish ends the work on a job of Config.Node: well, or with an error if reason is not
// nil; its text may be empty.
func (c *Client) Finish(ctx context.Context, pk int64, reason *string) (Job, error) {
	report := struct {
		Success bool    `json:"success"`
		Error   *string `json:"error,omitempty"`
	}{reason == nil, reason}
	return c.job(ctx, pk, call{method: http.MethodPost}.withJSON(report).changes(), "/finish")
}

func (c *Client) job(ctx context.Context, pk int64, k call, step string) (j Job, err error) {
	k.path = fmt.Sprintf("/v1/jobs/%d%s", pk, step)
	err = c.into(ctx, k, &j)
	return j, err
}
