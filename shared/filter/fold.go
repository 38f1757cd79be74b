package filter

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Case-insensitive texts are compared as PostgreSQL compares UPPER() of both in a UTF-8
// locale: every character becomes one other, by Unicode's simple mapping. So ı = i = I
// and ς = σ = Σ, while İ equals only itself, ß is neither SS nor ẞ, and é is not e with
// a combining accent. strings.EqualFold goes both ways and would differ.

// fold returns s in the form the functions below want it.
func fold(s string) string { return strings.Map(upper, s) }

func upper(r rune) rune {
	if r < utf8.RuneSelf {
		if 'a' <= r && r <= 'z' {
			r -= 'a' - 'A'
		}
		return r
	}
	return unicode.ToUpper(r)
}

// equalFolded reports whether s is want, which is folded.
func equalFolded(s, want string) bool {
	rest, ok := cutFolded(s, want)
	return ok && rest == ""
}

// containsFolded reports whether want, which is folded, stands anywhere in s.
func containsFolded(s, want string) bool {
	if want != "" && want[0] < utf8.RuneSelf {
		return containsFoldedFrom(s, want, rune(want[0]))
	}
	for i := range s {
		if _, ok := cutFolded(s[i:], want); ok {
			return true
		}
	}
	return want == ""
}

// containsFoldedFrom is containsFolded where want begins with an ASCII character: it looks
// closer only at that character and at what isn't ASCII, some of which is folded to it.
func containsFoldedFrom(s, want string, first rune) bool {
	for i := range len(s) {
		b := s[i]
		if b < utf8.RuneSelf && upper(rune(b)) != first || !utf8.RuneStart(b) {
			continue
		}
		if _, ok := cutFolded(s[i:], want); ok {
			return true
		}
	}
	return false
}

// cutFolded returns what follows prefix, which is folded, in s.
func cutFolded(s, prefix string) (rest string, ok bool) {
	for _, want := range prefix {
		r, n := utf8.DecodeRuneInString(s)
		if n == 0 || upper(r) != want {
			return "", false
		}
		s = s[n:]
	}
	return s, true
}
