package main

import (
	"context"
	_ "embed"
	"fmt"
	"slices"
	"strings"

	"joboutputs/infra/local/issuer"
	"joboutputs/infra/local/seed"
	"joboutputs/infra/local/service"
)

// demoSeed is the tenant a run without seeds begins with.
//
//go:embed demo.json
var demoSeed string

// load loads the seeds that were named, or the demo tenant, and reports whether the demo
// tenant is there. A data directory that has users already keeps its own.
func load(ctx context.Context, svc *service.Service, opts options) (demo bool, err error) {
	for _, file := range opts.seeds {
		s, err := seed.ReadFile(file)
		if err != nil {
			return false, err
		}
		if err := svc.Load(ctx, s); err != nil {
			return false, fmt.Errorf("%s: %w", file, err)
		}
	}
	tenants := svc.Issuer.Tenants()
	if len(opts.seeds) > 0 || len(tenants) > 0 && !slices.Contains(tenants, issuer.DefaultTenant) {
		return false, nil
	}
	s, err := seed.Read("demo.json", strings.NewReader(demoSeed))
	if err != nil {
		return false, err
	}
	if err := svc.Load(ctx, s); err != nil {
		if len(tenants) > 0 {
			return false, nil // the tenant demo came from a seed of an earlier run
		}
		return false, err
	}
	return true, nil
}

// demoCommands are three calls that work when pasted, in this order.
func demoCommands(url string) string {
	return fmt.Sprintf(`
The tenant "demo" has the users admin, alice and bob, whose passwords are their names.
Try it:

TOKEN=$(curl -s %[1]s/v1/auth/obtain -H 'Content-Type: application/json' -d '{"username":"admin","password":"admin"}' | sed 's/.*"access":"\([^"]*\)".*/\1/')
curl -s -w '\n' -X POST %[1]s/v1/job-outputs/list -H "Authorization: Bearer $TOKEN"
curl -s -w '\n' --data-binary 'hello, outputs' %[1]s/v1/jobs/1/outputs/greeting-$(date +%%s)/txt -H "Authorization: Bearer $TOKEN"

`, url)
}
