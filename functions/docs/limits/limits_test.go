package limits_test

import (
	"net/http"
	"testing"
	"time"

	"joboutputs/functions/docs/limits"
	"joboutputs/shared/api/apitest"
	"joboutputs/shared/uploads"
)

// TestLimits: anyone is told, and what is configured counts.
func TestLimits(t *testing.T) {
	get := apitest.Call{Method: http.MethodGet, Resource: "/v1/limits"}
	for _, tc := range []struct {
		configured    uploads.Limits
		size, seconds float64
	}{
		{uploads.Limits{}, 50e9, 86400},
		{uploads.Limits{MaxSize: 1 << 40, Life: time.Hour}, 1 << 40, 3600},
	} {
		var got map[string]float64
		a := get.Do(t, limits.New(tc.configured))
		a.Into(t, &got)
		if a.Status != http.StatusOK || got["upload_max_size"] != tc.size || got["upload_seconds"] != tc.seconds || got["add_max_size"] != 4.4e6 {
			t.Errorf("%+v: %s", tc.configured, a)
		}
	}
}
