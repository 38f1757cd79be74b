package conformance

import (
	"fmt"
	"strconv"
	"strings"
)

// content is an output's bytes, by Accept, If-None-Match and Range.
func (v *View) content(o *Output, extension string) *Want {
	c := &Content{Output: o, Filename: Filename(o.Name, extension), Bytes: o.Content}
	w := &Want{Status: 200, Content: c, Empty: v.method == "HEAD"}
	reads := v.method == "GET" || v.method == "HEAD"
	switch {
	case v.wantsLink():
		c.Link = true
	case reads && v.x.Request.first("If-None-Match") == "*":
		return &Want{Status: 304, Empty: true}
	case reads && len(v.x.Request.header("Range")) == 1:
		first, last, ok := byteRange(v.x.Request.first("Range"), len(o.Content))
		switch {
		case !ok:
		case first > last:
			return problem(416, "", "range_not_satisfiable")
		default:
			w.Status, c.Bytes = 206, o.Content[first:last+1]
			c.Range = fmt.Sprintf("bytes %d-%d/%d", first, last, len(o.Content))
		}
	}
	return w
}

// byteRange reads one range of bytes (RFC 9110, section 14.1.2); first > last is one that
// cannot be satisfied, !ok one that is ignored.
func byteRange(text string, size int) (first, last int, ok bool) {
	spec, isBytes := strings.CutPrefix(text, "bytes=")
	from, to, isRange := strings.Cut(spec, "-")
	if !isBytes || !isRange || strings.Contains(spec, ",") {
		return 0, 0, false
	}
	a, errA := strconv.Atoi(from)
	b, errB := strconv.Atoi(to)
	switch {
	case from == "" && errB == nil: // the last b bytes
		if b == 0 || size == 0 {
			return 1, 0, true
		}
		return max(0, size-b), size - 1, true
	case errA != nil || to != "" && (errB != nil || b < a):
		return 0, 0, false
	case a >= size:
		return 1, 0, true
	case to == "":
		b = size - 1
	}
	return a, min(b, size-1), true
}
