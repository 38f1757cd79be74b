package uploads_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"joboutputs/shared/cleanup"
	"joboutputs/shared/localaws/storetest"
	"joboutputs/shared/outputs"
	"joboutputs/shared/problem"
	"joboutputs/shared/table"
	"joboutputs/shared/uploads"
)

const partBytes = uploads.MinPartSize

// sum64 is the header of a checksum.
func sum64(b []byte) map[string]string {
	_, sum := storetest.SumOf(b)
	return map[string]string{"X-Amz-Checksum-Sha256": sum}
}

func numbers(parts []uploads.Part) []int {
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
			s := storetest.New(t)
			s.StartedJob(t, 1)
			whole := storetest.Stuff(tc.size, 1)
			inHex, inBase64 := storetest.SumOf(whole)
			n := storetest.NewUpload("model", tc.size)
			n.PartSize = tc.partSize
			if tc.claimed {
				n.SHA256 = inBase64
			}
			u := s.Begin(t, n)
			want := uploads.Upload{
				ID: u.ID, Job: 1, Name: "model", Type: "t", Size: int64(tc.size), PartSize: tc.wantPartSize, PartCount: tc.parts,
				State: "open", Expires: storetest.Epoch.Add(24 * time.Hour), Arrived: []uploads.ArrivedPart{}, Parts: u.Parts,
			}
			if diff := cmp.Diff(want, u); diff != "" || len(u.Parts) != tc.parts {
				t.Fatalf("begun with %d parts (-want +got):\n%s", len(u.Parts), diff)
			}
			_, err := s.Outputs.OutputByName(storetest.Acting(t), storetest.Tenant, 1, "model", "t")
			storetest.WantProblem(t, err, problem.OutputNotFound)

			_, err = s.Uploads.Complete(storetest.Acting(t), storetest.Alice, 1, u.ID, uploads.Completion{})
			storetest.WantProblem(t, err, problem.UploadIncomplete)
			for number := 1; number < tc.parts; number++ {
				s.Send(t, u, whole, number)
			}
			if u = s.Status(t, u); len(u.Arrived) != tc.parts-1 || len(u.Parts) != 1 || (u.Parts[0].URL != nil) != (tc.claimed && tc.full) {
				t.Fatalf("status: %d arrived, missing %+v", len(u.Arrived), u.Parts)
			}
			last := s.Linked(t, u, whole, tc.parts)
			_, lastSum := storetest.SumOf(whole[last.Offset:])
			if code, text := storetest.Put(t, last, whole[last.Offset:], nil); code != http.StatusOK {
				t.Fatalf("the last part: %d %s", code, text)
			}
			u = s.Status(t, u)
			if len(u.Arrived) != tc.parts || len(u.Parts) != 0 || *u.Arrived[tc.parts-1].SHA256 != lastSum {
				t.Fatalf("status: arrived %+v, missing %+v", u.Arrived, u.Parts)
			}

			s.Clock.Advance(time.Minute)
			o := s.Complete(t, u)
			wantOutput := outputs.Output{
				PK: 1, Job: 1, Name: "model", Type: "t", Creator: 2, CreatorUsername: "alice", CreationTime: storetest.Epoch.Add(time.Minute),
				Size: int64(tc.size), ContentType: "image/png", SHA256: inHex,
				Checksum: &table.Checksum{Algorithm: "SHA256", Type: "full", Value: inBase64},
			}
			if !tc.full {
				wantOutput.SHA256 = ""
				wantOutput.Checksum = &table.Checksum{Algorithm: "SHA256", Type: "composite", Value: compositeOf(whole, partBytes), PartSize: partBytes}
			}
			if diff := cmp.Diff(wantOutput, o, storetest.Same); diff != "" {
				t.Errorf("the output (-want +got):\n%s", diff)
			}
			if o.ETag() != `"`+u.ID+`"` {
				t.Errorf("its entity tag is %s", o.ETag())
			}
			if got := s.Content(t, o); got != string(whole) {
				t.Error("the content differs")
			}
			// Again, it is the same, and nothing can undo it.
			s.Clock.Advance(time.Hour)
			if again := s.Complete(t, u); cmp.Diff(o, again, storetest.Same) != "" {
				t.Errorf("completed again: %+v, want %+v", again, o)
			}
			if u = s.Status(t, u); u.State != "completed" || u.Output == nil || cmp.Diff(o, *u.Output, storetest.Same) != "" || len(u.Parts) != 0 {
				t.Errorf("status after the completion: %+v", u)
			}
			_, err = s.Uploads.Abort(storetest.Acting(t), storetest.Alice, 1, u.ID, "")
			storetest.WantProblem(t, err, problem.UploadCompleted)
			if code, text := storetest.Put(t, last, whole[last.Offset:], nil); code < 400 {
				t.Errorf("a part sent after the completion: %d %s", code, text)
			}
			for _, read := range []func() (outputs.Output, error){
				func() (outputs.Output, error) { return s.Outputs.Output(storetest.Acting(t), storetest.Tenant, o.PK) },
				func() (outputs.Output, error) {
					return s.Outputs.OutputByName(storetest.Acting(t), storetest.Tenant, 1, "model", "t")
				},
			} {
				if got, err := read(); err != nil || cmp.Diff(o, got, storetest.Same) != "" {
					t.Errorf("read back: %+v, %v", got, err)
				}
			}
			s.Clock.Advance(48 * time.Hour)
			s.Cleaned(t, 0, cleanup.Counts{})
			s.Holds(t, 1, 0)
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
	s := storetest.New(t)
	s.StartedJob(t, 1)
	small, large, other := storetest.Stuff(1000, 1), storetest.Stuff(partBytes+1, 2), storetest.Stuff(1000, 3)
	n := storetest.NewUpload("large", len(large))
	n.PartSize = partBytes
	single, another, several := s.Begin(t, storetest.NewUpload("small", 1000)), s.Begin(t, storetest.NewUpload("other", 1000)), s.Begin(t, n)
	p, last := s.Linked(t, single, small, 1), s.Linked(t, several, large, 2)
	tail := large[partBytes:]
	altered := []byte{tail[0] + 1}

	elsewhere := func(p uploads.Part, from, to string) uploads.Part {
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
		part   uploads.Part
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
		if code, text := storetest.Put(t, tc.part, tc.body, tc.header); code != tc.want {
			t.Errorf("%s: %d, want %d: %.300s", tc.name, code, tc.want, text)
		}
	}
	s.Holds(t, 0, 1)
	if u := s.Status(t, several); len(u.Arrived) != 0 {
		t.Errorf("parts %+v arrived", u.Arrived)
	}
	// The links are still good for what they were made for, and a single part is sent once.
	for part, want := range []int{200, 412} {
		if code, text := storetest.Put(t, p, small, nil); code != want {
			t.Errorf("a single part, sent %d times: %d, want %d: %s", part+1, code, want, text)
		}
	}
	for range 2 {
		if code, text := storetest.Put(t, last, tail, nil); code != 200 {
			t.Errorf("the last part: %d %s", code, text)
		}
	}
	s.Send(t, several, large, 1)
	s.Complete(t, single)
	s.Complete(t, several)
	s.Holds(t, 2, 0)
}
