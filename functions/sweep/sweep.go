// Package sweep runs on a schedule: it finishes what crashes left, and removes bytes that
// nothing refers to.
package sweep

import (
	"context"
	"log/slog"
	"time"

	"joboutputs/shared/auth"
	"joboutputs/shared/outputs"
)

type store interface {
	Sweep(ctx context.Context, grace time.Duration) (outputs.Swept, error)
}

// New makes the function. What is younger than grace is left alone: it may still be in
// flight. Each run logs one line "swept" with its counts, of which the stack's alarms read
// the age of the oldest.
func New(s store, grace time.Duration, log *slog.Logger) func(context.Context) (any, error) {
	return func(ctx context.Context) (any, error) {
		swept, err := s.Sweep(ctx, grace)
		level := slog.LevelInfo
		attrs := []slog.Attr{
			slog.String("action", string(auth.Sweep)),
			slog.Int("intents", swept.Intents), slog.Int("tombstones", swept.Tombstones), slog.Int("uploads", swept.Uploads), slog.Int("skipped", swept.Skipped),
			slog.Int64("oldest_seconds", swept.Oldest),
		}
		if err != nil {
			level = slog.LevelError
			attrs = append(attrs, slog.String("error", err.Error()))
		}
		log.LogAttrs(ctx, level, "swept", attrs...)
		return swept, err
	}
}
