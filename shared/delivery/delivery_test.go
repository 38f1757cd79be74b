package delivery_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"joboutputs/shared/delivery"
	"joboutputs/shared/outputs"
	"joboutputs/shared/problem"
	"joboutputs/shared/table"
)

// contents are bytes "0123456789012…" of an output, as many as its size says.
type contents struct {
	short   int64 // so many bytes fewer than there should be
	openErr error
	linkErr error
	asked   string
}

func (c *contents) Open(_ context.Context, tenant string, o *outputs.Output, part *outputs.Range) (io.ReadCloser, error) {
	c.asked += "open " + tenant
	first, size := int64(0), o.Size
	if part != nil {
		c.asked += fmt.Sprintf(" %d-%d", part.First, part.Last)
		first, size = part.First, part.Last-part.First+1
	}
	return io.NopCloser(io.LimitReader(&digits{first}, size-c.short)), c.openErr
}

func (c *contents) Presign(_ context.Context, tenant string, o *outputs.Output, disposition string, life time.Duration) (outputs.Link, error) {
	c.asked += fmt.Sprintf("presign %s %s %s", tenant, life, disposition)
	return outputs.Link{
		URL: "https://bucket.test/x?sig=1", Method: http.MethodGet,
		Headers: http.Header{"X-Signed": {"yes"}}, Expires: time.Date(2026, 1, 2, 3, 19, 5, 0, time.UTC),
	}, c.linkErr
}

type digits struct{ at int64 }

var tens = strings.Repeat("0123456789", 4<<10)

func (d *digits) Read(p []byte) (int, error) {
	n := copy(p, tens[d.at%10:])
	d.at += int64(n)
	return n, nil
}

// request is a request with headers "Name: value", one each.
func request(method string, headers ...string) *http.Request {
	r := httptest.NewRequest(method, "/", nil)
	for _, header := range headers {
		name, value, _ := strings.Cut(header, ": ")
		r.Header.Add(name, value)
	}
	return r
}

const (
	mib    = 1 << 20
	stream = true
	whole  = false // buffered
)

// TestWays is who gets bytes and who a link: mode × size × streaming × method.
func TestWays(t *testing.T) {
	const (
		bytes = "200 bytes"
		moved = "303 link"
		link  = "200 link"
		large = "result_too_large"
		head  = "200 nothing" // no byte is opened, no link made: the headers are the row's
	)
	for _, tc := range []struct {
		mode      delivery.Mode
		size      int64
		streaming bool
		get       string // GET
		post      string // POST, as downloads are
		head      string
	}{
		{delivery.Auto, 0, whole, "200 nothing", "200 nothing", head},
		{delivery.Auto, 1, whole, bytes, bytes, head},
		{delivery.Auto, 4 * mib, whole, bytes, bytes, head},
		{delivery.Auto, 4*mib + 1, whole, moved, moved, head},
		{delivery.Auto, 4 * mib, stream, bytes, bytes, head},
		{delivery.Auto, 4*mib + 1, stream, moved, moved, head},
		{delivery.Auto, 1 << 40, stream, moved, moved, head},

		{delivery.Bytes, 4 * mib, whole, bytes, bytes, head},
		{delivery.Bytes, 4*mib + 1, whole, large, large, head},
		{delivery.Bytes, 4*mib + 1, stream, bytes, bytes, head},
		{delivery.Bytes, 200_000_000, whole, large, large, head},
		{delivery.Bytes, 200_000_001, stream, large, large, head},
		{delivery.Bytes, 0, stream, "200 nothing", "200 nothing", head},

		{delivery.Redirect, 0, whole, moved, moved, head},
		{delivery.Redirect, 1, stream, moved, moved, head},
		{delivery.Redirect, 1 << 40, whole, moved, moved, head},

		{delivery.URL, 0, stream, link, link, link},
		{delivery.URL, 1, whole, link, link, link},
		{delivery.URL, 1 << 40, stream, link, link, link},
	} {
		for method, want := range map[string]string{http.MethodGet: tc.get, http.MethodPost: tc.post, http.MethodHead: tc.head} {
			t.Run(fmt.Sprintf("%s %q %d streaming %v", method, tc.mode, tc.size, tc.streaming), func(t *testing.T) {
				c, w := &contents{}, &counter{header: http.Header{}}
				o := outputs.Output{PK: 5, Name: "n", Size: tc.size}
				err := delivery.Sender{Contents: c, Streaming: tc.streaming}.Send(w, request(method), "demo", &o, delivery.Options{Mode: tc.mode, Extension: "txt"})
				if got := outcome(w, c, err); got != want {
					t.Errorf("got %s (%v), want %s", got, err, want)
				}
				if want == bytes && w.written != tc.size {
					t.Errorf("%d bytes sent, want %d", w.written, tc.size)
				}
			})
		}
	}
}

func TestMaxStreamed(t *testing.T) {
	c, w := &contents{}, &counter{header: http.Header{}}
	o := outputs.Output{Size: 200_000_000}
	if err := (delivery.Sender{Contents: c, Streaming: true}).Send(w, request(http.MethodGet), "demo", &o, delivery.Options{Mode: delivery.Bytes}); err != nil || w.written != o.Size {
		t.Errorf("%d bytes sent (%v), want %d", w.written, err, o.Size)
	}
}

// counter keeps no bytes, so that large answers cost nothing.
type counter struct {
	header  http.Header
	status  int
	written int64
}

func (w *counter) Header() http.Header         { return w.header }
func (w *counter) WriteHeader(status int)      { w.status = status }
func (w *counter) Write(p []byte) (int, error) { w.written += int64(len(p)); return len(p), nil }

func outcome(w *counter, c *contents, err error) string {
	if f, ok := problem.As(err); ok && w.status == 0 {
		return string(f.Kind)
	}
	what := "nothing"
	switch {
	case strings.HasPrefix(c.asked, "open"):
		what = "bytes"
	case c.asked != "":
		what = "link"
	}
	return fmt.Sprintf("%d %s", w.status, what)
}

func TestBytesHeaders(t *testing.T) {
	o := outputs.Output{PK: 5, Name: "model", Type: "unused", Size: 12, ContentType: "text/html"}
	want := http.Header{
		"Etag":                   {o.ETag()},
		"Cache-Control":          {"private, no-cache"},
		"Content-Type":           {"application/octet-stream"}, // never what was declared: it would run in a browser
		"Content-Disposition":    {`attachment; filename="model.zip"`},
		"Content-Length":         {"12"},
		"Repr-Length":            {"12"},
		"X-Content-Type-Options": {"nosniff"},
	}
	for method, body := range map[string]string{http.MethodPost: "012345678901", http.MethodGet: "012345678901", http.MethodHead: ""} {
		w := httptest.NewRecorder()
		if err := (delivery.Sender{Contents: &contents{}}).Send(w, request(method), "demo", &o, delivery.Options{Mode: delivery.Auto, Extension: "zip"}); err != nil {
			t.Fatal(err)
		}
		expected := want.Clone()
		if method != http.MethodPost {
			expected.Set("Accept-Ranges", "bytes")
		}
		if diff := cmp.Diff(expected, w.Header()); diff != "" || w.Body.String() != body {
			t.Errorf("%s: body %q, headers (-want +got):\n%s", method, w.Body, diff)
		}
	}
}

// TestDigest: the digest is that of the whole, also of a part and without the content, and
// is told only if it was verified over the whole.
func TestDigest(t *testing.T) {
	const sum = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
	const digest = "sha-256=:LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=:"
	composite := &table.Checksum{Algorithm: "SHA256", Type: "composite", Value: "q==-2", PartSize: 3}
	for _, tc := range []struct {
		output  outputs.Output
		request *http.Request
		status  int
		want    string
	}{
		{outputs.Output{Size: 5, SHA256: sum}, request(http.MethodGet), 200, digest},
		{outputs.Output{Size: 5, SHA256: sum}, request(http.MethodPost), 200, digest},
		{outputs.Output{Size: 5, SHA256: sum}, request(http.MethodHead), 200, digest},
		{outputs.Output{Size: 5, SHA256: sum}, request(http.MethodGet, "Range: bytes=1-2"), 206, digest},
		{outputs.Output{Size: 5, SHA256: sum}, request(http.MethodHead, "Range: bytes=1-2"), 206, digest},
		{outputs.Output{Size: 5, Checksum: composite}, request(http.MethodGet), 200, ""},
		{outputs.Output{Size: 5, Checksum: composite}, request(http.MethodHead), 200, ""},
	} {
		w := httptest.NewRecorder()
		if err := (delivery.Sender{Contents: &contents{}}).Send(w, tc.request, "demo", &tc.output, delivery.Options{Mode: delivery.Bytes}); err != nil {
			t.Fatal(err)
		}
		if got := w.Header(); w.Code != tc.status || got.Get("Repr-Digest") != tc.want || got.Get("Repr-Length") != "5" {
			t.Errorf("%s %v of %+v: %d %v, want %d with the digest %q", tc.request.Method, tc.request.Header, tc.output, w.Code, got, tc.status, tc.want)
		}
	}
}

func TestRedirectHeaders(t *testing.T) {
	o := outputs.Output{Name: "log", Size: 12}
	c, w := &contents{}, httptest.NewRecorder()
	if err := (delivery.Sender{Contents: c}).Send(w, request(http.MethodPost), "demo", &o, delivery.Options{Mode: delivery.Redirect, Extension: "tx\"t"}); err != nil {
		t.Fatal(err)
	}
	want := http.Header{
		"Etag": {o.ETag()}, "Location": {"https://bucket.test/x?sig=1"}, "Cache-Control": {"no-store"},
		"Referrer-Policy": {"no-referrer"}, "Content-Length": {"0"},
	}
	if diff := cmp.Diff(want, w.Header()); diff != "" {
		t.Errorf("headers (-want +got):\n%s", diff)
	}
	if asked := `presign demo 15m0s attachment; filename="log.tx\"t"`; c.asked != asked {
		t.Errorf("asked %s, want %s", c.asked, asked)
	}
}

func TestLink(t *testing.T) {
	for _, tc := range []struct {
		output outputs.Output
		want   string
	}{
		{
			outputs.Output{Name: "é", Size: 12, SHA256: "ab", Checksum: &table.Checksum{Algorithm: "SHA256", Type: "full", Value: "q=="}},
			`"filename":"é.txt","size":12,"sha256":"ab","checksum":{"algorithm":"SHA256","type":"full","value":"q=="}}`,
		},
		{outputs.Output{Name: "n"}, `"filename":"n.txt","size":0,"sha256":null,"checksum":null}`},
	} {
		w := httptest.NewRecorder()
		if err := (delivery.Sender{Contents: &contents{}}).Send(w, request(http.MethodPost), "demo", &tc.output, delivery.Options{Mode: delivery.URL, Extension: "txt"}); err != nil {
			t.Fatal(err)
		}
		want := `{"url":"https://bucket.test/x?sig=1","method":"GET","headers":{"X-Signed":"yes"},"expires_at":"2026-01-02T03:19:05.000000Z",` + tc.want
		if diff := cmp.Diff(want, w.Body.String()); diff != "" {
			t.Errorf("body (-want +got):\n%s", diff)
		}
		got := fmt.Sprint(w.Header().Get("Content-Type"), ", ", w.Header().Get("Cache-Control"), ", ", w.Header().Get("Referrer-Policy"), ", ", w.Header().Get("ETag"))
		if want := "application/json, no-store, no-referrer, "; got != want {
			t.Errorf("headers are %s, want %s", got, want)
		}
	}
}

// TestStoreErrors: what can fail fails before the status is out.
func TestStoreErrors(t *testing.T) {
	gone := problem.New(problem.NotFound, "Not found.")
	for _, mode := range []delivery.Mode{delivery.Auto, delivery.Bytes, delivery.Redirect, delivery.URL} {
		w := &counter{header: http.Header{}}
		err := delivery.Sender{Contents: &contents{openErr: gone, linkErr: gone}}.Send(w, request(http.MethodGet), "demo", &outputs.Output{Size: 3}, delivery.Options{Mode: mode})
		if !errors.Is(err, gone) || w.status != 0 {
			t.Errorf("%q: error %v, status %d, want the store's error and none", mode, err, w.status)
		}
	}
}

// TestShortRead: bytes that end early are an error, which aborts the answer: Content-Length
// has promised more.
func TestShortRead(t *testing.T) {
	for _, headers := range [][]string{nil, {"Range: bytes=2-9"}} {
		w := httptest.NewRecorder()
		err := delivery.Sender{Contents: &contents{short: 1}}.Send(w, request(http.MethodGet, headers...), "demo", &outputs.Output{PK: 5, Size: 12}, delivery.Options{Mode: delivery.Auto})
		if err == nil || !strings.Contains(err.Error(), "output 5") {
			t.Errorf("%v: got %v, want an error that names the output", headers, err)
		}
	}
}

func TestParseMode(t *testing.T) {
	for text, want := range map[string]delivery.Mode{"bytes": delivery.Bytes, "redirect": delivery.Redirect, "url": delivery.URL} {
		if got, err := delivery.ParseMode(text); got != want || err != nil {
			t.Errorf("%s: %q, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "URL", " url", "auto", "bytes,url"} {
		if got, err := delivery.ParseMode(text); !problem.Is(err, problem.InvalidRequest) {
			t.Errorf("%q: %q, %v, want invalid_request", text, got, err)
		}
	}
}
