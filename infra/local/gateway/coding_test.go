package gateway

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"joboutputs/functions"
	"joboutputs/shared/api"
	"joboutputs/shared/auth"
)

// coded is content in a content coding.
func coded(t *testing.T, coding, content string) string {
	t.Helper()
	var b bytes.Buffer
	var w io.WriteCloser = gzip.NewWriter(&b)
	if coding == "deflate" {
		w = zlib.NewWriter(&b)
	}
	if _, err := io.WriteString(w, content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestCodings: what a function sees of a body that has a content coding, where the gateway
// decodes it and leaves the header, where it removes that too, and where it does neither.
func TestCodings(t *testing.T) {
	const content = "hello, hello, hello"
	gzipped, deflated := coded(t, "gzip", content), coded(t, "deflate", content)
	type seen struct {
		Status        int
		Body          string
		Coding        []string
		ContentLength string
	}
	refused := seen{Status: 415}
	for _, tt := range []struct {
		name   string
		header []string
		body   string
		want   [3]seen // by Coding
	}{
		{"none", nil, content, [3]seen{{204, content, nil, "19"}, {204, content, nil, "19"}, {204, content, nil, "19"}}},
		{"identity", []string{"Content-Encoding: Identity"}, content, [3]seen{{204, content, []string{"Identity"}, "19"}, {204, content, nil, "19"}, {204, content, []string{"Identity"}, "19"}}},
		{"gzip", []string{"content-encoding: gzip"}, gzipped,
			[3]seen{{204, content, []string{"gzip"}, "19"}, {204, content, nil, "19"}, {204, gzipped, []string{"gzip"}, fmt.Sprint(len(gzipped))}}},
		{"deflate in capitals", []string{"Content-Encoding: DEFLATE"}, deflated,
			[3]seen{{204, content, []string{"DEFLATE"}, "19"}, {204, content, nil, "19"}, {204, deflated, []string{"DEFLATE"}, fmt.Sprint(len(deflated))}}},
		{"an unknown coding", []string{"Content-Encoding: br"}, content, [3]seen{refused, refused, {204, content, []string{"br"}, "19"}}},
		{"two codings", []string{"Content-Encoding: gzip", "Content-Encoding: gzip"}, gzipped, [3]seen{refused, refused, {204, gzipped, []string{"gzip", "gzip"}, fmt.Sprint(len(gzipped))}}},
		{"not what it says", []string{"Content-Encoding: gzip"}, content, [3]seen{refused, refused, {204, content, []string{"gzip"}, "19"}}},
		{"cut off", []string{"Content-Encoding: gzip"}, gzipped[:len(gzipped)-4],
			[3]seen{refused, refused, {204, gzipped[:len(gzipped)-4], []string{"gzip"}, fmt.Sprint(len(gzipped) - 4)}}},
		{"no body", []string{"Content-Encoding: gzip"}, "", [3]seen{{204, "", []string{"gzip"}, ""}, {204, "", nil, ""}, {204, "", []string{"gzip"}, ""}}},
	} {
		for mode, want := range tt.want {
			f, event := recordedAs(t, func(f *fixture) { f.Coded = Coding(mode) }, auth.AuthVerify, "/v1/auth/verify", "POST")
			answer := f.send(t, "POST /v1/auth/verify", tt.body, tt.header...)
			got := seen{Status: answer.status}
			switch answer.status {
			case 204:
				e := event()
				body, err := base64.StdEncoding.DecodeString(e.Body)
				if err != nil {
					t.Fatal(err)
				}
				got.Body, got.Coding, got.ContentLength = string(body), e.MultiValueHeaders["Content-Encoding"], e.Headers["Content-Length"]
			case 415:
				if answer.code() != "unsupported_media_type" {
					t.Errorf("%s: %s", tt.name, answer.body)
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s, %d (-want +got):\n%s", tt.name, mode, diff)
			}
		}
	}
}

// TestCodedEitherWay: an action that reads a body takes it as the content it is, or not at
// all, whichever of these API Gateway does.
func TestCodedEitherWay(t *testing.T) {
	for mode, want := range map[Coding]string{Decode: "415 ", DecodeWhole: `200 {"a":1}`, PassCoded: "415 "} {
		f := start(t, []functions.Function{{
			Name: auth.AuthVerify, Routes: []functions.Route{{Methods: []string{"POST"}, Resource: "/v1/auth/verify"}},
			HTTP: func(functions.Deps) http.Handler {
				return api.Handle(auth.AuthVerify, func(w http.ResponseWriter, r *http.Request, _ auth.Principal) error {
					body, err := api.Body(r)
					if err == nil {
						_, err = w.Write(body)
					}
					return err
				})
			},
		}}, func(f *fixture) { f.Coded = mode })
		answer := f.send(t, "POST /v1/auth/verify", coded(t, "gzip", `{"a":1}`), "Content-Encoding: gzip", "Content-Type: application/json")
		got := fmt.Sprintf("%d ", answer.status)
		if answer.status == 200 {
			got += string(answer.body)
		}
		if got != want {
			t.Errorf("%d: %s %s, want %s", mode, got, answer.body, want)
		}
	}
}

// TestBomb: a small body that decodes to a large one is refused at the limits of any body.
func TestBomb(t *testing.T) {
	f := start(t, []functions.Function{row(auth.AuthVerify, "/v1/auth/verify", nil, "POST")}, nil)
	for size, want := range map[int]string{5 << 20: overPayload, maxRequest + 1: overRequest, 64 << 20: overRequest} {
		bomb := coded(t, "gzip", strings.Repeat("\x00", size))
		if got := f.send(t, "POST /v1/auth/verify", bomb, "Content-Encoding: gzip"); got.status != 413 || string(got.body) != want {
			t.Errorf("%d bytes in %d: %d %s, want 413 %s", size, len(bomb), got.status, got.body, want)
		}
	}
}
