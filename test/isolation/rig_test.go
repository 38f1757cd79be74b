// Package isolation proves that tenants are apart: every principal of one tries every route on
// what another has, and sees, changes and costs what it would if that existed nowhere.
package isolation_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/middleware"

	"joboutputs/test/harness"
)

// output is what the API answers of one.
type output struct {
	PK           int64   `json:"pk"`
	Job          int64   `json:"job"`
	Name         string  `json:"name"`
	Type         string  `json:"type"`
	CreationTime string  `json:"creation_time"`
	Size         int64   `json:"size"`
	ContentType  *string `json:"content_type"`
	SHA256       *string `json:"sha256"`
}

// script is a client that goes on only while everything is as it should be.
type script struct {
	*testing.T
	rig *harness.Rig
}

func (s script) do(c harness.Caller, method, path, body string, header ...string) harness.Answer {
	s.Helper()
	req := harness.Request{Method: method, Path: path, Body: body, Header: map[string]string{}}
	for i := 0; i < len(header); i += 2 {
		req.Header[header[i]] = header[i+1]
	}
	return c.Do(s, s.rig.URL, req)
}

// ok expects a status and reads the answer's JSON, if v is not nil.
func (s script) ok(v any, status int, c harness.Caller, method, path, body string, header ...string) harness.Answer {
	s.Helper()
	a := s.do(c, method, path, body, header...)
	a.Want(s, status)
	if v != nil {
		a.Decode(s, v)
	}
	return a
}

// refused expects a problem with a status and a code.
func (s script) refused(status int, code string, c harness.Caller, method, path, body string) {
	s.Helper()
	var problem struct{ Code string }
	s.ok(&problem, status, c, method, path, body)
	if problem.Code != code {
		s.Errorf("%s %s: code %s, want %s", method, path, problem.Code, code)
	}
}

// names of the outputs a list answers, in its order.
func (s script) names(c harness.Caller, body string) []string {
	s.Helper()
	var rows []output
	s.ok(&rows, 200, c, "POST", "/v1/job-outputs/list", body)
	names := []string{}
	for _, row := range rows {
		names = append(names, row.Name)
	}
	return names
}

// call is one call to a store.
type call struct {
	operation string
	input     string // as JSON
}

// recorder notes the calls of the service to its stores.
type recorder struct {
	mu    sync.Mutex
	calls []call
}

func (rec *recorder) add(stack *middleware.Stack) error {
	return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("record", func(
		ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler,
	) (middleware.InitializeOutput, middleware.Metadata, error) {
		operation := strings.TrimSuffix(fmt.Sprintf("%T", in.Parameters), "Input")
		var input any = in.Parameters
		switch in := in.Parameters.(type) { // whose bodies are no JSON
		case *s3.PutObjectInput:
			input = *in.Key
		case *s3.GetObjectInput:
			input = *in.Key
		}
		text, err := json.Marshal(input)
		if err != nil {
			return middleware.InitializeOutput{}, middleware.Metadata{}, fmt.Errorf("record %s: %w", operation, err)
		}
		rec.mu.Lock()
		rec.calls = append(rec.calls, call{operation[strings.LastIndexByte(operation, '.')+1:], string(text)})
		rec.mu.Unlock()
		return next.HandleInitialize(ctx, in)
	}), middleware.Before)
}

// take returns the calls since the last take, sorted: some are made at the same time.
func (rec *recorder) take() []call {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	calls := rec.calls
	rec.calls = nil
	slices.SortFunc(calls, func(a, b call) int {
		return strings.Compare(a.operation+a.input, b.operation+b.input)
	})
	return calls
}
