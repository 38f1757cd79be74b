package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"joboutputs/shared/client"
)

const refs = "An output is named by its primary key, such as 12, or by JOB/NAME/TYPE, such as\n42/model/tflite."

// onEach makes a command that does something with each output that is named.
func (a *app) onEach(use, short, long, example string, do func(context.Context, *client.Client, client.Ref) error) *cobra.Command {
	return &cobra.Command{
		Use: use + " PK|JOB/NAME/TYPE…", Short: short, Long: long + "\n\n" + refs, Example: example,
		Args: arguments(1, -1, "at least one output, such as 12 or 42/model/tflite"),
		RunE: func(c *cobra.Command, args []string) error {
			named := map[string]client.Ref{}
			for _, arg := range args {
				r, err := parseRef(arg)
				if err != nil {
					return err
				}
				named[arg] = r
			}
			api, err := a.client()
			if err != nil {
				return err
			}
			return a.each(args, func(arg string) error { return do(c.Context(), api, named[arg]) })
		},
	}
}

func (a *app) infoCommand() *cobra.Command {
	return a.onEach("info", "Show what is known of outputs", "Shows what is known of outputs, deleted or not.",
		"  joboutputs info 12\n  joboutputs info 42/model/tflite --json",
		func(ctx context.Context, api *client.Client, r client.Ref) error {
			o, err := api.Info(ctx, r)
			if err != nil {
				return err
			}
			return a.printOutput(o)
		})
}

func (a *app) rmCommand() *cobra.Command {
	return a.onEach("rm", "Delete outputs; restore takes it back (administrators)",
		"Marks outputs as deleted. They are left out of lists, can still be got, keep their names and\ncan be restored. Purge deletes for good.",
		"  joboutputs rm 12 42/model/tflite",
		func(ctx context.Context, api *client.Client, r client.Ref) error {
			if err := api.Delete(ctx, r); err != nil {
				return err
			}
			return a.did(ctx, api, "deleted", r)
		})
}

// did prints what became of an output.
func (a *app) did(ctx context.Context, api *client.Client, what string, r client.Ref) error {
	if !a.json {
		_, err := fmt.Fprintf(a.out, "%s %s\n", what, cell(r.String()))
		return err
	}
	o, err := api.Info(ctx, r)
	if err != nil {
		return err
	}
	return a.printJSON(o)
}

func (a *app) restoreCommand() *cobra.Command {
	return a.onEach("restore", "Take a deletion back (administrators)", "Makes deleted outputs active again.", "  joboutputs restore 12",
		func(ctx context.Context, api *client.Client, r client.Ref) error {
			o, err := resolve(ctx, api, r)
			if err != nil {
				return err
			}
			if o, err = api.Restore(ctx, o.PK); err != nil {
				return err
			}
			return a.result("restored", o)
		})
}

func (a *app) result(what string, o client.Output) error {
	if a.json {
		return a.printJSON(o)
	}
	_, err := fmt.Fprintf(a.out, "%s %d  %d/%s/%s\n", what, o.PK, o.Job, cell(o.Name), cell(o.Type))
	return err
}

// resolve finds the primary key of an output that is named otherwise.
func resolve(ctx context.Context, api *client.Client, r client.Ref) (client.Output, error) {
	if r.PK != 0 {
		return client.Output{PK: r.PK}, nil
	}
	return api.Info(ctx, r)
}

func (a *app) purgeCommand() *cobra.Command {
	var yes bool
	c := a.onEach("purge", "Delete outputs for good (administrators)",
		"Deletes outputs and their content for good, deleted before or not, and frees their names.\nThere is no way back, so it asks first.",
		"  joboutputs purge 12\n  joboutputs purge 12 13 14 --yes",
		func(ctx context.Context, api *client.Client, r client.Ref) error {
			if !yes && !a.inTerminal {
				return usage("there is nobody to ask; give --yes if you are sure")
			}
			o, err := api.Info(ctx, r)
			if err != nil {
				return err
			}
			if !yes {
				question := fmt.Sprintf("Delete output %d (%d/%s/%s, %s) for good?", o.PK, o.Job, cell(o.Name), cell(o.Type), bytesText(o.Size))
				if err := a.confirm(question); err != nil {
					return err
				}
			}
			if o, err = api.Purge(ctx, o.PK); err != nil {
				return err
			}
			return a.result("purged", o)
		})
	c.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	return c
}
