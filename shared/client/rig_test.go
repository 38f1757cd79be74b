package client_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"joboutputs/shared/client"
	"joboutputs/shared/client/clienttest"
)

// clock does not wait and notes how long it should have.
type clock struct {
	mu    sync.Mutex
	slept []time.Duration
}

func (c *clock) Now() time.Time { return time.Now() }

func (c *clock) Sleep(ctx context.Context, d time.Duration) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.slept = append(c.slept, d)
	return ctx.Err()
}

func newClient(t *testing.T, s *clienttest.Service, edit func(*client.Config)) (*client.Client, *clock) {
	t.Helper()
	clock := &clock{}
	cfg := client.Config{Server: s.URL, Tokens: client.Tokens{Access: s.Token(), Refresh: "refresh"}, Clock: clock}
	if edit != nil {
		edit(&cfg)
	}
	c, err := client.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c, clock
}

func random(n int, seed byte) []byte {
	content := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{seed}).Read(content) // never fails
	return content
}

func count(log []string, entry string) int {
	n := 0
	for _, e := range log {
		if e == entry {
			n++
		}
	}
	return n
}
