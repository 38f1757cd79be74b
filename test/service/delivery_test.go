package service_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"joboutputs/shared/delivery"
	"joboutputs/test/harness"
)

// bytes reads an output in all the ways there are.
func (s script) bytes(c caller, byName, byPK, content string) {
	s.Helper()
	a := s.OK(nil, 200, c, "GET", byName, "")
	s.Same("get", content, string(a.Body))
	etag := a.Header.Get("ETag")
	s.Same("headers of get", []string{"application/octet-stream", `attachment; filename="my model.Model<X>"`, "nosniff", fmt.Sprint(len(content)), "bytes"},
		values(a.Header, "Content-Type", "Content-Disposition", "X-Content-Type-Options", "Content-Length", "Accept-Ranges"))
	for _, tc := range []struct{ body, file string }{
		{"", "my model.Model<X>"}, {"{}", "my model.Model<X>"}, {`{"filetype":"zip"}`, "my model.zip"}, {`{"delivery":"bytes"}`, "my model.Model<X>"},
	} {
		a := s.OK(nil, 200, c, "POST", byPK+"/download", tc.body)
		s.Same("download "+tc.body, content, string(a.Body))
		s.Same("file name of download "+tc.body, `attachment; filename="`+tc.file+`"`, a.Header.Get("Content-Disposition"))
		s.Same("entity tag of download "+tc.body, etag, a.Header.Get("ETag"))
	}

	// Parts and conditions.
	for _, tc := range []struct {
		header       []string
		status       int
		body, extent string
	}{
		{[]string{"Range", "bytes=2-5"}, 206, content[2:6], fmt.Sprintf("bytes 2-5/%d", len(content))},
		{[]string{"Range", "bytes=-3"}, 206, content[len(content)-3:], fmt.Sprintf("bytes %d-%d/%d", len(content)-3, len(content)-1, len(content))},
		{[]string{"Range", "bytes=2-5", "If-Range", etag}, 206, content[2:6], fmt.Sprintf("bytes 2-5/%d", len(content))},
		{[]string{"Range", "bytes=2-5", "If-Range", `"another"`}, 200, content, ""},
		{[]string{"If-None-Match", etag}, 304, "", ""},
		{[]string{"If-None-Match", `"another"`}, 200, content, ""},
	} {
		a := s.OK(nil, tc.status, c, "GET", byName, "", tc.header...)
		s.Same(fmt.Sprint("get with ", tc.header), []string{tc.body, tc.extent}, []string{string(a.Body), a.Header.Get("Content-Range")})
	}
	a = s.Do(c, "GET", byName, "", "Range", "bytes=1000-")
	a.Want(s, 416)
	s.Same("Content-Range of a 416", fmt.Sprintf("bytes */%d", len(content)), a.Header.Get("Content-Range"))

	// HEAD is what GET would say.
	for _, path := range []string{byName, byName + "/info", byPK, "/v1/jobs/" + strings.Split(byName, "/")[3]} {
		get, head := s.OK(nil, 200, c, "GET", path, ""), s.OK(nil, 200, c, "HEAD", path, "")
		get.Header.Del("Date")
		head.Header.Del("Date")
		s.Same("headers of HEAD "+path, get.Header, head.Header)
		if len(head.Body) > 0 {
			s.Errorf("HEAD %s: a body of %d bytes", path, len(head.Body))
		}
	}
	// A range, streamed bytes and HEAD agree on what the content is.
	digest := sha256.Sum256([]byte(content))
	all := []string{etag, fmt.Sprint(len(content)), "sha-256=:" + base64.StdEncoding.EncodeToString(digest[:]) + ":"}
	for _, tc := range []struct {
		method, path string
		header       []string
		status       int
		length       int
	}{
		{"GET", byName, nil, 200, len(content)},
		{"GET", byName + "?delivery=bytes", nil, 200, len(content)},
		{"GET", byName + "?delivery=bytes", []string{"Range", "bytes=2-5"}, 206, 4},
		{"HEAD", byName + "?delivery=bytes", nil, 200, len(content)},
		{"HEAD", byName + "?delivery=bytes", []string{"Range", "bytes=2-5"}, 206, 4},
		{"POST", byPK + "/download", nil, 200, len(content)},
	} {
		a := s.OK(nil, tc.status, c, tc.method, tc.path, "", tc.header...)
		what := fmt.Sprint(tc.method, " ", tc.path, tc.header)
		s.Same(what, all, values(a.Header, "ETag", "Repr-Length", "Repr-Digest"))
		s.Same("length of "+what, fmt.Sprint(tc.length), a.Header.Get("Content-Length"))
		if tc.method != "HEAD" {
			s.Same("bytes of "+what, tc.length, len(a.Body))
		}
	}
	for _, path := range []string{byName, byName + "/info", byPK} {
		a := s.Do(c, "HEAD", path+"0", "")
		a.Want(s, 404)
	}

	// As a link, which works without a token and on another host or port.
	asked := []answer{
		s.OK(nil, 200, c, "POST", byPK+"/download", `{"delivery":"url","filetype":"zip"}`),
		s.OK(nil, 200, c, "POST", byPK+"/download", `{"filetype":"zip"}`, "Accept", "application/json"),
	}
	for _, a := range asked {
		var link struct {
			URL, Method, Filename, SHA256 string
			Size                          int64
			Headers                       map[string]string
		}
		a.Decode(s, &link)
		s.Same("the link", []any{"GET", "my model.zip", int64(len(content)), "no-store"}, []any{link.Method, link.Filename, link.Size, a.Header.Get("Cache-Control")})
		fetched := s.fetch(link.URL, nil)
		s.Same("bytes of the link", content, string(fetched.Body))
		s.Same("file name of the link", `attachment; filename="my model.zip"`, fetched.Header.Get("Content-Disposition"))
	}
	for _, tc := range []struct {
		body    string
		seconds int
	}{{`{"delivery":"url"}`, 900}, {`{"delivery":"url","expires_in":900}`, 900}, {`{"delivery":"url","expires_in":7}`, 7}} {
		var link struct {
			URL       string
			ExpiresAt time.Time `json:"expires_at"`
		}
		s.OK(&link, 200, c, "POST", byPK+"/download", tc.body)
		s.Same("the end of a link for "+tc.body, s.Rig.Clock.Now().Add(time.Duration(tc.seconds)*time.Second).UTC().Truncate(time.Second), link.ExpiresAt.UTC())
		if !strings.Contains(link.URL, fmt.Sprintf("X-Amz-Expires=%d&", tc.seconds)) {
			s.Errorf("%s: the link is not signed for so long: %s", tc.body, link.URL)
		}
	}
	redirected := s.OK(nil, 303, c, "GET", byName+"?delivery=redirect&expires_in=8", "")
	if !strings.Contains(redirected.Header.Get("Location"), "X-Amz-Expires=8&") {
		s.Errorf("the redirect is not signed for 8 seconds: %s", redirected.Header.Get("Location"))
	}
	s.Same("bytes of the redirect", content, string(s.fetch(redirected.Header.Get("Location"), nil).Body))
}

// fetch gets a link of the object store, with no token.
func (s script) fetch(link string, header map[string]string) answer {
	s.Helper()
	u, err := url.Parse(link)
	if err != nil {
		s.Fatal(err)
	}
	if base, err := url.Parse(s.Rig.URL); err != nil || u.Host == base.Host {
		s.Errorf("%s is on the host and port of the API (%v)", u.Host, err)
	}
	a := caller{}.Do(s, "", request{Method: "GET", Path: link, Header: header})
	a.Want(s, http.StatusOK)
	return a
}

func values(h http.Header, names ...string) []string {
	var all []string
	for _, name := range names {
		all = append(all, h.Get(name))
	}
	return all
}

// TestRedirect follows the redirect of a large output as UFDL's clients do: by a GET
// without the token, since the object store has another port.
func TestRedirect(t *testing.T) {
	t.Parallel()
	r := harness.New(t)
	r.Load(t, peopleSeed, "acme")
	s := script{r.Script(t)}
	job, node := s.started()
	large := make([]byte, delivery.MaxInline+1)
	_, _ = rand.NewChaCha8([32]byte{2}).Read(large) // never fails
	inline := large[:delivery.MaxInline]
	var o output
	s.OK(nil, 200, node, "POST", job+"/outputs/inline/bin", string(inline), "Content-Type", "application/octet-stream")
	s.OK(&o, 200, node, "POST", job+"/outputs/large/bin", string(large), "Content-Type", "application/octet-stream")
	if got := s.OK(nil, 200, node, "GET", job+"/outputs/inline/bin", "").Body; !bytes.Equal(got, inline) {
		t.Errorf("%d bytes came inline, want the %d that were sent", len(got), len(inline))
	}

	download := fmt.Sprintf("/v1/job-outputs/%d/download", o.PK)
	a := s.OK(nil, 303, node, "POST", download, "{}")
	s.Same("headers of the redirect", []string{"no-store", "no-referrer", "0"}, values(a.Header, "Cache-Control", "Referrer-Policy", "Content-Length"))
	location := a.Header.Get("Location")
	if got := s.fetch(location, nil).Body; !bytes.Equal(got, large) {
		t.Errorf("%d other bytes came from the object store", len(got))
	}
	etag := a.Header.Get("ETag")
	s.OK(nil, 304, node, "GET", job+"/outputs/large/bin", "", "If-None-Match", etag)
	s.OK(nil, 200, node, "HEAD", job+"/outputs/large/bin", "")
	part := s.OK(nil, 206, node, "GET", job+"/outputs/large/bin", "", "Range", "bytes=10-19")
	s.Same("a part is small enough to come inline", large[10:20], part.Body)
	all := s.OK(nil, 200, node, "POST", download, `{"delivery":"bytes"}`)
	if !bytes.Equal(all.Body, large) {
		t.Errorf("%d other bytes came streamed", len(all.Body))
	}

	var asked []string // by a client that follows, and drops the token towards another port, as Python's requests does
	following := &http.Client{CheckRedirect: func(r *http.Request, via []*http.Request) error {
		if r.URL.Host != via[0].URL.Host {
			r.Header.Del("Authorization")
		}
		asked = append(asked, r.Method, r.Header.Get("Authorization"))
		return nil
	}}
	req, err := http.NewRequestWithContext(t.Context(), "POST", r.URL+download, strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+node.Token)
	response, err := following.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var got bytes.Buffer
	if _, err := got.ReadFrom(response.Body); err != nil || !bytes.Equal(got.Bytes(), large) {
		t.Errorf("a client that follows gets %s with %d bytes (%v)", response.Status, got.Len(), err)
	}
	s.Same("what it asks the object store", []string{"GET", ""}, asked)
}
