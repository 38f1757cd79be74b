package isolation_test

import (
	"net/http"
	"strings"
	"testing"

	"joboutputs/functions/joboutputs/retrieve"
	"joboutputs/shared/api"
	"joboutputs/shared/api/apitest"
	"joboutputs/shared/auth"
	"joboutputs/shared/jobs"
	"joboutputs/shared/localaws/fixture"
	"joboutputs/shared/users"
	"joboutputs/test/harness"
	"joboutputs/test/report"
)

// TestBreach is actions with the defect that the tenant guard is for: they ask the stores for
// another tenant's. Each is a 500 that is logged once, with its action and operation and
// without the key, and no call leaves.
func TestBreach(t *testing.T) {
	var calls recorder
	rig := harness.New(t, calls.add)
	rig.Load(t, seed, "alpha")
	rig.Load(t, seed, "beta")
	stores, rows := rig.Service.Deps, rig.Service.Table
	calls.take()

	admin := auth.Principal{Tenant: "alpha", UserPK: 1, Username: "admin", Admin: true}
	theirs := admin
	theirs.Tenant = "beta"
	check := report.Begin(t, "isolation", 0)
	stopped := 0
	for name, defect := range map[string]func(r *http.Request) error{
		"GetItem": func(r *http.Request) error { _, err := stores.Outputs.Output(r.Context(), "beta", 1); return err },
		"Query":   func(r *http.Request) error { _, err := stores.Jobs.WithOutputs(r.Context(), "beta", 2); return err },
		"BatchGetItem": func(r *http.Request) error {
			_, err := stores.Uploads.Abort(r.Context(), theirs, 2, "01", "")
			return err
		},
		"UpdateItem": func(r *http.Request) error {
			_, err := stores.Jobs.Create(r.Context(), "beta", jobs.NewJob{Creator: users.User{PK: 1}})
			return err
		},
		"an import": func(r *http.Request) error {
			return fixture.Load(auth.WithTenant(r.Context(), "alpha"), rows, "beta", fixture.Rows{LastOutputPK: 5})
		},
		"GetObject": func(r *http.Request) error {
			o, err := stores.Outputs.Output(r.Context(), "alpha", 1)
			if err == nil {
				calls.take()
				_, err = stores.Outputs.Open(r.Context(), "beta", &o, nil)
			}
			return err
		},
		"a link": func(r *http.Request) error {
			o, err := stores.Outputs.Output(r.Context(), "alpha", 1)
			if err == nil {
				calls.take()
				_, err = stores.Outputs.Presign(r.Context(), "beta", &o, "attachment", 1)
			}
			return err
		},
	} {
		h := api.Handle(auth.OutputsRetrieve, func(_ http.ResponseWriter, r *http.Request, _ auth.Principal) error { return defect(r) })
		answer := apitest.Call{Method: "GET", Resource: "/v1/job-outputs/{pk}", Params: map[string]string{"pk": "1"}, As: admin}.Do(t, h)
		if answer.Status != http.StatusInternalServerError || answer.Code() != "internal" || strings.Contains(string(answer.Body), "tenantguard") {
			t.Errorf("%s: %s", name, answer)
		}
		line := answer.Log
		if strings.Count(line, "tenantguard: ") != 1 || strings.Count(line, "\n") != 1 || !strings.Contains(line, `"level":"ERROR"`) || !strings.Contains(line, `"action":"joboutputs-retrieve"`) ||
			strings.Contains(line, "beta") {
			t.Errorf("%s: the log says %s", name, line)
		}
		left := calls.take()
		if len(left) > 0 {
			t.Errorf("%s: calls left: %v", name, left)
		} else {
			stopped++
		}
	}
	check.AtLeast("kinds of defect that the tenant guard stops, with a 500 that is logged once and no call", stopped, 7)

	// The same action without the defect.
	answer := apitest.Call{Method: "GET", Resource: "/v1/job-outputs/{pk}", Params: map[string]string{"pk": "1"}, As: admin}.Do(t, retrieve.New(stores.Outputs))
	if answer.Status != http.StatusOK {
		t.Errorf("without the defect: %s", answer)
	}
}
