package addoutput_test

import (
	"bytes"
	"crypto/md5"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"log/slog"
	"strings"
	"testing"
	"time"

	"joboutputs/functions/jobs/addoutput"
	"joboutputs/shared/api"
	"joboutputs/shared/api/apitest"
)

// TestDigests: content that does not have every digest its request states is not stored.
func TestDigests(t *testing.T) {
	const content = "bytes"
	standard := func(sum []byte) string { return base64.StdEncoding.EncodeToString(sum) }
	s256, s512, m5 := sha256.Sum256([]byte(content)), sha512.Sum512([]byte(content)), md5.Sum([]byte(content))
	none256 := sha256.Sum256(nil)
	right, long, short := standard(s256[:]), standard(s512[:]), standard(m5[:])
	wrong := standard(none256[:])
	urlSafe := base64.URLEncoding.EncodeToString(bytes.Repeat([]byte{0xff}, 32))
	type h = map[string][]string
	for _, tt := range []struct {
		name   string
		header h
		want   string // "" = stored, or the problem's code
	}{
		{"none stated", nil, ""},

		{"Repr-Digest", h{"Repr-Digest": {"sha-256=:" + right + ":"}}, ""},
		{"Repr-Digest, wrong", h{"Repr-Digest": {"sha-256=:" + wrong + ":"}}, "digest_mismatch"},
		{"Content-Digest", h{"Content-Digest": {"sha-256=:" + right + ":"}}, ""},
		{"Content-Digest, wrong", h{"Content-Digest": {"sha-256=:" + wrong + ":"}}, "digest_mismatch"},
		{"a header in lower case", h{"repr-digest": {"sha-256=:" + wrong + ":"}}, "digest_mismatch"},
		{"an algorithm in capitals", h{"Repr-Digest": {"SHA-256=:" + wrong + ":"}}, "digest_mismatch"},
		{"sha-512", h{"Repr-Digest": {"sha-512=:" + long + ":"}}, ""},
		{"sha-512, wrong", h{"Repr-Digest": {"sha-512=:" + standard(make([]byte, 64)) + ":"}}, "digest_mismatch"},
		{"md5", h{"Content-Digest": {"md5=:" + short + ":"}}, ""},
		{"md5, wrong", h{"Content-Digest": {"md5=:" + standard(make([]byte, 16)) + ":"}}, "digest_mismatch"},
		{"all of them", h{"Repr-Digest": {"sha-256=:" + right + ":, sha-512=:" + long + ":,md5=:" + short + ":"}}, ""},
		{"one of them wrong", h{"Repr-Digest": {"sha-512=:" + long + ":, sha-256=:" + wrong + ":"}}, "digest_mismatch"},
		{"the first of two wrong", h{"Repr-Digest": {"sha-256=:" + wrong + ":, sha-256=:" + right + ":"}}, "digest_mismatch"},
		{"two lines", h{"Repr-Digest": {"sha-512=:" + long + ":", "sha-256=:" + right + ":"}}, ""},
		{"the second line wrong", h{"Repr-Digest": {"sha-512=:" + long + ":", "sha-256=:" + wrong + ":"}}, "digest_mismatch"},
		{"both headers, one wrong", h{"Repr-Digest": {"sha-256=:" + right + ":"}, "Content-Digest": {"sha-256=:" + wrong + ":"}}, "digest_mismatch"},
		{"with a parameter", h{"Repr-Digest": {"sha-256=:" + right + ":;a=1;b"}}, ""},
		{"without padding", h{"Repr-Digest": {"sha-256=:" + strings.TrimRight(right, "=") + ":"}}, ""},
		{"unknown algorithms", h{"Repr-Digest": {`crc32c=:AAAAAA==:, sha-1024=?1, x="a, b", y=(1 2)`}}, ""},
		{"an unknown algorithm before a wrong one", h{"Repr-Digest": {"crc32c=:AAAAAA==:, sha-256=:" + wrong + ":"}}, "digest_mismatch"},
		{"an empty dictionary", h{"Repr-Digest": {""}}, ""},
		{"no dictionary, and no algorithm of ours", h{"Repr-Digest": {"nonsense; , ="}}, ""},

		{"no colons", h{"Repr-Digest": {"sha-256=" + right}}, "invalid_request"},
		{"one colon", h{"Repr-Digest": {"sha-256=:" + right}}, "invalid_request"},
		{"a single colon", h{"Repr-Digest": {"sha-256=:"}}, "invalid_request"},
		{"hex", h{"Repr-Digest": {"sha-256=:" + hex.EncodeToString(s256[:]) + ":"}}, "invalid_request"},
		{"another alphabet", h{"Repr-Digest": {"sha-256=:" + urlSafe + ":"}}, "invalid_request"},
		{"no value", h{"Repr-Digest": {"sha-256"}}, "invalid_request"},
		{"a digest of nothing's length", h{"Repr-Digest": {"sha-256=::"}}, "invalid_request"},
		{"of another algorithm's length", h{"Repr-Digest": {"sha-512=:" + right + ":"}}, "invalid_request"},

		{"Content-MD5", h{"Content-MD5": {short}}, ""},
		{"Content-MD5, wrong", h{"Content-MD5": {standard(make([]byte, 16))}}, "digest_mismatch"},
		{"Content-MD5 under its other name", h{"X-Amzn-Remapped-Content-Md5": {short}}, ""},
		{"Content-MD5 under its other name, wrong", h{"x-amzn-remapped-content-md5": {standard(make([]byte, 16))}}, "digest_mismatch"},
		{"Content-MD5, empty", h{"Content-MD5": {""}}, "invalid_request"},
		{"Content-MD5 in hex", h{"Content-MD5": {hex.EncodeToString(m5[:])}}, "invalid_request"},
		{"S3's checksum", h{"x-amz-checksum-sha256": {right}}, ""},
		{"S3's checksum, wrong", h{"x-amz-checksum-sha256": {wrong}}, "digest_mismatch"},
		{"S3's checksum, two lines", h{"X-Amz-Checksum-Sha256": {right, wrong}}, "digest_mismatch"},
		{"S3's checksum of some parts", h{"X-Amz-Checksum-Sha256": {right + "-2"}}, "invalid_request"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := &fake{}
			event := post.Event(t)
			for name, lines := range tt.header {
				event.MultiValueHeaders[name] = lines
			}
			edge := api.Edge{Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return apitest.Now }}
			got, err := edge.Buffered(addoutput.New(f))(t.Context(), event)
			stored := tt.want == ""
			if err != nil || stored != (got.StatusCode == 200) || !stored && (got.StatusCode != 400 || !strings.Contains(got.Body, `"code":"`+tt.want+`"`)) {
				t.Errorf("%d %s (%v), want %q", got.StatusCode, got.Body, err, tt.want)
			}
			if stored != (f.asked != "") {
				t.Errorf("the store was asked %q", f.asked)
			}
		})
	}

	// Nothing has a digest, too.
	call := post
	call.Body = ""
	for value, want := range map[string]string{wrong: "200", right: "400"} { // wrong is that of no bytes
		f := &fake{}
		if got := call.With("Repr-Digest", "sha-256=:"+value+":").Do(t, addoutput.New(f)); !strings.HasPrefix(got.Line(), want) {
			t.Errorf("no bytes and %s: %s, want %s", value, got.Line(), want)
		}
	}
}

// FuzzDigests: whatever a request states of its content besides, a wrong digest is found, and
// nothing that it states is a defect of ours.
func FuzzDigests(f *testing.F) {
	for _, text := range []string{"", "sha-256=:AAAA:", `a="b, c", sha-512=?1`, "md5=::;x", "sha-256", `x="`, ":=,;"} {
		f.Add("Repr-Digest", text)
		f.Add("Content-MD5", text)
	}
	sum := sha256.Sum256([]byte("other bytes"))
	wrong := "sha-256=:" + base64.StdEncoding.EncodeToString(sum[:]) + ":"
	f.Fuzz(func(t *testing.T, name, text string) {
		for _, after := range [][]string{nil, {wrong}} {
			store := &fake{}
			event := post.Event(t)
			event.MultiValueHeaders[name] = []string{text}
			event.MultiValueHeaders["repr-digest"] = append([]string{text}, after...)
			delete(event.MultiValueHeaders, "Repr-Digest")
			edge := api.Edge{Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return apitest.Now }}
			got, err := edge.Buffered(addoutput.New(store))(t.Context(), event)
			if err != nil || got.StatusCode >= 500 || got.StatusCode == 200 && after != nil || (got.StatusCode == 200) != (store.asked != "") {
				t.Fatalf("%q: %q %q: %d %s, %v", name, text, after, got.StatusCode, got.Body, err)
			}
		}
	})
}
