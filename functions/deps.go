package functions

import (
	"context"
	"log/slog"
	"time"

	"joboutputs/shared/outputs"
	"joboutputs/shared/token"
)

// Deps are what functions are made from. A Lambda makes only what its own action needs;
// the local run makes all of it once.
type Deps struct {
	Store        *outputs.Store
	Verifier     *token.Verifier
	Issuer       Issuer
	Streaming    bool          // whether streamed functions really stream
	CleanupGrace time.Duration // how old something unfinished must be for the cleanup
	Log          *slog.Logger  // the cleanup's
}

// Issuer is where tokens come from: Cognito in the cloud, the development issuer locally.
type Issuer interface {
	Obtain(ctx context.Context, username, password string) (token.Pair, error)
	Refresh(ctx context.Context, refresh string) (access string, err error)
}
