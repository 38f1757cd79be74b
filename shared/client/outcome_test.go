package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"joboutputs/shared/client"
)

// writes are every call that changes something.
func writes() map[string]func(context.Context, *client.Client) error {
	return map[string]func(context.Context, *client.Client) error{
		"create": func(ctx context.Context, c *client.Client) error {
			_, err := c.CreateJob(ctx, client.NewJob{})
			return err
		},
		"acquire": func(ctx context.Context, c *client.Client) error { _, err := c.Acquire(ctx, 1); return err },
		"release": func(ctx context.Context, c *client.Client) error { _, err := c.Release(ctx, 1); return err },
		"start":   func(ctx context.Context, c *client.Client) error { _, err := c.Start(ctx, 1); return err },
		"finish":  func(ctx context.Context, c *client.Client) error { _, err := c.Finish(ctx, 1, nil); return err },
		"delete":  func(ctx context.Context, c *client.Client) error { return c.Delete(ctx, client.Ref{PK: 1}) },
		"delete by name": func(ctx context.Context, c *client.Client) error {
			return c.Delete(ctx, client.Ref{Job: 1, Name: "n", Type: "t"})
		},
		"restore": func(ctx context.Context, c *client.Client) error { _, err := c.Restore(ctx, 1); return err },
		"purge":   func(ctx context.Context, c *client.Client) error { _, err := c.Purge(ctx, 1); return err },
		"abort":   func(ctx context.Context, c *client.Client) error { return c.AbortUpload(ctx, 1, "u") },
		"add": func(ctx context.Context, c *client.Client) error {
			_, err := c.Upload(ctx, client.Upload{Job: 1, Name: "n", Type: "t", Source: strings.NewReader("x"), Size: 1})
			return err
		},
	}
}

// TestOneKey: the attempts of a write have one key, and two writes have two.
func TestOneKey(t *testing.T) {
	seen := map[string]string{}
	for name, write := range writes() {
		var mu sync.Mutex
		var keys []string
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			defer mu.Unlock()
			if keys = append(keys, r.Header.Get("Idempotency-Key")); len(keys) < 3 {
				panic(http.ErrAbortHandler)
			}
			w.WriteHeader(http.StatusForbidden)
		}))
		c, err := client.New(client.Config{Server: server.URL, Clock: &clock{}, Tokens: client.Tokens{Access: "t"}})
		if err != nil {
			t.Fatal(err)
		}
		_ = write(t.Context(), c)
		server.Close()
		if len(keys) != 3 || keys[0] == "" || keys[0] != keys[1] || keys[1] != keys[2] {
			t.Errorf("%s: the keys of its attempts are %q", name, keys)
		}
		if other, ok := seen[keys[0]]; ok {
			t.Errorf("%s has the key of %s", name, other)
		}
		seen[keys[0]] = name
	}
}

// TestOutcome: of a write that fails it is said whether it may have been carried out.
func TestOutcome(t *testing.T) {
	for _, tc := range []struct {
		responses []string // a status and a code, or "cut"; the last for all attempts that follow
		unknown   bool
	}{
		{[]string{"503 unavailable"}, false},
		{[]string{"429 throttled"}, false},
		{[]string{"409 illegal_transition"}, false},
		{[]string{"503 outcome_unknown"}, true},
		{[]string{"500 internal"}, true},
		{[]string{"502"}, true},
		{[]string{"504"}, true},
		{[]string{"cut"}, true},
		{[]string{"503 outcome_unknown", "503 unavailable"}, true},
		{[]string{"503 unavailable", "cut"}, true},
		{[]string{"cut", "429 throttled"}, true},
		{[]string{"cut", "401 token_not_valid"}, true},
		{[]string{"cut", "403 permission_denied"}, true},
		{[]string{"cut", "409 illegal_transition"}, false}, // after it looked for the key
		{[]string{"cut", "404 not_found"}, false},
		{[]string{"cut", "422 idempotency_mismatch"}, false},
	} {
		for name, write := range writes() {
			if name == "abort" && strings.Contains(tc.responses[len(tc.responses)-1], "404") {
				continue // an upload that is gone has ended
			}
			var calls atomic.Int64
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				response := tc.responses[min(int(calls.Add(1)), len(tc.responses))-1]
				if response == "cut" {
					panic(http.ErrAbortHandler)
				}
				var status int
				var code string
				fmt.Sscan(response, &status, &code)
				w.WriteHeader(status)
				_ = json.NewEncoder(w).Encode(map[string]any{"status": status, "code": code, "detail": "No."})
			}))
			c, err := client.New(client.Config{Server: server.URL, Clock: &clock{}, Retries: 3, Tokens: client.Tokens{Access: "t"}})
			if err != nil {
				t.Fatal(err)
			}
			err = write(t.Context(), c)
			server.Close()
			unknown, ok := errors.AsType[*client.UnknownOutcomeError](err)
			if err == nil || ok != tc.unknown {
				t.Errorf("%s, %q: got %v, want an unknown outcome: %v", name, tc.responses, err, tc.unknown)
			}
			if ok && (!strings.Contains(unknown.Error(), "may have been carried out") || !strings.Contains(unknown.Call, " /v1/")) {
				t.Errorf("%s, %q: %v", name, tc.responses, err)
			}
		}
	}
}

// TestNeverSent: a request for which there is no connection is carried out by nobody.
func TestNeverSent(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	for name, server := range map[string]string{
		"nobody listens": "http://" + listener.Addr().String(), "no such name": "http://nowhere.invalid", "no TLS": strings.Replace(plain.URL, "http:", "https:", 1),
	} {
		listener.Close()
		c, err := client.New(client.Config{Server: server, Clock: &clock{}, Retries: -1, Tokens: client.Tokens{Access: "t"}})
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.Start(t.Context(), 1)
		if _, ok := errors.AsType[*client.ConnectionError](err); !ok {
			t.Errorf("%s: got %v, want a connection error", name, err)
		}
		if unknown, ok := errors.AsType[*client.UnknownOutcomeError](err); ok {
			t.Errorf("%s: %v", name, unknown)
		}
	}
}

// TestReads have no key, and no outcome.
func TestReads(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if key := r.Header.Get("Idempotency-Key"); key != "" {
			t.Errorf("%s %s has the key %s", r.Method, r.URL, key)
		}
		panic(http.ErrAbortHandler)
	}))
	defer server.Close()
	c, err := client.New(client.Config{Server: server.URL, Clock: &clock{}, Retries: 1, Tokens: client.Tokens{Access: "t"}})
	if err != nil {
		t.Fatal(err)
	}
	_, jobErr := c.Job(t.Context(), 1)
	_, infoErr := c.Info(t.Context(), client.Ref{PK: 1})
	_, listErr := c.ListPage(t.Context(), client.Spec{})
	for _, err := range []error{jobErr, infoErr, listErr} {
		if _, ok := errors.AsType[*client.UnknownOutcomeError](err); ok || err == nil {
			t.Errorf("got %v, want a connection error", err)
		}
	}
}
