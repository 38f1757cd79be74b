package delivery_test

import (
	"mime"
	"strings"
	"testing"
	"unicode/utf8"

	"joboutputs/shared/delivery"
)

func TestFilename(t *testing.T) {
	long := strings.Repeat
	for _, tc := range []struct{ what, name, extension, want string }{
		{"plain", "log", "txt", "log.txt"},
		{"UFDL's types", "model", "Model<Domain<'Image Classification'>, Framework<'tensorflow', '1.14'>>", "model.Model<Domain<'Image Classification'>, Framework<'tensorflow', '1.14'>>"},
		{"no type", "no type", "", "no type."},
		{"separators stay: a browser replaces them", "a/b;c", "d%e", "a/b;c.d%e"},
		{"an injected header", "a\r\nSet-Cookie: x", "t\r\n", "aSet-Cookie: x.t"},
		{"controls", "a\x00\t\x1b\x7f\u0085b", "\x01t", "ab.t"},
		{"other scripts", "日本 é🎉", "ä", "日本 é🎉.ä"},
		{"not UTF-8", "a\xffb", "t", "a\uFFFDb.t"},
		{"255 bytes", long("a", 251), "txt", long("a", 251) + ".txt"},
		{"256 bytes", long("a", 252), "txt", long("a", 251) + ".txt"},
		{"cut between characters", long("é", 200), "txt", long("é", 125) + ".txt"}, // 251 bytes are room for 125½
		{"cut before an emoji", long("🎉", 100), "t", long("🎉", 63) + ".t"},
		{"an extension of 254 bytes with its dot", "name", long("x", 253), "n." + long("x", 253)},
		{"an extension that leaves no room", "name", long("x", 300), "name." + long("x", 250)},
	} {
		t.Run(tc.what, func(t *testing.T) {
			got := delivery.Filename(tc.name, tc.extension)
			if got != tc.want || len(got) > 255 || !utf8.ValidString(got) {
				t.Errorf("got %q (%d bytes), want %q", got, len(got), tc.want)
			}
		})
	}
}

func TestDisposition(t *testing.T) {
	for _, tc := range []struct{ what, filename, want string }{
		// Byte for byte what UFDL sends.
		{"plain", "log.txt", `attachment; filename="log.txt"`},
		{"UFDL's types", "model.Model<Domain<'Image Classification'>>", `attachment; filename="model.Model<Domain<'Image Classification'>>"`},
		{"no type", "no type.", `attachment; filename="no type."`},
		{"separators", "a/b;c,d%20=e.f", `attachment; filename="a/b;c,d%20=e.f"`},

		{"quotes and backslashes", `say "hi" \o/.t"`, `attachment; filename="say \"hi\" \\o/.t\""`},
		{"Latin-1", "résumé.pdf", `attachment; filename="r_sum_.pdf"; filename*=UTF-8''r%C3%A9sum%C3%A9.pdf`},
		{"emoji", "🎉.png", `attachment; filename="_.png"; filename*=UTF-8''%F0%9F%8E%89.png`},
		{"combining", "e\u0301.t", `attachment; filename="e_.t"; filename*=UTF-8''e%CC%81.t`},
		{"both", "\"é'*().\\", `attachment; filename="\"_'*().\\"; filename*=UTF-8''%22%C3%A9%27%2A%28%29.%5C`},
	} {
		t.Run(tc.what, func(t *testing.T) {
			got := delivery.Disposition(tc.filename)
			if got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
			kind, params, err := mime.ParseMediaType(got)
			if err != nil || kind != "attachment" || params["filename"] != tc.filename {
				t.Errorf("%s reads back as %s %q, %v", got, kind, params, err)
			}
		})
	}
}

// FuzzDisposition: no name gets out of its header, and every name survives it.
func FuzzDisposition(f *testing.F) {
	f.Add("a\r\nb: c", "\"\\\x00é")
	f.Fuzz(func(t *testing.T, name, extension string) {
		filename := delivery.Filename(name, extension)
		header := delivery.Disposition(filename)
		for _, c := range []byte(header) {
			if c < ' ' || c > '~' {
				t.Fatalf("%q holds %#x", header, c)
			}
		}
		if _, params, err := mime.ParseMediaType(header); err != nil || params["filename"] != filename {
			t.Fatalf("%q reads back as %q, %v", header, params, err)
		}
	})
}
