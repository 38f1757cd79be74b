package main

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2/awsapigateway"
	"github.com/aws/jsii-runtime-go"

	"joboutputs/shared/api"
	"joboutputs/shared/problem"
)

// What API Gateway answers by itself. Each is a problem document like those of the
// functions and the same as the local gateway's; a test compares the two. No template
// names $context.error.message: it repeats the Authorization header of requests for
// unknown routes.

const (
	requestID    = "$context.requestId"
	internalText = "Something went wrong on our side. It was logged under the request_id."
	silentText   = "The service does not answer."
	unknownText  = "The service did not respond in time; the request may have been carried out."
	codedText    = "A body of this media type or content coding is not accepted here."
	// tooLargeText covers both limits that a request can break: this one is the lower.
	tooLargeText = "The request is too large: with the body in base64 and the headers it must be smaller than %d bytes, which is a body of about 4.5 MiB."
	maxPayload   = 6 << 20 // bytes of a synchronous invocation's event
)

// gatewayResponses are the kinds of API Gateway's own answers, by what they mean here.
func gatewayResponses() map[string]*problem.Problem {
	notFound := problem.Missing()
	forbidden := problem.Forbidden()
	internal := problem.New(problem.Internal, internalText)
	unavailable := problem.New(problem.Unavailable, silentText).After(2 * time.Second)
	unknown := problem.New(problem.OutcomeUnknown, unknownText).After(2 * time.Second)
	throttled := problem.New(problem.Throttled, "Too many requests.").After(time.Second)
	return map[string]*problem.Problem{
		"UNAUTHORIZED":  problem.New(problem.NotAuthenticated, "%s", api.UnauthorizedText),
		"ACCESS_DENIED": forbidden,
		"WAF_FILTERED":  forbidden,

		// An unknown route. With an Authorization header on it, API Gateway complains of a
		// signature, under a type of which no documentation says the name; nothing here is
		// signed, so they all mean the route.
		"MISSING_AUTHENTICATION_TOKEN": notFound,
		"RESOURCE_NOT_FOUND":           notFound,
		"INVALID_SIGNATURE":            notFound,
		"EXPIRED_TOKEN":                notFound,
		"INVALID_API_KEY":              notFound,
		"DEFAULT_4XX":                  notFound,

		"BAD_REQUEST_PARAMETERS": problem.New(problem.InvalidRequest, "The request cannot be read."),
		"BAD_REQUEST_BODY":       problem.New(problem.InvalidRequest, "The request cannot be read."),
		"UNSUPPORTED_MEDIA_TYPE": problem.New(problem.UnsupportedMediaType, codedText),

		// The guide says that this one cannot be customized, and testers that it has no effect.
		// Without it, it is a DEFAULT_4XX: should that count, a 404 would be worse than this.
		"REQUEST_TOO_LARGE": problem.New(problem.PayloadTooLarge, tooLargeText, maxPayload).With("limit", maxPayload),

		"THROTTLED":      throttled,
		"QUOTA_EXCEEDED": throttled,

		// No function was called.
		"AUTHORIZER_FAILURE":             unavailable,
		"AUTHORIZER_CONFIGURATION_ERROR": internal,
		"API_CONFIGURATION_ERROR":        internal,

		// A function was called, and what it did is not known. A response of a function that is
		// none is a DEFAULT_5XX.
		"INTEGRATION_TIMEOUT": unknown,
		"INTEGRATION_FAILURE": unknown,
		"DEFAULT_5XX":         unknown,
	}
}

func addGatewayResponses(rest awsapigateway.RestApi) {
	all := gatewayResponses()
	for _, kind := range slices.Sorted(maps.Keys(all)) { // in order: it is in the hash of the deployment
		f := all[kind]
		rest.AddGatewayResponse(jsii.String("Answer"+construct(kind)), &awsapigateway.GatewayResponseOptions{
			Type:            awsapigateway.ResponseType_Of(&kind),
			StatusCode:      status(f),
			ResponseHeaders: quoted("", errorHeaders(f)),
			Templates:       jsonTemplate(string(api.Problem(f, requestID))),
		})
	}
}

func status(f *problem.Problem) *string { return jsii.String(strconv.Itoa(api.Status(f.Kind))) }

// errorHeaders are those of every error, wherever it comes from (api.WriteProblem).
func errorHeaders(f *problem.Problem) map[string]string {
	h := map[string]string{
		"Access-Control-Allow-Origin":   "*", // whoever got past the preflight may read why it failed
		"Access-Control-Expose-Headers": "Allow, Retry-After",
		"Cache-Control":                 "no-store",
		"Content-Type":                  api.ProblemType,
		"Vary":                          "Origin",
		"X-Content-Type-Options":        "nosniff",
	}
	if f.Kind == problem.NotAuthenticated {
		h["WWW-Authenticate"] = api.Challenge
	}
	if f.RetryAfter > 0 {
		h["Retry-After"] = strconv.Itoa(int(f.RetryAfter.Seconds()))
	}
	return h
}

// wrongMethod answers 405 to every method a resource does not have.
func wrongMethod(allow string) awsapigateway.MockIntegration {
	f := problem.New(problem.MethodNotAllowed, `Method "$context.httpMethod" not allowed.`)
	h := errorHeaders(f)
	h["Allow"] = allow
	return mock(http.StatusMethodNotAllowed, h, string(api.Problem(f, requestID)))
}

func wrongMethodOptions() *awsapigateway.MethodOptions {
	h := errorHeaders(problem.New(problem.MethodNotAllowed, ""))
	h["Allow"] = ""
	return mockOptions(http.StatusMethodNotAllowed, h, nil)
}

// forbidden answers 403 to what nobody may (functions.Refused), behind the authorizer.
func forbidden() awsapigateway.MockIntegration {
	f := problem.Forbidden()
	return mock(http.StatusForbidden, errorHeaders(f), string(api.Problem(f, requestID)))
}

func forbiddenOptions(authorizer awsapigateway.TokenAuthorizer) *awsapigateway.MethodOptions {
	f := problem.Forbidden()
	return mockOptions(http.StatusForbidden, errorHeaders(f), authorizer)
}

// preflight answers OPTIONS: what a browser may send, and the methods there are. Which
// origins may is decided here alone: whatever needs a token is preflighted, because of its
// Authorization header.
func preflight(s settings, allow string) awsapigateway.MockIntegration {
	h := preflightHeaders()
	h["Access-Control-Allow-Origin"], h["Access-Control-Allow-Methods"], h["Allow"] = s.Origins[0], allow, allow
	template := ""
	if len(s.Origins) > 1 {
		var tests []string
		for _, origin := range s.Origins {
			tests = append(tests, fmt.Sprintf(`$origin == "%s"`, origin))
		}
		template = `#set($origin = $input.params().header.get("Origin"))` +
			`#if($origin == "")#set($origin = $input.params().header.get("origin"))#end` +
			"#if(" + strings.Join(tests, " || ") + ")#set($context.responseOverride.header.Access-Control-Allow-Origin = $origin)#end"
	}
	return mock(http.StatusOK, h, template)
}

func preflightOptions() *awsapigateway.MethodOptions {
	return mockOptions(http.StatusOK, preflightHeaders(), nil)
}

func preflightHeaders() map[string]string {
	return map[string]string{
		"Access-Control-Allow-Headers": api.AllowHeaders,
		"Access-Control-Allow-Methods": "",
		"Access-Control-Allow-Origin":  "",
		"Access-Control-Max-Age":       api.PreflightAge,
		"Allow":                        "",
		"Vary":                         "Origin",
	}
}

// mockTypes are the media types of bodies that a mock method takes: it has no way to take
// any. Another type gets 415 where a function would say 405 or 403.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/integration-passthrough-behaviors.html
var mockTypes = []string{
	"application/json", "application/octet-stream", "application/data", "application/x-www-form-urlencoded",
	"application/xml", "application/zip", "multipart/form-data", "text/csv", "text/html", "text/plain", "text/xml",
}

// mock answers without any function. Beside the binary media type */* it fails unless the
// request and the answer are said to be text.
// https://github.com/aws/chalice/issues/1310, https://github.com/serverless/serverless/pull/11010
func mock(code int, headers map[string]string, body string) awsapigateway.MockIntegration {
	requests := map[string]*string{}
	for _, media := range mockTypes {
		requests[media] = jsii.String(fmt.Sprintf(`{"statusCode": %d}`, code))
	}
	return awsapigateway.NewMockIntegration(&awsapigateway.IntegrationOptions{
		PassthroughBehavior: awsapigateway.PassthroughBehavior_NEVER,
		ContentHandling:     awsapigateway.ContentHandling_CONVERT_TO_TEXT,
		RequestTemplates:    &requests,
		IntegrationResponses: &[]*awsapigateway.IntegrationResponse{{
			StatusCode:         jsii.String(strconv.Itoa(code)),
			ContentHandling:    awsapigateway.ContentHandling_CONVERT_TO_TEXT,
			ResponseParameters: quoted("method.response.header.", headers),
			ResponseTemplates:  jsonTemplate(body),
		}},
	})
}

// mockOptions declares the answer that a mock gives: API Gateway passes on no header that
// is not declared.
func mockOptions(code int, headers map[string]string, authorizer awsapigateway.TokenAuthorizer) *awsapigateway.MethodOptions {
	declared := map[string]*bool{}
	for name := range maps.Keys(headers) {
		declared["method.response.header."+name] = jsii.Bool(true)
	}
	options := &awsapigateway.MethodOptions{
		AuthorizationType: awsapigateway.AuthorizationType_NONE,
		MethodResponses: &[]*awsapigateway.MethodResponse{{
			StatusCode: jsii.String(strconv.Itoa(code)), ResponseParameters: &declared,
		}},
	}
	if authorizer != nil {
		options.AuthorizationType, options.Authorizer = awsapigateway.AuthorizationType_CUSTOM, authorizer
	}
	return options
}

func jsonTemplate(body string) *map[string]*string {
	return &map[string]*string{"application/json": &body}
}

// quoted makes constants of header values, as API Gateway's mappings want them.
func quoted(prefix string, headers map[string]string) *map[string]*string {
	mapped := map[string]*string{}
	for name, value := range headers {
		mapped[prefix+name] = jsii.String("'" + value + "'")
	}
	return &mapped
}
