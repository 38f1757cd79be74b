package load_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"joboutputs/test/bench/load"
)

func TestForCountsAndSumsUp(t *testing.T) {
	var calls atomic.Int64
	sample, err := load.For(t.Context(), 3, 50*time.Millisecond, func(context.Context, int) error {
		calls.Add(1)
		time.Sleep(time.Millisecond)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := sample.Requests, int(calls.Load()); got != want {
		t.Errorf("requests\n got %d\nwant %d", got, want)
	}
	if sample.P50 < time.Millisecond || sample.P99 < sample.P50 || sample.Elapsed < 50*time.Millisecond {
		t.Errorf("sample %+v", sample)
	}
}

func TestForEndsWithTheFirstError(t *testing.T) {
	bad := errors.New("bad")
	_, err := load.For(t.Context(), 4, time.Minute, func(ctx context.Context, client int) error {
		if client == 2 {
			return bad
		}
		<-ctx.Done()
		return ctx.Err()
	})
	if !errors.Is(err, bad) {
		t.Errorf("got %v, want %v", err, bad)
	}
}

func TestClient(t *testing.T) {
	var connections atomic.Int64
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/no" {
			http.Error(w, "no such thing", http.StatusNotFound)
			return
		}
		fmt.Fprint(w, strings.Repeat("x", 100_000)) // more than is buffered, so it is chunked
	}))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	server.Start()
	defer server.Close()
	address := strings.TrimPrefix(server.URL, "http://")
	c := load.NewClient(address)
	defer c.Close()
	for range 3 {
		size, err := c.Do(t.Context(), []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"))
		if err != nil || size != 100_000 {
			t.Fatalf("got %d, %v", size, err)
		}
	}
	if got := connections.Load(); got != 1 {
		t.Errorf("got %d connections, want 1", got)
	}
	if _, err := c.Do(t.Context(), []byte("GET /no HTTP/1.1\r\nHost: x\r\n\r\n")); err == nil || !strings.Contains(err.Error(), "no such thing") {
		t.Errorf("got %v", err)
	}
	if _, err := c.Do(t.Context(), []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n")); err != nil {
		t.Errorf("after an error: %v", err)
	}
}

func TestMedian(t *testing.T) {
	for _, test := range []struct {
		values []float64
		want   float64
	}{{[]float64{3}, 3}, {[]float64{9, 1, 5}, 5}, {[]float64{4, 1, 3, 2}, 2}} {
		if got := load.Median(test.values); got != test.want {
			t.Errorf("%v\n got %v\nwant %v", test.values, got, test.want)
		}
	}
}

func TestUsageGrows(t *testing.T) {
	before := load.Self()
	var kept [][]byte
	for range 1000 {
		kept = append(kept, make([]byte, 1000))
	}
	used := load.Self().Since(before)
	if used.Allocs < 1000 || used.AllocSize < 1000*1000 || len(kept) != 1000 {
		t.Errorf("used %+v", used)
	}
}
