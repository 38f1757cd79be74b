package conformance

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Exchange is one recorded request and the original's answer to it.
type Exchange struct {
	Topic    string   `json:"-"` // the file's name
	ID       string   `json:"id"`
	After    []string `json:"after"` // what was sent before, on a fresh seed
	Request  Request  `json:"request"`
	Response Response `json:"response"`
	RowOrder string   `json:"row_order"` // "total", "partial: ties are free", "free" or ""
	Dynamic  []string `json:"dynamic"`   // JSON paths of times and tokens of the run
	Crash    string   `json:"crash"`     // what the original raised where it answered 5xx
}

// Request is a request as it was sent, but for placeholders in headers and body and for
// "Accept: */*", which is left out.
type Request struct {
	Method   string      `json:"method"`
	Path     string      `json:"path"` // the request target, as on the wire
	Headers  [][2]string `json:"headers"`
	Body     *string     `json:"body"`
	BodyB64  *string     `json:"body_b64"`
	Transfer string      `json:"transfer"` // "chunked" or ""
}

// Response is the original's answer. At most one of PKs, JSON, Body and BodyB64 is set.
type Response struct {
	Status  int               `json:"status"`
	Headers map[string]string `json:"headers"`
	PKs     *[]int64          `json:"pks"` // of a list, in order
	JSON    json.RawMessage   `json:"json"`
	Body    *string           `json:"body"`
	BodyB64 *string           `json:"body_b64"`
}

// payload is the body with its placeholders, nil if none was sent.
func (r *Request) payload() []byte {
	switch {
	case r.Body != nil:
		return []byte(*r.Body)
	case r.BodyB64 != nil:
		b, err := base64.StdEncoding.DecodeString(*r.BodyB64)
		if err != nil {
			return []byte(err.Error())
		}
		return b
	}
	return nil
}

// header is the values of a header, whose name is compared without case.
func (r *Request) header(name string) []string {
	var values []string
	for _, h := range r.Headers {
		if strings.EqualFold(h[0], name) {
			values = append(values, h[1])
		}
	}
	return values
}

// first is the first value of a header without the blanks HTTP does not count, "" if
// there is none.
func (r *Request) first(name string) string {
	if values := r.header(name); len(values) > 0 {
		return strings.Trim(values[0], " \t")
	}
	return ""
}

// dynamic reports whether a top-level member of the answer is of the run.
func (x *Exchange) dynamic(member string) bool {
	return slices.Contains(x.Dynamic, "$."+member)
}

// html reports whether the original answered with a page of its web framework.
func (r *Response) html() bool {
	return strings.HasPrefix(r.Headers["Content-Type"], "text/html")
}

// detail is the sentence of an error, "" if the answer has none.
func (r *Response) detail() string {
	var doc struct {
		Detail string `json:"detail"`
	}
	if r.JSON != nil {
		_ = json.Unmarshal(r.JSON, &doc) // an answer of another shape has no detail
	}
	return doc.Detail
}

// ReadRecordings reads every *.jsonl of a folder. Ids are unique in a file, and After
// names ids of the same file.
func ReadRecordings(dir string) ([]*Exchange, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.jsonl"))
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("%s holds no *.jsonl", dir)
	}
	var all []*Exchange
	for _, file := range files {
		exchanges, err := readFile(file)
		if err != nil {
			return nil, err
		}
		all = append(all, exchanges...)
	}
	return all, nil
}

func readFile(file string) ([]*Exchange, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	topic := strings.TrimSuffix(filepath.Base(file), ".jsonl")
	known := map[string]bool{}
	var all []*Exchange
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 64<<20)
	for n := 1; lines.Scan(); n++ {
		x := &Exchange{Topic: topic}
		if err := json.Unmarshal(lines.Bytes(), x); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", file, n, err)
		}
		if x.ID == "" || known[x.ID] {
			return nil, fmt.Errorf("%s:%d: id %q is empty or there twice", file, n, x.ID)
		}
		known[x.ID] = true
		all = append(all, x)
	}
	for _, x := range all {
		for _, id := range x.After {
			if !known[id] {
				return nil, fmt.Errorf("%s: %s comes after %s, which is not there", file, x.ID, id)
			}
		}
	}
	return all, lines.Err()
}
