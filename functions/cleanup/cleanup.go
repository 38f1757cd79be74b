// Package cleanup runs on a schedule: it finishes what crashes left, and removes bytes that
// nothing refers to.
package cleanup

import (
	"context"
	"log/slog"
	"time"

	"joboutputs/shared/auth"
	"joboutputs/shared/cleanup"
)

type cleaner interface {
	Run(ctx context.Context, grace time.Duration) (cleanup.Counts, error)
}

// New makes the function. What is younger than grace is left alone: it may still be in
// flight. Each run logs one line "cleaned up" with its counts; the stack's alarms read from
// it the age of the oldest row and how many failed.
func New(c cleaner, grace time.Duration, log *slog.Logger) func(context.Context) (any, error) {
	return func(ctx context.Context) (any, error) {
		counts, err := c.Run(ctx, grace)
		level := slog.LevelInfo
		attrs := []slog.Attr{
			slog.String("action", string(auth.Cleanup)),
			slog.Int("intents", counts.Intents), slog.Int("tombstones", counts.Tombstones), slog.Int("uploads", counts.Uploads), slog.Int("skipped", counts.Skipped),
			slog.Int("rechecked", counts.Rechecked), slog.Int("failed", counts.Failed), slog.Int("deferred", counts.Deferred), slog.Int("attempts", counts.Attempts),
			slog.Int64("oldest_seconds", counts.Oldest),
		}
		if err != nil {
			level = slog.LevelError
			attrs = append(attrs, slog.String("error", err.Error()))
		}
		log.LogAttrs(ctx, level, "cleaned up", attrs...)
		return counts, err
	}
}
