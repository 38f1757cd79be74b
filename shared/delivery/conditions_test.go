package delivery_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"joboutputs/shared/delivery"
	"joboutputs/shared/outputs"
	"joboutputs/shared/problem"
)

// TestIfNoneMatch: the tag is TAG in the headers below.
func TestIfNoneMatch(t *testing.T) {
	for _, tc := range []struct {
		headers []string
		same    bool
	}{
		{nil, false},
		{[]string{"If-None-Match: TAG"}, true},
		{[]string{"If-None-Match: W/TAG"}, true}, // compared weakly
		{[]string{"If-None-Match: *"}, true},
		{[]string{`If-None-Match: "a", W/"b" ,TAG`}, true},
		{[]string{`If-None-Match: "a"`, "If-None-Match: TAG"}, true},
		{[]string{`If-None-Match: "a", "b"`}, false},
		{[]string{"If-None-Match: "}, false},
		{[]string{"If-None-Match: , ,"}, false},
		{[]string{"If-None-Match: w/TAG"}, false},
		{[]string{"If-Match: TAG"}, false},
	} {
		large := outputs.Output{Name: "n", Size: 5 << 20}
		small := outputs.Output{Name: "n", Size: 5}
		var headers []string
		for _, header := range tc.headers {
			headers = append(headers, strings.ReplaceAll(header, "TAG", small.ETag()))
		}
		for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost} {
			for _, o := range []*outputs.Output{&small, &large} {
				w, c := httptest.NewRecorder(), &contents{}
				if err := (delivery.Sender{Contents: c}).Send(w, request(method, headers...), "demo", o, delivery.Options{Mode: delivery.Auto}); err != nil {
					t.Fatal(err)
				}
				// A POST is not a read: its conditions would mean something else. What is not
				// modified is said before anything moves.
				want := tc.same && method != http.MethodPost
				if got := w.Code == http.StatusNotModified; got != want {
					t.Errorf("%s %v of %d bytes: status %d, not modified should be %v", method, headers, o.Size, w.Code, want)
				}
				if want && (w.Body.Len() != 0 || c.asked != "" || w.Header().Get("ETag") != o.ETag() || w.Header().Get("Cache-Control") == "" || w.Header().Get("Content-Length") != "") {
					t.Errorf("%s %v: 304 with %d bytes, after %q, and headers %v", method, headers, w.Body.Len(), c.asked, w.Header())
				}
			}
		}
	}
}

// TestRange is of the ten bytes 0123456789.
func TestRange(t *testing.T) {
	const all = "0123456789"
	for _, tc := range []struct {
		header string
		want   string // of the content; "" = 416
		part   string // Content-Range
	}{
		{"bytes=0-0", "0", "bytes 0-0/10"},
		{"bytes=2-5", "2345", "bytes 2-5/10"},
		{"bytes=9-9", "9", "bytes 9-9/10"},
		{"bytes=0-9", all, "bytes 0-9/10"},
		{"bytes=7-100", "789", "bytes 7-9/10"},
		{"bytes=7-99999999999999999999", "789", "bytes 7-9/10"}, // beyond 63 bits
		{"bytes=7-", "789", "bytes 7-9/10"},
		{"bytes=0-", all, "bytes 0-9/10"},
		{"bytes=-3", "789", "bytes 7-9/10"},
		{"bytes=-10", all, "bytes 0-9/10"},
		{"bytes=-100", all, "bytes 0-9/10"},
		{"bytes=-99999999999999999999", all, "bytes 0-9/10"},
		{"BYTES=2-3", "23", "bytes 2-3/10"},
		{" bytes= 2-3 ", "23", "bytes 2-3/10"},
		{"bytes=0002-0003", "23", "bytes 2-3/10"},

		{"bytes=10-", "", "bytes */10"},
		{"bytes=10-12", "", "bytes */10"},
		{"bytes=99999999999999999999-", "", "bytes */10"},
		{"bytes=99999999999999999998-99999999999999999999", "", "bytes */10"},
		{"bytes=-0", "", "bytes */10"},

		// What is no single range of bytes asks for all (RFC 9110, section 14.2).
		{"bytes=0-1,3-4", all, ""},
		{"bytes=5-2", all, ""},
		{"bytes=-", all, ""},
		{"bytes=", all, ""},
		{"bytes", all, ""},
		{"bytes=a-b", all, ""},
		{"bytes=1-b", all, ""},
		{"bytes=+1-2", all, ""},
		{"bytes=1 - 2", all, ""},
		{"bytes=--2", all, ""},
		{"bytes=1", all, ""},
		{"bytes=٢-٣", all, ""},
		{"lines=0-1", all, ""},
		{"", all, ""},
	} {
		o := outputs.Output{Name: "n", Size: 10}
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			w, c := httptest.NewRecorder(), &contents{}
			err := delivery.Sender{Contents: c}.Send(w, request(method, "Range: "+tc.header), "demo", &o, delivery.Options{Mode: delivery.Auto})
			switch {
			case tc.want == "":
				if !problem.Is(err, problem.RangeNotSatisfiable) || w.Header().Get("Content-Range") != tc.part || c.asked != "" {
					t.Errorf("%s %q: %v with Content-Range %q, want range_not_satisfiable with %q", method, tc.header, err, w.Header().Get("Content-Range"), tc.part)
				}
				continue
			case err != nil:
				t.Errorf("%s %q: %v", method, tc.header, err)
				continue
			}
			body, status := tc.want, http.StatusPartialContent
			if tc.part == "" {
				status = http.StatusOK
			}
			length := len(body)
			if method == http.MethodHead {
				body = ""
			}
			if w.Code != status || w.Body.String() != body || w.Header().Get("Content-Range") != tc.part || w.Result().ContentLength != int64(length) {
				t.Errorf("%s %q: %d %q, headers %v; want %d %q, Content-Range %q", method, tc.header, w.Code, w.Body, w.Header(), status, body, tc.part)
			}
		}
		w := httptest.NewRecorder()
		if err := (delivery.Sender{Contents: &contents{}}).Send(w, request(http.MethodPost, "Range: "+tc.header), "demo", &o, delivery.Options{Mode: delivery.Auto}); err != nil || w.Code != http.StatusOK || w.Body.String() != all {
			t.Errorf("POST %q: %d %q, %v; ranges are for reads", tc.header, w.Code, w.Body, err)
		}
	}
}

func TestRangeOfNothing(t *testing.T) {
	for _, header := range []string{"bytes=0-", "bytes=0-0", "bytes=-1"} {
		w := httptest.NewRecorder()
		err := delivery.Sender{Contents: &contents{}}.Send(w, request(http.MethodGet, "Range: "+header), "demo", &outputs.Output{}, delivery.Options{Mode: delivery.Auto})
		if !problem.Is(err, problem.RangeNotSatisfiable) || w.Header().Get("Content-Range") != "bytes */0" {
			t.Errorf("%s: %v with Content-Range %q", header, err, w.Header().Get("Content-Range"))
		}
	}
	w := httptest.NewRecorder()
	if err := (delivery.Sender{Contents: &contents{}}).Send(w, request(http.MethodGet, "Range: bytes=0-1", "Range: bytes=2-3"), "demo", &outputs.Output{Size: 10}, delivery.Options{Mode: delivery.Auto}); err != nil || w.Code != http.StatusOK {
		t.Errorf("two Range headers: %d, %v, want all of it", w.Code, err)
	}
}

// TestIfRange: a range on condition is honoured by us alone. The object store does not
// know our tags, so such a request is never sent there.
func TestIfRange(t *testing.T) {
	large := outputs.Output{Name: "n", Size: 5 << 20}
	for _, tc := range []struct {
		name      string
		headers   []string
		streaming bool
		want      string
	}{
		{"a part of what the client has", []string{"Range: bytes=0-9", "If-Range: " + large.ETag()}, whole, "206 bytes"},
		{"a large part", []string{"Range: bytes=1-", "If-Range: " + large.ETag()}, stream, "206 bytes"},
		{"something else now", []string{"Range: bytes=0-9", `If-Range: "other"`}, stream, "200 bytes"},
		{"something else now, where nothing streams", []string{"Range: bytes=0-9", `If-Range: "other"`}, whole, "result_too_large"},
		{"a weak tag proves nothing", []string{"Range: bytes=0-9", "If-Range: W/" + large.ETag()}, stream, "200 bytes"},
		{"a date is no tag", []string{"Range: bytes=0-9", "If-Range: Wed, 21 Oct 2015 07:28:00 GMT"}, stream, "200 bytes"},
		{"no condition", []string{"Range: bytes=0-9"}, whole, "206 bytes"},
		{"no condition, a large part", []string{"Range: bytes=0-"}, stream, "303 link"},
		{"no range", []string{"If-Range: " + large.ETag()}, stream, "303 link"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, w := &contents{}, &counter{header: http.Header{}}
			err := delivery.Sender{Contents: c, Streaming: tc.streaming}.Send(w, request(http.MethodGet, tc.headers...), "demo", &large, delivery.Options{Mode: delivery.Auto})
			if got := outcome(w, c, err); got != tc.want {
				t.Errorf("got %s (%v), want %s", got, err, tc.want)
			}
		})
	}
}
