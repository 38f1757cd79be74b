package config_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"joboutputs/shared/config"
)

// set clears our variables and the SDK's, and sets those given, "NAME=value".
func set(t *testing.T, variables ...string) {
	t.Helper()
	for _, variable := range os.Environ() {
		name, _, _ := strings.Cut(variable, "=")
		if strings.HasPrefix(name, "JOBOUTPUTS_") || strings.HasPrefix(name, "AWS_") {
			t.Setenv(name, "")
		}
	}
	for _, variable := range append(aws, variables...) {
		name, value, _ := strings.Cut(variable, "=")
		t.Setenv(name, value)
	}
}

// aws is what keeps the SDK away from the files of whoever runs the tests.
var aws = []string{"AWS_REGION=eu-central-1", "AWS_ACCESS_KEY_ID=id", "AWS_SECRET_ACCESS_KEY=secret", "AWS_SESSION_TOKEN=session"}

func TestStorage(t *testing.T) {
	set(t, "JOBOUTPUTS_TABLE=outputs", "JOBOUTPUTS_BUCKET=bytes", "AWS_ENDPOINT_URL=http://emulator.test:4566")
	got := config.Storage()
	if got.AWS.Region != "eu-central-1" || got.AWS.BaseEndpoint == nil || *got.AWS.BaseEndpoint != "http://emulator.test:4566" {
		t.Errorf("the SDK's region is %q, endpoint %v", got.AWS.Region, got.AWS.BaseEndpoint)
	}
	got.AWS = config.StorageSection{}.AWS
	if want := (config.StorageSection{Table: "outputs", Bucket: "bytes"}); !same(got, want) {
		t.Errorf("with what is required: %+v, want %+v", got, want)
	}

	set(t, "JOBOUTPUTS_TABLE=outputs", "JOBOUTPUTS_BUCKET=bytes",
		"JOBOUTPUTS_TIMELINE_SHARDS=8", "JOBOUTPUTS_TIMELINE_READ_SHARDS=16", "JOBOUTPUTS_S3_PATH_STYLE=true")
	if got, want := config.Storage(), (config.StorageSection{Table: "outputs", Bucket: "bytes", Shards: 8, ReadShards: 16, PathStyle: true}); !same(got, want) {
		t.Errorf("with everything: %+v, want %+v", got, want)
	}
}

// same compares all but the SDK's configuration.
func same(a, b config.StorageSection) bool {
	return a.Table == b.Table && a.Bucket == b.Bucket && a.Shards == b.Shards && a.ReadShards == b.ReadShards && a.PathStyle == b.PathStyle
}

func TestStreaming(t *testing.T) {
	for text, want := range map[string]bool{"": true, "true": true, "1": true, "false": false, "0": false} {
		set(t, "JOBOUTPUTS_STREAMING="+text)
		if got := config.Streaming(); got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}

func TestUploads(t *testing.T) {
	set(t)
	if got := config.Uploads(); got != (config.UploadsSection{}) {
		t.Errorf("nothing set: %+v", got)
	}
	set(t, "JOBOUTPUTS_UPLOAD_MAX_SIZE=5000000000000", "JOBOUTPUTS_UPLOAD_LIFE=90m")
	if got, want := config.Uploads(), (config.UploadsSection{MaxSize: 5e12, Life: 90 * time.Minute}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestCleanupGrace(t *testing.T) {
	for text, want := range map[string]time.Duration{"": time.Hour, "90m": 90 * time.Minute, "0s": 0} {
		set(t, "JOBOUTPUTS_CLEANUP_GRACE="+text)
		if got := config.CleanupGrace(time.Hour); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}

func TestTokens(t *testing.T) {
	required := []string{"JOBOUTPUTS_TOKEN_ISSUER=https://issuer.test", "JOBOUTPUTS_TOKEN_AUDIENCE=us", "JOBOUTPUTS_TOKEN_JWKS_URL=https://issuer.test/keys"}
	set(t, required...)
	want := config.TokensSection{Issuer: "https://issuer.test", Audience: "us", JWKS: "https://issuer.test/keys"}
	if diff := cmp.Diff(want, config.Tokens()); diff != "" {
		t.Errorf("with what is required (-want +got):\n%s", diff)
	}
	set(t, append(required, "JOBOUTPUTS_TOKEN_USES=access,id", "JOBOUTPUTS_TOKEN_CLAIMS=tenant=custom:tenant,upk=custom:upk=x")...)
	want.Uses, want.Claims = []string{"access", "id"}, map[string]string{"tenant": "custom:tenant", "upk": "custom:upk=x"}
	if diff := cmp.Diff(want, config.Tokens()); diff != "" {
		t.Errorf("with everything (-want +got):\n%s", diff)
	}
}

func TestUserPool(t *testing.T) {
	set(t, "JOBOUTPUTS_USER_POOL_ID=pool", "JOBOUTPUTS_USER_POOL_CLIENT=client")
	if got := config.UserPool(); got.ID != "pool" || got.ClientID != "client" || got.AWS.Region != "eu-central-1" {
		t.Errorf("got %q, %q, %q", got.ID, got.ClientID, got.AWS.Region)
	}
}

// sections are the readers, by the name the subprocess of TestExit gets.
var sections = map[string]func(){
	"aws":       func() { config.AWS() },
	"storage":   func() { config.Storage() },
	"streaming": func() { config.Streaming() },
	"grace":     func() { config.CleanupGrace(time.Hour) },
	"tokens":    func() { config.Tokens() },
	"user pool": func() { config.UserPool() },
}

// TestExit: a variable that is missing or malformed ends the process with one line naming it.
func TestExit(t *testing.T) {
	const section = "TEST_CONFIG_SECTION"
	if name := os.Getenv(section); name != "" { // we are the subprocess
		sections[name]()
		fmt.Fprintln(os.Stderr, "went on")
		os.Exit(0)
	}
	storage := []string{"JOBOUTPUTS_TABLE=t", "JOBOUTPUTS_BUCKET=b"}
	tokens := []string{"JOBOUTPUTS_TOKEN_ISSUER=i", "JOBOUTPUTS_TOKEN_AUDIENCE=a", "JOBOUTPUTS_TOKEN_JWKS_URL=j"}
	for _, tc := range []struct {
		section   string
		variables []string
		want      string // the line, as far as it is ours
	}{
		{"storage", nil, "JOBOUTPUTS_TABLE is not set"},
		{"storage", storage[:1], "JOBOUTPUTS_BUCKET is not set"},
		{"storage", []string{"JOBOUTPUTS_TABLE=", "JOBOUTPUTS_BUCKET=b"}, "JOBOUTPUTS_TABLE is not set"},
		{"storage", append(storage, "JOBOUTPUTS_TIMELINE_SHARDS=four"), "JOBOUTPUTS_TIMELINE_SHARDS: "},
		{"storage", append(storage, "JOBOUTPUTS_TIMELINE_SHARDS=-1"), "JOBOUTPUTS_TIMELINE_SHARDS: "},
		{"storage", append(storage, "JOBOUTPUTS_TIMELINE_READ_SHARDS=1.5"), "JOBOUTPUTS_TIMELINE_READ_SHARDS: "},
		{"storage", append(storage, "JOBOUTPUTS_S3_PATH_STYLE=yes"), "JOBOUTPUTS_S3_PATH_STYLE: "},
		{"streaming", []string{"JOBOUTPUTS_STREAMING=on"}, "JOBOUTPUTS_STREAMING: "},
		{"grace", []string{"JOBOUTPUTS_CLEANUP_GRACE=60"}, "JOBOUTPUTS_CLEANUP_GRACE: "},
		{"grace", []string{"JOBOUTPUTS_CLEANUP_GRACE=-1h"}, "JOBOUTPUTS_CLEANUP_GRACE: "},
		{"tokens", nil, "JOBOUTPUTS_TOKEN_ISSUER is not set"},
		{"tokens", tokens[:1], "JOBOUTPUTS_TOKEN_AUDIENCE is not set"},
		{"tokens", tokens[:2], "JOBOUTPUTS_TOKEN_JWKS_URL is not set"},
		{"tokens", append(tokens, "JOBOUTPUTS_TOKEN_CLAIMS=tenant"), `JOBOUTPUTS_TOKEN_CLAIMS: "tenant" is not name=value`},
		{"tokens", append(tokens, "JOBOUTPUTS_TOKEN_CLAIMS=a=b,,"), `JOBOUTPUTS_TOKEN_CLAIMS: "" is not name=value`},
		{"tokens", append(tokens, "JOBOUTPUTS_TOKEN_CLAIMS==b"), `JOBOUTPUTS_TOKEN_CLAIMS: "=b" is not name=value`},
		{"user pool", nil, "JOBOUTPUTS_USER_POOL_ID is not set"},
		{"user pool", []string{"JOBOUTPUTS_USER_POOL_ID=p"}, "JOBOUTPUTS_USER_POOL_CLIENT is not set"},
		{"aws", []string{"AWS_REGION="}, "AWS_REGION is not set"},
	} {
		t.Run(tc.section+" "+strings.Join(tc.variables, " "), func(t *testing.T) {
			t.Parallel()
			cmd := exec.Command(os.Args[0], "-test.run=^TestExit$")
			cmd.Env = slices.Concat(aws, tc.variables, []string{section + "=" + tc.section})
			var stderr strings.Builder
			cmd.Stderr = &stderr
			err := cmd.Run()
			var exited *exec.ExitError
			if !errors.As(err, &exited) || exited.ExitCode() != 1 {
				t.Errorf("ended with %v, want exit status 1", err)
			}
			if line := stderr.String(); !strings.HasPrefix(line, "configuration: "+tc.want) || strings.Count(line, "\n") != 1 {
				t.Errorf("said %q, want one line that begins %q", line, "configuration: "+tc.want)
			}
		})
	}
}

// TestHTTP1 asks a server that would rather speak HTTP/2.
func TestHTTP1(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Proto) }))
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	client := config.HTTP1().WithTransportOptions(func(tr *http.Transport) {
		tr.TLSClientConfig.RootCAs = server.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	})
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if proto, err := io.ReadAll(answer.Body); err != nil || string(proto) != "HTTP/1.1" {
		t.Errorf("asked by %s (%v), want HTTP/1.1", proto, err)
	}
}
