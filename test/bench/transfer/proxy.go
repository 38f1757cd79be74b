package main

import (
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync"
)

// proxy stands before the object store and notes which parts of contents pass, whole.
// Links are signed for its host, which is passed on.
type proxy struct {
	url    string
	server *http.Server

	mu     sync.Mutex
	parts  map[string]bool // "PUT 3", "GET bytes=0-8388607": passed to their end
	bytes  int64
	wanted int64         // bytes until half is closed
	half   chan struct{} // closed when as many have passed
}

func newProxy(target string) (*proxy, error) {
	u, err := url.Parse(target)
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &proxy{url: "http://" + listener.Addr().String()}
	p.begin(0)
	pass := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(u)
			r.Out.Host = r.In.Host
		},
		ModifyResponse: func(response *http.Response) error {
			r := response.Request
			switch number := r.URL.Query().Get("partNumber"); {
			case r.Method == http.MethodPut && response.StatusCode == http.StatusOK:
				p.passed("PUT "+number, r.ContentLength)
			case r.Method == http.MethodGet && response.StatusCode == http.StatusPartialContent:
				response.Body = &noted{ReadCloser: response.Body, left: response.ContentLength, end: func() { p.passed("GET "+r.Header.Get("Range"), response.ContentLength) }}
			}
			return nil
		},
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) }, // who was killed
	}
	p.server = &http.Server{Handler: pass}
	go func() { _ = p.server.Serve(listener) }()
	return p, nil
}

func (p *proxy) close() { _ = p.server.Close() }

// begin forgets what passed, and will close half when bytes have.
func (p *proxy) begin(bytes int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.parts, p.bytes, p.wanted, p.half = map[string]bool{}, 0, bytes, make(chan struct{})
}

// take answers what passed, and forgets it.
func (p *proxy) take() map[string]bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	parts := p.parts
	p.parts = map[string]bool{}
	return parts
}

func (p *proxy) passed(part string, bytes int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.parts[part] = true
	before := p.bytes
	p.bytes += bytes
	if before < p.wanted && p.bytes >= p.wanted {
		close(p.half)
	}
}

// noted tells when the last byte was read.
type noted struct {
	io.ReadCloser
	left int64
	end  func()
}

func (n *noted) Read(b []byte) (int, error) {
	count, err := n.ReadCloser.Read(b)
	if n.left > 0 && n.left-int64(count) <= 0 {
		n.end()
	}
	n.left -= int64(count)
	return count, err
}
