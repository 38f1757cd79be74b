package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"joboutputs/shared/api"
	"joboutputs/shared/api/apitest"
	"joboutputs/shared/auth"
)

// untilLate is an action that works until its context ends, after some of its response.
func untilLate(first string) http.Handler {
	return api.Handle(auth.OutputsRetrieve, func(w http.ResponseWriter, r *http.Request, _ auth.Principal) error {
		if first != "" {
			_, _ = io.WriteString(w, first)
		}
		<-r.Context().Done()
		return r.Context().Err()
	})
}

// TestBeforeTheDeadline: a function that works for too long responds before Lambda ends it.
func TestBeforeTheDeadline(t *testing.T) {
	t.Parallel()
	run := func(name string, respond func(ctx context.Context) (status int, body string, err error)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			status, body, err := respond(ctx)
			if err != nil || status != http.StatusServiceUnavailable || !strings.Contains(body, `"code":"unavailable"`) {
				t.Errorf("got %d %s, %v; want 503 unavailable", status, body, err)
			}
			if ctx.Err() != nil {
				t.Error("the deadline came first")
			}
		})
	}
	run("buffered", func(ctx context.Context) (int, string, error) {
		response, err := edge(t).Buffered(untilLate(""))(ctx, one.Event(t))
		return response.StatusCode, response.Body, err
	})
	run("streamed", func(ctx context.Context) (int, string, error) {
		response, err := edge(t).Streamed(untilLate(""))(ctx, one.Event(t))
		if err != nil {
			return 0, "", err
		}
		body, err := io.ReadAll(response.Body)
		return response.StatusCode, string(body), err
	})
}

// TestBrokenAtTheDeadline: a streamed response that is not complete then is visibly broken,
// also if its client reads too slowly, and it is logged before it ends.
func TestBrokenAtTheDeadline(t *testing.T) {
	t.Parallel()
	endless := api.Handle(auth.OutputsRetrieve, func(w http.ResponseWriter, _ *http.Request, _ auth.Principal) error {
		for {
			if _, err := io.WriteString(w, "more"); err != nil {
				return err
			}
		}
	})
	for name, h := range map[string]http.Handler{"it works": untilLate("the beginning"), "nobody reads": endless} {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		logged := &lines{more: make(chan string, 9)}
		edge := api.Edge{Log: slog.New(slog.NewJSONHandler(logged, nil)), Now: func() time.Time { return apitest.Now }}
		response, err := edge.Streamed(h)(ctx, one.Event(t))
		if err != nil {
			t.Fatal(err)
		}
		if name == "it works" {
			if content, err := io.ReadAll(response.Body); err == nil || string(content) != "the beginning" {
				t.Errorf("%s: read %q, %v; want a broken response", name, content, err)
			}
			select {
			case <-logged.more:
			default:
				t.Errorf("%s: the response ended before its line was logged", name)
			}
			continue
		}
		select {
		case <-logged.more:
		case <-time.After(10 * time.Second):
			t.Errorf("%s: the action goes on after the deadline", name)
		}
		if _, err := io.ReadAll(response.Body); err == nil {
			t.Errorf("%s: the response ended well", name)
		}
	}
}

type lines struct{ more chan string }

func (l *lines) Write(p []byte) (int, error) {
	l.more <- string(p)
	return len(p), nil
}

// TestResponseFits: the largest body that a function may return fits Lambda's 6 MB, whatever
// it holds.
func TestResponseFits(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		content  string
		inBase64 bool
	}{
		"letters":            {"a", false},
		"JSON":               {`{"name":"model"}`, false},
		"quotes":             {`"`, true},
		"control characters": {"\x01", true},
		"markup":             {"<&>", true},
		"line separators":    {"\u2028", true},
		"other characters":   {"é日本🎉", false},
		"bytes":              {"\xff\x00", true},
	} {
		body := bytes.Repeat([]byte(tc.content), api.MaxResponse/len(tc.content))
		h := api.Handle(auth.OutputsRetrieve, func(w http.ResponseWriter, _ *http.Request, _ auth.Principal) error {
			_, err := w.Write(body)
			return err
		})
		response, err := edge(t).Buffered(h)(t.Context(), one.Event(t))
		if err != nil {
			t.Fatal(err)
		}
		wire, err := json.Marshal(response)
		if err != nil || len(wire) > 6<<20 || response.IsBase64Encoded != tc.inBase64 {
			t.Errorf("%s: %d bytes to Lambda (%v), in base64: %v; want at most %d, %v", name, len(wire), err, response.IsBase64Encoded, 6<<20, tc.inBase64)
		}
	}
}
