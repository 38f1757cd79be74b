package delivery

import (
	"net/http"
	"strconv"
	"strings"

	"joboutputs/shared/outputs"
	"joboutputs/shared/problem"
)

// noneMatch reports whether an If-None-Match header names the entity tag, compared weakly
// (RFC 9110, section 13.1.2).
func noneMatch(header []string, etag string) bool {
	for tag := range strings.SplitSeq(strings.Join(header, ","), ",") {
		tag = strings.TrimSpace(tag)
		if tag == "*" || strings.TrimPrefix(tag, "W/") == etag {
			return true
		}
	}
	return false
}

// rangeOf is the part of the output a request asks for (RFC 9110, section 14.2); nil = all
// of it. What is not a single range of bytes, or hangs on an If-Range that is not our
// entity tag, asks for all. Problem: RangeNotSatisfiable.
func rangeOf(h http.Header, o *outputs.Output) (*outputs.Range, error) {
	if len(h.Values("Range")) != 1 {
		return nil, nil
	}
	unit, spec, ok := strings.Cut(strings.TrimSpace(h.Get("Range")), "=")
	if !ok || !strings.EqualFold(unit, "bytes") {
		return nil, nil
	}
	if condition := h.Get("If-Range"); condition != "" && condition != o.ETag() {
		return nil, nil
	}
	firstText, lastText, ok := strings.Cut(strings.TrimSpace(spec), "-")
	first, firstOK := position(firstText)
	last, lastOK := position(lastText)
	switch {
	case !ok, firstText != "" && !firstOK, lastText != "" && !lastOK, firstText == "" && lastText == "":
		return nil, nil
	case firstText == "": // the last so many
		first, last = max(0, o.Size-last), o.Size-1
	case lastText == "":
		last = o.Size - 1
	case last < first:
		return nil, nil
	}
	last = min(last, o.Size-1)
	if first > last {
		return nil, problem.New(problem.RangeNotSatisfiable, "The content has %d bytes; none of them is in the range.", o.Size)
	}
	return &outputs.Range{First: first, Last: last}, nil
}

// position is a number of digits alone; one beyond 63 bits is beyond any content.
func position(text string) (int64, bool) {
	if text == "" || strings.Trim(text, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		n = 1<<63 - 1
	}
	return n, true
}
