package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"os"

	"github.com/spf13/cobra"

	"joboutputs/shared/client"
)

func (a *app) listCommand() *cobra.Command {
	var f filters
	c := &cobra.Command{
		Use: "list", Short: "List outputs",
		Long: `Lists outputs, oldest first, all that the filters let through. In --name and --type, * stands
for any characters and ? for one; without them, the whole must be equal.

--since and --until take an age (7d, 36h, 2w, 1d12h) or a date or time, in UTC if it does not
say otherwise. Deleted outputs are left out, unless --deleted asks for them alone or --all for
them, too.

--spec FILE takes a specification in the API's own filter language instead (- for standard
input); it is described in the service's /v1/docs.`,
		Example: `  joboutputs list --job 42
  joboutputs list --name '*model*' --since 7d --sort -size --limit 10
  joboutputs list --creator alice --type log --until 2026-05-31 --json
  joboutputs list --job 42 --deleted
  echo '{"expressions": [{"type": "is_null", "field": "sha256"}]}' | joboutputs list --spec -`,
		Args: arguments(0, 0, "no arguments, but filters such as --job 42"),
		RunE: func(c *cobra.Command, _ []string) error {
			f.specFileWasSet = c.Flags().Changed("spec")
			if f.specFileWasSet {
				for _, other := range []string{"job", "name", "type", "ignore-case", "since", "until", "creator", "deleted", "all", "sort"} {
					if c.Flags().Changed(other) {
						return usage("--spec says everything by itself; --%s can't be added to it", other)
					}
				}
			}
			return a.list(c.Context(), f)
		},
	}
	flags := c.Flags()
	flags.Int64SliceVarP(&f.jobs, "job", "j", nil, "of the job with this primary `key`; may be repeated")
	flags.Lookup("job").DefValue = "" // there is none to show
	flags.StringVar(&f.name, "name", "", "with this name, a `pattern`")
	flags.StringVar(&f.kind, "type", "", "with this type, a `pattern`")
	flags.BoolVarP(&f.ignoreCase, "ignore-case", "i", false, "upper and lower case are the same in name and type")
	flags.StringVar(&f.since, "since", "", "created at this `time` or later")
	flags.StringVar(&f.until, "until", "", "created before this `time`")
	flags.StringVar(&f.creator, "creator", "", "created by this `user`, a name or a primary key")
	flags.BoolVar(&f.deleted, "deleted", false, "deleted ones alone")
	flags.BoolVar(&f.all, "all", false, "deleted ones, too")
	flags.StringVar(&f.sort, "sort", "", "by these `fields`, as in -size,name; - is descending")
	flags.IntVarP(&f.limit, "limit", "n", 0, "no more than this `number`; 0 is all")
	flags.StringVar(&f.specFile, "spec", "", "what the specification in this `file` says")
	return c
}

func (a *app) list(ctx context.Context, f filters) error {
	if f.limit < 0 {
		return usage("--limit %d: can't be below 0", f.limit)
	}
	var spec client.Spec
	var raw []byte
	keep := func(client.Output) bool { return true }
	var err error
	if f.specFileWasSet {
		raw, err = a.readSpec(f.specFile)
	} else {
		spec, keep, err = f.spec(a.now())
	}
	if err != nil {
		return err
	}
	api, err := a.client()
	if err != nil {
		return err
	}
	rows := api.List(ctx, spec)
	if raw != nil {
		rows = api.ListRaw(ctx, raw)
	} else if f.limit > 0 && f.limit < client.MaxPage && f.name == "" && f.kind == "" {
		spec.Limit = f.limit
		rows = api.List(ctx, spec)
	}
	rows = first(rows, keep, f.limit)
	if a.json {
		return a.listJSON(rows)
	}
	t := newTable(a.out, f.deleted || f.all || raw != nil)
	for o, err := range rows {
		if err != nil {
			_ = t.w.Flush()
			return err
		}
		if t.rows == 0 {
			t.header()
		}
		if err := t.row(o); err != nil {
			return err
		}
	}
	if t.rows == 0 {
		a.note("no outputs")
	}
	return t.w.Flush()
}

// first are the outputs that keep lets through, up to a limit; 0 = all.
func first(rows iter.Seq2[client.Output, error], keep func(client.Output) bool, limit int) iter.Seq2[client.Output, error] {
	return func(yield func(client.Output, error) bool) {
		n := 0
		for o, err := range rows {
			if err == nil && !keep(o) {
				continue
			}
			if !yield(o, err) {
				return
			}
			if n++; n == limit {
				return
			}
		}
	}
}

// listJSON writes an array, which is closed only when all of it was there.
func (a *app) listJSON(rows iter.Seq2[client.Output, error]) error {
	separator := "["
	for o, err := range rows {
		if err != nil {
			return err
		}
		text, err := jsonText(o)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprint(a.out, separator, text); err != nil {
			return err
		}
		separator = ",\n "
	}
	if separator == "[" {
		_, err := fmt.Fprintln(a.out, "[]")
		return err
	}
	_, err := fmt.Fprintln(a.out, "]")
	return err
}

func (a *app) readSpec(path string) ([]byte, error) {
	var text []byte
	var err error
	if path == "-" {
		text, err = io.ReadAll(io.LimitReader(a.in, 1<<20))
	} else {
		text, err = os.ReadFile(path)
	}
	if err != nil {
		return nil, err
	}
	var object map[string]json.RawMessage
	if err := json.Unmarshal(text, &object); err != nil || object == nil {
		return nil, usage("%s holds no specification: want a JSON object such as {\"expressions\": []} (%v)", path, err)
	}
	return text, nil
}
