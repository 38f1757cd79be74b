package conformance

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// patience is how long one exchange may take.
const patience = 30 * time.Second

// wireRequest is a request as bytes. net/http's client would refuse or repair some of the
// recorded ones (bad escapes, raw quotes in the target, doubled headers), so it is not used.
func wireRequest(r *Request, path, host string, fill func(string) (string, error)) ([]byte, error) {
	path, err := fill(path)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n", r.Method, path, host)
	if len(r.header("Accept")) == 0 {
		b.WriteString("Accept: */*\r\n") // the recordings leave it out
	}
	for _, h := range r.Headers {
		value, err := fill(h[1])
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&b, "%s: %s\r\n", h[0], value)
	}
	text, err := fill(string(r.payload()))
	if err != nil {
		return nil, err
	}
	switch {
	case r.Transfer == "chunked":
		b.WriteString("Transfer-Encoding: chunked\r\n\r\n")
		for chunk := []byte(text); len(chunk) > 0; { // in several chunks, as they come
			n := min(len(chunk), 7)
			fmt.Fprintf(&b, "%x\r\n%s\r\n", n, chunk[:n])
			chunk = chunk[n:]
		}
		b.WriteString("0\r\n\r\n")
	case r.payload() != nil || strings.EqualFold(r.Method, "POST") || strings.EqualFold(r.Method, "PUT") || strings.EqualFold(r.Method, "PATCH"):
		fmt.Fprintf(&b, "Content-Length: %d\r\n\r\n%s", len(text), text)
	default:
		b.WriteString("\r\n")
	}
	return b.Bytes(), nil
}

// exchangeBytes sends a request and reads the answer to it.
func exchangeBytes(ctx context.Context, addr, method string, request []byte) (*Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	deadline, _ := ctx.Deadline()
	if err := conn.SetDeadline(deadline); err != nil {
		return nil, err
	}
	sent := make(chan error, 1)
	go func() {
		_, err := conn.Write(request)
		sent <- err
	}()
	response, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: strings.ToUpper(method)})
	if err != nil {
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, fmt.Errorf("read the answer's body: %w", err)
	}
	select {
	case err = <-sent:
	default: // it was answered before it was read to the end
	}
	return &Answer{Status: response.StatusCode, Header: response.Header, Body: body}, err
}

// fetch gets what a presigned URL leads to.
func fetch(url string) (status int, header http.Header, body []byte, err error) {
	client := http.Client{Timeout: patience}
	response, err := client.Get(url)
	if err != nil {
		return 0, nil, nil, err
	}
	defer response.Body.Close()
	body, err = io.ReadAll(response.Body)
	return response.StatusCode, response.Header, body, err
}
