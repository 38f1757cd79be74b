package conformance

import (
	"fmt"
	"net/url"
	"strings"
	"unicode"
)

// Filename is the name of a downloaded output by deviation D10: name, dot, extension;
// without controls; at most 255 bytes, cut at the end of the name so that the extension
// stays.
func Filename(name, extension string) string {
	clean := func(s string) string {
		var b strings.Builder
		for _, r := range s {
			if !unicode.IsControl(r) {
				b.WriteRune(r)
			}
		}
		return b.String()
	}
	name, extension = clean(name), "."+clean(extension)
	for len(name) > 0 && len(name)+len(extension) > 255 && len(extension) < 255 {
		runes := []rune(name)
		name = string(runes[:len(runes)-1])
	}
	whole := name + extension
	for len(whole) > 255 { // an extension that is too long by itself
		runes := []rune(whole)
		whole = string(runes[:len(runes)-1])
	}
	return whole
}

// plain reports whether a file name stands in a header as it is.
func plain(filename string) bool {
	return !strings.ContainsFunc(filename, func(r rune) bool { return r < ' ' || r > '~' || r == '"' || r == '\\' })
}

// checkDisposition compares a Content-Disposition header with the name it must carry
// (RFC 6266): quoted ASCII with _ for other characters, and filename* where there are any.
func checkDisposition(header, filename string) string {
	var fallback strings.Builder
	ascii := true
	for _, r := range filename {
		switch {
		case r > '~':
			fallback.WriteByte('_')
			ascii = false
		case r == '"', r == '\\':
			fallback.WriteString("\\" + string(r))
		default:
			fallback.WriteRune(r)
		}
	}
	want := `attachment; filename="` + fallback.String() + `"`
	rest, ok := strings.CutPrefix(header, want)
	if !ok {
		return fmt.Sprintf("Content-Disposition %q, want %s…", header, want)
	}
	if rest == "" && ascii {
		return ""
	}
	encoded, ok := strings.CutPrefix(rest, "; filename*=UTF-8''")
	if !ok {
		return fmt.Sprintf("Content-Disposition %q lacks filename*", header)
	}
	if strings.ContainsFunc(encoded, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("!#$&+-.^_`|~%", r))
	}) {
		return fmt.Sprintf("Content-Disposition %q: filename* holds what RFC 8187 does not allow", header)
	}
	decoded, err := url.PathUnescape(encoded)
	if err != nil || decoded != filename {
		return fmt.Sprintf("Content-Disposition: filename* is %q, want %q", decoded, filename)
	}
	if ascii && plain(filename) {
		return fmt.Sprintf("Content-Disposition %q: an ASCII name needs no filename*", header)
	}
	return ""
}
