package service_test

import (
	"fmt"
	"strings"
	"testing"

	"joboutputs/test/harness"
)

// peopleSeed is a tenant with users and nothing else; nodes have to be somewhere.
const peopleSeed = `{
 "tenant": "{tenant}",
 "users": [
  {"pk": 1, "username": "admin", "password": "admin", "is_staff": true, "nodes": []},
  {"pk": 2, "username": "alice", "password": "alice", "nodes": [1, 2]},
  {"pk": 3, "username": "bob", "password": "bob"}
 ],
 "nodes": [{"pk": 1}, {"pk": 2}]
}`

// TestMainJob is what the service is for, from the first to the last call, as a client
// makes them. Each read follows the write whose effect it must see.
func TestMainJob(t *testing.T) {
	t.Parallel()
	r := harness.New(t)
	r.Load(t, peopleSeed, "acme")
	s := script{r.Script(t)}
	admin, bob := r.Login(t, "admin", "acme"), r.Login(t, "bob", "acme")
	node := r.Login(t, "alice", "acme").As("1")

	// A job comes to be worked.
	var job struct {
		PK        int64
		Node      *int64
		StartTime *string `json:"start_time"`
		EndTime   *string `json:"end_time"`
		Outputs   []struct {
			PK         int64
			Name, Type string
		}
	}
	s.OK(&job, 201, admin, "POST", "/v1/jobs/create", `{"description":"train"}`)
	at := fmt.Sprintf("/v1/jobs/%d", job.PK)
	model, byJob := at+"/outputs/my%20model/Model%3CX%3E", fmt.Sprintf(`{"expressions":[{"type":"exact","field":"job","value":%d}]}`, job.PK)
	s.Refused(409, "job_not_started", admin, "POST", model, "too early")
	s.OK(&job, 200, node, "GET", at+"/acquire", "")
	s.Refused(409, "job_acquired", node.As("2"), "GET", at+"/acquire", "")
	s.Refused(403, "permission_denied", node.As("2"), "POST", at+"/start", "")
	s.OK(&job, 200, node, "POST", at+"/start", "")
	s.OK(&job, 200, bob, "GET", at, "")
	if job.Node == nil || *job.Node != 1 || job.StartTime == nil || job.EndTime != nil {
		t.Errorf("the running job is %+v", job)
	}

	// Its node adds an output, which is there at once.
	content := "weights \x00\xff of the model"
	var added, got output
	s.OK(&added, 200, node, "POST", model, content, "Content-Type", "application/x-model")
	if added.Name != "my model" || added.Type != "Model<X>" || added.Size != int64(len(content)) || added.DeletionTime != nil ||
		added.ContentType == nil || *added.ContentType != "application/x-model" {
		t.Errorf("the output is %+v", added)
	}
	s.Refused(403, "permission_denied", bob, "POST", at+"/outputs/other/t", content)
	pk := fmt.Sprintf("/v1/job-outputs/%d", added.PK)
	s.OK(&got, 200, bob, "GET", pk, "")
	s.Same("retrieve", added, got)
	s.OK(&got, 200, bob, "GET", model+"/info", "")
	s.Same("info", added, got)
	s.Same("list of the job", []string{"my model"}, s.Names(bob, byJob))
	s.Same("list of the tenant", []string{"my model"}, s.Names(bob, ""))
	s.OK(&job, 200, bob, "GET", at, "")
	if len(job.Outputs) != 1 || job.Outputs[0].PK != added.PK {
		t.Errorf("the job mentions %+v", job.Outputs)
	}
	taken := s.Refused(409, "duplicate_output", node, "POST", model, "other bytes")
	if taken["pk"] != float64(added.PK) || taken["sha256"] != *added.SHA256 || taken["deletion_time"] != nil {
		t.Errorf("the holder of the name is told as %v", taken)
	}

	s.bytes(bob, model, pk, content)

	// Deleted softly, it stays readable and keeps its name; and back.
	s.OK(nil, 204, admin, "DELETE", pk, "")
	s.OK(&got, 200, bob, "GET", model+"/info", "")
	if got.DeletionTime == nil {
		t.Fatal("no deletion_time")
	}
	deleted := *got.DeletionTime
	s.Same("list of the job", []string{}, s.Names(bob, byJob))
	s.Same("list of the job, deleted ones too", []string{"my model"}, s.Names(bob, strings.Replace(byJob, "{", `{"include_inactive":true,`, 1)))
	s.OK(nil, 204, admin, "DELETE", pk, "")
	s.OK(&got, 200, admin, "DELETE", model, "")
	s.Same("deletion_time after more deletes", deleted, *got.DeletionTime)
	s.Same("bytes of a deleted one", content, string(s.OK(nil, 200, bob, "GET", model, "").Body))
	if taken := s.Refused(409, "duplicate_output", node, "POST", model, ""); taken["deletion_time"] != deleted {
		t.Errorf("the deleted holder of the name is told as %v", taken)
	}
	s.OK(&got, 200, admin, "POST", pk+"/reinstate", "")
	s.Same("reinstated", added, got)
	s.OK(&got, 200, admin, "DELETE", pk+"/reinstate", "")
	s.Same("reinstated again", added, got)
	s.Same("list of the job", []string{"my model"}, s.Names(bob, byJob))

	// Deleted for good, it is gone with its bytes and its name is free.
	s.Refused(403, "permission_denied", bob, "DELETE", pk+"/hard", "")
	s.OK(&got, 200, admin, "DELETE", pk+"/hard", "")
	s.Same("pk of what is gone", added.PK, got.PK)
	s.Refused(404, "not_found", admin, "DELETE", pk+"/hard", "")
	s.Refused(404, "not_found", bob, "GET", pk, "")
	s.Refused(404, "not_found", bob, "POST", pk+"/download", "")
	s.Refused(404, "output_not_found", bob, "GET", model, "")
	s.Refused(404, "output_not_found", bob, "GET", model+"/info", "")
	s.Same("list of the job", []string{}, s.Names(bob, byJob))
	if keys := objects(t, r); len(keys) != 0 {
		t.Errorf("objects after the hard delete: %v", keys)
	}
	s.OK(&got, 200, node, "POST", model, "new bytes")
	if got.PK <= added.PK {
		t.Errorf("the next pk is %d, after %d", got.PK, added.PK)
	}
	s.Same("bytes under the same name", "new bytes", string(s.OK(nil, 200, bob, "GET", model, "").Body))

	// The job ends.
	s.OK(&job, 200, node, "POST", at+"/finish", "{}")
	if job.EndTime == nil || len(job.Outputs) != 1 {
		t.Errorf("the finished job is %+v", job)
	}
	s.Refused(409, "job_finished", node, "POST", at+"/outputs/late/t", "")
	s.Refused(409, "job_finished", admin, "POST", at+"/outputs/late/t", "")

	// Nothing was left for the cleanup, but the tombstone of what was hard-deleted.
	var cleaned struct{ Intents, Tombstones, Skipped int }
	s.OK(&cleaned, 200, caller{}, "POST", "/-/cleanup?grace=0s", "")
	if cleaned.Intents+cleaned.Skipped != 0 || cleaned.Tombstones != 1 {
		t.Errorf("cleaned %+v", cleaned)
	}
	s.Refused(405, "method_not_allowed", caller{}, "GET", "/-/cleanup", "")
	s.Refused(400, "invalid_request", caller{}, "POST", "/-/cleanup?grace=soon", "")
}
