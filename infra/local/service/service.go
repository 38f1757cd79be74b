// Package service is the whole service in one process: every function of the catalogue
// behind the local gateway, with the development issuer. The local run serves it; tests
// that talk to the service as a client would make one of their own.
package service

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"joboutputs/functions"
	"joboutputs/infra/local/gateway"
	"joboutputs/infra/local/issuer"
	"joboutputs/infra/local/seed"
	"joboutputs/shared/api"
	"joboutputs/shared/auth"
	"joboutputs/shared/localaws/fixture"
	"joboutputs/shared/problem"
	"joboutputs/shared/table"
	"joboutputs/shared/token"
	"joboutputs/shared/uploads"
)

// Config is what a Service is made from. The table and the bucket exist.
type Config struct {
	DynamoDB *dynamodb.Client
	S3       *s3.Client
	Table    string
	Bucket   string
	Dir      string           // keeps the issuer's key and users; "" = in memory
	Log      *slog.Logger     // nil = none
	Now      func() time.Time // nil = time.Now
	TokenTTL time.Duration    // see gateway.Config
	Backoff  time.Duration    // see table.Config
	Attempt  time.Duration    // see table.Config
	Issuer   *issuer.Issuer   // nil = one of its own
	Timeout  time.Duration    // the longest that a function may run; 0 = as the catalogue says
}

// Service is an http.Handler: the API, and what is for this machine alone under /-/.
type Service struct {
	Deps   functions.Deps
	Table  *table.Store // of the tenants, for what loads rows
	Issuer *issuer.Issuer

	gateway *gateway.Gateway
}

// New makes a Service. It makes no call to the stores.
func New(cfg Config) (*Service, error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	tokens := cfg.Issuer
	if tokens == nil {
		var err error
		if tokens, err = issuer.New(issuer.Config{Dir: cfg.Dir, Now: cfg.Now}); err != nil {
			return nil, err
		}
	}
	stores := table.Config{DynamoDB: cfg.DynamoDB, S3: cfg.S3, Table: cfg.Table, Bucket: cfg.Bucket, Backoff: cfg.Backoff, Attempt: cfg.Attempt, Now: cfg.Now}
	deps := functions.NewDeps(stores, uploads.Limits{})
	deps.Verifier = token.New(tokens.TokenConfig(), tokens.Client(), cfg.Now)
	deps.Issuer = tokens
	deps.Streaming = true
	deps.Log = cfg.Log
	return &Service{
		Deps:   deps,
		Table:  table.New(stores),
		Issuer: tokens,
		gateway: gateway.New(gateway.Config{
			Functions: catalogue(cfg.Timeout),
			Refused:   functions.Refused,
			Deps:      deps,
			Edge:      api.Edge{Log: cfg.Log, Now: cfg.Now},
			Log:       cfg.Log,
			TokenTTL:  cfg.TokenTTL,
		}),
	}, nil
}

// catalogue is the catalogue, with functions that run for so long at most.
func catalogue(timeout time.Duration) []functions.Function {
	all := functions.Catalogue()
	for i := range all {
		if timeout != 0 && all[i].HTTP != nil {
			all[i].Timeout = min(all[i].Timeout, timeout)
		}
	}
	return all
}

// Load loads a seed: its users into the issuer, its rows and bytes into the stores.
// Loading it again changes nothing.
func (s *Service) Load(ctx context.Context, file *seed.Seed) error {
	for _, u := range file.Users {
		err := s.Issuer.AddUser(issuer.User{
			Tenant: file.Tenant, PK: u.PK, Username: u.Username, Password: u.Password,
			Admin: u.Admin, Active: u.Active, Nodes: u.Nodes,
		})
		if err != nil {
			return fmt.Errorf("load user %s: %w", u.Username, err)
		}
	}
	if err := fixture.Load(auth.WithTenant(ctx, file.Tenant), s.Table, file.Tenant, file.Rows()); err != nil {
		return fmt.Errorf("load tenant %s: %w", file.Tenant, err)
	}
	return nil
}

// ServeHTTP serves the API, POST /-/cleanup and GET /-/runtime.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/-/cleanup":
		s.cleanup(w, r)
	case "/-/runtime":
		usage(w)
	default:
		s.gateway.ServeHTTP(w, r)
	}
}

// usage answers what this process uses once garbage is collected, so that a leak shows.
func usage(w http.ResponseWriter) {
	runtime.GC()
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	_ = api.JSON(w, http.StatusOK, map[string]uint64{ // at worst nobody reads it
		"heap_bytes": memory.HeapAlloc, "goroutines": uint64(runtime.NumGoroutine()), //nolint:gosec // never negative
	})
}

// cleanup runs a cleanup now, on what is at least ?grace= old (default: the store's own
// grace), and answers what it did.
func (s *Service) cleanup(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		api.WriteProblem(w, problem.New(problem.MethodNotAllowed, "Method \"%s\" not allowed.", r.Method), "")
		return
	}
	grace, err := time.ParseDuration(cmp.Or(r.URL.Query().Get("grace"), table.Grace.String()))
	if err != nil || grace < 0 {
		api.WriteProblem(w, problem.New(problem.InvalidRequest, "grace: must be a duration such as 0s or 1h"), "")
		return
	}
	counts, err := s.Deps.Cleanup.Run(r.Context(), grace)
	if err == nil {
		err = api.JSON(w, http.StatusOK, counts)
	}
	if err != nil {
		f, ok := problem.As(err)
		if !ok {
			f = problem.New(problem.Internal, "%v", err)
		}
		api.WriteProblem(w, f, "")
	}
}
