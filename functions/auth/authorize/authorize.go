// Package authorize is API Gateway's authorizer (TOKEN type): it proves the token of the
// Authorization header and answers who the caller is. It decides nothing else; what the
// caller may do is the action's to ask of auth.May.
package authorize

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/aws/aws-lambda-go/events"

	"joboutputs/shared/auth"
	"joboutputs/shared/problem"
)

type verifier interface {
	// Principal proves an access token; problem.TokenNotValid refuses it.
	Principal(ctx context.Context, raw string) (auth.Principal, error)
}

// errUnauthorized has the one text that API Gateway turns into a 401; every other error
// is a 500 there (API Gateway developer guide, Lambda authorizer output).
var errUnauthorized = errors.New("Unauthorized") //nolint:staticcheck // the text is API Gateway's

// New makes the authorizer. Its answer allows the whole stage, since API Gateway keeps it
// for the token and not for the method: a policy for one route would answer for the next.
// When nobody can tell whether the token is good, the error is the verifier's problem.
func New(v verifier) func(context.Context, events.APIGatewayCustomAuthorizerRequest) (events.APIGatewayCustomAuthorizerResponse, error) {
	return func(ctx context.Context, event events.APIGatewayCustomAuthorizerRequest) (events.APIGatewayCustomAuthorizerResponse, error) {
		none := events.APIGatewayCustomAuthorizerResponse{}
		stage, err := wholeStage(event.MethodArn)
		if err != nil {
			return none, err
		}
		raw, ok := bearer(event.AuthorizationToken)
		if !ok {
			return none, errUnauthorized
		}
		p, err := v.Principal(ctx, raw)
		switch {
		case problem.Is(err, problem.TokenNotValid):
			return none, errUnauthorized
		case err != nil:
			return none, fmt.Errorf("prove the token: %w", err)
		}
		return events.APIGatewayCustomAuthorizerResponse{
			PrincipalID: p.Tenant + "/" + cmp.Or(p.Subject, strconv.FormatInt(p.UserPK, 10)),
			PolicyDocument: events.APIGatewayCustomAuthorizerPolicy{
				Version: "2012-10-17",
				Statement: []events.IAMPolicyStatement{{
					Action:   []string{"execute-api:Invoke"},
					Effect:   "Allow",
					Resource: []string{stage},
				}},
			},
			Context: p.Context(),
		}, nil
	}
}

// bearer returns the token of an Authorization header: "Bearer", blanks, the token. As
// UFDL has it, the scheme's case counts, and blanks may be tabs, be doubled and trail.
func bearer(header string) (string, bool) {
	words := strings.FieldsFunc(header, func(r rune) bool { return r == ' ' || r == '\t' })
	if len(words) != 2 || words[0] != "Bearer" {
		return "", false
	}
	return words[1], true
}

// wholeStage makes arn:aws:execute-api:region:account:api/stage/GET/path the ARN of every
// method and path of the stage.
func wholeStage(methodARN string) (string, error) {
	parts := strings.SplitN(methodARN, "/", 3)
	if len(parts) != 3 || strings.Count(parts[0], ":") != 5 || parts[1] == "" {
		return "", fmt.Errorf("authorize: %q is not the ARN of a method", methodARN)
	}
	return parts[0] + "/" + parts[1] + "/*/*", nil
}
