// Package cognito gets tokens from the Cognito user pool that the stack makes. The
// actions obtain and refresh use it in the cloud.
//
// It uses the admin-initiated flows alone: the pool's app client has no secret and can't
// be used without the function's role. The client's refresh token rotation must be off,
// because UFDL's refresh answers no new refresh token.
package cognito

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	cip "github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider/types"
	"github.com/aws/smithy-go"

	"joboutputs/shared/config"
	"joboutputs/shared/problem"
	"joboutputs/shared/token"
)

// client is the SDK's, as far as it is used.
type client interface {
	AdminInitiateAuth(context.Context, *cip.AdminInitiateAuthInput, ...func(*cip.Options)) (*cip.AdminInitiateAuthOutput, error)
}

// Config names the pool.
type Config struct {
	UserPool string // its id
	ClientID string // of the app client: no secret, ALLOW_ADMIN_USER_PASSWORD_AUTH and ALLOW_REFRESH_TOKEN_AUTH

	// AccessTokens answers Cognito's access tokens. Without it the ID tokens are what the
	// API calls access: Cognito puts custom attributes into these alone, unless a trigger
	// before token generation adds them (Cognito developer guide).
	AccessTokens bool
}

// Pool gets tokens from a user pool.
type Pool struct {
	client client
	cfg    Config
}

// Open makes the Pool of a Lambda, from its environment. It makes no call.
func Open(section config.UserPoolSection) *Pool {
	return New(cip.NewFromConfig(section.AWS), Config{UserPool: section.ID, ClientID: section.ClientID})
}

// New makes a Pool.
func New(c client, cfg Config) *Pool { return &Pool{client: c, cfg: cfg} }

// The sentences are UFDL's.
const (
	noAccountText = "No active account found with the given credentials"
	invalidText   = "Token is invalid or expired"
)

// possible reports whether such an account can exist (API reference, UsernameType and
// PasswordType). Cognito answers InvalidParameterException to others, and the same to a
// client that is set up wrongly, which must not look like a wrong password.
func possible(username, password string) bool {
	const maxUsername, maxPassword = 128, 256 // characters
	other := func(r rune) bool { return !unicode.In(r, unicode.L, unicode.M, unicode.S, unicode.N, unicode.P) }
	return utf8.RuneCountInString(username) <= maxUsername && utf8.RuneCountInString(password) <= maxPassword &&
		!strings.ContainsFunc(username, other)
}

// Obtain logs a user in. Wrong, unknown and disabled are the same problem.NotAuthenticated;
// so is an account that must do something first, with a sentence that says so.
// problem.Throttled and problem.Unavailable say when to try again.
func (p *Pool) Obtain(ctx context.Context, username, password string) (token.Pair, error) {
	refused := problem.New(problem.NotAuthenticated, noAccountText)
	if !possible(username, password) {
		return token.Pair{}, refused
	}
	result, err := p.initiate(ctx, types.AuthFlowTypeAdminUserPasswordAuth, refused, map[string]string{
		"USERNAME": username,
		"PASSWORD": password,
	})
	if err != nil {
		return token.Pair{}, err
	}
	refresh := aws.ToString(result.RefreshToken)
	access := p.access(result)
	if refresh == "" || access == "" {
		return token.Pair{}, errors.New("cognito: log in: the answer lacks a token")
	}
	return token.Pair{Refresh: refresh, Access: access}, nil
}

// Refresh gets the next access token. Cognito looks at the user: a refresh token of a
// disabled one, as every token that is not good, is problem.TokenNotValid.
func (p *Pool) Refresh(ctx context.Context, refresh string) (access string, err error) {
	refused := problem.New(problem.TokenNotValid, invalidText)
	result, err := p.initiate(ctx, types.AuthFlowTypeRefreshTokenAuth, refused, map[string]string{
		"REFRESH_TOKEN": refresh,
	})
	if err != nil {
		return "", err
	}
	if access = p.access(result); access == "" {
		return "", errors.New("cognito: refresh: the answer lacks a token")
	}
	return access, nil
}

func (p *Pool) access(result *types.AuthenticationResultType) string {
	if p.cfg.AccessTokens {
		return aws.ToString(result.AccessToken)
	}
	return aws.ToString(result.IdToken)
}

func (p *Pool) initiate(ctx context.Context, flow types.AuthFlowType, refused *problem.Problem, parameters map[string]string) (*types.AuthenticationResultType, error) {
	out, err := p.client.AdminInitiateAuth(ctx, &cip.AdminInitiateAuthInput{
		AuthFlow:       flow,
		UserPoolId:     aws.String(p.cfg.UserPool),
		ClientId:       aws.String(p.cfg.ClientID),
		AuthParameters: parameters,
	})
	if err != nil {
		return nil, classify(fmt.Errorf("cognito: %s: %w", flow, err), refused)
	}
	if out.ChallengeName != "" {
		return nil, challenged(out.ChallengeName)
	}
	if out.AuthenticationResult == nil {
		return nil, fmt.Errorf("cognito: %s: the answer holds no tokens", flow)
	}
	return out.AuthenticationResult, nil
}

// challenged says what an account must do before it can log in here. The password was
// right, so that this tells nobody else about the account.
func challenged(name types.ChallengeNameType) error {
	text := "The account needs a further step to log in (%s), which this API does not offer."
	if name == types.ChallengeNameTypeNewPasswordRequired {
		text = "The account must first set a password of its own (%s); ask an administrator."
	}
	return problem.New(problem.NotAuthenticated, text, name).With("challenge", string(name))
}

// When to try again.
const (
	afterThrottle = 5 * time.Second
	afterFailure  = 2 * time.Second
)

// classify makes of an error what the caller may know. Anything that tells users apart
// is the same refusal; an error that is left is a defect of the set-up.
func classify(err error, refused *problem.Problem) error {
	var api smithy.APIError
	if !errors.As(err, &api) {
		if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
			return err
		}
		return problem.New(problem.Unavailable, "The user pool does not answer.").After(afterFailure).Because(err)
	}
	switch api.ErrorCode() {
	case "NotAuthorizedException", "UserNotFoundException", "UserNotConfirmedException",
		"PasswordResetRequiredException", "UserLambdaValidationException":
		return refused.Because(err)
	case "TooManyRequestsException", "LimitExceededException", "ThrottlingException":
		return problem.New(problem.Throttled, "Too many requests to the user pool.").After(afterThrottle).Because(err)
	}
	if api.ErrorFault() == smithy.FaultServer {
		return problem.New(problem.Unavailable, "The user pool does not answer.").After(afterFailure).Because(err)
	}
	return err
}
