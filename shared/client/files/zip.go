package files

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"joboutputs/shared/archive"
	"joboutputs/shared/client"
)

// ZipOptions are how a zip is got. The zero value is a good one.
type ZipOptions struct {
	Begin    func(size int64)                    // told of the size, -1 = unknown, also when it begins anew; nil = nobody
	Progress func(n int64)                       // told how many bytes more were written; nil = nobody
	Verified func(o client.Output, proof string) // as client.ZipOptions; nil = nobody
}

// Zip gets the zip of a job's active outputs into a file, from the service or, where that
// can't send it at once, composed of single downloads. Nothing stands under the file's own
// name before the zip is complete, was read back from end to end and is on the disk; what
// was there before is then replaced. One that broke off is begun anew. It answers how many
// outputs are in it, and its size in bytes.
func Zip(ctx context.Context, c *client.Client, job int64, path string, opts ZipOptions) (outputs int, size int64, err error) {
	part, err := openPart(Part(path))
	if err != nil {
		return 0, 0, err
	}
	defer part.Close()
	if err := remove(DownloadState(path)); err != nil { // that of an output, which is lost now
		return 0, 0, err
	}
	if outputs, size, err = zipInto(ctx, c, job, part, opts); err == nil {
		err = part.Sync()
	}
	if err != nil {
		return 0, 0, errors.Join(err, remove(Part(path)))
	}
	if err := os.Rename(Part(path), path); err != nil {
		return 0, 0, err
	}
	return outputs, size, syncDir(filepath.Dir(path))
}

// ZipTo gets the zip as Zip does and writes it to w. What the service sends is checked
// first, in a temporary file; what is composed is verified content by content, and w has
// no whole zip where that fails.
func ZipTo(ctx context.Context, c *client.Client, job int64, w io.Writer, opts ZipOptions) error {
	f, err := os.CreateTemp("", "joboutputs-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	err = c.Zip(ctx, job, opts.into(f))
	if client.HasCode(err, "result_too_large") {
		return c.ComposeZip(ctx, job, opts.counting(w), client.ZipOptions{Size: opts.begin, Verified: opts.Verified})
	}
	if err != nil {
		return err
	}
	if _, _, err := check(f); err != nil {
		return err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	_, err = io.Copy(w, f)
	return err
}

func zipInto(ctx context.Context, c *client.Client, job int64, f *os.File, opts ZipOptions) (outputs int, size int64, err error) {
	err = c.Zip(ctx, job, opts.into(f))
	if client.HasCode(err, "result_too_large") {
		if err = restart(f); err == nil {
			err = c.ComposeZip(ctx, job, opts.counting(f), client.ZipOptions{Size: opts.begin, Verified: opts.Verified})
		}
	}
	if err != nil {
		return 0, 0, err
	}
	return check(f)
}

// check reads back what was written.
func check(f *os.File) (outputs int, size int64, err error) {
	info, err := f.Stat()
	if err != nil {
		return 0, 0, err
	}
	if outputs, err = archive.Check(f, info.Size()); err != nil {
		return 0, 0, &client.VerificationError{What: "zip", Got: fmt.Sprintf("broken (%v)", err), Want: "whole"}
	}
	return outputs, info.Size(), nil
}

func restart(f *os.File) error {
	_, err := f.Seek(0, io.SeekStart)
	return errors.Join(f.Truncate(0), err)
}

// into begins a zip in the file.
func (opts ZipOptions) into(f *os.File) func(int64) (io.Writer, error) {
	return func(size int64) (io.Writer, error) {
		if err := restart(f); err != nil {
			return nil, fmt.Errorf("begin %s: %w", f.Name(), err)
		}
		opts.begin(size)
		return opts.counting(f), nil
	}
}

func (opts ZipOptions) begin(size int64) {
	if opts.Begin != nil {
		opts.Begin(size)
	}
}

func (opts ZipOptions) counting(w io.Writer) io.Writer {
	if opts.Progress == nil {
		return w
	}
	return &counting{w, opts.Progress}
}
