package cleanup_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"joboutputs/functions/cleanup"
	domain "joboutputs/shared/cleanup"
)

// fake answers what it is told, and remembers what it was asked.
type fake struct {
	counts domain.Counts
	err    error
	asked  []time.Duration
}

func (f *fake) Run(_ context.Context, grace time.Duration) (domain.Counts, error) {
	f.asked = append(f.asked, grace)
	return f.counts, f.err
}

func TestCleanup(t *testing.T) {
	f := &fake{counts: domain.Counts{Intents: 1, Tombstones: 2, Uploads: 4, Skipped: 3, Rechecked: 5, Failed: 6, Deferred: 7, Attempts: 8, Oldest: 4000}}
	var log bytes.Buffer
	got, err := cleanup.New(f, 90*time.Minute, slog.New(slog.NewJSONHandler(&log, nil)))(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(got)
	if want := `{"intents":1,"tombstones":2,"uploads":4,"skipped":3,"rechecked":5,"failed":6,"deferred":7,"attempts":8,"oldest_seconds":4000}`; err != nil || string(text) != want {
		t.Errorf("answers %s (%v), want %s", text, err, want)
	}
	if len(f.asked) != 1 || f.asked[0] != 90*time.Minute {
		t.Errorf("cleaned with grace %v, want once with 1h30m", f.asked)
	}
	if want := `"msg":"cleaned up","action":"cleanup","intents":1,"tombstones":2,"uploads":4,"skipped":3,"rechecked":5,"failed":6,"deferred":7,"attempts":8,"oldest_seconds":4000}`; !strings.Contains(log.String(), want) {
		t.Errorf("logs %s, want %s", &log, want) // the stack's alarm reads msg and oldest_seconds
	}
}

// TestError: a cleanup that stopped says so, for Lambda to try again and the alarm to see.
func TestError(t *testing.T) {
	away := errors.New("away")
	if _, err := cleanup.New(&fake{err: away}, 0, slog.New(slog.DiscardHandler))(t.Context()); !errors.Is(err, away) {
		t.Errorf("got %v, want %v", err, away)
	}
}
