package load

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// Client sends requests over one connection that it keeps. It is not net/http's client,
// which hands each request to two goroutines: what is measured is the server, and the two
// share the machine. For one goroutine.
type Client struct {
	address string
	conn    net.Conn
	in      *bufio.Reader
}

// NewClient makes a client of the server at a host and port. It connects when it is used.
func NewClient(address string) *Client { return &Client{address: address} }

// requestTime bounds a request: a server that is this slow can't be measured.
const requestTime = time.Minute

// Do sends a request, which is written as it is, reads the answer to its end and returns
// its size. An answer that is not a success is an error.
func (c *Client) Do(ctx context.Context, request ...[]byte) (int64, error) {
	if c.conn == nil {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", c.address)
		if err != nil {
			return 0, err
		}
		c.conn, c.in = conn, bufio.NewReaderSize(conn, 64<<10)
	}
	size, err := c.do(request)
	if err != nil {
		c.Close()
	}
	return size, err
}

func (c *Client) do(request net.Buffers) (int64, error) {
	if err := c.conn.SetDeadline(time.Now().Add(requestTime)); err != nil {
		return 0, err
	}
	line := request[0]
	if _, err := request.WriteTo(c.conn); err != nil {
		return 0, err
	}
	response, err := http.ReadResponse(c.in, nil)
	if err != nil {
		return 0, err
	}
	if response.StatusCode/100 != 2 {
		text, _ := io.ReadAll(io.LimitReader(response.Body, 1000))
		return 0, fmt.Errorf("%.60q: %s: %s", line, response.Status, text)
	}
	size, err := io.Copy(io.Discard, response.Body)
	if err == nil && response.Close {
		c.Close() // the server's wish; the next request connects anew
	}
	return size, err
}

// Close ends the connection.
func (c *Client) Close() {
	if c.conn != nil {
		_ = c.conn.Close()
		c.conn = nil
	}
}
