package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"joboutputs/shared/api"
	"joboutputs/shared/api/apitest"
	"joboutputs/shared/auth"
	"joboutputs/shared/problem"
)

func edge(tb testing.TB) api.Edge {
	return api.Edge{Log: slog.New(slog.NewTextHandler(tb.Output(), nil)), Now: func() time.Time { return apitest.Now }}
}

var one = apitest.Call{Method: "GET", Resource: outputs, Params: map[string]string{"pk": "1"}, As: apitest.Bob}

func action(fn func(w http.ResponseWriter) error) http.Handler {
	return api.Handle(auth.OutputsRetrieve, func(w http.ResponseWriter, _ *http.Request, _ auth.Principal) error { return fn(w) })
}

func TestProblem(t *testing.T) {
	f := problem.New(problem.DuplicateOutput, "It's <taken>.").With("sha256", "ab").With("pk", 7).With("deletion_time", nil)
	want := `{"type":"urn:joboutputs:problem:duplicate_output","title":"Conflict","status":409,"detail":"It's <taken>.",` +
		`"code":"duplicate_output","request_id":"r-1","deletion_time":null,"pk":7,"sha256":"ab"}`
	if diff := cmp.Diff(want, string(api.Problem(f, "r-1"))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	odd := api.Problem(problem.New(problem.InvalidRequest, "%s", "bad \xff \" \n").With("x", func() {}), "r")
	var doc map[string]any
	if err := json.Unmarshal(odd, &doc); err != nil || doc["detail"] != "bad \uFFFD \" \n" || doc["x"] != nil {
		t.Errorf("odd members: %v in %s", err, odd)
	}
	if got := api.Status("made-up"); got != http.StatusInternalServerError {
		t.Errorf("an unknown code is %d", got)
	}
}

func TestJSON(t *testing.T) {
	answer := one.Do(t, action(func(w http.ResponseWriter) error {
		return api.JSON(w, http.StatusCreated, []any{"é<>", 1, nil})
	}))
	if got := string(answer.Body); answer.Status != http.StatusCreated || got != `["é<>",1,null]` || answer.Header.Get("Content-Type") != "application/json" {
		t.Errorf("got %v", answer)
	}
	answer = one.Do(t, action(func(w http.ResponseWriter) error { return api.JSON(w, http.StatusOK, func() {}) }))
	if answer.Code() != problem.Internal {
		t.Errorf("a value that has no JSON: got %v", answer)
	}
}

// A buffered answer has not left when its maker fails: the problem takes its place.
func TestBufferedAbort(t *testing.T) {
	call := one
	call.Header = map[string]string{"Origin": "https://a.test"}
	answer := call.Do(t, action(func(w http.ResponseWriter) error {
		w.Header().Set("Content-Type", "text/plain")
		w.Header().Set("X-Next-Cursor", "c")
		_, _ = io.WriteString(w, "the first half")
		return errors.New("no second half")
	}))
	if answer.Status != http.StatusInternalServerError || answer.Code() != problem.Internal || strings.Contains(string(answer.Body), "half") {
		t.Errorf("got %v", answer)
	}
	if answer.Header.Get("X-Next-Cursor") != "" || answer.Header.Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("headers %v", answer.Header)
	}
	if !strings.Contains(answer.Log, "no second half") {
		t.Errorf("log %s", answer.Log)
	}
}

// A streamed one has: it must end so that nobody takes it for whole.
func TestStreamedAbort(t *testing.T) {
	for name, fail := range map[string]func() error{
		"error":   func() error { return errors.New("no second half") },
		"panic":   func() error { panic("no second half") },
		"problem": func() error { return problem.New(problem.Unavailable, "Wait.").Because(errors.New("no second half")) },
	} {
		answer := one.Stream(t, action(func(w http.ResponseWriter) error {
			w.WriteHeader(http.StatusAccepted)
			_, _ = io.WriteString(w, "the first half")
			w.Header().Set("X-Late", "yes")
			return fail()
		}))
		if answer.Status != http.StatusAccepted || string(answer.Body) != "the first half" || answer.Cut == nil || answer.Header.Get("X-Late") != "" {
			t.Errorf("%s: got %v, cut: %v", name, answer, answer.Cut)
		}
		if !strings.Contains(answer.Log, "no second half") || !strings.Contains(answer.Log, `"level":"ERROR"`) {
			t.Errorf("%s: log %s", name, answer.Log)
		}
	}
}

func TestStreamedWhole(t *testing.T) {
	big := bytes.Repeat([]byte{0, 'x', 0xff}, 1<<20)
	answer := one.Stream(t, action(func(w http.ResponseWriter) error {
		w.Header().Set("Content-Length", strconv.Itoa(len(big)))
		for part := range slices.Chunk(big, 1000) {
			if _, err := w.Write(part); err != nil {
				return err
			}
		}
		return nil
	}))
	if answer.Status != http.StatusOK || !bytes.Equal(answer.Body, big) || answer.Cut != nil {
		t.Errorf("got %d, %d bytes, cut: %v", answer.Status, len(answer.Body), answer.Cut)
	}
	answer = one.Stream(t, action(func(http.ResponseWriter) error { return nil }))
	if answer.Status != http.StatusOK || len(answer.Body) != 0 || answer.Cut != nil {
		t.Errorf("nothing written: got %v, cut: %v", answer, answer.Cut)
	}
}

// Who stops reading ends the function's writes, and that is nobody's fault.
func TestStreamedReaderGone(t *testing.T) {
	ended := make(chan error, 1)
	h := action(func(w http.ResponseWriter) error {
		for {
			if _, err := w.Write(make([]byte, 1000)); err != nil {
				ended <- err
				return err
			}
		}
	})
	var log bytes.Buffer
	done := make(chan struct{})
	e := edge(t)
	e.Log = slog.New(slog.NewTextHandler(writerFunc(func(p []byte) (int, error) {
		defer close(done)
		return log.Write(p)
	}), nil))
	response, err := e.Streamed(h)(t.Context(), one.Event(t))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(response.Body, make([]byte, 1500)); err != nil {
		t.Fatal(err)
	}
	response.Close()
	select {
	case err := <-ended:
		if !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("the writer got %v", err)
		}
	case <-time.After(5 * time.Second):
		t.Fatal("the function still writes")
	}
	<-done
	if strings.Contains(log.String(), "ERROR") {
		t.Errorf("log %s", log.String())
	}
}

// A handler that has nothing to write is told by its context.
func TestStreamedReaderGoneSilently(t *testing.T) {
	ended := make(chan error, 1)
	h := api.Handle(auth.JobsRetrieve, func(w http.ResponseWriter, r *http.Request, _ auth.Principal) error {
		if _, err := io.WriteString(w, "["); err != nil {
			return err
		}
		select {
		case <-r.Context().Done():
		case <-time.After(5 * time.Second):
		}
		ended <- r.Context().Err()
		return r.Context().Err()
	})
	log := make(chan string, 1)
	e := edge(t)
	e.Log = slog.New(slog.NewTextHandler(writerFunc(func(p []byte) (int, error) {
		log <- string(p)
		return len(p), nil
	}), nil))
	response, err := e.Streamed(h)(t.Context(), one.Event(t))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(response.Body, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	response.Close()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("the handler's context: %v, want it canceled", err)
	}
	if line := <-log; strings.Contains(line, "ERROR") {
		t.Errorf("the log says %s, want no error: that a client leaves is not one", line)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func TestHead(t *testing.T) {
	call := one
	call.Method = "HEAD"
	write := action(func(w http.ResponseWriter) error { return api.JSON(w, http.StatusOK, "twelve chars") })
	for kind, do := range map[string]func(testing.TB, http.Handler) *apitest.Answer{"buffered": call.Do, "streamed": call.Stream} {
		answer := do(t, write)
		if answer.Status != http.StatusOK || len(answer.Body) != 0 || answer.Header.Get("Content-Length") != "14" {
			t.Errorf("%s: got %v", kind, answer)
		}
	}
	answer := call.Do(t, action(func(w http.ResponseWriter) error { _, err := io.WriteString(w, "abc"); return err }))
	if len(answer.Body) != 0 || answer.Header.Get("Content-Length") != "3" {
		t.Errorf("a length nobody gave: got %v", answer)
	}
}

func TestBufferedBytes(t *testing.T) {
	for _, body := range []string{"", "text é", "\xff\xfe", "\x00"} {
		answer := one.Do(t, action(func(w http.ResponseWriter) error {
			w.WriteHeader(http.StatusTeapot)
			w.WriteHeader(http.StatusOK) // the first counts
			w.Header().Set("X-Late", "yes")
			_, err := io.WriteString(w, body)
			return err
		}))
		if answer.Status != http.StatusTeapot || string(answer.Body) != body || answer.Header.Get("Content-Type") != "" || answer.Header.Get("X-Late") != "" {
			t.Errorf("%q: got %v", body, answer)
		}
	}
}

// The event's query, headers and body reach the handler whole.
func TestRequest(t *testing.T) {
	h := api.Handle(auth.OutputsRetrieve, func(w http.ResponseWriter, r *http.Request, _ auth.Principal) error {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return err
		}
		return api.JSON(w, http.StatusOK, map[string]any{
			"query": r.URL.Query()["a b"], "header": r.Header.Values("X-Twice"), "body": len(body),
			"method": r.Method, "id": api.RequestID(r.Context()),
		})
	})
	call := one
	call.Method, call.Query, call.Body, call.Header = "PUT", "a+b=1%262&a+b=%25", "\x00\xff", map[string]string{"x-twice": "1"}
	event := call.Event(t)
	event.MultiValueHeaders["X-Twice"] = []string{"1", "2"}
	response, err := edge(t).Buffered(h)(t.Context(), event)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"query": []any{"1&2", "%"}, "header": []any{"1", "2"}, "body": 2.0, "method": "PUT", "id": event.RequestContext.RequestID}
	var got map[string]any
	if err := json.Unmarshal([]byte(response.Body), &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
