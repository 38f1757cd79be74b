//go:build ignore

package outputs_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/google/go-cmp/cmp"

	"joboutputs/shared/auth"
	"joboutputs/shared/localaws/awstest"
	"joboutputs/shared/outputs"
	"joboutputs/shared/problem"
)

const partBytes = outputs.MinPartSize

// stuff is content that differs wherever it is cut.
func stuff(n int, seed uint64) []byte {
	source := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)})
	b := make([]byte, n)
	_, _ = source.Read(b)
	return b
}

func sumOf(b []byte) (inHex, inBase64 string) {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:]), base64.StdEncoding.EncodeToString(sum[:])
}

func newUpload(name string, size int) outputs.NewUpload {
	return outputs.NewUpload{Job: 1, Name: name, Type: "t", ContentType: "image/png", Size: int64(size), Creator: alice, Admit: anyone}
}

func mustBegin(t testing.TB, s *outputs.Store, n outputs.NewUpload) outputs.Upload {
	t.Helper()
	u, err := s.BeginUpload(acting(t), tenant, n)
	if err != nil {
		t.Fatalf("begin %s: %v", n.Name, err)
	}
	return u
}

// put sends a request as a client with nothing but the part's link would; header changes
// what is sent.
func put(t testing.TB, p outputs.UploadPart, body []byte, header map[string]string) (status int, text string) {
	t.Helper()
	r, err := http.NewRequestWithContext(context.Background(), p.Method, *p.URL, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range p.Headers {
		r.Header.Set(name, value)
	}
	for name, value := range header {
		if r.Header.Set(name, value); value == "" {
			r.Header.Del(name)
		}
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil { // refused before all was sent
		return http.StatusForbidden, err.Error()
	}
	defer response.Body.Close()
	answer, _ := io.ReadAll(response.Body)
	return response.StatusCode, string(answer)
}

// sum64 is the header of a checksum.
func sum64(b []byte) map[string]string {
	_, sum := sumOf(b)
	return map[string]string{"X-Amz-Checksum-Sha256": sum}
}

// linked asks for the link of a part of content.
func linked(t testing.TB, s *outputs.Store, u outputs.Upload, whole []byte, number int) outputs.UploadPart {
	t.Helper()
	offset := int64(number-1) * u.PartSize
	_, sum := sumOf(whole[offset:min(offset+u.PartSize, int64(len(whole)))])
	got, err := s.Upload(auth.WithTenant(context.Background(), tenant), tenant, u.Job, u.ID, outputs.Wanted{From: number, SHA256: []string{sum}, Admit: anyone})
	if err != nil || len(got.Parts) != 1 || got.Arrived != nil {
		t.Fatalf("the link of part %d: %+v, %v", number, got, err)
	}
	return got.Parts[0]
}

// send sends a part of content, or all of them.
func send(t testing.TB, s *outputs.Store, u outputs.Upload, whole []byte, which ...int) {
	t.Helper()
	if which == nil {
		for number := range u.PartCount {
			which = append(which, number+1)
		}
	}
	for _, number := range which {
		p := linked(t, s, u, whole, number)
		if code, text := put(t, p, whole[p.Offset:p.Offset+p.Size], nil); code != http.StatusOK {
			t.Fatalf("send part %d: %d %s", number, code, text)
		}
	}
}

func completion() outputs.Completion { return outputs.Completion{User: alice, Admit: anyone} }

func mustComplete(t testing.TB, s *outputs.Store, u outputs.Upload) outputs.Output {
	t.Helper()
	o, err := s.CompleteUpload(acting(t), tenant, u.Job, u.ID, completion())
	if err != nil {
		t.Fatalf("complete %s: %v", u.Name, err)
	}
	return o
}

func status(t testing.TB, s *outputs.Store, u outputs.Upload) outputs.Upload {
	t.Helper()
	u, err := s.Upload(acting(t), tenant, u.Job, u.ID, outputs.Wanted{From: 1, Admit: anyone})
	if err != nil {
		t.Fatalf("status of %s: %v", u.Name, err)
	}
	return u
}

// multiparts counts the multipart uploads S3 has begun and not ended.
func multiparts(t testing.TB, a *awstest.AWS) int {
	t.Helper()
	all, err := a.S3.ListMultipartUploads(context.Background(), &s3.ListMultipartUploadsInput{Bucket: &a.Bucket})
	if err != nil {
		t.Fatal(err)
	}
	return len(all.Uploads)
}

func held(t *testing.T, a *awstest.AWS, wantObjects, wantMultiparts int) {
	t.Helper()
	if o, m := objects(t, a), multiparts(t, a); o != wantObjects || m != wantMultiparts {
		t.Errorf("S3 holds %d objects and %d multipart uploads, want %d and %d", o, m, wantObjects, wantMultiparts)
	}
}

func numbers(parts []outputs.UploadPart) []int {
	all := []int{}
	for _, p := range parts {
		all = append(all, p.Number)
	}
	return all
}

// TestUpload stages contents of one part and of several.
func TestUpload(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name         string
		size         int
		partSize     int64
		wantPartSize int64
		parts        int
		claimed      bool
		full         bool
	}{
		{"nothing", 0, 0, 0, 1, false, true},
		{"one part", 1000, 0, 1000, 1, false, true},
		{"one part, its checksum said before", 1000, 0, 1000, 1, true, true},
		{"two parts", partBytes + 1, partBytes, partBytes, 2, false, false},
		{"three parts, checksum said before", 2*partBytes + 70_000, partBytes, partBytes, 3, true, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s, a, c := newStore(t)
			startedJob(t, s, 1)
			whole := stuff(tc.size, 1)
			inHex, inBase64 := sumOf(whole)
			n := newUpload("model", tc.size)
			n.PartSize = tc.partSize
			if tc.claimed {
				n.SHA256 = inBase64
			}
			u := mustBegin(t, s, n)
			want := outputs.Upload{
				ID: u.ID, Job: 1, Name: "model", Type: "t", Size: int64(tc.size), PartSize: tc.wantPartSize, PartCount: tc.parts,
				State: "open", Expires: epoch.Add(24 * time.Hour), Arrived: []outputs.ArrivedPart{}, Parts: u.Parts,
			}
			if diff := cmp.Diff(want, u); diff != "" || len(u.Parts) != tc.parts {
				t.Fatalf("begun with %d parts (-want +got):\n%s", len(u.Parts), diff)
			}
			_, err := s.OutputByName(acting(t), tenant, 1, "model", "t")
			wantProblem(t, err, problem.OutputNotFound)

			_, err = s.CompleteUpload(acting(t), tenant, 1, u.ID, completion())
			wantProblem(t, err, problem.UploadIncomplete)
			for number := 1; number < tc.parts; number++ {
				send(t, s, u, whole, number)
			}
			if u = status(t, s, u); len(u.Arrived) != tc.parts-1 || len(u.Parts) != 1 || (u.Parts[0].URL != nil) != (tc.claimed && tc.full) {
				t.Fatalf("status: %d arrived, missing %+v", len(u.Arrived), u.Parts)
			}
			last := linked(t, s, u, whole, tc.parts)
			_, lastSum := sumOf(whole[last.Offset:])
			if code, text := put(t, last, whole[last.Offset:], nil); code != http.StatusOK {
				t.Fatalf("the last part: %d %s", code, text)
			}
			u = status(t, s, u)
			if len(u.Arrived) != tc.parts || len(u.Parts) != 0 || *u.Arrived[tc.parts-1].SHA256 != lastSum {
				t.Fatalf("status: arrived %+v, missing %+v", u.Arrived, u.Parts)
			}

			c.advance(time.Minute)
			o := mustComplete(t, s, u)
			wantOutput := outputs.Output{
				PK: 1, Job: 1, Name: "model", Type: "t", Creator: 2, CreatorUsername: "alice", CreationTime: epoch.Add(time.Minute),
				Size: int64(tc.size), ContentType: "image/png", SHA256: inHex,
				Checksum: &outputs.Checksum{Algorithm: "SHA256", Type: "full", Value: inBase64},
			}
			if !tc.full {
				wantOutput.SHA256 = ""
				wantOutput.Checksum = &outputs.Checksum{Algorithm: "SHA256", Type: "composite", Value: compositeOf(whole, partBytes), PartSize: partBytes}
			}
			if diff := cmp.Diff(wantOutput, o, same); diff != "" {
				t.Errorf("the output (-want +got):\n%s", diff)
			}
			if o.ETag() != `"`+u.ID+`"` {
				t.Errorf("its entity tag is %s", o.ETag())
			}
			if got := content(t, s, o); got != string(whole) {
				t.Error("the content differs")
			}
			// Again, it is the same, and nothing can undo it.
			c.advance(time.Hour)
			if again := mustComplete(t, s, u); cmp.Diff(o, again, same) != "" {
				t.Errorf("completed again: %+v, want %+v", again, o)
			}
			if u = status(t, s, u); u.State != "completed" || u.Output == nil || cmp.Diff(o, *u.Output, same) != "" || len(u.Parts) != 0 {
				t.Errorf("status after the completion: %+v", u)
			}
			wantProblem(t, s.AbortUpload(acting(t), tenant, 1, u.ID, anyone), problem.UploadCompleted)
			if code, text := put(t, last, whole[last.Offset:], nil); code < 400 {
				t.Errorf("a part sent after the completion: %d %s", code, text)
			}
			for _, read := range []func() (outputs.Output, error){
				func() (outputs.Output, error) { return s.Output(acting(t), tenant, o.PK) },
				func() (outputs.Output, error) { return s.OutputByName(acting(t), tenant, 1, "model", "t") },
			} {
				if got, err := read(); err != nil || cmp.Diff(o, got, same) != "" {
					t.Errorf("read back: %+v, %v", got, err)
				}
			}
			c.advance(48 * time.Hour)
			cleaned(t, s, 0, outputs.Cleaned{})
			held(t, a, 1, 0)
		})
	}
}

func compositeOf(b []byte, partSize int) string {
	h, n := sha256.New(), 0
	for ; len(b) > 0; n++ {
		part := b[:min(partSize, len(b))]
		sum := sha256.Sum256(part)
		h.Write(sum[:])
		b = b[len(part):]
	}
	return fmt.Sprintf("%s-%d", base64.StdEncoding.EncodeToString(h.Sum(nil)), n)
}

// TestLinks holds that S3 takes by a link only what it was made for.
func TestLinks(t *testing.T) {
	t.Parallel()
	s, a, _ := newStore(t)
	startedJob(t, s, 1)
	small, large, other := stuff(1000, 1), stuff(partBytes+1, 2), stuff(1000, 3)
	n := newUpload("large", len(large))
	n.PartSize = partBytes
	single, another, several := mustBegin(t, s, newUpload("small", 1000)), mustBegin(t, s, newUpload("other", 1000)), mustBegin(t, s, n)
	p, last := linked(t, s, single, small, 1), linked(t, s, several, large, 2)
	tail := large[partBytes:]
	altered := []byte{tail[0] + 1}

	elsewhere := func(p outputs.UploadPart, from, to string) outputs.UploadPart {
		if !strings.Contains(*p.URL, from) {
			t.Fatalf("the link %s has no %s", *p.URL, from)
		}
		url := strings.Replace(*p.URL, from, to, 1)
		p.URL = &url
		return p
	}
	none := map[string]string{"X-Amz-Checksum-Sha256": ""}
	for _, tc := range []struct {
		name   string
		part   outputs.UploadPart
		body   []byte
		header map[string]string
		want   int
	}{
		{"single: shorter", p, small[:999], nil, 403},
		{"single: longer", p, append(bytes.Clone(small), 0), nil, 403},
		{"single: other content", p, other, nil, 400},
		{"single: other content and checksum", p, other, sum64(other), 403},
		{"single: no checksum", p, small, none, 403},
		{"single: may overwrite", p, small, map[string]string{"If-None-Match": ""}, 403},
		{"single: a header that was not signed", p, small, map[string]string{"X-Amz-Meta-A": "b"}, 403},
		{"single: another key", elsewhere(p, single.ID, another.ID), small, nil, 403},
		{"single: for longer", elsewhere(p, "X-Amz-Expires=900", "X-Amz-Expires=901"), small, nil, 403},
		{"several: shorter", last, nil, nil, 403},
		{"several: longer", last, append(bytes.Clone(tail), 0), nil, 403},
		{"several: other content", last, altered, nil, 400},
		{"several: other content and checksum", last, altered, sum64(altered), 403},
		{"several: no checksum", last, tail, none, 403},
		{"several: another number", elsewhere(last, "partNumber=2", "partNumber=3"), tail, nil, 403},
	} {
		if code, text := put(t, tc.part, tc.body, tc.header); code != tc.want {
			t.Errorf("%s: %d, want %d: %.300s", tc.name, code, tc.want, text)
		}
	}
	held(t, a, 0, 1)
	if u := status(t, s, several); len(u.Arrived) != 0 {
		t.Errorf("parts %+v arrived", u.Arrived)
	}
	// The links are still good for what they were made for, and a single part is sent once.
	for part, want := range []int{200, 412} {
		if code, text := put(t, p, small, nil); code != want {
			t.Errorf("a single part, sent %d times: %d, want %d: %s", part+1, code, want, text)
		}
	}
	for range 2 {
		if code, text := put(t, last, tail, nil); code != 200 {
			t.Errorf("the last part: %d %s", code, text)
		}
	}
	send(t, s, several, large, 1)
	mustComplete(t, s, single)
	mustComplete(t, s, several)
	held(t, a, 2, 0)
}
