package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"joboutputs/shared/client"
	"joboutputs/shared/client/files"
)

func (a *app) zipCommand() *cobra.Command {
	var target string
	var force bool
	c := &cobra.Command{
		Use: "zip JOB", Short: "Get all outputs of a job as one zip",
		Long: `Gets the outputs of a job that are not deleted in one zip, job-JOB.zip in the current
directory, or where -o says: a directory (with / at its end, it is made), a file, or - for
standard output. An output is called NAME.TYPE in it; what can't be part of a file name is
_, and of several with one name all but the oldest have their primary key behind it.

The service makes the zip. What is too large for that, above 200 MB, is put together here
from single downloads, whose checksums are compared; the zip is the same. FILE itself
appears when the zip is complete and was read back; until then it is FILE.part. A zip that
is interrupted starts over. A file that is there already is left alone unless --force is
given.`,
		Example: `  joboutputs zip 42
  joboutputs zip 42 -o results/
  joboutputs zip 42 -o - | bsdtar -xf -`,
		Args: arguments(1, 1, "one job, such as 42"),
		RunE: func(c *cobra.Command, args []string) error {
			job, err := parsePK(args[0], "job")
			if err != nil {
				return err
			}
			api, err := a.client()
			if err != nil {
				return err
			}
			return a.zip(c.Context(), api, job, target, force)
		},
	}
	c.Flags().StringVarP(&target, "output", "o", "", "`file`, directory, or - for standard output")
	c.Flags().BoolVarP(&force, "force", "f", false, "replace a file that is there")
	return c
}

func (a *app) zip(ctx context.Context, api *client.Client, job int64, target string, force bool) error {
	if target == "-" {
		return files.ZipTo(ctx, api, job, a.out, files.ZipOptions{Verified: a.unproven})
	}
	path := target
	switch name := fmt.Sprintf("job-%d.zip", job); {
	case target == "":
		path = name
	case asDirectory(target) || isDirectory(target):
		if err := os.MkdirAll(target, 0o755); err != nil {
			return err
		}
		path = filepath.Join(target, name)
	}
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return usage("%s is there and is no file", path)
	} else if err == nil && !force {
		return conflictError{fmt.Sprintf("%s is there; give --force to replace it, or -o with another name", path)}
	}
	p := a.progress()
	report, done := func(int64) {}, func() {}
	outputs, size, err := files.Zip(ctx, api, job, path, files.ZipOptions{
		Begin: func(size int64) {
			done()
			report, done = p.start(path, size)
		},
		Progress: func(n int64) { report(n) },
		Verified: a.unproven,
	})
	done()
	p.end()
	if err != nil {
		return err
	}
	if a.json {
		return a.printJSON(struct {
			Job     int64  `json:"job"`
			File    string `json:"file"`
			Outputs int    `json:"outputs"`
			Size    int64  `json:"size"`
		}{job, path, outputs, size})
	}
	_, err = fmt.Fprintf(a.out, "got %s  %s, %s\n", printable(path), counted(outputs, "output"), bytesText(size))
	return err
}

// counted is a number of things: 1 output, 2 outputs.
func counted(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
