package functions

import (
	"context"
	"log/slog"
	"time"

	"joboutputs/shared/cleanup"
	"joboutputs/shared/jobs"
	"joboutputs/shared/outputs"
	"joboutputs/shared/table"
	"joboutputs/shared/token"
	"joboutputs/shared/uploads"
)

// Deps are what functions are made from. A Lambda makes only what its own action needs;
// the local run makes all of it once.
type Deps struct {
	Jobs         *jobs.Store
	Outputs      *outputs.Store
	Uploads      *uploads.Store
	Cleanup      *cleanup.Cleaner
	Verifier     *token.Verifier
	Issuer       Issuer
	Streaming    bool          // whether streamed functions really stream
	CleanupGrace time.Duration // how old something unfinished must be for the cleanup
	Log          *slog.Logger  // the cleanup's
}

// NewDeps makes the stores, over one table and one bucket. The caller adds the rest.
func NewDeps(cfg table.Config, limits uploads.Limits) Deps {
	t := table.New(cfg)
	return Deps{
		Jobs: jobs.New(t), Outputs: outputs.New(t), Uploads: uploads.New(t, limits), Cleanup: cleanup.New(cfg),
		CleanupGrace: table.Grace,
	}
}

// Issuer is where tokens come from: Cognito in the cloud, the development issuer locally.
type Issuer interface {
	Obtain(ctx context.Context, username, password string) (token.Pair, error)
	Refresh(ctx context.Context, refresh string) (access string, err error)
}
