package gateway

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-lambda-go/events"

	"joboutputs/functions"
	"joboutputs/shared/api"
	"joboutputs/shared/problem"
	"joboutputs/shared/token"
)

// Parts of the ARN of a method, which an authorizer is asked about:
// arn:aws:execute-api:{region}:{account}:{api}/{stage}/{method}/{path}.
const (
	region  = "local"
	account = "000000000000"
	apiID   = "local"
)

// tokens asks the authorizer who callers are, and keeps its answers by token for the
// whole stage, as API Gateway does.
type tokens struct {
	ask     functions.Authorizer // nil: nobody is let in
	timeout time.Duration
	ttl     time.Duration
	max     int
	now     func() time.Time

	mu     sync.Mutex
	proofs map[string]proof
}

// proof is what the authorizer said about a token.
type proof struct {
	context map[string]any
	policy  events.APIGatewayCustomAuthorizerPolicy
	until   time.Time
}

func newTokens(c Config) *tokens {
	t := &tokens{
		ttl: cmp.Or(c.TokenTTL, 60*time.Second), max: cmp.Or(c.TokenCache, 1000),
		now: c.Edge.Now, proofs: map[string]proof{},
	}
	for _, row := range c.Functions {
		if row.Authorizer == nil {
			continue
		}
		if t.ask != nil {
			panic("gateway: the catalogue has two authorizers")
		}
		t.ask, t.timeout = row.Authorizer(c.Deps), limited(row.Timeout, maxBuffered)
	}
	return t
}

// check returns what the authorizer says about the caller. A request without exactly one
// Authorization header of a possible length is refused without asking, as by the identity
// validation expression of the stack.
func (t *tokens) check(x *exchange) (map[string]any, *problem.Problem) {
	unauthorized := problem.New(problem.NotAuthenticated, "%s", api.UnauthorizedText)
	values := x.r.Header.Values("Authorization")
	if len(values) != 1 || values[0] == "" || len(values[0]) > token.MaxHeader {
		return nil, unauthorized
	}
	token := values[0]
	arn := fmt.Sprintf("arn:aws:execute-api:%s:%s:%s/%s/%s%s", region, account, apiID, stage, x.method, x.path)
	proof, ok := t.recall(token)
	if !ok {
		answer, err := t.invoke(x, events.APIGatewayCustomAuthorizerRequest{Type: "TOKEN", AuthorizationToken: token, MethodArn: arn})
		switch {
		case err != nil && err.Error() == "Unauthorized": // the one error that API Gateway turns into a 401
			return nil, unauthorized
		case err != nil:
			return nil, unavailable(fmt.Errorf("authorizer: %w", err))
		}
		if proof.context, err = flat(answer); err != nil {
			return nil, problem.New(problem.Internal, internalText).Because(err)
		}
		proof.policy = answer.PolicyDocument
		t.keep(token, proof)
	}
	if !allows(proof.policy, arn) {
		return nil, problem.Forbidden()
	}
	return proof.context, nil
}

// invoke calls the authorizer over the JSON that Lambda puts between.
func (t *tokens) invoke(x *exchange, request events.APIGatewayCustomAuthorizerRequest) (answer events.APIGatewayCustomAuthorizerResponse, err error) {
	if t.ask == nil {
		return answer, errors.New("there is none in the catalogue")
	}
	ctx, cancel := context.WithTimeout(functionContext(x), t.timeout)
	defer cancel()
	if request, err = throughJSON(request); err != nil {
		return answer, err
	}
	answer, err = invoke(ctx, func(ctx context.Context) (events.APIGatewayCustomAuthorizerResponse, error) {
		return t.ask(ctx, request)
	}, nil)
	if err != nil {
		return answer, err
	}
	return throughJSON(answer)
}

func (t *tokens) recall(token string) (proof, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	p, ok := t.proofs[token]
	return p, ok && t.now().Before(p.until)
}

func (t *tokens) keep(token string, p proof) {
	if t.ttl < 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.proofs) >= t.max {
		oldest := ""
		for token, p := range t.proofs {
			if oldest == "" || p.until.Before(t.proofs[oldest].until) {
				oldest = token
			}
		}
		delete(t.proofs, oldest)
	}
	p.until = t.now().Add(t.ttl)
	t.proofs[token] = p
}

// flat is an authorizer's context as it stands in events: text alone. API Gateway refuses
// a context that holds arrays or objects.
func flat(answer events.APIGatewayCustomAuthorizerResponse) (map[string]any, error) {
	context := map[string]any{"principalId": answer.PrincipalID}
	for name, value := range answer.Context {
		switch value.(type) {
		case string, bool, float64:
			context[name] = fmt.Sprint(value)
		default:
			return nil, fmt.Errorf("authorizer: its context's %s is not a string, number or boolean", name)
		}
	}
	return context, nil
}

// allows evaluates a policy for one method. The policy is the token's, not the request's:
// one made from the first request's ARN refuses the next path here as it does on AWS.
func allows(policy events.APIGatewayCustomAuthorizerPolicy, arn string) bool {
	allowed := false
	for _, s := range policy.Statement {
		if !anyLike(s.Action, "execute-api:Invoke") || !anyLike(s.Resource, arn) {
			continue
		}
		if s.Effect == "Deny" {
			return false
		}
		allowed = allowed || s.Effect == "Allow"
	}
	return allowed
}

// anyLike reports whether a pattern of IAM's ("*" any text, "?" one character) fits.
func anyLike(patterns []string, text string) bool {
	for _, pattern := range patterns {
		if like(pattern, text) {
			return true
		}
	}
	return false
}

func like(pattern, text string) bool {
	for pattern != "" {
		switch {
		case pattern[0] == '*':
			for pattern != "" && pattern[0] == '*' {
				pattern = pattern[1:]
			}
			if pattern == "" {
				return true
			}
			for i := range text {
				if like(pattern, text[i:]) {
					return true
				}
			}
			return false
		case text == "":
			return false
		case pattern[0] == '?':
			_, size := utf8.DecodeRuneInString(text)
			pattern, text = pattern[1:], text[size:]
		case pattern[0] == text[0]:
			pattern, text = pattern[1:], text[1:]
		default:
			return false
		}
	}
	return text == ""
}
