package harness

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"time"

	"joboutputs/shared/auth"
	goclient "joboutputs/shared/client"
	"joboutputs/test/robustness/faults"
	"joboutputs/test/robustness/model"
)

// Retrying makes calls of the model with the project's own client (shared/client): with its
// keys, its retries and what it says of their outcome. Nothing of it sleeps.
type Retrying struct {
	Wire    func() *Wire // asked at each request
	Retries int          // as in client.Config
	Clock   goclient.Clock

	// Plan is asked before each attempt, from 0, of the request that makes the call: what
	// befalls it. Each attempt has a plan of its own.
	Plan func(attempt int) *faults.Plan
}

// gatewayTime is how long a client waits for a function that died: API Gateway gives up then.
const gatewayTime = 30 * time.Second

// HasClient reports whether the client makes such a call.
func HasClient(action auth.Action) bool {
	return action != auth.Cleanup && action != auth.JobsGetOutput && action != model.Send
}

// ByClient is a call as the client makes it: with a media type, and with a key, whose text
// the model cannot know.
func ByClient(c model.Call, key string) model.Call {
	if c.Key = key; c.ContentType == "" && (c.Action == auth.JobsAddOutput || c.Action == auth.UploadsBegin) {
		c.ContentType = "application/octet-stream"
	}
	return c
}

// Do makes a call of ByClient. Its answer is what the client says of it: Unknown for an
// UnknownOutcomeError, unavailable for a call that never reached the service.
func (y *Retrying) Do(ctx context.Context, c model.Call) (model.Answer, error) {
	token, err := y.Wire().token(c.Caller)
	if err != nil {
		return model.Answer{}, err
	}
	method, path, _ := target(c)
	trips := &trips{Retrying: y, method: method, path: path}
	cl, err := goclient.New(goclient.Config{
		Server: "http://" + inProcessHost, HTTP: &http.Client{Transport: trips}, Tokens: goclient.Tokens{Access: token},
		Node: c.Caller.Node, Retries: y.Retries, Clock: y.Clock, Jitter: func(limit time.Duration) time.Duration { return limit / 2 },
	})
	if err != nil {
		return model.Answer{}, err
	}
	value, status, err := made(ctx, cl, c)
	if trips.failed != nil {
		return model.Answer{}, trips.failed
	}
	if err != nil {
		return saidOf(err)
	}
	if content, ok := value.([]byte); ok || value == nil { // or the client does not return what the model wants
		if value == nil {
			content, status = trips.last.Body, trips.last.Status
		}
		return modelAnswer(c, Answer{Status: status, Body: content})
	}
	body, err := json.Marshal(value)
	if err != nil {
		return model.Answer{}, err
	}
	return modelAnswer(c, Answer{Status: status, Body: body})
}

// made makes a call. A value of nil is in the last response.
func made(ctx context.Context, cl *goclient.Client, c model.Call) (value any, status int, err error) {
	status = http.StatusOK
	switch c.Action {
	case auth.JobsCreate:
		value, err = cl.CreateJob(ctx, goclient.NewJob{PK: c.PK, Node: c.Node, Description: c.Description})
		status = http.StatusCreated
	case auth.JobsRetrieve:
		value, err = cl.Job(ctx, c.Job)
	case auth.JobsAcquire:
		value, err = cl.Acquire(ctx, c.Job)
	case auth.JobsRelease:
		value, err = cl.Release(ctx, c.Job)
	case auth.JobsStart:
		value, err = cl.Start(ctx, c.Job)
	case auth.JobsFinish:
		value, err = cl.Finish(ctx, c.Job, c.Error)
	case auth.JobsGetOutputInfo:
		value, err = cl.Info(ctx, goclient.Ref{Job: c.Job, Name: c.Name, Type: c.Type})
	case auth.JobsDeleteOutput:
		err = cl.Delete(ctx, goclient.Ref{Job: c.Job, Name: c.Name, Type: c.Type})
	case auth.OutputsRetrieve:
		value, err = cl.Info(ctx, goclient.Ref{PK: c.PK})
	case auth.OutputsDownload:
		o, failed := cl.Info(ctx, goclient.Ref{PK: c.PK})
		var content bytes.Buffer
		if err = failed; err == nil {
			_, err = cl.Download(ctx, o, &content)
		}
		value = content.Bytes()
	case auth.OutputsDestroy:
		err = cl.Delete(ctx, goclient.Ref{PK: c.PK})
	case auth.OutputsReinstate:
		value, err = cl.Restore(ctx, c.PK)
	case auth.OutputsHardDelete:
		value, err = cl.Purge(ctx, c.PK)
	case auth.OutputsList:
		spec := goclient.Spec{IncludeInactive: c.Inactive}
		if c.Job != 0 {
			spec.Expressions = []goclient.Expression{goclient.Exact("job", c.Job)}
		}
		var page goclient.Page
		page, err = cl.ListPage(ctx, spec)
		value = page.Outputs
	case auth.UploadsAbort:
		err = cl.AbortUpload(ctx, c.Job, c.Upload)
	default:
		value, err = upload(ctx, cl, c)
	}
	return value, status, err
}

// upload makes a call of which the client's Upload consists. A staged one needs content that
// does not fit an add.
func upload(ctx context.Context, cl *goclient.Client, c model.Call) (any, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	u := goclient.Upload{
		Job: c.Job, Name: c.Name, Type: c.Type, ContentType: c.ContentType,
		Source: strings.NewReader(c.Content), Size: int64(len(c.Content)), PartSize: c.PartSize, Resume: c.Upload,
	}
	if c.Action != auth.JobsAddOutput && u.Size <= goclient.MaxAdd {
		panic(fmt.Sprintf("harness: the client does not stage %d bytes", u.Size))
	}
	begun := false
	if c.Action == auth.UploadsBegin || c.Action == auth.UploadsStatus { // no more than that
		u.Begun = func(string) { begun = true; cancel() }
	}
	added, err := cl.Upload(ctx, u)
	switch {
	case begun:
		return nil, nil
	case err != nil:
		return nil, err
	case added.Existed: // by whom? each content is uploaded once
		return nil, &goclient.Problem{Status: http.StatusConflict, Code: "existed"}
	}
	return added.Output, nil
}

// saidOf is what the client says of a call that failed.
func saidOf(err error) (model.Answer, error) {
	if _, ok := errors.AsType[*goclient.UnknownOutcomeError](err); ok {
		return model.Answer{Unknown: true}, nil
	}
	if p, ok := errors.AsType[*goclient.Problem](err); ok {
		a := model.Answer{Status: p.Status, Code: p.Code}
		if p.Code == "duplicate_output" {
			a.Holder = &model.Holder{PK: p.PK, SHA256: p.SHA256}
			if p.DeletionTime != nil {
				a.Holder.DeletionTime = ModelTime(p.DeletionTime.Time)
			}
		}
		if p.Status >= http.StatusInternalServerError { // of a write, the client says by it that nothing was done
			a.Code = unavailable
		}
		return a, nil
	}
	if _, ok := errors.AsType[*goclient.ConnectionError](err); ok { // or by this one
		return model.Answer{Status: http.StatusServiceUnavailable, Code: unavailable}, nil
	}
	return model.Answer{}, fmt.Errorf("the client failed with %T: %w", err, err)
}

// trips carries the client's requests to the service.
type trips struct {
	*Retrying
	method, path string // of the request that makes the call
	attempts     int
	last         Answer // to it
	failed       error  // the harness itself did
}

const inProcessHost = "service.invalid"

// errReset is what a client sees of a response that is lost.
var errReset = &net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET}

func (t *trips) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Host != inProcessHost { // a part's, to S3
		return client.Transport.RoundTrip(r)
	}
	var body []byte
	if r.Body != nil {
		defer r.Body.Close()
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
	}
	plan := faults.NewPlan(nil)
	makes := r.Method == t.method && r.URL.EscapedPath() == t.path
	if makes {
		plan = t.Plan(t.attempts)
		t.attempts++
	}
	ctx := faults.With(r.Context(), plan)
	a, err := t.Wire().roundTrip(ctx, r.Method, r.URL.RequestURI(), r.Header, body)
	if err != nil {
		t.failed = err
		return nil, err
	}
	if makes {
		t.last = a
	}
	plan.GivenUp()
	if plan.Over() {
		_ = t.Clock.Sleep(ctx, gatewayTime)
	}
	if plan.Dead() {
		return nil, errReset
	}
	response := &http.Response{
		Status: http.StatusText(a.Status), StatusCode: a.Status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: a.Header, Body: io.NopCloser(bytes.NewReader(a.Body)), ContentLength: int64(len(a.Body)), Request: r,
	}
	if a.Broken != nil {
		response.Body = io.NopCloser(io.MultiReader(bytes.NewReader(a.Body), brokenOff{}))
		response.ContentLength = -1
	}
	return response, nil
}

type brokenOff struct{}

func (brokenOff) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }
