package cognito_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	cip "github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider/types"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"joboutputs/shared/cognito"
	"joboutputs/shared/problem"
	"joboutputs/shared/token"
)

// pool is Cognito's answer to everything, and what was asked.
type pool struct {
	out   *cip.AdminInitiateAuthOutput
	err   error
	asked []*cip.AdminInitiateAuthInput
}

func (p *pool) AdminInitiateAuth(_ context.Context, in *cip.AdminInitiateAuthInput, _ ...func(*cip.Options)) (*cip.AdminInitiateAuthOutput, error) {
	p.asked = append(p.asked, in)
	return p.out, p.err
}

func tokens() *cip.AdminInitiateAuthOutput {
	return &cip.AdminInitiateAuthOutput{AuthenticationResult: &types.AuthenticationResultType{
		AccessToken: aws.String("access"), IdToken: aws.String("id"), RefreshToken: aws.String("refresh"),
	}}
}

var config = cognito.Config{UserPool: "eu_1", ClientID: "client"}

func TestObtain(t *testing.T) {
	for _, tt := range []struct {
		access bool
		want   token.Pair
	}{
		{false, token.Pair{Refresh: "refresh", Access: "id"}},
		{true, token.Pair{Refresh: "refresh", Access: "access"}},
	} {
		p, cfg := &pool{out: tokens()}, config
		cfg.AccessTokens = tt.access
		got, err := cognito.New(p, cfg).Obtain(t.Context(), "alice", "alice-pw")
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("pair (-want +got):\n%s", diff)
		}
		want := []*cip.AdminInitiateAuthInput{{
			AuthFlow: "ADMIN_USER_PASSWORD_AUTH", UserPoolId: aws.String("eu_1"), ClientId: aws.String("client"),
			AuthParameters: map[string]string{"USERNAME": "alice", "PASSWORD": "alice-pw"},
		}}
		if diff := cmp.Diff(want, p.asked, cmpopts.IgnoreUnexported(cip.AdminInitiateAuthInput{})); diff != "" {
			t.Errorf("asked (-want +got):\n%s", diff)
		}
	}
}

func TestRefresh(t *testing.T) {
	p := &pool{out: tokens()}
	p.out.AuthenticationResult.RefreshToken = nil
	got, err := cognito.New(p, config).Refresh(t.Context(), "opaque")
	if err != nil || got != "id" {
		t.Errorf("got %q, %v", got, err)
	}
	want := []*cip.AdminInitiateAuthInput{{
		AuthFlow: "REFRESH_TOKEN_AUTH", UserPoolId: aws.String("eu_1"), ClientId: aws.String("client"),
		AuthParameters: map[string]string{"REFRESH_TOKEN": "opaque"},
	}}
	if diff := cmp.Diff(want, p.asked, cmpopts.IgnoreUnexported(cip.AdminInitiateAuthInput{})); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
}

func TestErrors(t *testing.T) {
	const wrong, invalid = "No active account found with the given credentials", "Token is invalid or expired"
	message := aws.String("Incorrect username or password.")
	throttled := func(kind problem.Kind) [2]problem.Kind { return [2]problem.Kind{kind, kind} }
	refused := [2]problem.Kind{problem.NotAuthenticated, problem.TokenNotValid}
	ours := throttled("")
	for name, tt := range map[string]struct {
		err  error
		want [2]problem.Kind // of Obtain and of Refresh; "" = no problem: a defect
	}{
		"wrong":            {&types.NotAuthorizedException{Message: message}, refused},
		"unknown":          {&types.UserNotFoundException{}, refused},
		"not confirmed":    {&types.UserNotConfirmedException{}, refused},
		"reset":            {&types.PasswordResetRequiredException{}, refused},
		"by a trigger":     {&types.UserLambdaValidationException{}, refused},
		"too many":         {&types.TooManyRequestsException{}, throttled(problem.Throttled)},
		"limit":            {&types.LimitExceededException{}, throttled(problem.Throttled)},
		"throttled":        {&smithy.GenericAPIError{Code: "ThrottlingException"}, throttled(problem.Throttled)},
		"internal":         {&types.InternalErrorException{}, throttled(problem.Unavailable)},
		"no connection":    {errors.New("dial tcp: refused"), throttled(problem.Unavailable)},
		"time is up":       {context.DeadlineExceeded, ours},
		"flow not enabled": {&types.InvalidParameterException{Message: aws.String("Auth flow not enabled for this client")}, ours},
		"no such pool":     {&types.ResourceNotFoundException{}, ours},
		"not allowed":      {&smithy.GenericAPIError{Code: "AccessDeniedException", Fault: smithy.FaultClient}, ours},
	} {
		t.Run(name, func(t *testing.T) {
			p := cognito.New(&pool{err: &smithy.OperationError{ServiceID: "Cognito", OperationName: "AdminInitiateAuth", Err: tt.err}}, config)
			_, obtained := p.Obtain(t.Context(), "alice", "pw")
			_, refreshed := p.Refresh(t.Context(), "opaque")
			for i, err := range []error{obtained, refreshed} {
				f, _ := problem.As(err)
				switch {
				case err == nil, !errors.Is(err, tt.err):
					t.Fatalf("got %v, which is not %v", err, tt.err)
				case f == nil && tt.want[i] != "", f != nil && f.Kind != tt.want[i]:
					t.Fatalf("got %v, want %q", err, tt.want[i])
				case f == nil:
				case f.Kind == problem.NotAuthenticated && f.Message != wrong, f.Kind == problem.TokenNotValid && f.Message != invalid:
					t.Errorf("it says %q", f.Message)
				case (f.Kind == problem.Throttled || f.Kind == problem.Unavailable) && f.RetryAfter <= 0:
					t.Error("no time to try again")
				}
			}
		})
	}
}

func TestChallenges(t *testing.T) {
	for _, name := range []types.ChallengeNameType{types.ChallengeNameTypeNewPasswordRequired, types.ChallengeNameTypeSoftwareTokenMfa} {
		_, err := cognito.New(&pool{out: &cip.AdminInitiateAuthOutput{ChallengeName: name}}, config).Obtain(t.Context(), "alice", "pw")
		if f, ok := problem.As(err); !ok || f.Kind != problem.NotAuthenticated || !strings.Contains(f.Message, string(name)) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// TestImpossibleAccounts holds that what can't be an account is not asked about.
func TestImpossibleAccounts(t *testing.T) {
	p := &pool{out: tokens()}
	for _, tt := range [][2]string{{strings.Repeat("ä", 129), "pw"}, {"two words", "pw"}, {"a\x01", "pw"}, {"alice", strings.Repeat("x", 257)}} {
		if _, err := cognito.New(p, config).Obtain(t.Context(), tt[0], tt[1]); !problem.Is(err, problem.NotAuthenticated) {
			t.Errorf("%q: got %v", tt, err)
		}
	}
	if len(p.asked) != 0 {
		t.Errorf("%d calls", len(p.asked))
	}
	if _, err := cognito.New(p, config).Obtain(t.Context(), strings.Repeat("ä", 128)[:255]+"+é", "pw"); err == nil {
		t.Error("invalid UTF-8 is a username")
	}
}

func TestAnswersWithoutTokens(t *testing.T) {
	for name, out := range map[string]*cip.AdminInitiateAuthOutput{
		"nothing":   {},
		"no tokens": {AuthenticationResult: &types.AuthenticationResultType{}},
	} {
		c := cognito.New(&pool{out: out}, config)
		_, obtained := c.Obtain(t.Context(), "alice", "pw")
		_, refreshed := c.Refresh(t.Context(), "opaque")
		for _, err := range []error{obtained, refreshed} {
			if _, ok := problem.As(err); err == nil || ok {
				t.Errorf("%s: got %v, want a defect", name, err)
			}
		}
	}
}
