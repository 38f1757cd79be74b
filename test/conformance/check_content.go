package conformance

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"
)

// content checks an answer of bytes, or of the link to them.
func (c *checker) content(want *Content) {
	if want.Link {
		c.link(want)
		return
	}
	h := c.got.Header
	c.mediaType("application/octet-stream")
	if h.Get("X-Content-Type-Options") != "nosniff" {
		c.fail("no nosniff")
	}
	if d := checkDisposition(h.Get("Content-Disposition"), want.Filename); d != "" {
		c.fail("%s", d)
	}
	if tag := h.Get("ETag"); !strings.HasPrefix(tag, `"`) || !strings.HasSuffix(tag, `"`) {
		c.fail("ETag %q is not a strong one", tag)
	}
	if got := h.Get("Content-Range"); got != want.Range {
		c.fail("Content-Range %q, want %q", got, want.Range)
	}
	if c.v.method == "HEAD" {
		if got := h.Get("Content-Length"); got != strconv.Itoa(len(want.Bytes)) {
			c.fail("Content-Length %q, want %d", got, len(want.Bytes))
		}
		return
	}
	if string(c.got.Body) != string(want.Bytes) {
		c.fail("content %.60q, want %.60q", c.got.Body, want.Bytes)
	}
}

// linkFields are the members of a link, in the documents' order.
var linkFields = []string{"url", "method", "headers", "expires_at", "filename", "size", "sha256", "checksum"}

// link checks the link to an output's bytes (deviation D14), and follows it.
func (c *checker) link(want *Content) {
	c.mediaType("application/json")
	if got, err := names(c.got.Body); err != nil || !slices.Equal(got, linkFields) {
		c.fail("members %v (%v), want %v", got, err, linkFields)
		return
	}
	var got struct {
		URL, Method, Filename string
		ExpiresAt             time.Time `json:"expires_at"`
		Size                  int64
		SHA256                *string
	}
	if err := json.Unmarshal(c.got.Body, &got); err != nil {
		c.fail("not a link: %v", err)
		return
	}
	now := time.Now()
	if got.Method != "GET" || got.Filename != want.Filename || got.Size != int64(len(want.Bytes)) || text(got.SHA256) != want.Output.sha256() {
		c.fail("the link is for another file: %s %q %d %s", got.Method, got.Filename, got.Size, text(got.SHA256))
	}
	if got.ExpiresAt.Before(now) || got.ExpiresAt.After(now.Add(15*time.Minute+slack)) {
		c.fail("the link expires at %s", got.ExpiresAt)
	}
	status, header, body, err := fetch(got.URL)
	if err != nil || status != 200 || string(body) != string(want.Bytes) {
		c.fail("following the link: %v, status %d, content %.60q", err, status, body)
		return
	}
	if d := checkDisposition(header.Get("Content-Disposition"), want.Filename); d != "" {
		c.fail("following the link: %s", d)
	}
}
