package gateway

import (
	"compress/gzip"
	"compress/zlib"
	"encoding/base64"
	"errors"
	"io"
	"strings"

	"joboutputs/shared/problem"
)

// Coding is what becomes of a request body with a content coding (Content-Encoding). The
// guide says that API Gateway decodes gzip and deflate by default, whether or not the API
// compresses responses, and its table of headers that Content-Encoding is passed through to
// Lambda: the function gets a decoded body that still claims to be coded.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-gzip-compression-decompression.html
type Coding int

const (
	Decode      Coding = iota // as documented: the body is decoded, the header stays
	DecodeWhole               // the body is decoded, and the header removed
	PassCoded                 // the body is passed on as it is
)

// coding returns the content coding that the gateway removes from the body, "" if there is
// none. Another coding is refused.
func (x *exchange) coding() (string, *problem.Problem) {
	if x.coded == PassCoded {
		return "", nil
	}
	switch coding := strings.ToLower(strings.TrimSpace(strings.Join(x.r.Header.Values("Content-Encoding"), ","))); coding {
	case "", "identity":
		return "", nil
	case "gzip", "deflate":
		return coding, nil
	}
	return "", unsupported()
}

// unsupported is the response to a coding that is unknown and to a body that is not coded
// as it says. The stack has the same (UNSUPPORTED_MEDIA_TYPE).
func unsupported() *problem.Problem {
	return problem.New(problem.UnsupportedMediaType, "A body of this media type or content coding is not accepted here.")
}

// body is the request's body, decoded and in base64, and its size before base64, in bytes.
func (x *exchange) body() (string, int64, *problem.Problem) {
	coding, f := x.coding()
	if f != nil || x.r.ContentLength == 0 {
		return "", 0, f
	}
	if x.r.ContentLength > maxRequest {
		return "", 0, problem.New(problem.PayloadTooLarge, overRequest)
	}
	var text strings.Builder // encoded while it is read: a body is held once
	text.Grow(base64.StdEncoding.EncodedLen(int(max(x.r.ContentLength, 0))))
	encoder := base64.NewEncoder(base64.StdEncoding, &text)
	buffer := make([]byte, 4<<10)
	if x.r.ContentLength > int64(len(buffer)) {
		buffer = make([]byte, 32<<10)
	}
	wire := &wireBody{r: x.r.Body, left: maxRequest}
	var size int64
	in, err := decoded(coding, wire)
	if err == nil {
		size, err = io.CopyBuffer(encoder, io.LimitReader(in, maxRequest+1), buffer)
	}
	switch {
	case wire.left < 0 || size > maxRequest:
		return "", 0, problem.New(problem.PayloadTooLarge, overRequest)
	case wire.err != nil: // the client went away, or its chunks are malformed
		return "", 0, problem.New(problem.InvalidRequest, "The body ended before it was complete.").Because(wire.err)
	case wire.left == maxRequest: // chunks without a byte: nothing is not coded
		return "", 0, nil
	case err != nil:
		return "", 0, unsupported()
	}
	_ = encoder.Close() // writes what is left, which a Builder never refuses
	if text.Len() >= maxPayload {
		return "", 0, problem.New(problem.PayloadTooLarge, overPayload)
	}
	return text.String(), size, nil
}

func decoded(coding string, in io.Reader) (io.Reader, error) {
	switch coding {
	case "gzip":
		return gzip.NewReader(in)
	case "deflate":
		return zlib.NewReader(in)
	}
	return in, nil
}

// wireBody reads a body from the connection up to a limit, and keeps why that failed.
type wireBody struct {
	r    io.Reader
	left int64 // < 0: the limit was passed
	err  error
}

var errLimit = errors.New("over the limit")

func (b *wireBody) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, errLimit
	}
	if err != nil && !errors.Is(err, io.EOF) {
		b.err = err
	}
	return n, err
}
