package files_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"joboutputs/shared/client"
	"joboutputs/shared/client/clienttest"
	"joboutputs/shared/client/files"
)

func newClient(t *testing.T, s *clienttest.Service) *client.Client {
	t.Helper()
	c, err := client.New(client.Config{Server: s.URL, Tokens: client.Tokens{Access: s.Token()}, Retries: 2})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func random(n int, seed byte) []byte {
	content := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{seed}).Read(content) // never fails
	return content
}

// ls is what a directory has.
func ls(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	names := []string{}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func same(t *testing.T, what string, got, want []string) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: %q, want %q", what, got, want)
		return
	}
	for i := range got {
		if got[i] != want[i] {
			t.Errorf("%s: %q, want %q", what, got, want)
			return
		}
	}
}

// gets counts the bytes that the object store was asked for, and ends something after
// some of them.
type gets struct {
	n    atomic.Int64
	stop int64
	end  func()
}

func (g *gets) fault(r *http.Request) int {
	if r.Method == "GET" && r.Header.Get("Range") != "" && g.n.Add(1) == g.stop {
		g.end()
	}
	return 0
}

func TestDownload(t *testing.T) {
	const segments = 5
	content := random(segments<<23-12345, 1)
	s := clienttest.New(t)
	o := s.Add("model", "bin", content)
	dir := t.TempDir()
	path := filepath.Join(dir, "model.bin")
	ctx, cancel := context.WithCancel(t.Context())
	g := &gets{stop: 4, end: cancel}
	s.Fault = g.fault

	// Interrupted in the middle: nothing has the final name.
	if _, err := files.Download(ctx, newClient(t, s), s.URL, o, path, files.Options{Parallel: 1}); !errors.Is(err, context.Canceled) {
		t.Fatalf("%v, want it cancelled", err)
	}
	same(t, "files of an interrupted download", ls(t, dir), []string{".model.bin.joboutputs-download", "model.bin.part"})
	if info, err := os.Stat(files.DownloadState(path)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the state's mode is %v (%v)", info.Mode(), err)
	}

	// Resumed: only what is missing is got.
	before := g.n.Load()
	var progress atomic.Int64
	proof, err := files.Download(t.Context(), newClient(t, s), s.URL, o, path, files.Options{Progress: func(n int64) { progress.Add(n) }})
	if err != nil || proof != "SHA-256" {
		t.Fatalf("%q, %v", proof, err)
	}
	if n := g.n.Load() - before; n < 1 || n > segments-3 {
		t.Errorf("%d segments were got again of %d, when 3 were there", n, segments)
	}
	if progress.Load() != o.Size {
		t.Errorf("progress of %d bytes, want %d", progress.Load(), o.Size)
	}
	if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, content) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	same(t, "files after it", ls(t, dir), []string{"model.bin"})
}

// TestDownloadDistrusts what was left behind when it is not of this output, or not what
// it says it is.
func TestDownloadDistrusts(t *testing.T) {
	content := random(20<<20, 2)
	for _, tc := range []struct {
		name  string
		spoil func(t *testing.T, path string)
		again bool // whether it works at once; else a second time
		other bool // whether it is another output
	}{
		{"a part of another output", func(*testing.T, string) {}, true, true},
		{"a part that was cut", func(t *testing.T, path string) { check(t, os.Truncate(files.Part(path), 100)) }, true, false},
		{"a part that is gone", func(t *testing.T, path string) { check(t, os.Remove(files.Part(path))) }, true, false},
		{"a state that is none", func(t *testing.T, path string) { check(t, os.WriteFile(files.DownloadState(path), []byte("{"), 0o600)) }, true, false},
		{"a part with wrong bytes", func(t *testing.T, path string) {
			f, err := os.OpenFile(files.Part(path), os.O_WRONLY, 0)
			check(t, err)
			_, err = f.WriteAt([]byte("wrong"), 1000)
			check(t, errors.Join(err, f.Close()))
		}, false, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := clienttest.New(t)
			o := s.Add("model", "bin", content)
			path := filepath.Join(t.TempDir(), "file")
			ctx, cancel := context.WithCancel(t.Context())
			s.Fault = (&gets{stop: 3, end: cancel}).fault
			if _, err := files.Download(ctx, newClient(t, s), s.URL, o, path, files.Options{Parallel: 1}); err == nil {
				t.Fatal("it was not interrupted")
			}
			tc.spoil(t, path)
			want := content
			if tc.other {
				want = random(20<<20, 3)
				o = s.Add("other", "bin", want)
			}
			_, err := files.Download(t.Context(), newClient(t, s), s.URL, o, path, files.Options{})
			if !tc.again {
				if _, wrong := errors.AsType[*client.VerificationError](err); !wrong {
					t.Fatalf("%v, want a VerificationError", err)
				}
				same(t, "files after wrong bytes", ls(t, filepath.Dir(path)), nil)
				_, err = files.Download(t.Context(), newClient(t, s), s.URL, o, path, files.Options{})
			}
			got, _ := os.ReadFile(path)
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("%d bytes, %v", len(got), err)
			}
		})
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestDownloadRefusals leave what was there before as it was.
func TestDownloadRefusals(t *testing.T) {
	s := clienttest.New(t)
	s.Body = func(_ *http.Request, content []byte) []byte { content[0] ^= 1; return content }
	path := filepath.Join(t.TempDir(), "file")
	check(t, os.WriteFile(path, []byte("old"), 0o600))
	for _, size := range []int{1000, 10 << 20} {
		o := s.Add("model", "bin", random(size, 4))
		if _, err := files.Download(t.Context(), newClient(t, s), s.URL, o, path, files.Options{}); err == nil {
			t.Error("wrong bytes were taken")
		}
		if got, err := os.ReadFile(path); string(got) != "old" || err != nil {
			t.Errorf("the file before has %d bytes (%v)", len(got), err)
		}
		same(t, "files", ls(t, filepath.Dir(path)), []string{"file"})
	}
	o := s.Add("empty", "bin", nil)
	if _, err := files.Download(t.Context(), newClient(t, s), s.URL, o, path, files.Options{}); err != nil {
		t.Errorf("an empty output: %v", err)
	}
	if _, err := files.Download(t.Context(), newClient(t, s), s.URL, o, filepath.Join(t.TempDir(), "no", "file"), files.Options{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("into no directory: %v", err)
	}
}

// TestBusy: a file is got by one at a time.
func TestBusy(t *testing.T) {
	s := clienttest.New(t)
	o := s.Add("model", "bin", random(10<<20, 5))
	path := filepath.Join(t.TempDir(), "file")
	held, release := make(chan struct{}), make(chan struct{})
	s.Fault = (&gets{stop: 1, end: func() { close(held); <-release }}).fault
	done := make(chan error, 1)
	c := newClient(t, s)
	go func() {
		_, err := files.Download(t.Context(), c, s.URL, o, path, files.Options{})
		done <- err
	}()
	<-held
	if _, err := files.Download(t.Context(), c, s.URL, o, path, files.Options{}); !errors.Is(err, files.ErrBusy) {
		t.Errorf("%v, want ErrBusy", err)
	}
	close(release)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestUpload(t *testing.T) {
	for _, changed := range []bool{false, true} {
		s := clienttest.New(t)
		s.PartSize = 1_000_000
		content := random(8_000_000, 6)
		dir := t.TempDir()
		path := filepath.Join(dir, "model.bin")
		check(t, os.WriteFile(path, content, 0o600))
		ctx, cancel := context.WithCancel(t.Context())
		var puts atomic.Int64
		s.Fault = func(r *http.Request) int {
			if r.Method == "PUT" && puts.Add(1) == 5 {
				cancel()
			}
			return 0
		}
		u := client.Upload{Job: 42, Name: "model", Type: "bin"}
		if _, err := files.Upload(ctx, newClient(t, s), s.URL, path, u, nil); !errors.Is(err, context.Canceled) {
			t.Fatalf("%v, want it cancelled", err)
		}
		same(t, "files of an interrupted upload", ls(t, dir), []string{".model.bin.joboutputs-upload", "model.bin"})
		if info, err := os.Stat(files.UploadState(path)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("the state's mode is %v (%v)", info.Mode(), err)
		}
		if changed {
			content = random(8_000_000, 7)
			check(t, os.WriteFile(path, content, 0o600))
		}
		before := puts.Load()
		added, err := files.Upload(t.Context(), newClient(t, s), s.URL, path, u, nil)
		if err != nil || added.Size != 8_000_000 || !bytes.Equal(s.Content("model", "bin"), content) {
			t.Fatalf("changed %v: %+v, %v", changed, added, err)
		}
		if n := puts.Load() - before; changed && n != 8 || !changed && (n < 1 || n > 5) {
			t.Errorf("changed %v: %d of 8 parts were sent again", changed, n)
		}
		same(t, "files after it", ls(t, dir), []string{"model.bin"})
	}
}
