package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"os"
	"sync"

	"github.com/spf13/cobra"

	"joboutputs/shared/client"
	"joboutputs/shared/client/files"
)

type addOptions struct {
	job               int64
	name, kind, media string
	paths             bool
	parallel          int
	partSize          int64
}

func (a *app) addCommand() *cobra.Command {
	var o addOptions
	c := &cobra.Command{
		Use: "add FILE… --job JOB", Short: "Add files to a job as its outputs",
		Long: `Adds files to a job. model.tflite becomes the output "model" of type "tflite": the name is
the file's without its extension, the type the extension (tar.gz and its like count as one),
and "bin" where there is none. --type sets the type of all files, --name the name of one.

A directory stands for all files below it but hidden ones. With --paths, a file's name has
the directories that lead to it: runs/1/log.txt below . is "runs_1_log". - is standard input.

Files above 4.4 MB are sent in parts. If that is interrupted, a file .NAME.joboutputs-upload
beside the file remembers it, and the same command sends only what is missing. Every file is
verified by SHA-256. A file that the job has already, by name and content, is no error.

One line is printed for each file as it is done. You must be an administrator for this, or
act for the node that has the job (--node).`,
		Example: `  joboutputs add model.tflite training.log --job 42
  joboutputs add results/ --job 42 --paths
  joboutputs add weights --job 42 --name model --type h5
  tar c logs | joboutputs add - --job 42 --name logs --type tar`,
		Args: arguments(1, -1, "the files to add"),
		RunE: func(c *cobra.Command, args []string) error { return a.add(c.Context(), args, o) },
	}
	flags := c.Flags()
	flags.Int64VarP(&o.job, "job", "j", 0, "add to the job with this primary `key` (required)")
	flags.StringVar(&o.name, "name", "", "`name` of the output, for one file")
	flags.StringVar(&o.kind, "type", "", "`type` of the outputs, in place of the extension")
	flags.StringVar(&o.media, "content-type", "", "media `type` to keep with them; by default from the extension")
	flags.BoolVar(&o.paths, "paths", false, "names of files in directories have their paths")
	flags.IntVar(&o.parallel, "parallel", 8, "`files` at once; of a large file 4 parts at once, or fewer")
	flags.Int64Var(&o.partSize, "part-size", 0, "`bytes` in a part of a large file; by default the service's choice")
	return c
}

func (a *app) add(ctx context.Context, args []string, o addOptions) error {
	if o.job < 1 {
		return usage("to which job? Give --job KEY")
	}
	if o.parallel < 1 || o.partSize < 0 {
		return usage("--parallel and --part-size can't be below 1")
	}
	all, err := sources(args, o.name, o.kind, o.paths, a.note)
	if err != nil {
		return err
	}
	if len(all) == 0 {
		return usage("there is no file in %s", args[0])
	}
	api, err := a.client()
	if err != nil {
		return err
	}
	p := a.progress()
	defer p.end()

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	queue := make(chan source)
	var mu sync.Mutex
	var first error
	failed := 0
	var workers sync.WaitGroup
	for range min(o.parallel, len(all)) {
		workers.Go(func() {
			for s := range queue {
				err := a.addOne(ctx, api, p, s, o)
				if err == nil {
					continue
				}
				mu.Lock()
				if failed++; first == nil {
					first = err
				}
				if pointless(err) {
					cancel() // the others would fail alike
				} else if len(all) > 1 && ctx.Err() == nil {
					_, text := explain(err, a.server)
					fmt.Fprintf(a.err, "joboutputs: %s: %s\n", printable(s.path), text)
				}
				mu.Unlock()
			}
		})
	}
feed:
	for _, s := range all {
		select {
		case queue <- s:
		case <-ctx.Done():
			break feed
		}
	}
	close(queue)
	workers.Wait()
	if first == nil {
		return ctx.Err()
	}
	if pointless(first) || stopped(first) {
		return first
	}
	return a.summary(first, failed, len(all))
}

// pointless is an error that every other file of the job would meet, too.
func pointless(err error) bool {
	return client.HasCode(err, "not_found", "job_not_started", "job_finished", "not_authenticated", "token_not_valid", "permission_denied", "node_not_granted", "bad_node_id")
}

func (a *app) addOne(ctx context.Context, api *client.Client, p *progress, s source, o addOptions) error {
	u := client.Upload{Job: o.job, Name: s.name, Type: s.kind, ContentType: o.media, PartSize: o.partSize, Parallel: min(4, o.parallel)}
	if u.ContentType == "" {
		u.ContentType = mime.TypeByExtension("." + s.kind)
	}
	var added client.Added
	var err error
	if s.path == "-" {
		added, err = a.addInput(ctx, api, p, u)
	} else {
		info, statErr := os.Stat(s.path)
		if statErr != nil {
			return statErr
		}
		report, done := p.start(s.path, info.Size())
		u.Progress = report
		added, err = files.Upload(ctx, api, a.server, s.path, u, func(err error) { p.note("%s can't be resumed if it breaks off: %v", s.path, err) })
		done()
	}
	if err != nil {
		return err
	}
	if a.json {
		text, err := jsonText(added.Output)
		if err != nil {
			return err
		}
		return p.line(text)
	}
	what := "added"
	if added.Existed {
		what = "was there"
	}
	return p.line(fmt.Sprintf("%s %d  %d/%s/%s  %s", what, added.PK, added.Job, cell(added.Name), cell(added.Type), bytesText(added.Size)))
}

// addInput adds standard input. Its size must be known before it is sent, so what is large
// goes to a temporary file first.
func (a *app) addInput(ctx context.Context, api *client.Client, p *progress, u client.Upload) (client.Added, error) {
	var head bytes.Buffer
	if _, err := io.Copy(&head, io.LimitReader(a.in, client.MaxAdd+1)); err != nil {
		return client.Added{}, fmt.Errorf("read standard input: %w", err)
	}
	if head.Len() <= client.MaxAdd {
		u.Source, u.Size = bytes.NewReader(head.Bytes()), int64(head.Len())
		return api.Upload(ctx, u)
	}
	f, err := os.CreateTemp("", "joboutputs-*")
	if err != nil {
		return client.Added{}, err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	n, err := io.Copy(f, io.MultiReader(&head, contextReader{ctx, a.in}))
	if err != nil {
		return client.Added{}, fmt.Errorf("keep standard input in a temporary file: %w", err)
	}
	u.Source, u.Size = f, n
	report, done := p.start(u.Name, n)
	defer done()
	u.Progress = report
	added, err := api.Upload(ctx, u)
	if errors.Is(err, context.Canceled) {
		return added, told{err, "interrupted; what comes from standard input can't be resumed"}
	}
	return added, err
}

type contextReader struct {
	ctx context.Context
	io.Reader
}

func (r contextReader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.Reader.Read(p)
}
