//go:build e2e

package e2e

import (
	"strings"

	"joboutputs/test/conformance"
)

// unsent says why a recorded exchange is not sent to the emulator, "" if it is.
func unsent(x *conformance.Exchange) string {
	path, _, _ := strings.Cut(x.Request.Path, "?")
	switch {
	case strings.Contains(path, "//"), strings.Contains(path, "/outputs/") && strings.HasSuffix(path, "/"):
		return "the emulator drops empty segments: the request would reach another resource"
	case strings.Contains(path, "/v1/auth/obtain"), strings.Contains(path, "/v1/auth/refresh"):
		return "not in a deployment with an issuer of one's own; TestUserPool asks the other one"
	}
	return ""
}

// wrong are exchanges to which the emulator gives a wrong answer, by what is wrong with
// it. One that is answered rightly again fails the test: it is to be taken out here.
var wrong = map[string][]string{
	"a MOCK method without a body answers {}": {
		"detail_actions/cors-options-no-method/v1/job-outputs/5/download",
		"detail_actions/cors-options-no-method/v1/job-outputs/list",
		"detail_actions/cors-preflight-node-id/v1/job-outputs/5",
		"detail_actions/cors-preflight/v1/job-outputs/5",
		"detail_actions/cors-preflight/v1/job-outputs/list",
		"detail_actions/method-OPTIONS-5-admin",
		"detail_actions/method-OPTIONS-5-alice",
		"detail_actions/method-OPTIONS-5-anon",
		"detail_actions/method-OPTIONS-5_download-admin",
		"detail_actions/method-OPTIONS-5_hard-anon",
		"detail_actions/method-OPTIONS-5_reinstate-alice",
		"detail_actions/method-OPTIONS-create-alice",
		"detail_actions/method-OPTIONS-create-anon",
	},
	"$context is not replaced in the template of a MOCK method": {
		"auth/verify-method-DELETE",
		"auth/verify-method-PATCH",
		"auth/verify-method-PUT",
	},
	"literal segments are compared as they were sent; what API Gateway does is not known": {
		"detail_actions/route-encoded-prefix-get",
	},
	"bytes over 127 in the request line are refused by the emulator's server, with an empty 400": {
		"job_actions/raw-raw-utf8-add",
		"job_actions/raw-raw-utf8-get",
		"job_actions/raw-raw-utf8-delete",
	},
}
