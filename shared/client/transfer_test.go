package client_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc64"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"joboutputs/shared/client"
	"joboutputs/shared/client/clienttest"
)

func upload(content []byte) client.Upload {
	return client.Upload{Job: 42, Name: "model", Type: "bin", Source: bytes.NewReader(content), Size: int64(len(content))}
}

// TestAdd: an answer that was lost does not make a repeated add fail, and only the very
// same content is taken for ours.
func TestAdd(t *testing.T) {
	content := random(100_000, 1)
	for _, tc := range []struct {
		name    string
		before  []byte // that has the name already
		deleted bool
		fault   int // of the first add
		code    string
		existed bool
	}{
		{name: "new"},
		{name: "throttled", fault: 429},
		{name: "the answer is lost", fault: clienttest.CutAfter},
		{name: "the request is lost", fault: clienttest.CutBefore},
		{name: "there already", before: content, existed: true},
		{name: "other content has the name", before: []byte("other"), code: "duplicate_output"},
		{name: "there, and deleted", before: content, deleted: true, code: "duplicate_output"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := clienttest.New(t)
			if tc.before != nil {
				if o := s.Add("model", "bin", tc.before); tc.deleted {
					s.Remove(o.PK)
				}
			}
			var adds atomic.Int64
			s.Fault = func(r *http.Request) int {
				if r.Method == "POST" && adds.Add(1) == 1 {
					return tc.fault
				}
				return 0
			}
			c, _ := newClient(t, s, nil)
			var sent atomic.Int64
			u := upload(content)
			u.Progress = func(n int64) { sent.Add(n) }
			added, err := c.Upload(t.Context(), u)
			if tc.code != "" {
				if !client.HasCode(err, tc.code) || sent.Load() != 0 {
					t.Errorf("%v after %d bytes, want %s", err, sent.Load(), tc.code)
				}
				return
			}
			if err != nil || added.Existed != tc.existed || !bytes.Equal(s.Content("model", "bin"), content) {
				t.Errorf("%+v, %v; want existed %v", added, err, tc.existed)
			}
			if !tc.existed && sent.Load() != int64(len(content)) {
				t.Errorf("progress of %d bytes", sent.Load())
			}
		})
	}
}

func TestDownload(t *testing.T) {
	small, large := random(100_000, 1), random(6<<20, 2)
	flip := func(_ *http.Request, content []byte) []byte { content[len(content)/2] ^= 1; return content }
	for _, tc := range []struct {
		name    string
		content []byte
		prepare func(*clienttest.Service)
		wrong   string // what of a VerificationError
		proof   string
		links   int // that were asked for
	}{
		{name: "small", content: small, proof: "SHA-256", links: 1},
		{name: "empty", content: []byte{}, proof: "SHA-256", links: 0},
		{name: "large", content: large, proof: "SHA-256", links: 1},
		{name: "by another checksum", content: large, prepare: func(s *clienttest.Service) { s.CRC = true }, proof: "CRC64NVME", links: 1},
		{name: "with no checksum", content: large, prepare: func(s *clienttest.Service) { s.Unverified = true }, proof: "size", links: 1},
		{name: "wrong bytes", content: large, prepare: func(s *clienttest.Service) { s.Body = flip }, wrong: "SHA-256"},
		{name: "wrong bytes, small", content: small, prepare: func(s *clienttest.Service) { s.Body = flip }, wrong: "SHA-256"},
		{name: "wrong bytes, by another checksum", content: large, prepare: func(s *clienttest.Service) { s.CRC, s.Body = true, flip }, wrong: "CRC64NVME"},
		{name: "broken off again and again", content: large, proof: "SHA-256", links: 9, prepare: func(s *clienttest.Service) {
			s.Body = func(_ *http.Request, content []byte) []byte { return content[:min(len(content), 700_001)] }
		}},
		{name: "broken off, small", content: small, proof: "SHA-256", links: 2, prepare: func(s *clienttest.Service) {
			first := true
			s.Body = func(_ *http.Request, content []byte) []byte {
				if first {
					first = false
					return content[:10]
				}
				return content
			}
		}},
		{name: "the link expires", content: large, proof: "SHA-256", links: 2, prepare: func(s *clienttest.Service) {
			var once sync.Once
			s.Fault = func(r *http.Request) int {
				if r.Method == "GET" {
					once.Do(s.ExpireLinks)
				}
				return 0
			}
		}},
		{name: "the store is busy", content: large, proof: "SHA-256", links: 4, prepare: func(s *clienttest.Service) {
			var n atomic.Int64
			s.Fault = func(r *http.Request) int {
				if r.Method == "GET" && n.Add(1) <= 3 {
					return 503
				}
				return 0
			}
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := clienttest.New(t)
			if tc.prepare != nil {
				tc.prepare(s)
			}
			o := s.Add("model", "bin", tc.content)
			c, _ := newClient(t, s, nil)
			var got bytes.Buffer
			proof, err := c.Download(t.Context(), o, &got)
			if tc.wrong != "" {
				if v, ok := errors.AsType[*client.VerificationError](err); !ok || v.What != tc.wrong {
					t.Errorf("%v, want a wrong %s", err, tc.wrong)
				}
				return
			}
			if err != nil || proof != tc.proof || !bytes.Equal(got.Bytes(), tc.content) {
				t.Errorf("%d bytes proved by %q: %v; want %d by %q", got.Len(), proof, err, len(tc.content), tc.proof)
			}
			if n := count(s.Take(), "POST /v1/job-outputs/1/download"); n != tc.links {
				t.Errorf("%d links, want %d", n, tc.links)
			}
		})
	}
	t.Run("another size than was said", func(t *testing.T) {
		for _, content := range [][]byte{small, large} {
			s := clienttest.New(t)
			o := s.Add("model", "bin", content)
			o.Size += 5
			c, _ := newClient(t, s, nil)
			if _, err := c.Download(t.Context(), o, &bytes.Buffer{}); !isWrong(err) {
				t.Errorf("%v, want a VerificationError", err)
			}
		}
	})
	t.Run("links stay secret", func(t *testing.T) {
		s := clienttest.New(t)
		o := s.Add("model", "bin", large)
		s.Fault = func(r *http.Request) int {
			if r.Method == "GET" {
				return clienttest.CutBefore
			}
			return 0
		}
		c, clock := newClient(t, s, nil)
		_, err := c.Download(t.Context(), o, &bytes.Buffer{})
		if err == nil || strings.Contains(err.Error(), "secret") || len(clock.slept) != 8 {
			t.Errorf("%v after %d waits", err, len(clock.slept))
		}
	})
}

func isWrong(err error) bool {
	_, ok := errors.AsType[*client.VerificationError](err)
	return ok
}

// TestCRC64NVME is the check value of the CRC catalogue.
func TestCRC64NVME(t *testing.T) {
	if got := crc64.Checksum([]byte("123456789"), crc64.MakeTable(0x9a6c9329ac4bc9b5)); got != 0xae8b14860a799888 {
		t.Errorf("%x", got)
	}
}

// TestStaged uploads by parts through what goes wrong on the way.
func TestStaged(t *testing.T) {
	content := random(6_000_001, 3)
	puts := func(at map[int]int) func(*http.Request) int { // faults by the number of the PUT
		var n atomic.Int64
		return func(r *http.Request) int {
			if r.Method == "PUT" {
				return at[int(n.Add(1))]
			}
			return 0
		}
	}
	once := func(suffix, method string, fault int) func(*http.Request) int {
		var n atomic.Int64
		return func(r *http.Request) int {
			if r.Method == method && strings.HasSuffix(r.URL.Path, suffix) && n.Add(1) == 1 {
				return fault
			}
			return 0
		}
	}
	for _, tc := range []struct {
		name     string
		partSize int64
		prepare  func(*clienttest.Service)
		puts     int // that reach the store
		existed  bool
	}{
		{name: "one part", partSize: 64 << 20, puts: 1},
		{name: "some parts", partSize: 1 << 20, puts: 6},
		{name: "more parts than an answer has", partSize: 25_000, puts: 241},
		{name: "the store is busy", partSize: 1 << 20, puts: 9, prepare: func(s *clienttest.Service) { s.Fault = puts(map[int]int{1: 503, 2: 500, 4: 429}) }},
		{name: "one part, whose answer is lost", partSize: 64 << 20, puts: 2, prepare: func(s *clienttest.Service) { s.Fault = puts(map[int]int{1: clienttest.CutAfter}) }},
		{name: "connections break", partSize: 1 << 20, puts: 9, prepare: func(s *clienttest.Service) {
			s.Fault = puts(map[int]int{1: clienttest.CutBefore, 3: clienttest.CutAfter, 4: clienttest.CutBefore})
		}},
		{name: "links expire", partSize: 1 << 20, puts: -1, prepare: func(s *clienttest.Service) {
			var n atomic.Int64
			s.Fault = func(r *http.Request) int {
				if r.Method == "PUT" && n.Add(1) == 3 {
					s.ExpireLinks()
				}
				return 0
			}
		}},
		{name: "begin's answer is lost", partSize: 2 << 20, puts: 3, prepare: func(s *clienttest.Service) { s.Fault = once("/uploads", "POST", clienttest.CutAfter) }},
		{name: "complete's answer is lost", partSize: 2 << 20, puts: 3, prepare: func(s *clienttest.Service) { s.Fault = once("/complete", "POST", clienttest.CutAfter) }},
		{name: "complete takes too long", partSize: 2 << 20, puts: 3, prepare: func(s *clienttest.Service) { s.Fault = once("/complete", "POST", 504) }},
		{name: "there already", partSize: 2 << 20, puts: 0, existed: true, prepare: func(s *clienttest.Service) { s.Add("model", "bin", content) }},
		{name: "another was faster", partSize: 2 << 20, puts: 3, existed: true, prepare: func(s *clienttest.Service) {
			s.Fault = func(r *http.Request) int {
				if strings.HasSuffix(r.URL.Path, "/complete") {
					s.Add("model", "bin", content)
				}
				return 0
			}
		}},
		{name: "the token expires", partSize: 2 << 20, puts: 3, prepare: func(s *clienttest.Service) {
			var once sync.Once
			s.Fault = func(r *http.Request) int {
				if strings.HasSuffix(r.URL.Path, "/complete") {
					once.Do(s.ExpireToken)
				}
				return 0
			}
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := clienttest.New(t)
			s.PartSize = tc.partSize
			if tc.prepare != nil {
				tc.prepare(s)
			}
			c, _ := newClient(t, s, nil)
			var progress atomic.Int64
			u := upload(content)
			u.Progress = func(n int64) { progress.Add(n) }
			added, err := c.Upload(t.Context(), u)
			if err != nil {
				t.Fatal(err)
			}
			if added.Existed != tc.existed || !bytes.Equal(s.Content("model", "bin"), content) {
				t.Errorf("existed %v, %d bytes", added.Existed, len(s.Content("model", "bin")))
			}
			if !tc.existed && progress.Load() != int64(len(content)) {
				t.Errorf("progress of %d bytes, want %d", progress.Load(), len(content))
			}
			sent := 0
			for _, request := range s.Take() {
				if strings.HasPrefix(request, "PUT ") {
					sent++
				}
			}
			if sent != tc.puts && tc.puts >= 0 {
				t.Errorf("%d PUTs, want %d", sent, tc.puts)
			}
		})
	}
}

// TestResume: what has arrived is not sent again; what is no use any more is begun anew.
func TestResume(t *testing.T) {
	content := random(8_000_000, 4)
	for _, tc := range []struct {
		name    string
		prepare func(s *clienttest.Service, c *client.Client, id string)
		begins  int
		all     bool // whether everything is sent again
		other   bool // whether the content has changed meanwhile
	}{
		{name: "goes on"},
		{name: "the upload is gone", prepare: func(s *clienttest.Service, _ *client.Client, _ string) { s.Forget() }, begins: 1, all: true},
		{name: "the upload was aborted", prepare: func(_ *clienttest.Service, c *client.Client, id string) {
			_ = c.AbortUpload(context.Background(), 42, id)
		}, begins: 1, all: true},
		// The parts that arrived are of the old content and are replaced.
		{name: "the content is another", all: true, other: true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := clienttest.New(t)
			s.PartSize = 1_000_000
			c, _ := newClient(t, s, nil)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			var n atomic.Int64
			s.Fault = func(r *http.Request) int {
				if r.Method == "PUT" && n.Add(1) == 5 {
					cancel() // killed in the middle
				}
				return 0
			}
			u, id := upload(content), ""
			u.Begun = func(is string) { id = is }
			u.Parallel = 1 // nothing else is under way when it is killed
			if _, err := c.Upload(ctx, u); !errors.Is(err, context.Canceled) {
				t.Fatalf("%v, want a cancelled upload", err)
			}
			if tc.prepare != nil {
				tc.prepare(s, c, id)
			}
			s.Take()
			if tc.other {
				content = random(8_000_000, 5)
				u.Source = bytes.NewReader(content)
			}
			u.Resume, u.Parallel = id, 0
			_, err := c.Upload(t.Context(), u)
			log := s.Take()
			if err != nil || !bytes.Equal(s.Content("model", "bin"), content) {
				t.Fatalf("%v, %d bytes", err, len(s.Content("model", "bin")))
			}
			sent, begins := 0, count(log, "POST /v1/jobs/42/uploads")
			for _, request := range log {
				if strings.HasPrefix(request, "PUT ") {
					sent++
				}
			}
			if begins != tc.begins || (sent == 8) != tc.all || sent == 0 || sent > 8 {
				t.Errorf("%d begins and %d parts, want %d begins, all again: %v\n%v", begins, sent, tc.begins, tc.all, log)
			}
		})
	}
}

// TestLost: an upload that the object store loses is begun again, once, and all of it is
// sent again. One that another client aborts is not.
func TestLost(t *testing.T) {
	const parts = 6
	content := random(parts<<20, 11)
	for _, tc := range []struct {
		name   string
		lose   map[string][]int // before which PUT and which complete, counted from 1 over the whole call
		abort  int              // before which complete another client aborts the upload
		resume bool             // an upload that broke off after half of its parts
		begins int
		puts   int    // in all; 0 = any number
		code   string // of the error
	}{
		{name: "before complete", lose: map[string][]int{"POST": {1}}, begins: 2, puts: 2 * parts},
		{name: "while parts are sent", lose: map[string][]int{"PUT": {3}}, begins: 2},
		{name: "before the first part", lose: map[string][]int{"PUT": {1}}, begins: 2},
		{name: "before complete, resumed", resume: true, lose: map[string][]int{"POST": {1}}, begins: 1, puts: parts/2 + parts},
		{name: "while parts are sent, resumed", resume: true, lose: map[string][]int{"PUT": {2}}, begins: 1},
		{name: "before complete, twice", lose: map[string][]int{"POST": {1, 2}}, begins: 2, puts: 2 * parts, code: "upload_lost"},
		{name: "while parts are sent, again before complete", lose: map[string][]int{"PUT": {1}, "POST": {1}}, begins: 2, code: "upload_lost"},
		{name: "before complete, again while parts are sent", lose: map[string][]int{"POST": {1}, "PUT": {parts + 1}}, begins: 2, code: "upload_lost"},
		{name: "aborted before complete", abort: 1, begins: 1, puts: parts, code: "upload_aborted"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := clienttest.New(t)
			s.PartSize = 1 << 20
			c, _ := newClient(t, s, nil)
			var ids []string
			u := upload(content)
			u.Begun = func(id string) { ids = append(ids, id) }
			if tc.resume {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				var n atomic.Int64
				s.SetFault(func(r *http.Request) int {
					if r.Method == "PUT" && n.Add(1) == parts/2+1 {
						cancel()
						return clienttest.CutBefore
					}
					return 0
				})
				u.Parallel = 1
				if _, err := c.Upload(ctx, u); !errors.Is(err, context.Canceled) {
					t.Fatalf("%v, want a cancelled upload", err)
				}
				u.Resume, u.Parallel, ids = ids[0], 0, nil
			}
			var mu sync.Mutex
			seen := map[string]int{}
			s.SetFault(func(r *http.Request) int {
				if r.Method != "PUT" && !strings.HasSuffix(r.URL.Path, "/complete") {
					return 0
				}
				mu.Lock()
				seen[r.Method]++
				n := seen[r.Method]
				mu.Unlock()
				if slices.Contains(tc.lose[r.Method], n) {
					s.Lose()
				}
				if r.Method == "POST" && n == tc.abort {
					_ = c.AbortUpload(context.Background(), 42, ids[len(ids)-1])
				}
				return 0
			})
			s.Take()
			var progress, low, high int64
			u.Progress = func(n int64) {
				mu.Lock()
				defer mu.Unlock()
				progress += n
				low, high = min(low, progress), max(high, progress)
			}
			_, err := c.Upload(t.Context(), u)
			switch {
			case tc.code != "":
				if !client.HasCode(err, tc.code) || s.Content("model", "bin") != nil {
					t.Errorf("%v, want %s and no output", err, tc.code)
				}
			case err != nil || !bytes.Equal(s.Content("model", "bin"), content):
				t.Errorf("%v, %d bytes", err, len(s.Content("model", "bin")))
			case progress != u.Size:
				t.Errorf("progress of %d bytes, want %d", progress, u.Size)
			}
			if low < 0 || high > u.Size {
				t.Errorf("progress was between %d and %d bytes, of %d", low, high, u.Size)
			}
			log, puts := s.Take(), 0
			for _, request := range log {
				if strings.HasPrefix(request, "PUT ") {
					puts++
				}
			}
			begins, told := count(log, "POST /v1/jobs/42/uploads"), len(ids)
			if tc.resume {
				told-- // of the one that was resumed
			}
			if begins != tc.begins || told != tc.begins || len(slices.Compact(ids)) != len(ids) {
				t.Errorf("%d begins, want %d; the ids are %v", begins, tc.begins, ids)
			}
			if puts != tc.puts && tc.puts > 0 {
				t.Errorf("%d PUTs, want %d", puts, tc.puts)
			}
		})
	}
}

// TestParts is what only outputs of several parts have: no SHA-256 of the whole.
func TestParts(t *testing.T) {
	content := random(20<<20, 9)
	send := func(s *clienttest.Service, c *client.Client, partSize int64) (client.Added, error) {
		u := upload(content)
		u.PartSize = partSize
		return c.Upload(t.Context(), u)
	}
	for _, partSize := range []int64{8 << 20, 7 << 20, 7_000_001} {
		s := clienttest.New(t)
		c, _ := newClient(t, s, nil)
		added, err := send(s, c, partSize)
		if err != nil || added.Existed || added.SHA256 != nil {
			t.Fatalf("%+v, %v", added, err)
		}
		// Again, by who would send other parts.
		again, err := send(s, c, 9<<20)
		if err != nil || !again.Existed || again.PK != added.PK {
			t.Errorf("again: %+v, %v", again, err)
		}
		if proof, err := c.Download(t.Context(), added.Output, &bytes.Buffer{}); err != nil || proof != "SHA-256 of the parts" {
			t.Errorf("parts of %d: %q, %v", partSize, proof, err)
		}
		s.Body = func(_ *http.Request, content []byte) []byte { content[0] ^= 1; return content }
		if proof, err := c.Download(t.Context(), added.Output, &bytes.Buffer{}); !isWrong(err) {
			t.Errorf("wrong bytes, in parts of %d: %q, %v", partSize, proof, err)
		}
		s.Body = nil
		other := content
		content = random(20<<20, 10)
		if _, err := send(s, c, partSize); !client.HasCode(err, "duplicate_output") {
			t.Errorf("other content under the name: %v", err)
		}
		content = other
	}
	s := clienttest.New(t)
	s.WrongSum = true
	c, _ := newClient(t, s, nil)
	if _, err := send(s, c, 8<<20); !isWrong(err) {
		t.Errorf("%v, want a VerificationError", err)
	}
}

// TestLinks: they are asked for in batches.
func TestLinks(t *testing.T) {
	s := clienttest.New(t)
	s.PartSize = 25_000
	c, _ := newClient(t, s, nil)
	if _, err := c.Upload(t.Context(), upload(random(6_000_001, 3))); err != nil {
		t.Fatal(err)
	}
	asked := 0
	for _, request := range s.Take() {
		if strings.HasPrefix(request, "GET /v1/jobs/42/uploads/") {
			asked++
		}
	}
	if asked > 80 { // 16 would do if the hashing never waited
		t.Errorf("links were asked for %d times, of 241 parts", asked)
	}
}

// shifty changes while it is read.
type shifty struct {
	content []byte
	reads   *atomic.Int64
}

func (s shifty) ReadAt(p []byte, off int64) (int, error) {
	n, err := bytes.NewReader(s.content).ReadAt(p, off)
	if s.reads.Add(1) > 30 && off > 1_000_000 && n > 0 {
		p[0] ^= 1
	}
	return n, err
}

// TestChangedSource: a file that is written to while it is sent makes no output.
func TestChangedSource(t *testing.T) {
	s := clienttest.New(t)
	s.PartSize = 2_000_000
	c, _ := newClient(t, s, nil)
	u := upload(random(8_000_000, 6))
	u.Source = shifty{random(8_000_000, 6), &atomic.Int64{}}
	if _, err := c.Upload(t.Context(), u); err == nil {
		t.Errorf("%v, want an error", err)
	}
	if s.Content("model", "bin") != nil {
		t.Error("there is an output")
	}
	u = upload(random(8_000_000, 6))
	u.Size++
	if _, err := c.Upload(t.Context(), u); !isWrong(err) {
		t.Errorf("a file that has shrunk: %v, want a VerificationError", err)
	}
}

func TestWrongAnswer(t *testing.T) {
	s := clienttest.New(t)
	c, _ := newClient(t, s, nil)
	content := random(1000, 7)
	o := s.Add("x", "y", content)
	sum := sha256.Sum256(content)
	if o.SHA256 == nil || *o.SHA256 != hex.EncodeToString(sum[:]) {
		t.Fatal("the service of the test is wrong")
	}
	u := upload(content)
	u.Source = &alternating{first: content, then: random(1000, 8)}
	if _, err := c.Upload(t.Context(), u); !isWrong(err) {
		t.Errorf("the service has other bytes than were hashed: %v, want a VerificationError", err)
	}
}

// alternating gives other bytes when it is read again from the start.
type alternating struct {
	first, then []byte
	again       bool
}

func (a *alternating) ReadAt(p []byte, off int64) (int, error) {
	content := a.first
	if a.again {
		content = a.then
	}
	a.again = true
	return bytes.NewReader(content).ReadAt(p, off)
}

func TestRefPaths(t *testing.T) {
	s := clienttest.New(t)
	s.Fault = func(r *http.Request) int { return 418 }
	c, _ := newClient(t, s, nil)
	for _, name := range []string{"a b", "ü%", "..", ".", "a?b#c", "Model<X>, 'y'"} {
		_, _ = c.Info(t.Context(), client.Ref{Job: 42, Name: name, Type: "t"})
		if got, want := fmt.Sprint(s.Take()), fmt.Sprintf("[GET /v1/jobs/42/outputs/%s/t/info]", name); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}
