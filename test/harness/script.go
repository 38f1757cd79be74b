package harness

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Script is a client that sends requests in a row. A wrong status ends the test.
type Script struct {
	*testing.T
	Rig *Rig
}

// Script begins a Script against the service.
func (r *Rig) Script(t *testing.T) Script { return Script{t, r} }

// Output is an output as the API answers it.
type Output struct {
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

// Do sends a request; header is names and values in turn.
func (s Script) Do(c Caller, method, path, body string, header ...string) Answer {
	s.Helper()
	req := Request{Method: method, Path: path, Body: body, Header: map[string]string{}}
	for i := 0; i < len(header); i += 2 {
		req.Header[header[i]] = header[i+1]
	}
	return c.Do(s, s.Rig.URL, req)
}

// OK expects a status and reads the answer's JSON, if v is not nil.
func (s Script) OK(v any, status int, c Caller, method, path, body string, header ...string) Answer {
	s.Helper()
	a := s.Do(c, method, path, body, header...)
	a.Want(s, status)
	if v != nil {
		a.Decode(s, v)
	}
	return a
}

// Refused expects a problem with a status and a code, and returns its members.
func (s Script) Refused(status int, code string, c Caller, method, path, body string, header ...string) map[string]any {
	s.Helper()
	var problem map[string]any
	s.OK(&problem, status, c, method, path, body, header...)
	if problem["code"] != code {
		s.Errorf("%s %s: code %v, want %s", method, path, problem["code"], code)
	}
	return problem
}

// Same expects two values to be the same.
func (s Script) Same(what string, want, got any) {
	s.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		s.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// Names are the names of the outputs a list answers, in its order.
func (s Script) Names(c Caller, body string) []string {
	s.Helper()
	var rows []Output
	s.OK(&rows, 200, c, "POST", "/v1/job-outputs/list", body)
	names := []string{}
	for _, row := range rows {
		names = append(names, row.Name)
	}
	return names
}
