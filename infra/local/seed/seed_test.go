package seed_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"joboutputs/infra/local/seed"
	"joboutputs/shared/jobs"
	"joboutputs/shared/localaws/fixture"
	"joboutputs/shared/outputs"
)

// minimal is a file with one of everything; the tests of errors break it.
const minimal = `{
 "tenant": "t-1",
 "users": [{"pk": 1, "username": "ann", "password": "pw", "email": "a@example.org", "is_staff": true, "is_superuser": false, "is_active": false, "nodes": [7]}],
 "nodes": [{"pk": 7, "ip": "10.0.0.1", "index": 0, "current_job": 3}],
 "jobs": [{"pk": 3, "description": "d", "node": 7, "start_time": "2022-12-10T13:00:00+13:00", "end_time": null, "error_reason": "Cancelled", "creator": 1, "creation_time": "2022-12-02T00:00:00Z", "deletion_time": null, "is_meta": false}],
 "job_outputs": [{"pk": 5, "job": 3, "name": "log", "type": "", "creator": null, "creation_time": "2023-01-02T03:04:05.678901Z", "deletion_time": "2023-06-01T00:00:00Z", "data_b64": "aGk=", "data_sha256": "8f434346648f6b96df89dda901c5176b10a6d83961dd3c1ac88b59b2dc327aa4"}],
 "next_job_output_pk": 9
}`

func TestRead(t *testing.T) {
	got, err := seed.Read("seed.json", strings.NewReader(minimal))
	if err != nil {
		t.Fatal(err)
	}
	reason := "Cancelled"
	want := &seed.Seed{
		Tenant: "t-1",
		Users:  []seed.User{{PK: 1, Username: "ann", Password: "pw", Email: "a@example.org", Admin: true, Nodes: []int64{7}}},
		Nodes:  []seed.Node{{PK: 7, CurrentJob: 3}},
		Jobs: []seed.Job{{
			PK: 3, Description: "d", Node: 7, Creator: 1, ErrorReason: &reason,
			CreationTime: time.Date(2022, 12, 2, 0, 0, 0, 0, time.UTC), StartTime: time.Date(2022, 12, 10, 0, 0, 0, 0, time.UTC),
		}},
		Outputs: []seed.Output{{
			PK: 5, Job: 3, Name: "log", Content: []byte("hi"),
			CreationTime: time.Date(2023, 1, 2, 3, 4, 5, 678901000, time.UTC), DeletionTime: time.Date(2023, 6, 1, 0, 0, 0, 0, time.UTC),
		}},
		NextJobOutputPK: 9,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("seed (-want +got):\n%s", diff)
	}
}

func TestDefaults(t *testing.T) {
	got, err := seed.Read("seed.json", strings.NewReader(`{"users": [{"pk": 1, "username": "ann", "password": "pw"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	want := &seed.Seed{Tenant: "demo", Users: []seed.User{{PK: 1, Username: "ann", Password: "pw", Active: true}}, NextJobOutputPK: 1}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("seed (-want +got):\n%s", diff)
	}
}

func TestReadRecordedSeed(t *testing.T) {
	s, err := seed.ReadFile(filepath.Join("..", "..", "..", "test", "conformance", "testdata", "recordings", "seed.json"))
	if err != nil {
		t.Fatal(err)
	}
	got := []int{len(s.Users), len(s.Nodes), len(s.Jobs), len(s.Outputs), int(s.NextJobOutputPK)}
	if diff := cmp.Diff([]int{5, 2, 8, 67, 68}, got); diff != "" {
		t.Errorf("users, nodes, jobs, outputs, next pk (-want +got):\n%s", diff)
	}
	if s.Tenant != "demo" {
		t.Errorf("tenant %q, want demo", s.Tenant)
	}
}

func TestErrors(t *testing.T) {
	replaced := func(old, new string) string {
		if strings.Count(minimal, old) < 1 {
			t.Fatalf("%q is not in the file", old)
		}
		return strings.Replace(minimal, old, new, 1)
	}
	tests := []struct{ name, text, want string }{
		{"empty", "", "seed.json:1: not JSON"},
		{"cut", minimal[:len(minimal)-2], "seed.json:7: not JSON"},
		{"trailing", minimal + "\n\n x", "seed.json:10: not JSON"},
		{"comma", replaced(`"tenant": "t-1",`, `"tenant": "t-1"`), "seed.json:3: not JSON"},
		{"not an object", "[]", "seed.json:1: the file: must be an object"},
		{"unknown key", replaced(`"tenant"`, `"tennant"`), "seed.json:2: tennant: there is no such key"},
		{"unknown key below", replaced(`"data_b64"`, `"data"`), "seed.json:6: job_outputs[0].data: there is no such key"},
		{"other case", replaced(`"tenant"`, `"Tenant"`), "seed.json:2: Tenant: there is no such key"},
		{"key twice", replaced(`"tenant": "t-1",`, `"tenant": "t-1", "tenant": "t-2",`), "seed.json:2: tenant: the key is there twice"},
		{"text for a pk", replaced(`"pk": 3`, `"pk": "3"`), "seed.json:5: jobs[0].pk: must be an integer, not string"},
		{"float for a node", replaced(`"nodes": [7]`, `"nodes": [7.5]`), "seed.json:3: users[0].nodes[0]: must be an integer"},
		{"number for a name", replaced(`"log"`, `5`), "seed.json:6: job_outputs[0].name: must be text, not number"},
		{"text for a bool", replaced(`"is_staff": true`, `"is_staff": "yes"`), "seed.json:3: users[0].is_staff: must be true or false"},
		{"object for an array", replaced(`"nodes": [7]`, `"nodes": {}`), "seed.json:3: users[0].nodes: must be an array"},

		{"tenant", replaced(`"t-1"`, `"T 1"`), `seed.json: tenant: "T 1" is not`},
		{"tenant empty", replaced(`"t-1"`, `""`), `seed.json: tenant: "" is not`},
		{"pk 0", replaced(`"pk": 5`, `"pk": 0`), "seed.json: job_outputs[0].pk: 0 is not a pk"},
		{"pk missing", replaced(`"pk": 1, `, ``), "seed.json: users[0].pk: 0 is not a pk"},
		{"pk too great", replaced(`"pk": 5`, `"pk": 2147483648`), "seed.json: job_outputs[0].pk: 2147483648 is not a pk"},
		{"job with one of the last pks", replaced(`"jobs": [{"pk": 3`, `"jobs": [{"pk": 3}, {"pk": 1932735283`), "seed.json: jobs[1].pk: 1932735283 is above 1932735282: a tenth of the keys stays free"},
		{"output with one of the last pks", replaced(`"pk": 5`, `"pk": 1932735283`), "seed.json: job_outputs[0].pk: 1932735283 is above 1932735282: a tenth of the keys stays free"},
		{"pk twice", replaced(`"nodes": [{"pk": 7`, `"nodes": [{"pk": 7}, {"pk": 7`), "seed.json: nodes[1].pk: 7 is there twice"},
		{"no such node", replaced(`"nodes": [7]`, `"nodes": [7, 8]`), "seed.json: users[0].nodes[1]: there is no node 8"},
		{"no such job", replaced(`"job": 3`, `"job": 4`), "seed.json: job_outputs[0].job: there is no job 4"},
		{"no such creator", replaced(`"creator": null`, `"creator": 2`), "seed.json: job_outputs[0].creator: there is no user 2"},
		{"no such current job", replaced(`"current_job": 3`, `"current_job": 4`), "seed.json: nodes[0].current_job: there is no job 4"},
		{"username", replaced(`"ann"`, `" ann"`), `seed.json: users[0].username: " ann" is empty or has blanks`},
		{"password", replaced(`"pw"`, `""`), "seed.json: users[0].password: is empty"},
		{"no time", replaced(`"creation_time": "2022-12-02T00:00:00Z", `, ``), `seed.json: jobs[0].creation_time: "" is not a time`},
		{"time without offset", replaced(`2022-12-02T00:00:00Z`, `2022-12-02T00:00:00`), "seed.json: jobs[0].creation_time"},
		{"time too fine", replaced(`05.678901Z`, `05.6789012Z`), "seed.json: job_outputs[0].creation_time"},
		{"ended before the start", replaced(`"start_time": "2022-12-10T13:00:00+13:00", "end_time": null`, `"start_time": null, "end_time": "2022-12-10T13:00:00Z"`), "seed.json: jobs[0].end_time"},
		{"name empty", replaced(`"log"`, `""`), "seed.json: job_outputs[0].name: must be 1 to 200"},
		{"name long", replaced(`"log"`, `"`+strings.Repeat("é", 201)+`"`), "seed.json: job_outputs[0].name: must be 1 to 200"},
		{"name with NUL", replaced(`"log"`, `"a\u0000"`), "seed.json: job_outputs[0].name"},
		{"type long", replaced(`"type": ""`, `"type": "`+strings.Repeat("t", 2049)+`"`), "seed.json: job_outputs[0].type"},
		{"same name and type", replaced(`"job_outputs": [`, `"job_outputs": [{"pk": 4, "job": 3, "name": "log", "type": "", "creation_time": "2023-01-02T03:04:05Z"}, `), "seed.json: job_outputs[1].name: output 4 of job 3 has the same"},
		{"not base64", replaced(`"aGk="`, `"aGk"`), "seed.json: job_outputs[0].data_b64: not base64"},
		{"other digest", replaced(`8f4343`, `8f4344`), "seed.json: job_outputs[0].data_sha256: the content's is 8f4343"},
		{"next pk", replaced(`"next_job_output_pk": 9`, `"next_job_output_pk": 5`), "seed.json: next_job_output_pk: 5 is not from 6"},
		{"next pk one of the last", replaced(`"next_job_output_pk": 9`, `"next_job_output_pk": 1932735284`), "seed.json: next_job_output_pk: 1932735284 is not from 6, one above the greatest output, to 1932735283: a tenth of the keys stays free"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := seed.Read("seed.json", strings.NewReader(test.text))
			if err == nil || !strings.HasPrefix(err.Error(), test.want) {
				t.Errorf("got  %v\nwant %s…", err, test.want)
			}
		})
	}
}

func TestReadFileErrors(t *testing.T) {
	if _, err := seed.ReadFile(filepath.Join(t.TempDir(), "none.json")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v, want that the file is not there", err)
	}
}

func TestRows(t *testing.T) {
	s, err := seed.Read("seed.json", strings.NewReader(minimal))
	if err != nil {
		t.Fatal(err)
	}
	s.Outputs[0].Creator = 1
	reason := "Cancelled"
	want := fixture.Rows{
		Nodes: []fixture.Node{{PK: 7, CurrentJob: 3}},
		Jobs: []jobs.Job{{
			PK: 3, Description: "d", Node: 7, Creator: 1, ErrorReason: &reason, Cancelled: true,
			CreationTime: time.Date(2022, 12, 2, 0, 0, 0, 0, time.UTC), StartTime: time.Date(2022, 12, 10, 0, 0, 0, 0, time.UTC),
		}},
		Outputs: []fixture.Output{{
			Output: outputs.Output{
				PK: 5, Job: 3, Name: "log", Creator: 1, CreatorUsername: "ann",
				CreationTime: time.Date(2023, 1, 2, 3, 4, 5, 678901000, time.UTC), DeletionTime: time.Date(2023, 6, 1, 0, 0, 0, 0, time.UTC),
			},
			Content: []byte("hi"),
		}},
		LastOutputPK: 8,
	}
	if diff := cmp.Diff(want, s.Rows(), cmpopts.IgnoreUnexported(outputs.Output{}, jobs.Job{})); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}
