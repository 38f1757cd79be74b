package conformance

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// Answer is what the service said.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// outputFields are the members of an output's body, in order.
var outputFields = []string{
	"pk", "job", "name", "type", "creator", "creation_time", "deletion_time",
	"size", "content_type", "sha256", "checksum",
}

// utcMicros is how a time looks in answers (deviation D9).
var utcMicros = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$`)

// slack is how far clocks and a slow machine may put a time of the run.
const slack = 5 * time.Second

// Check says what is wrong with the answer to a request, nothing if it is as wanted.
func (v *View) Check(want *Want, got *Answer) []string {
	c := &checker{v: v, got: got}
	c.check(want)
	return c.wrong
}

type checker struct {
	v     *View
	got   *Answer
	wrong []string
}

func (c *checker) fail(format string, args ...any) {
	c.wrong = append(c.wrong, fmt.Sprintf(format, args...))
}

func (c *checker) check(want *Want) {
	if c.got.Status != want.Status {
		c.fail("status %d, want %d", c.got.Status, want.Status)
		return // the rest would say nothing more
	}
	c.headers(want)
	if want.Empty {
		if len(c.got.Body) > 0 {
			c.fail("a body of %d bytes, want none", len(c.got.Body))
		}
		if c.v.method == "HEAD" && want.Content != nil {
			c.content(want.Content)
		}
		return
	}
	if c.v.method == "HEAD" {
		return // an error, whose body is not sent
	}
	switch {
	case want.Codes != nil:
		c.problem(want)
	case want.List:
		c.list(want)
	case want.Content != nil:
		c.content(want.Content)
	case want.Row != nil:
		c.mediaType("application/json")
		if want.NewPK && c.v.w.last >= c.pk() {
			c.fail("pk %d is not above %d", c.pk(), c.v.w.last)
		}
		c.row(c.got.Body, want.Row, want.NewPK)
	case want.Job != nil:
		c.mediaType("application/json")
		if got, err := names(c.got.Body); err != nil || !slices.Equal(got, jobFields) {
			c.fail("members %v (%v), want %v", got, err, jobFields)
		}
		c.times(c.got.Body)
		if d := c.v.w.compareJobs(want.Job, c.got.Body); d != "" {
			c.fail("%s", d)
		}
	default:
		c.json(want)
	}
}

func (c *checker) mediaType(want string) {
	if got := c.got.Header.Get("Content-Type"); got != want {
		c.fail("Content-Type %q, want %q", got, want)
	}
}

// headers are those that every answer has by its status.
func (c *checker) headers(want *Want) {
	h := c.got.Header
	challenge := cmp.Or(h.Get("WWW-Authenticate"), h.Get("X-Amzn-Remapped-Www-Authenticate")) // API Gateway renames a function's
	if (want.Status == 401) != strings.HasPrefix(challenge, "Bearer") {
		c.fail("WWW-Authenticate %q on %d", challenge, want.Status)
	}
	if want.Allow != nil {
		name := "Allow"
		if want.Options && len(c.v.x.Request.header("Access-Control-Request-Method")) > 0 { // a preflight
			name = "Access-Control-Allow-Methods"
			allowed := strings.ToLower(h.Get("Access-Control-Allow-Headers"))
			for _, header := range []string{"authorization", "content-type", "node-id"} {
				if !strings.Contains(allowed, header) {
					c.fail("Access-Control-Allow-Headers %q lacks %s", allowed, header)
				}
			}
		}
		allowed := strings.Split(strings.ReplaceAll(h.Get(name), " ", ""), ",")
		for _, method := range want.Allow {
			if !slices.Contains(allowed, method) {
				c.fail("%s %v lacks %s", name, allowed, method)
			}
		}
		if want.Status == 405 && slices.Contains(allowed, c.v.x.Request.Method) {
			c.fail("Allow %v names the method that is not allowed", allowed)
		}
	}
	if len(c.v.x.Request.header("Origin")) > 0 && h.Get("Access-Control-Allow-Origin") == "" {
		c.fail("no Access-Control-Allow-Origin")
	}
	if next := h.Get("X-Next-Cursor"); want.List && want.More != (next != "") {
		c.fail("X-Next-Cursor %q", next)
	}
}

// problem checks an RFC 9457 document (deviation D5).
func (c *checker) problem(want *Want) {
	c.mediaType("application/problem+json")
	var doc struct {
		Type, Title, Detail, Code string
		Status                    int
		RequestID                 string `json:"request_id"`
		Errors                    json.RawMessage
		PK                        int64
		SHA256                    string
		DeletionTime              *string `json:"deletion_time"`
	}
	if err := json.Unmarshal(c.got.Body, &doc); err != nil {
		c.fail("not a problem document: %v: %.100q", err, c.got.Body)
		return
	}
	if doc.Type == "" || doc.Title == "" || doc.Detail == "" || doc.RequestID == "" || doc.Status != want.Status {
		c.fail("problem document lacks something: %s", c.got.Body)
	}
	if !slices.Contains(want.Codes, doc.Code) {
		c.fail("code %q, want %s (detail %q)", doc.Code, strings.Join(want.Codes, " or "), doc.Detail)
	}
	if want.Detail != nil && doc.Detail != *want.Detail {
		c.fail("detail %q, want %q", doc.Detail, *want.Detail)
	}
	if want.Errors != nil && !sameJSON(want.Errors, doc.Errors) {
		c.fail("errors %s, want %s", doc.Errors, want.Errors)
	}
	if holder := want.Holder; holder != nil {
		deleted := ""
		if doc.DeletionTime != nil {
			deleted = *doc.DeletionTime
		}
		if doc.PK != holder.PK || doc.SHA256 != holder.sha256() || !c.sameTime(deleted, holder.Deleted) {
			c.fail("the holder is pk %d, sha256 %s, deletion_time %q; want %d %s %v", doc.PK, doc.SHA256, deleted, holder.PK, holder.sha256(), holder.Deleted)
		}
	}
}

func (c *checker) list(want *Want) {
	c.mediaType("application/json")
	var rows []jsontext.Value
	if err := json.Unmarshal(c.got.Body, &rows); err != nil {
		c.fail("not an array: %v: %.100q", err, c.got.Body)
		return
	}
	var got []int64
	for _, row := range rows {
		var o struct{ PK int64 }
		_ = json.Unmarshal(row, &o) // a row that is none has pk 0
		got = append(got, o.PK)
	}
	if wanted := pks(want.Rows); !slices.Equal(got, wanted) && len(got)+len(wanted) > 0 {
		left, right := slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(wanted))
		if slices.Equal(left, right) {
			c.fail("rows in the order %v, want %v", got, wanted)
		} else {
			c.fail("rows %v, want %v", got, wanted)
		}
		return
	}
	for i, row := range rows {
		c.row(row, want.Rows[i], false)
	}
}

// pk is the body's pk, 0 if it has none.
func (c *checker) pk() int64 {
	var o struct{ PK int64 }
	_ = json.Unmarshal(c.got.Body, &o) // then it is 0
	return o.PK
}
