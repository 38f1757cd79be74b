//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// region and account are where everything is deployed to.
const (
	region  = "us-east-1"
	account = "000000000000"
)

// ministack is the emulator, in a process group of its own with the functions it runs.
type ministack struct {
	endpoint string // https://127.0.0.1:…
	host     string // 127.0.0.1:…
	outside  *outside

	cmd   *exec.Cmd
	life  *os.File // the emulator ends when this is closed, also by our death
	log   *os.File
	ended chan struct{}
	once  sync.Once
}

// program is what python runs: the emulator, which ends when its stdin does. A parent that
// is killed takes it along so.
const program = `
import os, runpy, signal, sys, threading, time
def end():
    sys.stdin.buffer.read()
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(3)
    os.killpg(0, signal.SIGKILL)
threading.Thread(target=end, daemon=True).start()
runpy.run_module("ministack", run_name="__main__")
`

// readyWithin bounds the wait for the emulator's first answer, which takes two seconds on
// a machine that does nothing else.
const readyWithin = time.Minute

// startMinistack starts the emulator on a free port. It enforces IAM policies and verifies
// signatures (AUTH), and serves TLS alone.
func startMinistack(ctx context.Context, root, dir string, pair certificate) (*ministack, error) {
	python := filepath.Join(root, ".tools/ministack/bin/python")
	if _, err := os.Stat(python); err != nil {
		return nil, fmt.Errorf("%s: the emulator is not installed: use make e2e", python)
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	host := "127.0.0.1:" + port
	m := &ministack{endpoint: "https://" + host, host: host, ended: make(chan struct{})}
	if m.outside, err = newOutside(m.host); err != nil {
		return nil, err
	}
	if m.log, err = os.Create(filepath.Join(dir, "ministack.log")); err != nil {
		return nil, err
	}
	life, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer life.Close()
	m.life = w
	tmp := filepath.Join(dir, "ministack")
	if err := os.Mkdir(tmp, 0o700); err != nil {
		return nil, err
	}
	m.cmd = exec.Command(python, "-c", program)
	m.cmd.Stdin, m.cmd.Stdout, m.cmd.Stderr = life, m.log, m.log
	m.cmd.Dir = tmp
	m.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	m.cmd.Env = []string{ // the functions have all of it too
		"PATH=" + os.Getenv("PATH"),
		"HOME=" + tmp,
		"TMPDIR=" + tmp,
		"GATEWAY_PORT=" + port,
		"BIND_HOST=127.0.0.1",
		"MINISTACK_HOST=127.0.0.1",
		"MINISTACK_REGION=" + region,
		"MINISTACK_ACCOUNT_ID=" + account,
		"S3_DATA_DIR=" + filepath.Join(tmp, "s3"),
		"AUTH=true",
		"USE_SSL=1",
		"MINISTACK_SSL_CERT=" + pair.cert,
		"MINISTACK_SSL_KEY=" + pair.key,
		"IOT_MTLS_ENABLED=0",
		"DOCKER_HOST=unix:///nonexistent",
		"LOG_LEVEL=WARNING",
		"AWS_ENDPOINT_URL=" + m.endpoint, // as functions reach it, whatever their own environment says
		"AWS_DEFAULT_REGION=" + region,
		"AWS_ACCESS_KEY_ID=test",
		"AWS_SECRET_ACCESS_KEY=test",
		"SSL_CERT_FILE=" + pair.cert,
		"HTTPS_PROXY=" + m.outside.url, // what is not on this machine: amazonaws.com
	}
	if err := m.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the emulator: %w", err)
	}
	go func() {
		_ = m.cmd.Wait()
		close(m.ended)
	}()
	if err := m.ready(ctx); err != nil {
		m.stop()
		m.tell()
		return nil, fmt.Errorf("start the emulator: %w", err)
	}
	return m, nil
}

func (m *ministack) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	for {
		err := health(ctx, m.endpoint)
		if err == nil {
			return nil
		}
		select {
		case <-m.ended:
			return errors.New("it ended by itself")
		case <-ctx.Done():
			return err
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func health(ctx context.Context, endpoint string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, endpoint+"/_ministack/health", nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err == nil && !bytes.Contains(text, []byte(`"auth": "enabled"`)) {
		err = fmt.Errorf("its health does not say that IAM is enforced: %.200s", text)
	}
	return err
}

// complaint is a line that the emulator logs about itself.
var complaint = regexp.MustCompile(`(?m)^\d{4}-\S+ \S+ (WARNING|ERROR|CRITICAL) .*$`)

// tell prints the last complaints of the emulator, and what it printed if it has none.
func (m *ministack) tell() {
	text, _ := os.ReadFile(m.log.Name())
	var lines [][]byte
	for _, line := range complaint.FindAll(text, -1) {
		if !bytes.Contains(line, []byte("[asyncio]")) { // connections that a client closed
			lines = append(lines, line)
		}
	}
	if lines != nil {
		text = bytes.Join(lines, []byte("\n"))
	}
	fmt.Printf("the emulator's last complaints:\n%s\n", tail(text))
}

// stop ends the emulator and every function it runs.
func (m *ministack) stop() {
	m.once.Do(func() {
		_ = m.life.Close()
		select {
		case <-m.ended:
		case <-time.After(5 * time.Second):
		}
		// The functions are in the group and outlive an emulator that is asked to end.
		_ = syscall.Kill(-m.cmd.Process.Pid, syscall.SIGKILL)
		<-m.ended
		m.outside.Close()
		_ = m.log.Close()
	})
}

// freePort is below the ports that outgoing connections get.
func freePort() (string, error) {
	const from, to, attempts = 20000, 32000, 100
	for range attempts {
		port := strconv.Itoa(from + rand.IntN(to-from))
		if l, err := net.Listen("tcp", "127.0.0.1:"+port); err == nil {
			return port, l.Close()
		}
	}
	return "", errors.New("no port is free")
}

func tail(text []byte) []byte { return text[max(0, len(text)-4<<10):] }
