package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"joboutputs/shared/client"
	"joboutputs/shared/client/files"
)

func (a *app) getCommand() *cobra.Command {
	var target string
	var force bool
	var parallel int
	c := a.onEach("get", "Get the content of outputs into files",
		`Gets outputs, deleted or not, into files named NAME.TYPE in the current directory, or where
-o says: a directory (with / at its end, it is made), a file, or - for standard output.

What is not yet complete is in FILE.part; FILE itself appears when all of it is there, its
checksum was compared and it is on the disk. If getting is interrupted, the same command
fetches only what is missing. A file that is there already with the same content is left
alone, one with other content too, unless --force is given.`,
		`  joboutputs get 12
  joboutputs get 42/model/tflite -o models/
  joboutputs get 42/training/log -o - | tail`,
		func(ctx context.Context, api *client.Client, r client.Ref) error {
			o, err := api.Info(ctx, r)
			if err != nil {
				return err
			}
			if target == "-" {
				return a.getToOutput(ctx, api, o)
			}
			path := place(target, o)
			if asDirectory(target) {
				if err := os.MkdirAll(target, 0o755); err != nil {
					return err
				}
			}
			return a.getToFile(ctx, api, o, path, force, parallel)
		})
	several := c.RunE
	c.RunE = func(c *cobra.Command, args []string) error {
		if parallel < 1 {
			return usage("--parallel can't be below 1")
		}
		if len(args) > 1 && target != "" && !isDirectory(target) && !asDirectory(target) {
			return usage("-o %s is one file, and these are %d outputs; give a directory, with / at its end if it is to be made", target, len(args))
		}
		return several(c, args)
	}
	c.Flags().StringVarP(&target, "output", "o", "", "`file`, directory, or - for standard output")
	c.Flags().BoolVarP(&force, "force", "f", false, "replace a file that has other content")
	c.Flags().IntVar(&parallel, "parallel", 4, "`parts` at once")
	return c
}

func isDirectory(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// asDirectory is a path that can only be meant as a directory; it is made if need be.
func asDirectory(path string) bool { return strings.HasSuffix(path, string(filepath.Separator)) }

// place is the file that an output goes to.
func place(target string, o client.Output) string {
	switch {
	case target == "":
		return fileName(o.Name, o.Type)
	case isDirectory(target) || asDirectory(target):
		return filepath.Join(target, fileName(o.Name, o.Type))
	}
	return target
}

func (a *app) getToOutput(ctx context.Context, api *client.Client, o client.Output) error {
	proof, err := api.Download(ctx, o, a.out)
	if err != nil {
		return err
	}
	a.unproven(o, proof)
	return nil
}

// unproven says so where no checksum could be compared.
func (a *app) unproven(o client.Output, proof string) {
	if proof == "size" && o.Size > 0 {
		a.note("note: of output %d only the size was compared: the service knows no checksum of it", o.PK)
	}
}

func (a *app) getToFile(ctx context.Context, api *client.Client, o client.Output, path string, force bool, parallel int) error {
	if info, err := os.Stat(path); err == nil {
		if !info.Mode().IsRegular() {
			return usage("%s is there and is no file", path)
		}
		same, err := sameContent(ctx, path, info.Size(), o)
		switch {
		case err != nil:
			return err
		case same:
			return a.got("was there", o, path)
		case !force:
			return conflictError{fmt.Sprintf("%s is there with other content; give --force to replace it, or -o with another name", path)}
		}
	}
	p := a.progress()
	report, done := p.start(path, o.Size)
	proof, err := files.Download(ctx, api, a.server, o, path, files.Options{
		Parallel: parallel, Progress: report,
		Warn: func(err error) { p.note("%s can't be resumed if it breaks off: %v", path, err) },
	})
	done()
	p.end()
	if err != nil {
		return err
	}
	a.unproven(o, proof)
	return a.got("got", o, path)
}

func (a *app) got(what string, o client.Output, path string) error {
	if a.json {
		return a.printJSON(struct {
			client.Output
			File string `json:"file"`
		}{o, path})
	}
	_, err := fmt.Fprintf(a.out, "%s %s  %s\n", what, printable(path), bytesText(o.Size))
	return err
}

// sameContent is whether a file has the output's content, as far as can be proved.
func sameContent(ctx context.Context, path string, size int64, o client.Output) (bool, error) {
	if size != o.Size {
		return false, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer f.Close()
	v := client.NewVerifier(o)
	if _, err := io.Copy(v, contextReader{ctx, f}); err != nil {
		return false, err
	}
	proof, err := v.Check()
	return err == nil && proof != "size", nil
}
