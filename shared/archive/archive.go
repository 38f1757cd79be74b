// Package archive makes the zip of a job's outputs. The service streams it, and the client
// composes it from single downloads where it is more than the service can send: the same
// outputs make the same bytes. It imports the standard library alone.
package archive

import (
	"archive/zip"
	"compress/flate"
	"errors"
	"fmt"
	"io"
	"time"
)

// Entry is an output in the zip.
type Entry struct {
	PK         int64 // tells apart what would have the same name
	Name, Type string
	Size       int64     // bytes
	Created    time.Time // the entry's time of modification
}

// Opener opens the content of the i-th entry. It is closed when it was read.
type Opener = func(i int) (io.ReadCloser, error)

// Write writes the zip of the entries, in their order, with the names that Names gives
// them. Before the first content was opened nothing is written, and after an error no
// central directory, so that nobody takes what was written for a zip. Contents pass
// through small buffers; small ones are opened ahead of their turn, several at once. Empty
// ones are not opened.
//
// Contents are not compressed, as models can't be. They are stored blocks of Deflate and
// not "stored", because a reader of a stream, such as Java's ZipInputStream, must find
// their end before it has seen the central directory. Zip64 is used where it is needed.
func Write(w io.Writer, entries []Entry, open Opener) error {
	z := zip.NewWriter(w)
	blocks, err := flate.NewWriter(nil, flate.NoCompression)
	if err != nil {
		return err
	}
	z.RegisterCompressor(zip.Deflate, func(w io.Writer) (io.WriteCloser, error) {
		blocks.Reset(w) // one entry is open at a time
		return blocks, nil
	})
	open = ahead(entries, open)
	buffer := make([]byte, 64<<10)
	for i, name := range Names(entries) {
		content, err := open(i)
		if err == nil {
			err = writeEntry(z, name, entries[i], content, buffer)
		}
		if err != nil {
			return fmt.Errorf("output %d in the zip: %w", entries[i].PK, err)
		}
	}
	return z.Close()
}

func writeEntry(z *zip.Writer, name string, e Entry, content io.ReadCloser, buffer []byte) error {
	defer content.Close()
	header := &zip.FileHeader{Name: name, Method: zip.Deflate, Modified: e.Created.UTC()}
	header.SetMode(0o644)
	w, err := z.CreateHeader(header)
	if err != nil {
		return err
	}
	n, err := io.CopyBuffer(struct{ io.Writer }{w}, struct{ io.Reader }{content}, buffer)
	if err == nil && n != e.Size {
		err = fmt.Errorf("%d bytes, want %d", n, e.Size)
	}
	return err
}

// Size is how many bytes Write writes. It is exact up to 4 GiB; above, it may be a little
// less.
func Size(entries []Entry) int64 {
	empty := make([]Entry, len(entries))
	var total counter
	for i, e := range entries {
		total += counter(e.Size + (e.Size+block-1)/block*blockHeader)
		e.Size = 0
		empty[i] = e
	}
	_ = Write(&total, empty, nil) // a counter does not fail, and nothing is opened
	return int64(total)
}

// A stored block of Deflate has up to 65,535 bytes behind a header (RFC 1951, section
// 3.2.4); an empty one ends an entry.
const block, blockHeader = 65_535, 5

type counter int64

func (c *counter) Write(p []byte) (int, error) { *c += counter(len(p)); return len(p), nil }

// Check reads a zip of this size to its end and answers how many entries it has. It fails
// where the central directory is missing or wrong, or an entry is not what its checksum
// (CRC-32) says.
func Check(r io.ReaderAt, size int64) (entries int, err error) {
	z, err := zip.NewReader(r, size)
	if err != nil {
		return 0, err
	}
	buffer := make([]byte, 64<<10)
	for _, f := range z.File {
		content, err := f.Open()
		if err != nil {
			return 0, fmt.Errorf("entry %s: %w", f.Name, err)
		}
		_, err = io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{content}, buffer)
		if err := errors.Join(err, content.Close()); err != nil {
			return 0, fmt.Errorf("entry %s: %w", f.Name, err)
		}
	}
	return len(z.File), nil
}
