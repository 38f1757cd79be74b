package service_test

import (
	"fmt"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/google/go-cmp/cmp"
)

// output is what the API answers of one.
type output struct {
	PK           int64   `json:"pk"`
	Job          int64   `json:"job"`
	Name         string  `json:"name"`
	Type         string  `json:"type"`
	Creator      *int64  `json:"creator"`
	CreationTime string  `json:"creation_time"`
	DeletionTime *string `json:"deletion_time"`
	Size         int64   `json:"size"`
	ContentType  *string `json:"content_type"`
	SHA256       *string `json:"sha256"`
}

// script is a client that goes on only while everything is as it should be.
type script struct {
	*testing.T
	rig *rig
}

func (s script) do(c caller, method, path, body string, header ...string) answer {
	s.Helper()
	req := request{Method: method, Path: path, Body: body, Header: map[string]string{}}
	for i := 0; i < len(header); i += 2 {
		req.Header[header[i]] = header[i+1]
	}
	return c.Do(s, s.rig.URL, req)
}

// ok expects a status and reads the answer's JSON, if v is not nil.
func (s script) ok(v any, status int, c caller, method, path, body string, header ...string) answer {
	s.Helper()
	a := s.do(c, method, path, body, header...)
	a.Want(s, status)
	if v != nil {
		a.Decode(s, v)
	}
	return a
}

// refused expects a problem with a status and a code.
func (s script) refused(status int, code string, c caller, method, path, body string, header ...string) map[string]any {
	s.Helper()
	a := s.do(c, method, path, body, header...)
	a.Want(s, status)
	var problem map[string]any
	a.Decode(s, &problem)
	if problem["code"] != code {
		s.Errorf("%s %s: code %v, want %s", method, path, problem["code"], code)
	}
	return problem
}

func (s script) same(what string, want, got any) {
	s.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		s.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// names of the outputs a list answers, in its order.
func (s script) names(c caller, body string) []string {
	s.Helper()
	var rows []output
	s.ok(&rows, 200, c, "POST", "/v1/job-outputs/list", body)
	names := []string{}
	for _, row := range rows {
		names = append(names, row.Name)
	}
	return names
}

// objects are the keys in the bucket.
func (r *rig) objects(t *testing.T) []string {
	t.Helper()
	var keys []string
	pages := s3.NewListObjectsV2Paginator(r.AWS.S3, &s3.ListObjectsV2Input{Bucket: &r.AWS.Bucket})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range page.Contents {
			keys = append(keys, *o.Key)
		}
	}
	return keys
}

// started makes a running job of node 1 and returns its path.
func (s script) started() (path string, node caller) {
	s.Helper()
	admin, node := s.rig.Login(s.T, "admin", "acme"), s.rig.Login(s.T, "alice", "acme").As("1")
	var job struct{ PK int64 }
	s.ok(&job, 201, admin, "POST", "/v1/jobs/create", `{"node":1}`)
	path = fmt.Sprintf("/v1/jobs/%d", job.PK)
	s.ok(nil, 200, node, "POST", path+"/start", "")
	return path, node
}
