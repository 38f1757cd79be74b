package archive_test

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"joboutputs/shared/archive"
)

var created = time.Date(2026, 5, 6, 7, 8, 9, 123456000, time.UTC)

// contents are outputs whose bytes are made up.
type contents [][]byte

func (c contents) entries() []archive.Entry {
	all := make([]archive.Entry, len(c))
	for i, content := range c {
		all[i] = archive.Entry{PK: int64(i + 1), Name: fmt.Sprintf("output %d é", i+1), Type: "bin", Size: int64(len(content)), Created: created}
	}
	return all
}

func (c contents) open(i int) (io.ReadCloser, error) {
	return io.NopCloser(bytes.NewReader(c[i])), nil
}

func random(size int) []byte {
	content := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{byte(size)}).Read(content) // never fails
	return content
}

// TestWrite writes contents of every size that matters, and reads them back by the
// central directory and, as a stream, without it.
func TestWrite(t *testing.T) {
	var c contents
	for _, size := range []int{0, 1, 65534, 65535, 65536, 131070, 131071, 256 << 10, 256<<10 + 1, 3 << 20} {
		c = append(c, random(size))
	}
	for _, c := range []contents{nil, c, c[:1], c[9:]} {
		var text bytes.Buffer
		if err := archive.Write(&text, c.entries(), c.open); err != nil {
			t.Fatal(err)
		}
		if got := archive.Size(c.entries()); got != int64(text.Len()) {
			t.Errorf("Size of %d entries is %d, and %d bytes were written", len(c), got, text.Len())
		}
		if n, err := archive.Check(bytes.NewReader(text.Bytes()), int64(text.Len())); err != nil || n != len(c) {
			t.Errorf("Check: %d entries, %v; want %d", n, err, len(c))
		}
		z, err := zip.NewReader(bytes.NewReader(text.Bytes()), int64(text.Len()))
		if err != nil {
			t.Fatal(err)
		}
		for i, f := range z.File {
			r, err := f.Open()
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(r)
			if err != nil || !bytes.Equal(got, c[i]) {
				t.Errorf("%s: %d bytes, want %d as they were (%v)", f.Name, len(got), len(c[i]), err)
			}
			if want := fmt.Sprintf("output %d é.bin", i+1); f.Name != want || f.NonUTF8 || f.Flags&0x800 == 0 || f.Mode() != 0o644 || !f.Modified.Equal(created.Truncate(time.Second)) {
				t.Errorf("entry %q (want %q), flags %#x, mode %v, of %v", f.Name, want, f.Flags, f.Mode(), f.Modified)
			}
			if f.Method != zip.Deflate {
				t.Errorf("%s: method %d has no end that a reader of a stream could find", f.Name, f.Method)
			}
		}
	}
}

var errBroken = errors.New("broken")

// TestBrokenOff: whatever goes wrong, there is no central directory.
func TestBrokenOff(t *testing.T) {
	c := contents{random(10), random(300 << 10), random(20), random(400 << 10)}
	half := func(i int) (io.ReadCloser, error) {
		return io.NopCloser(io.MultiReader(bytes.NewReader(c[i][:len(c[i])/2]), failing{})), nil
	}
	short := func(i int) (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(c[i][1:])), nil }
	long := func(i int) (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(append(c[i], 0))), nil }
	away := func(int) (io.ReadCloser, error) { return nil, errBroken }
	for name, bad := range map[string]archive.Opener{"half": half, "short": short, "long": long, "away": away} {
		for at := range c {
			var text bytes.Buffer
			err := archive.Write(&text, c.entries(), func(i int) (io.ReadCloser, error) {
				if i == at {
					return bad(i)
				}
				return c.open(i)
			})
			if err == nil || (name == "half" || name == "away") != errors.Is(err, errBroken) || !strings.Contains(err.Error(), fmt.Sprintf("output %d ", at+1)) {
				t.Errorf("%s at %d: %v", name, at, err)
			}
			if n, err := archive.Check(bytes.NewReader(text.Bytes()), int64(text.Len())); err == nil {
				t.Errorf("%s at %d: what was written is a zip of %d entries", name, at, n)
			}
			if at == 0 && (name == "away" || name == "half") && text.Len() > 0 {
				t.Errorf("%s: %d bytes were written before the first content was there", name, text.Len())
			}
		}
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errBroken }

// TestCheck: a zip with any byte changed that counts is none.
func TestCheck(t *testing.T) {
	c := contents{random(1000), random(70_000)}
	var text bytes.Buffer
	if err := archive.Write(&text, c.entries(), c.open); err != nil {
		t.Fatal(err)
	}
	check := func(b []byte) error { _, err := archive.Check(bytes.NewReader(b), int64(len(b))); return err }
	directory := bytes.Index(text.Bytes(), []byte("PK\x01\x02"))
	for _, at := range []int{100, 1150, 60_000, directory, directory + 16, text.Len() - 22, text.Len() - 6} { // contents, a checksum, the end
		broken := slices.Clone(text.Bytes())
		broken[at] ^= 1
		if check(broken) == nil {
			t.Errorf("byte %d of %d was changed, and nobody noticed", at, text.Len())
		}
	}
	if check(text.Bytes()[:text.Len()-1]) == nil || check(nil) == nil {
		t.Error("a zip without its end is taken for one")
	}
}

// TestAtOnce: small contents are opened ahead, a few at once; large ones in their turn.
func TestAtOnce(t *testing.T) {
	c := slices.Repeat(contents{random(100)}, 50)
	c = append(c, slices.Repeat(contents{random(300 << 10)}, 5)...)
	var open, most, large atomic.Int64
	err := archive.Write(io.Discard, c.entries(), func(i int) (io.ReadCloser, error) {
		n := open.Add(1)
		for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
		}
		if i >= 50 && large.Add(1) > 1 {
			t.Error("two large ones at once")
		}
		time.Sleep(time.Millisecond)
		return closer{bytes.NewReader(c[i]), func() {
			open.Add(-1)
			if i >= 50 {
				large.Add(-1)
			}
		}}, nil
	})
	if err != nil || open.Load() != 0 {
		t.Errorf("%v; %d contents were not closed", err, open.Load())
	}
	if got := most.Load(); got < 2 || got > 8 {
		t.Errorf("%d contents at once, want 2 to 8", got)
	}
}

type closer struct {
	io.Reader
	close func()
}

func (c closer) Close() error { c.close(); return nil }

func TestNames(t *testing.T) {
	entry := func(pk int64, name, typ string) archive.Entry { return archive.Entry{PK: pk, Name: name, Type: typ} }
	long, types := strings.Repeat("é", 200), strings.Repeat("x", 2048)
	for _, tc := range []struct {
		entries []archive.Entry
		want    []string
	}{
		{nil, []string{}},
		{[]archive.Entry{entry(1, "model", "tflite"), entry(2, "train log", "txt"), entry(3, "модель", "h5"), entry(4, "a.b", "tar.gz")},
			[]string{"model.tflite", "train log.txt", "модель.h5", "a.b.tar.gz"}},
		{[]archive.Entry{entry(1, "../../etc/passwd", "x"), entry(2, `..\..\boot`, "ini"), entry(3, "/root", "x"), entry(4, "C:", "x"), entry(5, "..", "."), entry(6, ".profile", "sh")},
			[]string{"_.._.._etc_passwd.x", "_.._.._boot.ini", "_root.x", "C_.x", "_..._", "_.profile.sh"}},
		{[]archive.Entry{entry(1, "a\x00b\r\n\x1b[2J", "x"), entry(2, "gpj.\u202eexe", "x"), entry(3, "a\xffb", "x"), entry(4, "a\u2028b", "y"), entry(5, `m"<>|?*`, "Model<'x y'>")},
			[]string{"a_b___[2J.x", "gpj._exe.x", "a_b.x", "a_b.y", "m______.Model_'x y'_"}},
		{[]archive.Entry{entry(1, "con", "txt"), entry(2, "LPT9 ", "txt"), entry(3, "com¹", "x"), entry(4, "console", "txt"), entry(5, "nul.tar", "gz"), entry(6, "x", "aux")},
			[]string{"_con.txt", "_LPT9 .txt", "_com¹.x", "console.txt", "_nul.tar.gz", "x.aux"}},
		{[]archive.Entry{entry(1, "a", ""), entry(2, "a", "b "), entry(3, "a", "b.")}, []string{"a_", "a.b_", "a (3).b_"}},
		{[]archive.Entry{entry(1, "m", "x"), entry(12, "M", "X"), entry(13, "m (14)", "x"), entry(14, "m", "X"), entry(15, "ſ", "x"), entry(16, "S", "x")},
			[]string{"m.x", "M (12).X", "m (14).x", "m (14-2).X", "ſ.x", "S (16).x"}},
		{[]archive.Entry{entry(1, long, "bin"), entry(2, long, "bin"), entry(3, "m", types), entry(4, "m", types)},
			[]string{long[:250] + ".bin", long[:246] + " (2).bin", "m." + types[:253], "m (4)." + types[:249]}},
	} {
		if diff := cmp.Diff(tc.want, archive.Names(tc.entries)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}

// FuzzNames: whatever outputs are called, their entries are safe and apart.
func FuzzNames(f *testing.F) {
	f.Add("model", "x", "MODEL", "X")
	f.Add("..", "/", "con", "")
	f.Add(strings.Repeat("é", 200), "x", strings.Repeat("é", 199)+"É", "x")
	f.Fuzz(func(t *testing.T, name, typ, name2, typ2 string) {
		entries := []archive.Entry{{PK: 1, Name: name, Type: typ}, {PK: 2, Name: name2, Type: typ2}, {PK: 3, Name: name, Type: typ}, {PK: 1 << 31, Name: name2, Type: typ2}}
		names := archive.Names(entries)
		for i, n := range names {
			if n == "" || len(n) > 255 || strings.ContainsAny(n, "/\\\x00:\r\n") || strings.HasPrefix(n, ".") || strings.TrimRight(n, ". ") != n || !slices.Equal([]rune(n), []rune(strings.ToValidUTF8(n, "!"))) {
				t.Errorf("%q of %q, %q", n, entries[i].Name, entries[i].Type)
			}
			for _, other := range names[:i] {
				if strings.EqualFold(n, other) {
					t.Errorf("%q and %q", n, other)
				}
			}
		}
	})
}
