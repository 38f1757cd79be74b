package delivery

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxFilename is the length of the longest file name common file systems take, in bytes.
const maxFilename = 255

// Filename is the name a downloaded output gets: its own, a dot, and the extension, which
// is the output's type unless the request names another. Control characters are dropped.
// It is cut to 255 bytes at the end of the name, so that the extension stays.
func Filename(name, extension string) string {
	name, extension = withoutControls(name), "."+withoutControls(extension)
	if room := maxFilename - len(extension); room > 0 {
		name = cut(name, room)
	}
	return cut(name+extension, maxFilename)
}

func withoutControls(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, s)
}

// cut takes whole characters, up to n bytes.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// Disposition is the Content-Disposition header of a file (RFC 6266): the name as a
// quoted string, which for ASCII names is what UFDL sends, and where it is not ASCII also
// as filename* (RFC 8187), with _ in its place in the fallback.
func Disposition(filename string) string {
	var fallback, extended strings.Builder
	ascii := true
	for _, r := range filename {
		switch {
		case r >= utf8.RuneSelf:
			ascii = false
			fallback.WriteByte('_')
		case r == '"' || r == '\\':
			fallback.WriteByte('\\')
			fallback.WriteRune(r)
		default:
			fallback.WriteRune(r)
		}
	}
	header := `attachment; filename="` + fallback.String() + `"`
	if ascii {
		return header
	}
	for _, c := range []byte(filename) {
		if isAttrChar(c) {
			extended.WriteByte(c)
		} else {
			fmt.Fprintf(&extended, "%%%02X", c)
		}
	}
	return header + "; filename*=UTF-8''" + extended.String()
}

// isAttrChar is attr-char of RFC 8187, section 3.2.1.
func isAttrChar(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("!#$&+-.^_`|~", c) >= 0
}
