package service_test

import (
	"fmt"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"joboutputs/test/harness"
)

type (
	caller  = harness.Caller
	request = harness.Request
	answer  = harness.Answer
	output  = harness.Output
)

// script is a harness.Script with what several of these tests do.
type script struct{ harness.Script }

// objects are the keys in the bucket.
func objects(t *testing.T, r *harness.Rig) []string {
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
	admin, node := s.Rig.Login(s.T, "admin", "acme"), s.Rig.Login(s.T, "alice", "acme").As("1")
	var job struct{ PK int64 }
	s.OK(&job, 201, admin, "POST", "/v1/jobs/create", `{"node":1}`)
	path = fmt.Sprintf("/v1/jobs/%d", job.PK)
	s.OK(nil, 200, node, "POST", path+"/start", "")
	return path, node
}
