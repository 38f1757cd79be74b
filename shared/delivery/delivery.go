// Package delivery sends the bytes of an output over HTTP: in the answer, by a redirect
// to a presigned link, or as the link itself. The actions download and getoutput differ
// in how an output is named and what can be asked; what happens then is here.
package delivery

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"joboutputs/shared/api"
	"joboutputs/shared/outputs"
	"joboutputs/shared/problem"
	"joboutputs/shared/table"
)

// Limits of the ways bytes are sent.
const (
	// MaxInline is the largest content that comes in the answer without being asked for
	// so: 4 MiB, which is under a buffered Lambda's 6 MB also in base64.
	MaxInline = 4 << 20
	// MaxStreamed is the largest response that is streamed, in bytes: 200 MB, where Lambda
	// ends one ("Lambda quotas: invocation payload").
	MaxStreamed = 200_000_000
	// MaxZipped is how many outputs a zip may have. It bounds the memory for their entries,
	// and the time to open them one after the other.
	MaxZipped = 10_000
	// LinkLife is how long a link works that nobody asked to be shorter: 15 minutes, within
	// the life of the credentials that sign it.
	LinkLife = 15 * time.Minute
)

// Mode is a way of delivery.
type Mode string

// The ways, as the request's "delivery" says them.
const (
	Auto     Mode = ""         // bytes up to MaxInline, else a redirect
	Bytes    Mode = "bytes"    // always the bytes, streamed
	Redirect Mode = "redirect" // always 303 See Other to a link
	URL      Mode = "url"      // the link, as JSON
)

// ParseMode reads a mode. Problem: InvalidRequest.
func ParseMode(text string) (Mode, error) {
	switch m := Mode(text); m {
	case Bytes, Redirect, URL:
		return m, nil
	}
	return Auto, problem.New(problem.InvalidRequest, "delivery: %q is not one of bytes, redirect, url", text)
}

// Options are how bytes are asked for.
type Options struct {
	Mode      Mode
	Extension string        // of the file's name
	Life      time.Duration // of a link; 0 = LinkLife
}

// ParseLife reads how long a link is to work, in whole seconds. Problem: InvalidRequest.
func ParseLife(text string) (time.Duration, error) {
	seconds, err := strconv.Atoi(text)
	if err != nil || seconds < 1 || seconds > int(LinkLife.Seconds()) {
		return 0, problem.New(problem.InvalidRequest, "expires_in: must be an integer from 1 to %d", int(LinkLife.Seconds()))
	}
	return time.Duration(seconds) * time.Second, nil
}

// Contents is what a Sender needs of the store.
type Contents interface {
	Open(ctx context.Context, tenant string, o *outputs.Output, part *outputs.Range) (io.ReadCloser, error)
	Presign(ctx context.Context, tenant string, o *outputs.Output, disposition string, life time.Duration) (outputs.Link, error)
}

// Sender sends outputs' bytes.
type Sender struct {
	Contents  Contents
	Streaming bool // whether an answer may exceed a buffered Lambda's
}

// Send answers the request with the output's bytes, as asked for. Range and
// If-None-Match count on GET and HEAD alone. Everything that can fail is tried before the
// status is out. Problems: the store's, RangeNotSatisfiable, ResultTooLarge.
func (s Sender) Send(w http.ResponseWriter, r *http.Request, tenant string, o *outputs.Output, opts Options) error {
	filename, mode := Filename(o.Name, opts.Extension), opts.Mode
	if mode == Auto && wantsLink(r.Header.Values("Accept")) {
		mode = URL
	}
	life := cmp.Or(opts.Life, LinkLife)
	if mode == URL {
		return s.sendLink(w, r, tenant, o, filename, life)
	}

	h := w.Header()
	h.Set("ETag", o.ETag())
	h.Set("Cache-Control", "private, no-cache")
	reads := r.Method == http.MethodGet || r.Method == http.MethodHead
	if reads && noneMatch(r.Header.Values("If-None-Match"), o.ETag()) {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	var part *outputs.Range
	if reads {
		var err error
		if part, err = rangeOf(r.Header, o); err != nil {
			h.Set("Content-Range", fmt.Sprintf("bytes */%d", o.Size))
			return err
		}
		h.Set("Accept-Ranges", "bytes")
	}
	size := o.Size
	if part != nil {
		size = part.Last - part.First + 1
	}
	if r.Method != http.MethodHead && (mode == Redirect || mode == Auto && size > MaxInline && !needsBytes(r.Header)) {
		return s.redirect(w, r, tenant, o, filename, life)
	}
	if r.Method != http.MethodHead && (size > MaxStreamed || size > MaxInline && !s.Streaming) {
		return problem.New(problem.ResultTooLarge, "The content is %d bytes, more than can be sent in an answer: ask for a link (delivery: url).", size)
	}
	return s.sendBytes(w, r, tenant, o, part, size, filename)
}

// needsBytes is a request whose range hangs on our entity tag, which the object store
// does not know: it would answer a wrong part after a redirect.
func needsBytes(h http.Header) bool { return h.Get("Range") != "" && h.Get("If-Range") != "" }

func (s Sender) sendBytes(w http.ResponseWriter, r *http.Request, tenant string, o *outputs.Output, part *outputs.Range, size int64, filename string) error {
	var content io.ReadCloser = http.NoBody
	if r.Method != http.MethodHead && size > 0 { // a part of nothing can't be asked for
		var err error
		if content, err = s.Contents.Open(r.Context(), tenant, o, part); err != nil {
			return err
		}
	}
	defer content.Close()
	h := w.Header()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Content-Disposition", Disposition(filename))
	h.Set("Content-Length", strconv.FormatInt(size, 10))
	describe(h, o)
	h.Set("X-Content-Type-Options", "nosniff")
	status := http.StatusOK
	if part != nil {
		h.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", part.First, part.Last, o.Size))
		status = http.StatusPartialContent
	}
	w.WriteHeader(status)
	if sent, err := io.Copy(w, content); err != nil {
		return fmt.Errorf("send the bytes of output %d, %d of %d: %w", o.PK, sent, size, err)
	} else if sent != size && r.Method != http.MethodHead {
		return fmt.Errorf("send the bytes of output %d: %d of %d", o.PK, sent, size)
	}
	return nil
}

// describe says what the whole content is, also where a part of it or nothing is sent: its
// size, since API Gateway does not pass on the Content-Length of an answer to HEAD, and its
// digest (RFC 9530, section 3), if that was verified.
func describe(h http.Header, o *outputs.Output) {
	h.Set("Repr-Length", strconv.FormatInt(o.Size, 10))
	if sum, err := hex.DecodeString(o.SHA256); err == nil && len(sum) > 0 {
		h.Set("Repr-Digest", "sha-256=:"+base64.StdEncoding.EncodeToString(sum)+":")
	}
}

// redirect answers 303 See Other: the clients of UFDL follow it with a GET, and drop
// Authorization towards another host or port.
func (s Sender) redirect(w http.ResponseWriter, r *http.Request, tenant string, o *outputs.Output, filename string, life time.Duration) error {
	link, err := s.Contents.Presign(r.Context(), tenant, o, Disposition(filename), life)
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Location", link.URL)
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Content-Length", "0")
	w.WriteHeader(http.StatusSeeOther)
	return nil
}

func (s Sender) sendLink(w http.ResponseWriter, r *http.Request, tenant string, o *outputs.Output, filename string, life time.Duration) error {
	link, err := s.Contents.Presign(r.Context(), tenant, o, Disposition(filename), life)
	if err != nil {
		return err
	}
	headers := map[string]string{}
	for name := range link.Headers {
		headers[name] = link.Headers.Get(name)
	}
	var sha256 *string
	if o.SHA256 != "" {
		sha256 = &o.SHA256
	}
	w.Header().Set("Referrer-Policy", "no-referrer")
	return api.JSON(w, http.StatusOK, struct {
		URL       string            `json:"url"`
		Method    string            `json:"method"`
		Headers   map[string]string `json:"headers"`
		ExpiresAt string            `json:"expires_at"`
		Filename  string            `json:"filename"`
		Size      int64             `json:"size"`
		SHA256    *string           `json:"sha256"`
		Checksum  *table.Checksum   `json:"checksum"`
	}{link.URL, link.Method, headers, table.FormatTime(link.Expires), filename, o.Size, sha256, o.Checksum})
}

// wantsLink is an Accept header that takes JSON and nothing the bytes could be sent as.
func wantsLink(accept []string) bool {
	json := false
	for item := range strings.SplitSeq(strings.Join(accept, ","), ",") {
		mediaType, params, err := mime.ParseMediaType(item)
		if q, qErr := strconv.ParseFloat(params["q"], 64); err != nil || qErr == nil && q == 0 {
			continue
		}
		switch mediaType {
		case "application/json":
			json = true
		case "application/octet-stream", "application/data", "application/*", "*/*":
			return false
		}
	}
	return json
}
