package lambda

import (
	"context"
	"crypto/ecdsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"joboutputs/functions"
	"joboutputs/shared/auth"
	"joboutputs/shared/jobs"
	"joboutputs/shared/localaws/fixture"
	"joboutputs/shared/outputs"
	"joboutputs/shared/table"
	"joboutputs/shared/uploads"
	"joboutputs/shared/users"
)

const tenant = "demo" // the events' own

// scenes makes the events that functions are invoked with: those of events/, adapted to
// rows that are there, so that every invocation goes well and does all of its work.
type scenes struct {
	events string // the folder
	deps   functions.Deps
	key    *ecdsa.PrivateKey
	issuer string
	caller auth.Principal // who makes the rows

	content string // of the next add; "" = the event's
}

// content is what is uploaded: the body of events/jobs-addoutput.json.
const content = "\x89bin\x00\xff\r\n"

// seed is what the events speak of: job 2 runs on node 1, with an active output and a
// soft-deleted one; job 6 is free, and job 7 waits for node 2.
func seed(ctx context.Context, into *table.Store) error {
	began := time.Now().Add(-time.Hour).UTC().Truncate(time.Microsecond)
	output := func(pk int64, name, typ string, deleted time.Time) fixture.Output {
		return fixture.Output{Content: []byte(content), Output: outputs.Output{
			PK: pk, Job: 2, Name: name, Type: typ, Creator: 2, CreatorUsername: "alice", CreationTime: began, DeletionTime: deleted,
		}}
	}
	return fixture.Load(auth.WithTenant(ctx, tenant), into, tenant, fixture.Rows{
		Jobs: []jobs.Job{
			{PK: 2, Description: "train", Node: 1, Creator: 2, CreationTime: began, StartTime: began},
			{PK: 6, Creator: 2, CreationTime: began},
			{PK: 7, Node: 2, Creator: 2, CreationTime: began},
		},
		Outputs: []fixture.Output{
			output(5, "model", "Model<Domain<'Image Classification'>>", time.Time{}),
			output(6, "train log", "txt", began),
		},
		LastOutputPK: 67,
	})
}

// event makes what the nth invocation of a function is sent, and the rows it needs.
func (s *scenes) event(ctx context.Context, name auth.Action, nth int) ([]byte, error) {
	text, err := os.ReadFile(filepath.Join(s.events, string(name)+".json"))
	if err != nil {
		return nil, err
	}
	var event map[string]any
	if err := json.Unmarshal(text, &event); err != nil {
		return nil, err
	}
	if err := s.adapt(auth.WithTenant(ctx, tenant), name, nth, event); err != nil {
		return nil, fmt.Errorf("the scene of %s: %w", name, err)
	}
	return json.Marshal(event)
}

func (s *scenes) adapt(ctx context.Context, name auth.Action, nth int, event map[string]any) error {
	param := func(name, value string) { event["pathParameters"].(map[string]any)[name] = value }
	body := func(text string) {
		event["body"], event["isBase64Encoded"] = base64.StdEncoding.EncodeToString([]byte(text)), true
	}
	fresh := func() string { return fmt.Sprintf("%s-%d-%d", name, time.Now().UnixNano(), nth) }
	switch name {
	case auth.OutputsDestroy, auth.JobsDeleteOutput:
		_, err := s.deps.Outputs.Reinstate(ctx, s.caller, 5, "")
		return err
	case auth.OutputsReinstate:
		_, err := s.deps.Outputs.Destroy(ctx, s.caller, 6, "")
		return err
	case auth.OutputsHardDelete:
		o, err := s.deps.Outputs.Add(ctx, s.caller, outputs.Addition{Job: 2, Name: fresh(), Type: "txt", Content: []byte(content)})
		param("pk", strconv.FormatInt(o.PK, 10))
		return err
	case auth.JobsAcquire:
		_, err := s.deps.Jobs.Release(ctx, s.worker(2), 6, "")
		return err
	case auth.JobsRelease:
		_, err := s.deps.Jobs.Acquire(ctx, s.worker(2), 7, "")
		return err
	case auth.JobsStart, auth.JobsFinish:
		return s.job(ctx, name, event, param)
	case auth.JobsAddOutput:
		param("name", fresh())
		if s.content != "" {
			body(s.content)
		}
	case auth.UploadsBegin:
		body(fmt.Sprintf(`{"name":%q,"type":"txt","size":%d}`, fresh(), len(content)))
	case auth.UploadsStatus, auth.UploadsComplete, auth.UploadsAbort:
		id, err := s.upload(ctx, fresh())
		param("id", id)
		return err
	case auth.AuthAuthorize:
		token, err := s.token()
		event["authorizationToken"] = "Bearer " + token
		return err
	case auth.AuthVerify:
		token, err := s.token()
		body(`{"token":"` + token + `"}`)
		return err
	}
	return nil
}

// worker is the caller acting for a node.
func (s *scenes) worker(node int64) auth.Principal {
	p := s.caller
	p.Nodes, p.Node = []int64{node}, node
	return p
}

// job makes a job that can be started, or finished, by the node the event comes from.
func (s *scenes) job(ctx context.Context, name auth.Action, event map[string]any, param func(name, value string)) error {
	node, err := strconv.ParseInt(event["headers"].(map[string]any)["Node-Id"].(string), 10, 64)
	if err != nil {
		return err
	}
	job, err := s.deps.Jobs.Create(ctx, tenant, jobs.NewJob{Node: node, Creator: users.Of(s.caller)})
	if err != nil {
		return err
	}
	param("pk", strconv.FormatInt(job.PK, 10))
	worker := s.worker(node)
	if name == auth.JobsFinish {
		_, err = s.deps.Jobs.Start(ctx, worker, job.PK, "")
		return err
	}
	// The node works the job of the last invocation, which is the one before.
	_, _ = s.deps.Jobs.Finish(ctx, worker, job.PK-1, nil, "")
	return nil
}

// upload begins a staged upload and sends its bytes.
func (s *scenes) upload(ctx context.Context, name string) (id string, err error) {
	sum, _ := uploads.SHA256("0fdc4480f645f4bfa04d4ad7394c3f45430013c55f1954c04b3e2027abfb28df")
	u, err := s.deps.Uploads.Begin(ctx, s.caller, uploads.NewUpload{
		Job: 2, Name: name, Type: "txt", Size: int64(len(content)), SHA256: sum,
	})
	if err != nil {
		return "", err
	}
	part := u.Parts[0]
	r, err := http.NewRequestWithContext(ctx, part.Method, *part.URL, strings.NewReader(content))
	if err != nil {
		return "", err
	}
	for name, value := range part.Headers {
		r.Header.Set(name, value)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return "", err
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return "", fmt.Errorf("send the part of an upload: %s", response.Status)
	}
	return u.ID, nil
}

func (s *scenes) token() (string, error) {
	unsigned := jwt.NewWithClaims(jwt.SigningMethodES256, jwt.MapClaims{
		"iss": s.issuer, "aud": audience, "sub": "alice", "exp": time.Now().Add(time.Hour).Unix(),
		"token_use": "access", "tenant": tenant, "upk": 2,
	})
	unsigned.Header["kid"] = "bench"
	return unsigned.SignedString(s.key)
}
