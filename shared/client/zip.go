package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"joboutputs/shared/archive"
)

// Zip gets the zip of a job's active outputs as the service makes it. begin is told its
// size, -1 = unknown, and answers where it goes; it is asked again, for a zip from its
// start, when one broke off. What arrived is to be checked by archive.Check. What the
// service can't send at once is a *Problem of the code result_too_large: ComposeZip makes
// the same.
func (c *Client) Zip(ctx context.Context, job int64, begin func(size int64) (io.Writer, error)) error {
	k := call{method: http.MethodGet, path: fmt.Sprintf("/v1/jobs/%d/outputs.zip", job)}
	for attempt := 0; ; attempt++ {
		response, err := c.do(ctx, k)
		if err == nil {
			err = receive(response, begin)
			if err == nil {
				return nil
			}
			if w, ok := errors.AsType[writeError](err); ok {
				return w.error
			}
		} else if !HasCode(err, "conflict") { // an output was deleted meanwhile
			return err
		}
		if stop := c.pause(ctx, attempt, err); stop != nil {
			return c.named(ctx, k, stop)
		}
	}
}

// receive copies the answer's body to its end, and closes it.
func receive(response *http.Response, begin func(size int64) (io.Writer, error)) error {
	defer response.Body.Close()
	w, err := begin(response.ContentLength)
	if err != nil {
		return writeError{err}
	}
	_, err = io.CopyBuffer(ownErrors{w}, struct{ io.Reader }{response.Body}, make([]byte, 256<<10))
	return err
}

// writeError is an error of who writes, which no other answer mends.
type writeError struct{ error }

type ownErrors struct{ w io.Writer }

func (o ownErrors) Write(p []byte) (int, error) {
	n, err := o.w.Write(p)
	if err != nil {
		err = writeError{err}
	}
	return n, err
}

// ZipOptions are for ComposeZip. The zero value is a good one.
type ZipOptions struct {
	Size     func(n int64)                // told of the zip's size, before its first byte; nil = nobody
	Verified func(o Output, proof string) // told of each output what proves it, as Verifier.Check does; nil = nobody
}

// ComposeZip writes the zip of a job's active outputs, of any size, from single downloads
// which are verified. Small ones are under way several at once. After an error, what was
// written has no central directory.
func (c *Client) ComposeZip(ctx context.Context, job int64, w io.Writer, opts ZipOptions) error {
	var all []Output
	var entries []archive.Entry
	for o, err := range c.List(ctx, Spec{Expressions: []Expression{Exact("job", job)}, OrderBy: []OrderBy{{Field: "pk", Ascending: true}}}) {
		if err != nil {
			return err
		}
		all = append(all, o)
		entries = append(entries, archive.Entry{PK: o.PK, Name: o.Name, Type: o.Type, Size: o.Size, Created: o.CreationTime.Time})
	}
	if opts.Size != nil {
		opts.Size(archive.Size(entries))
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // of what is still under way after an error
	return archive.Write(w, entries, func(i int) (io.ReadCloser, error) {
		return &verified{c.Content(all[i]).Open(ctx, 0, all[i].Size), NewVerifier(all[i]), all[i], opts.Verified}, nil
	})
}

// verified ends with an error in place of io.EOF where the content is not the output's.
type verified struct {
	io.ReadCloser
	v    *Verifier
	o    Output
	tell func(Output, string)
}

func (r *verified) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	_, _ = r.v.Write(p[:n]) // never fails
	if err != io.EOF {
		return n, err
	}
	proof, wrong := r.v.Check()
	if wrong != nil {
		return n, wrong
	}
	if r.tell != nil {
		r.tell(r.o, proof)
	}
	return n, io.EOF
}
