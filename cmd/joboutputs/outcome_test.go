package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestUnknownOutcome: the command reports a write whose outcome is unknown as such.
func TestUnknownOutcome(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet && r.URL.Path == "/v1/job-outputs/9" {
			fmt.Fprint(w, `{"pk":9,"job":7,"name":"n","type":"t"}`)
			return
		}
		w.Header().Set("Content-Type", "application/problem+json")
		w.Header().Set("Retry-After", "3600") // longer than the command waits
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprint(w, `{"status":503,"code":"outcome_unknown","detail":"The outcome is unknown."}`)
	}))
	defer server.Close()
	for command, call := range map[string]string{
		"jobs create":            "POST /v1/jobs/create",
		"jobs start 7 --node 1":  "POST /v1/jobs/7/start",
		"jobs finish 7 --node 1": "POST /v1/jobs/7/finish",
		"rm 9":                   "DELETE /v1/job-outputs/9",
		"purge 9 --yes":          "DELETE /v1/job-outputs/9/hard",
	} {
		r := newRig(t, server.URL)
		r.env["JOBOUTPUTS_TOKEN"] = "t"
		got := r.run(strings.Fields(command)...)
		want := "the outcome is unknown: " + call + " may have been carried out"
		if got.code != codeUnavailable || got.out != "" || !strings.Contains(got.err, want) || !strings.Contains(got.err, "can be given again") {
			t.Errorf("%s: %+v; want %d and %q", command, got, codeUnavailable, want)
		}
	}
	r := newRig(t, server.URL)
	r.env["JOBOUTPUTS_TOKEN"] = "t"
	if got := r.run("jobs", "show", "7"); got.code != codeUnavailable || strings.Contains(got.err, "carried out") {
		t.Errorf("a read: %+v", got)
	}
}
