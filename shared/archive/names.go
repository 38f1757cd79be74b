package archive

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxName is the length of the longest file name common file systems take, in bytes.
const maxName = 255

// Names are the file names of the entries: NAME.TYPE, made safe to unpack on any common
// system, and no two alike, in upper or lower case. Of several that would be, the first
// keeps the name, and the others have their primary key behind it: "model (12).tflite".
func Names(entries []Entry) []string {
	names := make([]string, len(entries))
	taken := make(map[string]bool, len(entries))
	for i, e := range entries {
		name := fileName(e.Name, "", e.Type)
		key := fold(name)
		for n := 1; taken[key]; n++ {
			suffix := fmt.Sprintf(" (%d)", e.PK)
			if n > 1 { // another output has that very name
				suffix = fmt.Sprintf(" (%d-%d)", e.PK, n)
			}
			name = fileName(e.Name, suffix, e.Type)
			key = fold(name)
		}
		taken[key] = true
		names[i] = name
	}
	return names
}

// fileName has no directory, no character that a shell, a terminal or a file system takes
// for something else, and at most 255 bytes, of which the name's are cut first.
func fileName(name, suffix, typ string) string {
	name, typ = safe(name, maxName), safe(typ, maxName)
	room := maxName - len(suffix) - len(".")
	typ = cut(typ, room-len("_"))
	text := cut(name, room-len(typ)) + suffix + "." + typ
	if strings.HasPrefix(text, ".") || reserved.MatchString(text) {
		text = cut("_"+text, maxName)
	}
	if last := len(text) - 1; text[last] == '.' || text[last] == ' ' { // Windows drops these
		text = text[:last] + "_"
	}
	return text
}

// reserved are the names of devices on Windows, whatever the extension.
// https://learn.microsoft.com/en-us/windows/win32/fileio/naming-a-file
var reserved = regexp.MustCompile(`(?i)^(CON|PRN|AUX|NUL|CONIN\$|CONOUT\$|(COM|LPT)[0-9¹²³]) *(\.|$)`)

// safe puts _ for separators of paths, for what Windows takes in no name, and for what
// can't be seen or changes how the rest is seen. At least the first n bytes are right: an
// output's type may be longer by far than a file's name.
func safe(text string, n int) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r < utf8.RuneSelf:
			if r < ' ' || r == 0x7f || strings.IndexByte(`/\:*?"<>|`, byte(r)) >= 0 {
				return '_'
			}
		case r == utf8.RuneError, unicode.IsControl(r), unicode.In(r, unicode.Bidi_Control, unicode.Zl, unicode.Zp):
			return '_'
		}
		return r
	}, cut(text, n*utf8.UTFMax))
}

// cut takes whole characters, up to n bytes.
func cut(text string, n int) string {
	if len(text) <= n {
		return text
	}
	for n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n]
}

// fold is the same for texts that differ in upper and lower case alone: of the characters
// that are one by Unicode's simple folding it takes the least.
func fold(text string) string {
	return strings.Map(func(r rune) rune {
		if r < utf8.RuneSelf {
			if 'a' <= r && r <= 'z' {
				r -= 'a' - 'A'
			}
			return r
		}
		least := r
		for other := unicode.SimpleFold(r); other != r; other = unicode.SimpleFold(other) {
			least = min(least, other)
		}
		return least
	}, text)
}
