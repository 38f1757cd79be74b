package files

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"

	"joboutputs/shared/client"
)

// segment is how much is got, and remembered, at once: 8 MiB.
const segment = 8 << 20

// downloadState is what a download that broke off leaves beside its .part file: which
// segments that file has.
type downloadState struct {
	Server  string        `json:"server"`
	Output  client.Output `json:"output"`
	Segment int64         `json:"segment"`
	Done    []byte        `json:"done"` // a bit for each
}

func (s *downloadState) has(i int) bool { return s.Done[i/8]&(1<<(i%8)) != 0 }
func (s *downloadState) set(i int)      { s.Done[i/8] |= 1 << (i % 8) }

// Part and DownloadState are the files that a download to path has while it is under way.
func Part(path string) string { return path + ".part" }

// DownloadState is beside Part.
func DownloadState(path string) string {
	return filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".joboutputs-download")
}

// ErrBusy is a file that another process is getting.
var ErrBusy = errors.New("another process is getting this file")

// Options are how a file is got. The zero value is a good one.
type Options struct {
	Parallel int           // segments under way at once; 0 = 4
	Progress func(n int64) // told how many bytes more are there, by several goroutines; nil = nobody
	Warn     func(error)   // told when the download can't be resumed, should it break off; nil = nobody
}

// Download gets an output into a file. Nothing stands under the file's own name before
// all of it is there, verified and on the disk; what was there before is then replaced. A
// download that broke off is resumed. It answers what proves the content, as
// client.Verifier.Check does. After a *client.VerificationError nothing is left to resume.
func Download(ctx context.Context, c *client.Client, server string, o client.Output, path string, opts Options) (proof string, err error) {
	part, err := openPart(Part(path))
	if err != nil {
		return "", err
	}
	defer part.Close()
	if opts.Progress == nil {
		opts.Progress = func(int64) {}
	}
	d := &download{content: c.Content(o), o: o, file: part, at: DownloadState(path), opts: opts}
	if err := d.recall(server); err != nil {
		return "", err
	}
	if proof, err = d.run(ctx); err != nil {
		if _, wrong := errors.AsType[*client.VerificationError](err); wrong {
			err = errors.Join(err, remove(d.at), remove(Part(path)))
		}
		return "", err
	}
	if err := part.Sync(); err != nil {
		return "", fmt.Errorf("write %s: %w", Part(path), err)
	}
	if err := os.Rename(Part(path), path); err != nil {
		return "", err
	}
	if err := remove(d.at); err != nil {
		return "", err
	}
	return proof, syncDir(filepath.Dir(path))
}

// openPart opens the .part file, made if need be, and locks it.
func openPart(path string) (*os.File, error) {
	for range 10 {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
		if errors.Is(err, os.ErrNotExist) {
			err = fmt.Errorf("there is no directory %s: %w", filepath.Dir(path), err)
		}
		if err != nil {
			return nil, err
		}
		if !lock(f) {
			f.Close()
			return nil, fmt.Errorf("%s: %w", path, ErrBusy)
		}
		// Whoever had the lock may have given the file its final name meanwhile.
		ours, err := f.Stat()
		if err == nil {
			var named os.FileInfo
			if named, err = os.Stat(path); err == nil && os.SameFile(ours, named) {
				return f, nil
			}
		}
		f.Close()
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
	}
	return nil, fmt.Errorf("%s: %w", path, ErrBusy)
}

type download struct {
	content *client.Content
	o       client.Output
	file    *os.File
	at      string
	opts    Options

	mu    sync.Mutex
	state downloadState
}

// recall finds out what is there already.
func (d *download) recall(server string) error {
	segments := int((d.o.Size + segment - 1) / segment)
	d.state = downloadState{server, d.o, segment, make([]byte, (segments+7)/8)}
	var left downloadState
	info, err := d.file.Stat()
	if err != nil {
		return err
	}
	if readState(d.at, &left) && left.Server == server && left.Output.PK == d.o.PK && left.Output.Size == d.o.Size &&
		left.Output.CreationTime.Equal(d.o.CreationTime.Time) && left.Segment == segment &&
		len(left.Done) == len(d.state.Done) && info.Size() == d.o.Size {
		d.state.Done = left.Done
		return nil
	}
	if err := remove(d.at); err != nil { // before the file it speaks of changes
		return err
	}
	return errors.Join(d.file.Truncate(0), d.file.Truncate(d.o.Size))
}

// run gets what is missing and verifies everything, in order, as it comes.
func (d *download) run(ctx context.Context) (proof string, err error) {
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	segments := int((d.o.Size + segment - 1) / segment)
	there := make([]chan struct{}, segments)
	queue := make(chan int)
	var workers sync.WaitGroup
	parallel := d.opts.Parallel
	if parallel < 1 {
		parallel = 4
	}
	for range min(parallel, segments) {
		workers.Go(func() {
			for i := range queue {
				if err := d.fetch(ctx, i); err != nil {
					fail(err)
					return
				}
				close(there[i])
			}
		})
	}
	var missing []int
	for i := range there {
		there[i] = make(chan struct{})
		if d.state.has(i) {
			close(there[i])
			d.opts.Progress(d.size(i))
		} else {
			missing = append(missing, i)
		}
	}
	workers.Go(func() {
		defer close(queue)
		for _, i := range missing {
			select {
			case queue <- i:
			case <-ctx.Done():
				return
			}
		}
	})
	v := client.NewVerifier(d.o)
	if err := d.verify(ctx, v, there); err != nil {
		fail(err)
	}
	workers.Wait()
	if err := context.Cause(ctx); err != nil {
		return "", err
	}
	return v.Check()
}

func (d *download) size(i int) int64 { return min(segment, d.o.Size-int64(i)*segment) }

// verify reads back what was written, as soon as it is there.
func (d *download) verify(ctx context.Context, v *client.Verifier, there []chan struct{}) error {
	buffer := make([]byte, 256<<10)
	for i := range there {
		select {
		case <-there[i]:
		case <-ctx.Done():
			return ctx.Err()
		}
		r := io.NewSectionReader(d.file, int64(i)*segment, d.size(i))
		if _, err := io.CopyBuffer(struct{ io.Writer }{v}, struct{ io.Reader }{r}, buffer); err != nil {
			return fmt.Errorf("read back: %w", err)
		}
	}
	return nil
}

// fetch gets one segment and remembers that it is there.
func (d *download) fetch(ctx context.Context, i int) error {
	from := int64(i) * segment
	r := d.content.Open(ctx, from, from+d.size(i))
	defer r.Close()
	w := &counting{Writer: io.NewOffsetWriter(d.file, from), report: d.opts.Progress}
	if _, err := io.CopyBuffer(struct{ io.Writer }{w}, r, make([]byte, 128<<10)); err != nil {
		return err
	}
	if d.o.Size <= segment {
		return nil // nothing of it would be resumed
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.state.set(i)
	if err := writeState(d.at, d.state); err != nil && d.opts.Warn != nil {
		d.opts.Warn(err)
	}
	return nil
}

type counting struct {
	io.Writer
	report func(int64)
}

func (w *counting) Write(p []byte) (int, error) {
	n, err := w.Writer.Write(p)
	w.report(int64(n))
	return n, err
}
