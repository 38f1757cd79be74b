package main

import (
	"context"

	"github.com/spf13/cobra"

	"joboutputs/shared/client"
)

func (a *app) jobsCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "jobs", Short: "Create, start and finish jobs",
		Long: `A node acquires a job, starts it, adds outputs and finishes it. All but create and show are
done as a node: give --node, or set JOBOUTPUTS_NODE.`,
		Example: `  joboutputs jobs create --description "train the flower classifier" --node 1
  joboutputs jobs start 42 --node 1
  joboutputs add model.tflite --job 42
  joboutputs jobs finish 42 --node 1`,
		Args: noSuch,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(
		a.jobsCreate(),
		a.jobStep("show", "Show a job and its outputs", false, (*client.Client).Job),
		a.jobStep("acquire", "Take a free job for the node", true, (*client.Client).Acquire),
		a.jobStep("release", "Give the node's job back", true, (*client.Client).Release),
		a.jobStep("start", "Begin the work on the node's job", true, (*client.Client).Start),
		a.jobsFinish(),
	)
	return c
}

func (a *app) jobsCreate() *cobra.Command {
	var n client.NewJob
	c := &cobra.Command{
		Use: "create", Short: "Create a job (administrators)",
		Long: "Creates a job. With --node, that node has it from the start and can start it; otherwise a\nnode acquires it.",
		Example: `  joboutputs jobs create --description "train the flower classifier"
  joboutputs jobs create --pk 700 --node 1`,
		Args: arguments(0, 0, "no arguments, but --description, --node and --pk"),
		RunE: func(c *cobra.Command, _ []string) error {
			if n.PK < 0 || a.nodeFlag < 0 {
				return usage("--pk and --node want a primary key, from 1")
			}
			n.Node = a.nodeFlag // who works the job; the administrator who creates it needs no right to be that node
			api, err := a.clientWithoutNode()
			if err != nil {
				return err
			}
			j, err := api.CreateJob(c.Context(), n)
			if err != nil {
				return err
			}
			return a.printJob(j)
		},
	}
	c.Flags().StringVarP(&n.Description, "description", "d", "", "`text` for people")
	c.Flags().Int64Var(&n.PK, "pk", 0, "primary `key`, at most 1,000,000 above the last job's; by default the next free one")
	return c
}

// clientWithoutNode acts for no node, whatever environment and file say.
func (a *app) clientWithoutNode() (*client.Client, error) {
	a.noNode = true
	return a.client()
}

func (a *app) jobStep(name, short string, asNode bool, step func(*client.Client, context.Context, int64) (client.Job, error)) *cobra.Command {
	example := "  joboutputs jobs " + name + " 42"
	if asNode {
		example += " --node 1"
	}
	return &cobra.Command{
		Use: name + " JOB", Short: short, Long: short + ".", Example: example,
		Args: arguments(1, 1, "the primary key of one job"),
		RunE: func(c *cobra.Command, args []string) error {
			return a.onJob(c.Context(), args[0], asNode, func(ctx context.Context, api *client.Client, pk int64) (client.Job, error) {
				return step(api, ctx, pk)
			})
		},
	}
}

func (a *app) jobsFinish() *cobra.Command {
	var reason string
	var failed bool
	c := &cobra.Command{
		Use: "finish JOB", Short: "End the work on the node's job, well or with an error",
		Long: "Ends the work on the node's job. A job that finished well takes no more outputs; a failed\none does.",
		Example: `  joboutputs jobs finish 42 --node 1
  joboutputs jobs finish 42 --node 1 --error "out of memory in epoch 7"`,
		Args: arguments(1, 1, "the primary key of one job"),
		RunE: func(c *cobra.Command, args []string) error {
			return a.onJob(c.Context(), args[0], true, func(ctx context.Context, api *client.Client, pk int64) (client.Job, error) {
				if failed || c.Flags().Changed("error") {
					return api.Finish(ctx, pk, &reason)
				}
				return api.Finish(ctx, pk, nil)
			})
		},
	}
	c.Flags().StringVar(&reason, "error", "", "it failed, and `why`")
	c.Flags().BoolVar(&failed, "failed", false, "it failed")
	return c
}

func (a *app) onJob(ctx context.Context, arg string, asNode bool, step func(context.Context, *client.Client, int64) (client.Job, error)) error {
	pk, err := parsePK(arg, "job")
	if err != nil {
		return err
	}
	file, err := a.openConfig()
	if err != nil {
		return err
	}
	if node, err := a.node(file); err != nil {
		return err
	} else if asNode && node == 0 {
		return usage("which node does this? Give --node KEY or set JOBOUTPUTS_NODE")
	}
	api, err := a.client()
	if err != nil {
		return err
	}
	j, err := step(ctx, api, pk)
	if err != nil {
		return err
	}
	return a.printJob(j)
}
