//go:build e2e

package e2e

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// certificate is a pair of PEM files for every name that is served on this machine. It is
// its own authority.
type certificate struct{ cert, key string }

// cognitoHost is where Cognito's tokens say their keys are.
const cognitoHost = "cognito-idp." + region + ".amazonaws.com"

func newCertificate(dir string) (certificate, error) {
	c := certificate{cert: filepath.Join(dir, "cert.pem"), key: filepath.Join(dir, "key.pem")}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return c, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: "joboutputs e2e"},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(24 * time.Hour),
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
		DNSNames:     []string{cognitoHost},
		IsCA:         true, BasicConstraintsValid: true,
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return c, err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return c, err
	}
	if err := os.WriteFile(c.cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		return c, err
	}
	return c, os.WriteFile(c.key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600)
}

func serveTLS(pair certificate, h http.Handler) (*httptest.Server, error) {
	loaded, err := tls.LoadX509KeyPair(pair.cert, pair.key)
	if err != nil {
		return nil, err
	}
	s := httptest.NewUnstartedServer(h)
	s.TLS = &tls.Config{Certificates: []tls.Certificate{loaded}, MinVersion: tls.VersionTLS12}
	s.StartTLS()
	return s, nil
}

// outside is the proxy to the world as functions know it: Cognito's public host leads to
// the emulator and nothing else is there.
type outside struct {
	url      string
	listener net.Listener

	mu      sync.Mutex
	refused []string // hosts that were asked for
}

func newOutside(emulator string) (*outside, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	o := &outside{url: "http://" + l.Addr().String(), listener: l}
	go serve(l, func(client net.Conn) error {
		in := bufio.NewReader(client)
		r, err := http.ReadRequest(in)
		if err != nil {
			return err
		}
		if r.Method != http.MethodConnect || r.Host != cognitoHost+":443" {
			o.mu.Lock()
			o.refused = append(o.refused, r.Host)
			o.mu.Unlock()
			_, err := io.WriteString(client, "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
			return err
		}
		server, err := net.Dial("tcp", emulator)
		if err != nil {
			return err
		}
		if _, err := io.WriteString(client, "HTTP/1.1 200 OK\r\n\r\n"); err != nil {
			return err
		}
		join(client, in, server)
		return nil
	})
	return o, nil
}

// Close refuses further connections.
func (o *outside) Close() { _ = o.listener.Close() }

// Refused are the hosts that functions asked for and that are not there.
func (o *outside) Refused() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.refused
}

// door leads plain HTTP at an address of its own to a deployed stage of the emulator, which
// has it below /restapis/<api>/<stage>/_user_request_. It passes on bytes as they are but
// for the head of the request, and takes one request a connection.
type door struct {
	addr     string
	listener net.Listener
}

func openDoor(emulator, api, stage string) (*door, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	prefix := "/restapis/" + api + "/" + stage + "/_user_request_"
	go serve(l, func(client net.Conn) error {
		in := bufio.NewReaderSize(client, 64<<10)
		head, err := readHead(in)
		if err != nil {
			return err
		}
		server, err := tls.DialWithDialer(&net.Dialer{Timeout: 5 * time.Second}, "tcp", emulator, nil)
		if err != nil {
			return err
		}
		if _, err := server.Write(rewrite(head, prefix, emulator)); err != nil {
			return err
		}
		join(client, in, server)
		return nil
	})
	return &door{addr: l.Addr().String(), listener: l}, nil
}

// Close refuses further connections.
func (d *door) Close() { _ = d.listener.Close() }

// readHead reads up to the empty line.
func readHead(in *bufio.Reader) ([]byte, error) {
	var head []byte
	for {
		line, err := in.ReadBytes('\n')
		head = append(head, line...)
		if err != nil || len(bytes.TrimRight(line, "\r\n")) == 0 {
			return head, err
		}
	}
}

// rewrite leads the head of a request to the stage. The emulator decodes the path before
// it looks at it, so that functions would get it decoded: with % written as %25 they get
// what API Gateway gives them, the path as it was sent.
func rewrite(head []byte, prefix, host string) []byte {
	lines := strings.SplitAfter(string(head), "\r\n")
	method, rest, _ := strings.Cut(lines[0], " ")
	if at := strings.LastIndexByte(rest, ' '); at >= 0 {
		path, query, _ := strings.Cut(rest[:at], "?")
		if strings.Contains(rest[:at], "?") {
			query = "?" + query
		}
		lines[0] = method + " " + prefix + strings.ReplaceAll(path, "%", "%25") + query + rest[at:]
	}
	for i, line := range lines {
		if name, _, ok := strings.Cut(line, ":"); ok && i > 0 && strings.EqualFold(name, "Host") {
			lines[i] = "Host: " + host + "\r\n"
		}
	}
	return []byte(strings.Join(lines, ""))
}

// serve handles each connection until the listener is closed.
func serve(l net.Listener, handle func(net.Conn) error) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			_ = c.SetDeadline(time.Now().Add(time.Minute))
			_ = handle(c) // the other side sees that the connection ended
		}()
	}
}

// join copies both ways until the server has said everything.
func join(client net.Conn, in io.Reader, server net.Conn) {
	defer server.Close()
	go func() { _, _ = io.Copy(server, in) }()
	_, _ = io.Copy(client, server)
}
