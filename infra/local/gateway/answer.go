package gateway

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"

	"github.com/aws/aws-lambda-go/events"
	jsonv1 "github.com/go-json-experiment/json/v1"

	"joboutputs/shared/problem"
)

// maxAnswer is the largest buffered answer, in bytes of JSON: 6 MiB and 100, by Lambda's
// "Response payload size exceeded maximum allowed payload size (6291556 bytes)".
const maxAnswer = 6<<20 + 100

// answer passes a buffered function's answer on.
func (x *exchange) answer(fn *function, response events.APIGatewayProxyResponse) *problem.Problem {
	malformed := func(err error) *problem.Problem {
		return failed(fn, fmt.Errorf("its answer: %w", err))
	}
	wire, err := encode(response)
	if err != nil {
		return malformed(err)
	}
	if len(wire) > maxAnswer {
		return malformed(fmt.Errorf("%d bytes, over Lambda's limit of %d", len(wire), maxAnswer))
	}
	response = events.APIGatewayProxyResponse{}
	if err := jsonv1.Unmarshal(wire, &response); err != nil {
		return malformed(err)
	}
	body := []byte(response.Body)
	if response.IsBase64Encoded {
		if body, err = base64.StdEncoding.DecodeString(response.Body); err != nil {
			return malformed(err)
		}
	}
	if err := x.begin(response.StatusCode, response.Headers, response.MultiValueHeaders); err != nil {
		return malformed(err)
	}
	if hasBody(x.r.Method, response.StatusCode) {
		x.w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	}
	x.w.WriteHeader(response.StatusCode)
	if x.r.Method != http.MethodHead {
		_, _ = x.w.Write(body) // an error means that the client is gone
	}
	return nil
}

// delimiter ends the metadata of a streamed answer: eight NULs.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/response-transfer-mode-lambda.html
const delimiter = "\x00\x00\x00\x00\x00\x00\x00\x00"

// stream passes a streamed function's answer on while it is made: metadata, delimiter,
// body. Nothing but a small buffer is kept. An answer that breaks off is passed on as one
// that breaks off: the connection ends without the last chunk.
func (x *exchange) stream(fn *function, wire io.Reader) *problem.Problem {
	in := bufio.NewReaderSize(wire, 4<<10) // for the metadata; the body is copied past it
	var head struct {
		StatusCode        int                 `json:"statusCode"`
		Headers           map[string]string   `json:"headers"`
		MultiValueHeaders map[string][]string `json:"multiValueHeaders"`
		Cookies           []string            `json:"cookies"`
	}
	err := readMetadata(in, &head)
	if err == nil {
		err = x.begin(head.StatusCode, head.Headers, head.MultiValueHeaders)
	}
	if err != nil {
		return failed(fn, fmt.Errorf("its answer: %w", err))
	}
	for _, cookie := range head.Cookies {
		x.w.Header().Add("Set-Cookie", cookie)
	}
	x.w.WriteHeader(head.StatusCode)
	if !hasBody(x.r.Method, head.StatusCode) {
		return nil
	}
	flush := http.NewResponseController(x.w).Flush
	buf := make([]byte, 32<<10)
	for {
		if flush() != nil {
			panic(http.ErrAbortHandler) // the client is gone
		}
		n, err := in.Read(buf)
		if _, gone := x.w.Write(buf[:n]); gone != nil || err != nil && err != io.EOF {
			panic(http.ErrAbortHandler)
		}
		if err == io.EOF {
			return nil
		}
	}
}

func readMetadata(in *bufio.Reader, v any) error {
	text, err := in.ReadBytes(0)
	if err != nil {
		return fmt.Errorf("metadata: %w", err)
	}
	rest := make([]byte, len(delimiter)-1)
	if _, err := io.ReadFull(in, rest); err != nil || string(rest) != delimiter[1:] {
		return fmt.Errorf("metadata: not followed by eight NULs")
	}
	if err := jsonv1.Unmarshal(text[:len(text)-1], v); err != nil {
		return fmt.Errorf("metadata: %w", err)
	}
	return nil
}

// remapped are the headers of responses that reach the client as X-Amzn-Remapped-….
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-known-issues.html
func remapped() []string {
	return []string{"Authorization", "Connection", "Content-Md5", "Date", "Max-Forwards", "Server", "User-Agent", "Www-Authenticate"}
}

// begin sets the headers of an answer. A name's list of values wins over its single one.
func (x *exchange) begin(status int, single map[string]string, multi map[string][]string) error {
	if status < 200 || status > 599 {
		return fmt.Errorf("%d is not the status of an answer", status)
	}
	h := x.w.Header()
	h.Set("Content-Type", "application/json") // where the function names none
	for name, value := range single {
		h.Set(name, value)
	}
	for name, values := range multi {
		h[http.CanonicalHeaderKey(name)] = slices.Clone(values)
	}
	for _, name := range append(perHop(), "Expect", "Host", "Proxy-Authenticate", "Via") {
		h.Del(name)
	}
	for _, name := range remapped() {
		if values, ok := h[name]; ok {
			delete(h, name)
			h[remappedPrefix+name] = values
		}
	}
	if x.method == http.MethodHead && x.r.Method != http.MethodHead {
		h.Del("Content-Length") // of the body that the client waits for, by its own method
	}
	return nil
}

// hasBody reports whether an answer to the method with this status carries a body.
func hasBody(method string, status int) bool {
	return method != http.MethodHead && status != http.StatusNoContent && status != http.StatusNotModified
}
