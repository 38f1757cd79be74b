package fuzz

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// breakage is one way in which a request stops being as described.
type breakage struct {
	name string
	do   func(m *Maker, r *Request)
}

func breakages() []breakage {
	return []breakage{
		{"another method", func(m *Maker, r *Request) {
			r.Method = pick(m.rnd, []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "QUERY", "get", "M-SEARCH"})
		}},
		{"a segment of the path", func(m *Maker, r *Request) {
			m.segment(r, printable(pick(m.rnd, []string{
				"", ".", "..", "0", "-1", "+5", "01", "2147483647", "2147483648", "99999999999999999999", "1.0", "1e1", "0x1", "%31", "%2531", "%2F", "a%2Fb", "%00",
				"%zz", "%", "%C3", "%E2%82%AC", "%F0%9F%8E%89", "<script>", "'--", "a;b=c", "a?b", strings.Repeat("x", 201), strings.Repeat("%C3%A9", 1025), "list", "create", "\u0661",
			})))
		}},
		{"slashes", func(m *Maker, r *Request) {
			path, query := r.split()
			r.Target = pick(m.rnd, []string{path + "/", path + "//", "/" + path, strings.TrimPrefix(path, "/v1"), path + "/x", "/.." + path})
			if query != "" {
				r.Target += "?" + query
			}
		}},
		{"the query", func(m *Maker, r *Request) {
			path, _ := r.split()
			r.Target = path + "?" + pick(m.rnd, []string{
				"", "&", "=", "%zz", "delivery=", "delivery=x", "delivery=url&delivery=bytes", "from=0", "from=-1", "from=x", "from=1&sha256=x", "sha256=" + strings.Repeat("a", 64),
				"filetype=" + strings.Repeat("a", 256), "filetype=%00%0d%0a", "format=api", "a=%FF", "a;b", "delivery=url;delivery=x", "from=1;sha256=x", "a=|", "{a}=1", "a=%7C%7B", "limit=5&cursor=x", "%00=1", strings.Repeat("a=1&", 500),
			})
		}},
		{"Node-Id", func(m *Maker, r *Request) {
			r.Header["Node-Id"] = pick(m.rnd, [][]string{{""}, {"abc"}, {"1_0"}, {" 1 "}, {"+1"}, {"-1"}, {"0"}, {"3"}, {"99999999999999999999"}, {"１"}, {"1", "1"}, {"1.0"}, {"1,2"}})
		}},
		{"the media type", func(m *Maker, r *Request) {
			r.Header.Set("Content-Type", pick(m.rnd, []string{
				"", "text/plain", "application/json; charset=utf-16", "application/json; charset=latin1", "application/json;", "Application/JSON", "application/x-www-form-urlencoded",
				"multipart/form-data; boundary=x", "application/problem+json", "json", "*/*", "application/json; a=b; a=c", strings.Repeat("a", 300) + "/b", "\"",
			}))
		}},
		{"Accept", func(m *Maker, r *Request) {
			r.Header.Set("Accept", pick(m.rnd, []string{"", "*/*", "application/json", "text/html", "application/json;q=0, */*", "image/png", "application/*", ",,;", "a/b/c", "application/json; q=x", strings.Repeat("text/html,", 300)}))
		}},
		{"Range", func(m *Maker, r *Request) {
			r.Header.Set("Range", pick(m.rnd, []string{
				"bytes=0-0", "bytes=0-", "bytes=-1", "bytes=5-2", "bytes=-0", "bytes=99999-", "bytes=0-99999999999999999999", "bytes=0-1,3-4", "bytes=", "bytes", "items=0-1", "bytes=a-b", "bytes = 0 - 1", "bytes=--1",
			}))
			if m.chance(3) {
				r.Header.Set("If-Range", pick(m.rnd, []string{`"x"`, `W/"x"`, "x", "*", "Wed, 21 Oct 2015 07:28:00 GMT"}))
			}
		}},
		{"If-None-Match", func(m *Maker, r *Request) {
			r.Header["If-None-Match"] = pick(m.rnd, [][]string{{"*"}, {`"x"`}, {`W/"x"`}, {`"x", "y"`}, {"x"}, {`"`}, {""}, {`"a"`, `"b"`}, {strings.Repeat(`"a",`, 200)}})
		}},
		{"odd headers", func(m *Maker, r *Request) {
			name := pick(m.rnd, []string{
				"Origin", "X-Http-Method-Override", "X-Forwarded-For", "X-Forwarded-Host", "Content-Encoding", "Accept-Encoding", "Repr-Digest", "Cookie", "If-Match", "If-Modified-Since", "X-Amzn-Trace-Id",
				"Content-Disposition", "Access-Control-Request-Method", "Content-MD5", "Te", "Accept-Language", "Idempotency-Key", "X-Request-Id",
			})
			r.Header.Set(name, pick(m.rnd, []string{"", "x", "DELETE", "gzip", "null", "https://example.org", "é", strings.Repeat("a", 4000), "1", `"`, "a, b; c=\"d"}))
		}},
		{"X-HTTP-Method-Override", func(m *Maker, r *Request) {
			r.Header["X-Http-Method-Override"] = pick(m.rnd, [][]string{{"GET"}, {"HEAD"}, {"POST"}, {"PUT"}, {"delete"}, {" DELETE "}, {"OPTIONS"}, {"PURGE"}, {""}, {"GET", "DELETE"}})
		}},
		{"Content-Encoding", func(m *Maker, r *Request) {
			r.Header["Content-Encoding"] = pick(m.rnd, [][]string{{"gzip"}, {"GZIP"}, {"deflate"}, {"br"}, {"identity"}, {"Identity, identity"}, {"identity, gzip"}, {"gzip", "gzip"}, {""}, {","}})
			if m.chance(2) {
				var b bytes.Buffer
				w := gzip.NewWriter(&b)
				_, _ = w.Write(r.Body) // a buffer takes everything
				_ = w.Close()
				r.Body = b.Bytes()
			}
		}},
		{"a digest", func(m *Maker, r *Request) {
			right := sha256.Sum256(r.Body)
			value := base64.StdEncoding.EncodeToString(right[:])
			if m.chance(2) {
				value = pick(m.rnd, []string{value[1:], strings.ToLower(value), strings.TrimRight(value, "="), hex.EncodeToString(right[:]), "", "?", base64.StdEncoding.EncodeToString(make([]byte, 32))})
			}
			name := pick(m.rnd, []string{"Repr-Digest", "Content-Digest", "X-Amz-Checksum-Sha256"})
			if name != "X-Amz-Checksum-Sha256" {
				value = pick(m.rnd, []string{"sha-256=:" + value + ":", "md5=?0, SHA-256=:" + value + ":;a=b", "crc32c=:AAAA:, sha-256=:" + value + ":", "sha-256=" + value, "sha-256=:" + value + `:, x="`})
			}
			r.Header.Add(name, value)
		}},
		{"the token", func(m *Maker, r *Request) {
			good := r.Header.Get("Authorization")
			r.Header["Authorization"] = pick(m.rnd, [][]string{
				nil, {""}, {"Bearer"}, {"Bearer "}, {"Bearer x"}, {"Bearer a.b.c"}, {"Basic YTpi"}, {"bearer " + strings.TrimPrefix(good, "Bearer ")},
				{strings.TrimPrefix(good, "Bearer ")}, {good + "x"}, {good, good}, {"Bearer  " + strings.TrimPrefix(good, "Bearer ")}, {"Bearer " + strings.Repeat("x", 7000)},
			})
		}},
		{"the body's text", func(m *Maker, r *Request) {
			r.Body = pick(m.rnd, [][]byte{
				nil, []byte("null"), []byte("true"), []byte("0"), []byte(`"x"`), []byte("[]"), []byte("{}"), []byte("{"), []byte("{}{}"), []byte("\xef\xbb\xbf{}"), []byte("{\"a\":\xff}"),
				[]byte(`{"a":"\ud800"}`), []byte("{\"\\u0000\":1}"), []byte("{'a':1}"), []byte("{\"a\":1,}"), []byte("NaN"), []byte(strings.Repeat("[", 5000)), []byte(strings.Repeat(" ", 1000)),
				append([]byte(`{"a":"`), append(bytes.Repeat([]byte("x"), 262_144), `"}`...)...), append(bytes.Clone(r.Body), 'x'), r.Body[:len(r.Body)/2], []byte("a=1&b=2"), []byte("{\"limit\":1,\"limit\":2}"),
				append(bytes.Repeat([]byte(" "), 70_000), r.Body...),
			})
			if m.chance(2) {
				r.Header.Set("Content-Type", "application/json")
			}
		}},
		{"a value in the body", brokenValue},
		{"a value in the body", brokenValue}, // twice, since there is so much of it
		{"a value in the body", brokenValue},
	}
}

// brokenValue puts something else in one place of a JSON body.
func brokenValue(m *Maker, r *Request) {
	var tree any
	if json.Unmarshal(r.Body, &tree) != nil {
		tree = map[string]any{}
	}
	r.Body = encode(m.spoil(tree))
	if r.Header.Get("Content-Type") == "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if m.chance(8) { // what encoding/json would not write
		r.Body = bytes.Replace(r.Body, []byte("null"), pick(m.rnd, [][]byte{[]byte("1e400"), []byte("-0"), []byte("1.0"), []byte("123456789012345678901234567890"), []byte(`"\udfff"`), []byte("0.1e-9999")}), 1)
	}
}

// spoil changes one node of a tree.
func (m *Maker) spoil(tree any) any {
	switch v := tree.(type) {
	case map[string]any:
		keys := slices.Sorted(maps.Keys(v))
		switch {
		case len(keys) > 0 && m.chance(5):
			delete(v, pick(m.rnd, keys))
			return v
		case m.chance(5):
			v[pick(m.rnd, []string{"", "x", "PK", "type ", "__proto__", "expressions", "limit", "\u0000", strings.Repeat("k", 1000)})] = m.odd()
			return v
		case len(keys) > 0 && !m.chance(6):
			key := pick(m.rnd, keys)
			v[key] = m.spoil(v[key])
			return v
		}
	case []any:
		if len(v) > 0 && !m.chance(4) {
			i := m.rnd.IntN(len(v))
			v[i] = m.spoil(v[i])
			return v
		}
		return append(v, m.odd())
	}
	return m.odd()
}

// odd is a value that hardly anything takes.
func (m *Maker) odd() any {
	deep := any("x")
	for range pick(m.rnd, []int{1, 8, 15, 17, 40}) {
		deep = []any{deep}
	}
	return pick(m.rnd, []any{
		nil, true, false, 0, -1, 1.5, 1e300, 2147483647, 2147483648, json.Number("9223372036854775808"), "", "x", "\x00", "\u2028", "a/b", "..", "İ", "🎉", "%s%n", "null",
		strings.Repeat("é", 201), strings.Repeat("x", 3000), strings.Repeat("9", 400), []any{}, map[string]any{}, map[string]any{"type": "or", "sub_expressions": []any{}}, []any{nil}, deep,
		"2026-02-30T25:61:61Z", "0000-00-00", "9999-12-31T23:59:60.9999999+99:99", fmt.Sprint(m.rnd.Int64()),
	})
}
