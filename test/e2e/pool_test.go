//go:build e2e

package e2e

import (
	"encoding/json"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	cip "github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider/types"
)

// The deployment with a user pool of its own: users log in with Cognito behind obtain, and
// the authorizer verifies Cognito's tokens with the pool's keys.
func TestUserPool(t *testing.T) {
	client := cip.NewFromConfig(administrator())
	user := func(name, password string, groups []string, attributes ...string) {
		t.Helper()
		in := &cip.AdminCreateUserInput{
			UserPoolId: aws.String(pool.outputs["UserPoolId"]), Username: &name, MessageAction: types.MessageActionTypeSuppress,
		}
		for i := 0; i < len(attributes); i += 2 {
			in.UserAttributes = append(in.UserAttributes, types.AttributeType{Name: &attributes[i], Value: &attributes[i+1]})
		}
		if _, err := client.AdminCreateUser(t.Context(), in); err != nil {
			t.Fatal(err)
		}
		_, err := client.AdminSetUserPassword(t.Context(), &cip.AdminSetUserPasswordInput{
			UserPoolId: in.UserPoolId, Username: &name, Password: &password, Permanent: true,
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, group := range groups {
			_, err := client.AdminAddUserToGroup(t.Context(), &cip.AdminAddUserToGroupInput{
				UserPoolId: in.UserPoolId, Username: &name, GroupName: &group,
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	const password = "correct horse battery staple"
	user("root", password, []string{"admin"}, "custom:tenant", "pool", "custom:upk", "1")
	user("worker", password, nil, "custom:tenant", "pool", "custom:upk", "2", "custom:nodes", "7,8")
	user("nowhere", password, nil) // without a tenant

	nobody := caller{name: "nobody", door: pool.door}
	credentials := func(name, password string) string {
		text, _ := json.Marshal(map[string]string{"username": name, "password": password})
		return string(text)
	}
	type pair struct{ Refresh, Access string }
	obtain := func(name string) (caller, pair) {
		t.Helper()
		var p pair
		nobody.do(t, "POST", "/v1/auth/obtain", credentials(name, password)).decode(t, &p)
		return caller{name: name, door: pool.door, token: "Bearer " + p.Access}, p
	}
	root, _ := obtain("root")
	worker, p := obtain("worker")
	homeless, _ := obtain("nowhere")
	const noAccount = "401 not_authenticated: No active account found with the given credentials"
	script(t, []step{
		{nobody, "POST", "/v1/auth/obtain", credentials("worker", "wrong"), noAccount},
		{nobody, "POST", "/v1/auth/obtain", credentials("unknown", password), noAccount},
		{nobody, "POST", "/v1/auth/verify", `{"token":"` + p.Access + `"}`, "200 {}"},
		{nobody, "POST", "/v1/auth/refresh", `{"refresh":"` + p.Access + `"}`, "401 token_not_valid: Token is invalid or expired"},
		{nobody, "GET", "/v1/job-outputs/1", "", unauthenticated},
		{homeless, "POST", "/v1/job-outputs/list", "", unauthenticated},
		{worker, "POST", "/v1/jobs/create", `{}`, forbidden},
	})
	begun(t, root, worker)
	script(t, []step{
		{worker.node("7"), "POST", "/v1/jobs/1/outputs/model/bin", "x", "200 " + object(1, 1, 2, "model", "bin", "null", "x")},
		{worker.node("9"), "POST", "/v1/jobs/1/outputs/model/bin", "x", "403 node_not_granted: The token does not grant node 9."},
	})

	var next struct{ Access string }
	nobody.do(t, "POST", "/v1/auth/refresh", `{"refresh":"`+p.Refresh+`"}`).decode(t, &next)
	refreshed := caller{name: "worker, refreshed", door: pool.door, token: "Bearer " + next.Access}
	script(t, []step{{refreshed, "GET", "/v1/job-outputs/1", "", "200 " + object(1, 1, 2, "model", "bin", "null", "x")}})

	// Cognito's own access tokens carry no tenant and are not what the API calls so.
	raw, err := client.AdminInitiateAuth(t.Context(), &cip.AdminInitiateAuthInput{
		UserPoolId: aws.String(pool.outputs["UserPoolId"]), ClientId: aws.String(pool.outputs["UserPoolClientId"]),
		AuthFlow: types.AuthFlowTypeAdminUserPasswordAuth, AuthParameters: map[string]string{"USERNAME": "root", "PASSWORD": password},
	})
	if err != nil {
		t.Fatal(err)
	}
	bare := caller{name: "access token", door: pool.door, token: "Bearer " + *raw.AuthenticationResult.AccessToken}
	// Tokens of one deployment mean nothing to the other.
	elsewhere, _, _ := tenant(t, "pool")
	elsewhere.door = pool.door
	stolen := root
	stolen.door = own.door
	script(t, []step{
		{bare, "GET", "/v1/job-outputs/1", "", unauthenticated},
		{elsewhere, "GET", "/v1/job-outputs/1", "", unauthenticated},
		{stolen, "GET", "/v1/job-outputs/1", "", unauthenticated},
	})

	// A user who may no longer log in gets no new tokens.
	if _, err := client.AdminDisableUser(t.Context(), &cip.AdminDisableUserInput{UserPoolId: aws.String(pool.outputs["UserPoolId"]), Username: aws.String("worker")}); err != nil {
		t.Fatal(err)
	}
	script(t, []step{
		{nobody, "POST", "/v1/auth/obtain", credentials("worker", password), noAccount},
		{nobody, "POST", "/v1/auth/refresh", `{"refresh":"` + p.Refresh + `"}`, "401 token_not_valid: Token is invalid or expired"},
	})
}
