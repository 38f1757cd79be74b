package service_test

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"joboutputs/test/harness"
)

// TestTokens holds how callers are told apart before anything is looked at.
func TestTokens(t *testing.T) {
	t.Parallel()
	r := harness.New(t)
	r.Load(t, peopleSeed, "acme")
	s := script{r.Script(t)}
	var pair struct{ Access, Refresh string }
	s.OK(&pair, 200, caller{}, "POST", "/v1/auth/obtain", `{"username":"bob@acme","password":"bob"}`)
	var next struct{ Access string }
	s.OK(&next, 200, caller{}, "POST", "/v1/auth/refresh", `{"refresh":"`+pair.Refresh+`"}`)
	for _, token := range []string{pair.Access, pair.Refresh, next.Access} {
		s.OK(nil, 200, caller{}, "POST", "/v1/auth/verify", `{"token":"`+token+`"}`)
	}
	s.OK(nil, 200, caller{Token: next.Access}, "POST", "/v1/job-outputs/list", "")

	claims, _, _ := strings.Cut(strings.SplitN(pair.Access, ".", 2)[1], ".")
	payload, err := base64.RawURLEncoding.DecodeString(claims)
	if err != nil {
		t.Fatal(err)
	}
	var claimed map[string]any
	if err := json.Unmarshal(payload, &claimed); err != nil {
		t.Fatal(err)
	}
	claimed["tenant"] = "other"
	forged, err := json.Marshal(claimed)
	if err != nil {
		t.Fatal(err)
	}
	for name, token := range map[string]string{
		"none": "", "a refresh token": pair.Refresh, "noise": "noise",
		"another tenant in a signed token": strings.Replace(pair.Access, claims, base64.RawURLEncoding.EncodeToString(forged), 1),
	} {
		t.Run(name, func(t *testing.T) {
			script{r.Script(t)}.Refused(401, "not_authenticated", caller{Token: token}, "GET", "/v1/job-outputs/1", "")
		})
	}
}
