package service_test

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"joboutputs/shared/archive"
	"joboutputs/test/harness"
	"joboutputs/test/openapicheck"
)

// TestZip gets the outputs of a job that are not deleted as one zip: all of them or none.
func TestZip(t *testing.T) {
	t.Parallel()
	r := harness.New(t)
	r.Load(t, peopleSeed, "acme")
	check, err := openapicheck.New()
	if err != nil {
		t.Fatal(err)
	}
	s := described{script{r.Script(t)}, check}
	job, node := s.started()
	admin, bob := r.Login(t, "admin", "acme"), r.Login(t, "bob", "acme")
	path := job + "/outputs.zip"

	unzip := func() map[string]string {
		t.Helper()
		a := s.script.OK(nil, 200, bob, "GET", path, "")
		s.told("GET", path, a)
		z, err := zip.NewReader(bytes.NewReader(a.Body), int64(len(a.Body)))
		if err != nil {
			t.Fatal(err)
		}
		contents := map[string]string{}
		for _, f := range z.File {
			r, err := f.Open()
			if err != nil {
				t.Fatal(err)
			}
			content, err := io.ReadAll(r)
			if err != nil {
				t.Fatal(err)
			}
			contents[f.Name] = string(content)
		}
		head := s.script.OK(nil, 200, bob, "HEAD", path, "")
		s.told("HEAD", path, head)
		a.Header.Del("Date")
		head.Header.Del("Date")
		s.Same("headers of HEAD", a.Header, head.Header)
		s.Same("Content-Length", fmt.Sprint(len(a.Body)), a.Header.Get("Content-Length"))
		return contents
	}
	s.Same("the zip of a job without outputs", map[string]string{}, unzip())
	s.Refused(404, "not_found", bob, "GET", "/v1/jobs/999999/outputs.zip", "")
	s.Refused(404, "not_found", bob, "GET", "/v1/jobs/x/outputs.zip", "")
	s.Refused(401, "not_authenticated", caller{}, "GET", path, "")

	large := strings.Repeat("0123456789abcdef", 300<<10/16)
	pks := map[string]int64{}
	for _, o := range []struct{ path, content string }{
		{"first/bin", large}, {"model/h5", "lower"}, {"MODEL/H5", "upper"}, {"%2E%2E%5Cboot/ini", "safe"}, {"empty/bin", ""}, {"gone/txt", "deleted"}, {"last/bin", large + "!"},
	} {
		var added output
		s.OK(&added, 200, node, "POST", job+"/outputs/"+o.path, o.content)
		pks[o.path] = added.PK
	}
	s.OK(nil, 200, admin, "DELETE", job+"/outputs/gone/txt", "")
	want := map[string]string{
		"first.bin": large, "model.h5": "lower", fmt.Sprintf("MODEL (%d).H5", pks["MODEL/H5"]): "upper", "_.._boot.ini": "safe", "empty.bin": "", "last.bin": large + "!",
	}
	s.Same("the zip", want, unzip())

	// Bytes that are lost in the middle: whoever reads notices.
	for _, key := range objects(t, r) {
		object, err := r.AWS.S3.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: &r.AWS.Bucket, Key: &key})
		if err != nil {
			t.Fatal(err)
		}
		if *object.ContentLength == int64(len(large)+1) {
			if _, err := r.AWS.S3.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: &r.AWS.Bucket, Key: &key}); err != nil {
				t.Fatal(err)
			}
		}
	}
	a := s.Do(bob, "GET", path, "")
	if _, err := archive.Check(bytes.NewReader(a.Body), int64(len(a.Body))); a.Broken == nil || err == nil || a.Status != 200 {
		t.Errorf("with bytes missing: %d with %d bytes, broken %v, as a zip %v", a.Status, len(a.Body), a.Broken, err)
	}
	if log := r.Log.Take(); !strings.Contains(log, "bytes_missing") {
		t.Errorf("the log does not say why:\n%s", log)
	}
	s.OK(nil, 200, admin, "DELETE", fmt.Sprintf("/v1/job-outputs/%d/hard", pks["last/bin"]), "")
	delete(want, "last.bin")
	s.Same("the zip without the output that was lost", want, unzip())
}
