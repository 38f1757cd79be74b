package gateway

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"joboutputs/shared/api"
	"joboutputs/shared/problem"
)

// Server is an http.Server whose own answers are problem documents too.
//
// net/http refuses what it cannot read (a bad percent-escape in the path, a malformed
// header) with a line of plain text, before any handler is asked, and offers no hook.
// Telling such requests apart on the way in would mean parsing HTTP a second time. But on
// the way out they are plain: net/http writes them in one call while no handler has the
// connection. So Serve wraps connections and rewrites exactly what is written then; net/http
// closes the connection after it.
type Server struct{ http.Server }

// NewServer returns a server for the handler. Use Serve; ListenAndServe would bypass it.
func NewServer(h http.Handler, log *slog.Logger) *Server {
	return &Server{http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if c, ok := r.Context().Value(connKey{}).(*conn); ok {
				c.handled.Store(true)
			}
			h.ServeHTTP(w, r)
		}),
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, connKey{}, c)
		},
		ConnState: func(c net.Conn, state http.ConnState) {
			if c, ok := c.(*conn); ok && state == http.StateIdle { // the last answer is out, the next request not read
				c.handled.Store(false)
			}
		},
		DisableGeneralOptionsHandler: true, // "OPTIONS *" is an unknown route like others
		ReadHeaderTimeout:            10 * time.Second,
		IdleTimeout:                  2 * time.Minute,
		ErrorLog:                     slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}}
}

// Serve accepts connections until the server is shut down or closed.
func (s *Server) Serve(ln net.Listener) error { return s.Server.Serve(listener{ln}) }

type connKey struct{}

type listener struct{ net.Listener }

func (l listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &conn{Conn: c}, nil
}

// conn is a connection that knows whether what is written is a handler's.
type conn struct {
	net.Conn
	handled atomic.Bool
}

func (c *conn) Write(p []byte) (int, error) {
	status, ok := bytes.CutPrefix(p, []byte("HTTP/1.1 "))
	if !ok || c.handled.Load() {
		return c.Conn.Write(p)
	}
	detail := "The request cannot be read: its path has an invalid percent-escape, or a line of its header is malformed."
	switch {
	case bytes.HasPrefix(status, []byte("431")):
		detail = "The request's header is too large."
	case bytes.HasPrefix(status, []byte("417")):
		detail = "Of expectations only 100-continue can be met."
	case bytes.HasPrefix(status, []byte("501")):
		detail = "Of transfer encodings only chunked is known."
	}
	doc := api.Problem(problem.New(problem.InvalidRequest, "%s", detail), newRequestID())
	_, err := fmt.Fprintf(c.Conn, "HTTP/1.1 400 Bad Request\r\nContent-Type: %s\r\nContent-Length: %d\r\n"+
		"Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nAccess-Control-Allow-Origin: *\r\nConnection: close\r\n\r\n%s",
		api.ProblemType, len(doc), doc)
	return len(p), err
}

// CloseWrite lets net/http end its side first, so that a client can read the refusal.
func (c *conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}
