// Package sweep runs on a schedule: it finishes what crashes left, and removes bytes that
// nothing refers to.
package sweep

import (
	"context"
	"time"

	"joboutputs/shared/outputs"
)

type store interface {
	Sweep(ctx context.Context, grace time.Duration) (outputs.Swept, error)
}

// New makes the function. What is younger than grace is left alone: it may still be in
// flight.
func New(s store, grace time.Duration) func(context.Context) (any, error) {
	return func(ctx context.Context) (any, error) {
		return s.Sweep(ctx, grace)
	}
}
