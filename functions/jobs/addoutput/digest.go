package addoutput

import (
	"bytes"
	"crypto/md5"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"net/http"
	"strings"

	"joboutputs/shared/problem"
)

// algorithm is a way in which a request may state the digest of its content.
type algorithm struct {
	name    string   // in Repr-Digest and Content-Digest
	headers []string // whose whole value is the digest, in base64
	size    int      // bytes
	of      func(content []byte) []byte
}

// algorithms are those of RFC 9530 that are checked. API Gateway drops Content-MD5, or sends
// it under another name: its documentation has changed (infra/AWS.md).
func algorithms(sum [sha256.Size]byte) []algorithm {
	return []algorithm{
		{"sha-256", []string{"X-Amz-Checksum-Sha256"}, sha256.Size, func([]byte) []byte { return sum[:] }},
		{"sha-512", nil, sha512.Size, func(content []byte) []byte { d := sha512.Sum512(content); return d[:] }},
		{"md5", []string{"Content-Md5", remapped + "Content-Md5"}, md5.Size, func(content []byte) []byte { d := md5.Sum(content); return d[:] }},
	}
}

// remapped begins the name under which API Gateway passes on a header whose own name it keeps
// for itself.
const remapped = "X-Amzn-Remapped-"

// checkDigests compares the content, whose SHA-256 is sum, with every digest that the request
// states. Repr-Digest and Content-Digest are the same here, since no content coding is taken;
// algorithms that are not known are ignored (RFC 9530, section 5).
//
// Problems: InvalidRequest for what cannot be a digest of its algorithm, DigestMismatch.
func checkDigests(h http.Header, content []byte, sum [sha256.Size]byte) error {
	for _, a := range algorithms(sum) {
		var got []byte
		for _, s := range a.stated(h) {
			want, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(s.base64, "="))
			if err != nil || len(want) != a.size {
				return problem.New(problem.InvalidRequest, "%s: the %s must be %d bytes in base64%s.", s.header, a.name, a.size, s.form)
			}
			if got == nil {
				got = a.of(content)
			}
			if !bytes.Equal(got, want) {
				return problem.New(problem.DigestMismatch, "The %d bytes received do not have the %s of %s. Nothing was stored.", len(content), a.name, s.header)
			}
		}
	}
	return nil
}

// statement is a digest as a header states it.
type statement struct {
	header, base64 string
	form           string // what is said of the form where it is wrong
}

// stated finds the digests of one algorithm.
func (a algorithm) stated(h http.Header) (all []statement) {
	for _, header := range a.headers {
		for _, value := range h.Values(header) {
			all = append(all, statement{header: strings.TrimPrefix(header, remapped), base64: value})
		}
	}
	for _, header := range []string{"Repr-Digest", "Content-Digest"} {
		for member := range strings.SplitSeq(strings.Join(h.Values(header), ","), ",") {
			name, value, _ := strings.Cut(member, "=")
			if strings.EqualFold(strings.TrimSpace(name), a.name) {
				all = append(all, statement{header: header, base64: byteSequence(value), form: " between colons"})
			}
		}
	}
	return all
}

// byteSequence is the base64 of a dictionary's member (RFC 9651, section 3.3.5); "" if it is
// none. Its parameters are ignored.
func byteSequence(member string) string {
	value, _, _ := strings.Cut(member, ";")
	value = strings.TrimSpace(value)
	inner, begins := strings.CutPrefix(value, ":")
	inner, ends := strings.CutSuffix(inner, ":")
	if !begins || !ends {
		return ""
	}
	return inner
}
