package harness

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"time"

	"joboutputs/infra/local/issuer"
	"joboutputs/infra/local/service"
	"joboutputs/shared/auth"
	"joboutputs/shared/problem"
	"joboutputs/shared/table"
	"joboutputs/test/robustness/model"
)

// Wire takes the model's calls to a service and brings its answers back: over HTTP, through
// the local gateway, as users and nodes that it makes as they are needed. Safe for
// concurrent use.
type Wire struct {
	service *service.Service
	url     string        // "" = the gateway is called in this process, which takes a context with it
	limit   time.Duration // of a cleanup; 0 = none

	tokens *tokens
}

// tokens are those of callers.
type tokens struct {
	mu  sync.Mutex
	all map[string]string
}

// NewWire makes a Wire to a service that is served at url, or in this process if it is "".
func NewWire(s *service.Service, url string) *Wire {
	return &Wire{service: s, url: url, tokens: &tokens{all: map[string]string{}}}
}

// to is the Wire to another service of the same issuer, in this process, whose functions run
// for so long at most.
func (w *Wire) to(s *service.Service, limit time.Duration) *Wire {
	return &Wire{service: s, limit: limit, tokens: w.tokens}
}

// Do makes a call. An error is the harness's own: whatever the service does is an answer.
func (w *Wire) Do(ctx context.Context, c model.Call) (model.Answer, error) {
	switch c.Action {
	case auth.Cleanup:
		if w.limit != 0 {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, w.limit)
			defer cancel()
		}
		if _, err := w.service.Deps.Cleanup.Run(ctx, c.Grace); err != nil {
			return model.Answer{Unknown: true}, nil //nolint:nilerr // it stops at the first error, and goes on when it runs again
		}
		return model.Answer{Status: http.StatusOK}, nil
	case model.Send:
		return w.send(ctx, c)
	}
	method, path, body := target(c)
	response, err := w.exchange(ctx, c, method, path, body)
	if err != nil {
		return model.Answer{}, err
	}
	return modelAnswer(c, response)
}

func (w *Wire) exchange(ctx context.Context, c model.Call, method, path string, body []byte) (Answer, error) {
	token, err := w.token(c.Caller)
	if err != nil {
		return Answer{}, err
	}
	caller := Caller{Token: token}
	if c.Caller.Node != 0 {
		caller.Node = fmt.Sprint(c.Caller.Node)
	}
	header := caller.header()
	if c.Key != "" {
		header.Set("Idempotency-Key", c.Key)
	}
	switch {
	case c.ContentType != "" && c.Action == auth.JobsAddOutput:
		header.Set("Content-Type", c.ContentType)
	case len(body) > 0 && c.Action != auth.JobsAddOutput:
		header.Set("Content-Type", "application/json")
	}
	return w.roundTrip(ctx, method, path, header, body)
}

// roundTrip sends one request, with a path as it is escaped and its query.
func (w *Wire) roundTrip(ctx context.Context, method, path string, header http.Header, body []byte) (Answer, error) {
	if w.url == "" {
		r := httptest.NewRequestWithContext(ctx, method, path, bytes.NewReader(body))
		r.Header = header
		return w.inProcess(r), nil
	}
	r, err := http.NewRequestWithContext(ctx, method, w.url+path, bytes.NewReader(body))
	if err != nil {
		return Answer{}, err
	}
	r.Header = header
	response, err := client.Do(r)
	if err != nil {
		return Answer{}, err
	}
	return readAnswer(Request{Method: method, Path: path}, response), nil
}

// inProcess calls the gateway as its server would.
func (w *Wire) inProcess(r *http.Request) (a Answer) {
	recorder := httptest.NewRecorder()
	defer func() {
		if v := recover(); v != nil && v != http.ErrAbortHandler { //nolint:errorlint // as net/http compares it
			panic(v)
		} else if v != nil {
			a.Broken = http.ErrAbortHandler
		}
		a.Status, a.Header, a.Body = recorder.Code, recorder.Header(), recorder.Body.Bytes()
	}()
	w.service.ServeHTTP(recorder, r)
	return a
}

// unavailable is the code by which the service says that nothing was done.
const unavailable = string(problem.Unavailable)

// modelAnswer makes the model's answer of what the wire brought.
func modelAnswer(c model.Call, in Answer) (model.Answer, error) {
	a := model.Answer{Status: in.Status}
	if in.Broken != nil {
		return model.Answer{Unknown: true, Status: in.Status}, nil
	}
	if in.Status == http.StatusServiceUnavailable {
		var document struct{ Code string }
		_ = json.Unmarshal(in.Body, &document) // at worst it says nothing
		return model.Answer{Unknown: document.Code != unavailable, Status: in.Status, Code: document.Code}, nil
	}
	decode := func(v any) error {
		if err := json.Unmarshal(in.Body, v); err != nil {
			return fmt.Errorf("%s answered %d: %w in %.500q", c.Action, in.Status, err, in.Body)
		}
		return nil
	}
	if in.Status >= 400 {
		var document struct {
			Code string
			model.Holder
		}
		if err := decode(&document); err != nil {
			return a, err
		}
		if a.Code = document.Code; a.Code == "duplicate_output" {
			a.Holder = &document.Holder
		}
		return a, nil
	}
	switch c.Action {
	case auth.OutputsDestroy, auth.UploadsAbort:
		return a, nil
	case auth.OutputsDownload, auth.JobsGetOutput:
		a.Content = string(in.Body)
		return a, nil
	case auth.OutputsList:
		if err := decode(&a.Outputs); err != nil { // cut off
			return model.Answer{Unknown: true, Status: in.Status}, nil //nolint:nilerr // which is how the service says so
		}
		return a, nil
	case auth.UploadsBegin, auth.UploadsStatus:
		a.Upload = &model.Upload{}
		return a, decode(a.Upload)
	case auth.JobsCreate, auth.JobsRetrieve, auth.JobsAcquire, auth.JobsRelease, auth.JobsStart, auth.JobsFinish:
		a.Job = &model.Job{}
		return a, decode(a.Job)
	}
	a.Output = &model.Output{}
	return a, decode(a.Output)
}

// send sends an upload's content to S3 by the links the service gives.
func (w *Wire) send(ctx context.Context, c model.Call) (model.Answer, error) {
	content := []byte(c.Content)
	parts := [][]byte{content}
	if c.PartSize != 0 && len(content) > 0 {
		parts = slices.Collect(slices.Chunk(content, int(c.PartSize)))
	}
	sums := make([]string, len(parts))
	for i, part := range parts {
		sum := sha256.Sum256(part)
		sums[i] = hex.EncodeToString(sum[:])
	}
	response, err := w.exchange(ctx, c, "GET", fmt.Sprintf("/v1/jobs/%d/uploads/%s?sha256=%s", c.Job, c.Upload, strings.Join(sums, ",")), nil)
	if err != nil {
		return model.Answer{}, err
	}
	var links struct {
		Parts []struct {
			URL     string
			Headers map[string]string
		}
	}
	if err := json.Unmarshal(response.Body, &links); err != nil || len(links.Parts) != len(parts) {
		return model.Answer{}, fmt.Errorf("links of an upload: %d %.300q (%v)", response.Status, response.Body, err)
	}
	for i, part := range parts {
		r, err := http.NewRequestWithContext(ctx, "PUT", links.Parts[i].URL, bytes.NewReader(part))
		if err != nil {
			return model.Answer{}, err
		}
		for name, value := range links.Parts[i].Headers {
			r.Header.Set(name, value)
		}
		response, err := client.Do(r)
		if err != nil {
			return model.Answer{}, err
		}
		response.Body.Close()
		if response.StatusCode != http.StatusOK {
			return model.Answer{Status: response.StatusCode}, nil
		}
	}
	return model.Answer{Status: http.StatusOK}, nil
}

// token is the caller's, who becomes a user of the development issuer. It outlives every
// clock that a test moves on.
func (w *Wire) token(c model.Caller) (string, error) {
	key := fmt.Sprintf("%s %d", c.Tenant, c.User)
	w.tokens.mu.Lock()
	defer w.tokens.mu.Unlock()
	if token, ok := w.tokens.all[key]; ok {
		return token, nil
	}
	name := fmt.Sprintf("user%d", c.User)
	err := w.service.Issuer.AddUser(issuer.User{Tenant: c.Tenant, PK: c.User, Username: name, Password: name, Admin: c.Admin, Active: true, Nodes: c.Nodes})
	if err != nil {
		return "", err
	}
	claims, err := w.service.Issuer.Claims(c.Tenant, name, issuer.UseAccess)
	if err != nil {
		return "", err
	}
	if c.Directory {
		delete(claims, "upk")
	}
	claims["exp"] = time.Now().AddDate(10, 0, 0).Unix()
	token, err := w.service.Issuer.Mint(claims, nil)
	if err != nil {
		return "", err
	}
	w.tokens.all[key] = token
	return token, nil
}

// ModelTime is a time as the model writes it.
func ModelTime(t time.Time) string { return table.FormatTime(t) }
