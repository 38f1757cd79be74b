package main

import (
	"context"
	"fmt"
	"maps"
	"time"

	"github.com/spf13/cobra"

	"joboutputs/shared/client"
)

func (a *app) watchCommand() *cobra.Command {
	var job int64
	var interval time.Duration
	var onlyNew bool
	c := &cobra.Command{
		Use: "watch --job JOB", Short: "Print a job's outputs as they are added",
		Long: `Prints the outputs of a job, one line each, and then new ones as they are added, until the job
ends or Ctrl-C. With --json, each line is an object.`,
		Example: "  joboutputs watch --job 42\n  joboutputs watch --job 42 --new --interval 30s --json",
		Args:    arguments(0, 0, "no arguments, but --job"),
		RunE: func(c *cobra.Command, _ []string) error {
			if job < 1 {
				return usage("which job? Give --job KEY")
			}
			if interval < 100*time.Millisecond {
				return usage("--interval %s is too short; 5s is usual", interval)
			}
			api, err := a.client()
			if err != nil {
				return err
			}
			return a.watch(c.Context(), api, job, interval, onlyNew)
		},
	}
	c.Flags().Int64VarP(&job, "job", "j", 0, "the job with this primary `key` (required)")
	c.Flags().DurationVar(&interval, "interval", 5*time.Second, "`time` between looks")
	c.Flags().BoolVar(&onlyNew, "new", false, "only those added from now on")
	return c
}

// late is how long after its creation time an output may become visible: adds that run at the
// same time become visible in any order. The service gives an add 29 seconds.
const late = 10 * time.Minute

func (a *app) watch(ctx context.Context, api *client.Client, job int64, interval time.Duration, skip bool) error {
	seen := map[int64]time.Time{} // creation times by primary key
	var last time.Time
	for {
		// The job first: what it had when it ended is then in the list.
		j, err := api.Job(ctx, job)
		if err != nil {
			return err
		}
		spec := client.Spec{Expressions: []client.Expression{client.Exact("job", job)}, OrderBy: []client.OrderBy{{Field: "pk", Ascending: true}}}
		if since := last.Add(-late); !last.IsZero() {
			spec.Expressions = append(spec.Expressions, client.Compare("creation_time", ">=", since.Format(time.RFC3339Nano)))
		}
		for o, err := range api.List(ctx, spec) {
			if err != nil {
				return err
			}
			if _, ok := seen[o.PK]; ok {
				continue
			}
			seen[o.PK] = o.CreationTime.Time
			if o.CreationTime.After(last) {
				last = o.CreationTime.Time
			}
			if skip {
				continue
			}
			if a.json {
				err = a.printJSON(o)
			} else {
				_, err = fmt.Fprintf(a.out, "%s  %d  %d/%s/%s  %s\n", timeText(o.CreationTime), o.PK, o.Job, cell(o.Name), cell(o.Type), bytesText(o.Size))
			}
			if err != nil {
				return err
			}
		}
		skip = false
		maps.DeleteFunc(seen, func(_ int64, created time.Time) bool { return created.Before(last.Add(-late)) })
		if j.EndTime != nil {
			a.note("the job has ended")
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(interval):
		}
	}
}
