package filter

import (
	"unicode"
	"unicode/utf8"
)

// Case-insensitive texts are compared as PostgreSQL compares UPPER() of both in a UTF-8
// locale: every character becomes one other, by Unicode's simple mapping. So ı = i = I
// and ς = σ = Σ, while İ equals only itself, ß is neither SS nor ẞ, and é is not e with
// a combining accent. strings.EqualFold goes both ways and would differ.

// appendFold appends UPPER(s). Bytes that are not UTF-8 become U+FFFD.
func appendFold(b []byte, s string) []byte {
	start := len(b)
	b = append(b, s...)
	for i, c := range b[start:] { // most texts are ASCII to their end
		if 'a' <= c && c <= 'z' {
			b[start+i] = c - ('a' - 'A')
		} else if c >= utf8.RuneSelf {
			b = b[:start+i]
			for _, r := range s[i:] {
				b = utf8.AppendRune(b, unicode.ToUpper(r))
			}
			break
		}
	}
	return b
}
