package storetest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"io"
	"math/rand/v2"
	"net/http"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"joboutputs/shared/auth"
	"joboutputs/shared/outputs"
	"joboutputs/shared/uploads"
)

// Stuff is n bytes of content that differ wherever it is cut.
func Stuff(n int, seed uint64) []byte {
	source := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)})
	b := make([]byte, n)
	_, _ = source.Read(b)
	return b
}

// SumOf is the SHA-256 of content.
func SumOf(b []byte) (inHex, inBase64 string) {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:]), base64.StdEncoding.EncodeToString(sum[:])
}

// NewUpload is an upload for job 1 to be begun.
func NewUpload(name string, size int) uploads.NewUpload {
	return uploads.NewUpload{Job: 1, Name: name, Type: "t", ContentType: "image/png", Size: int64(size)}
}

// InParts is an upload of two parts for job 1 to be begun, and its content.
func InParts(name string) (uploads.NewUpload, []byte) {
	whole := Stuff(uploads.MinPartSize+1, 1)
	n := NewUpload(name, len(whole))
	n.PartSize = uploads.MinPartSize
	return n, whole
}

// Begin begins an upload as Alice.
func (s *Stores) Begin(tb testing.TB, n uploads.NewUpload) uploads.Upload {
	tb.Helper()
	u, err := s.Uploads.Begin(Acting(tb), Alice, n)
	if err != nil {
		tb.Fatalf("begin %s: %v", n.Name, err)
	}
	return u
}

// Put sends a request as a client with nothing but the part's link would; header changes
// what is sent.
func Put(tb testing.TB, p uploads.Part, body []byte, header map[string]string) (status int, text string) {
	tb.Helper()
	r, err := http.NewRequestWithContext(context.Background(), p.Method, *p.URL, bytes.NewReader(body))
	if err != nil {
		tb.Fatal(err)
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

// Linked asks for the link of a part of content.
func (s *Stores) Linked(tb testing.TB, u uploads.Upload, whole []byte, number int) uploads.Part {
	tb.Helper()
	offset := int64(number-1) * u.PartSize
	_, sum := SumOf(whole[offset:min(offset+u.PartSize, int64(len(whole)))])
	got, err := s.Uploads.Status(auth.WithTenant(context.Background(), Tenant), Alice, u.Job, u.ID, uploads.Wanted{From: number, SHA256: []string{sum}})
	if err != nil || len(got.Parts) != 1 || got.Arrived != nil {
		tb.Fatalf("the link of part %d: %+v, %v", number, got, err)
	}
	return got.Parts[0]
}

// Send sends the parts of content that are named, or all of them.
func (s *Stores) Send(tb testing.TB, u uploads.Upload, whole []byte, which ...int) {
	tb.Helper()
	if which == nil {
		for number := range u.PartCount {
			which = append(which, number+1)
		}
	}
	for _, number := range which {
		p := s.Linked(tb, u, whole, number)
		if code, text := Put(tb, p, whole[p.Offset:p.Offset+p.Size], nil); code != http.StatusOK {
			tb.Fatalf("send part %d: %d %s", number, code, text)
		}
	}
}

// Complete completes an upload as Alice.
func (s *Stores) Complete(tb testing.TB, u uploads.Upload) outputs.Output {
	tb.Helper()
	o, err := s.Uploads.Complete(Acting(tb), Alice, u.Job, u.ID, uploads.Completion{})
	if err != nil {
		tb.Fatalf("complete %s: %v", u.Name, err)
	}
	return o
}

// Status reads an upload.
func (s *Stores) Status(tb testing.TB, u uploads.Upload) uploads.Upload {
	tb.Helper()
	u, err := s.Uploads.Status(Acting(tb), Alice, u.Job, u.ID, uploads.Wanted{From: 1})
	if err != nil {
		tb.Fatalf("status of %s: %v", u.Name, err)
	}
	return u
}

// Multiparts counts the multipart uploads that S3 has begun and not ended.
func (s *Stores) Multiparts(tb testing.TB) int {
	tb.Helper()
	all, err := s.AWS.S3.ListMultipartUploads(context.Background(), &s3.ListMultipartUploadsInput{Bucket: &s.AWS.Bucket})
	if err != nil {
		tb.Fatal(err)
	}
	return len(all.Uploads)
}

// Holds checks how many objects and open multipart uploads S3 has.
func (s *Stores) Holds(tb testing.TB, wantObjects, wantMultiparts int) {
	tb.Helper()
	if o, m := s.Objects(tb), s.Multiparts(tb); o != wantObjects || m != wantMultiparts {
		tb.Errorf("S3 holds %d objects and %d multipart uploads, want %d and %d", o, m, wantObjects, wantMultiparts)
	}
}
