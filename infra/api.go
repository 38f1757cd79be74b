package main

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsapigateway"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"
	"github.com/aws/jsii-runtime-go"

	"joboutputs/functions"
	"joboutputs/shared/auth"
	"joboutputs/shared/token"
)

// What clients may send, per second and at once: all of them together, and on a route
// that streams, which costs most.
const (
	rate, burst                 = 200, 400
	streamedRate, streamedBurst = 20, 40
)

const (
	// tokenTTL is how long API Gateway keeps what the authorizer said of a token. Functions
	// look at the token's own expiry besides.
	tokenTTL = 60 * time.Second
	// tlsPolicy is the REST API's: TLS 1.2 and 1.3 with forward secrecy. Without one it
	// would take TLS 1.0.
	tlsPolicy = "SecurityPolicy_TLS13_1_2_PFS_PQ_2025_09"
)

// restAPI is the gateway and its log.
type restAPI struct {
	rest awsapigateway.RestApi
	logs awslogs.LogGroup // its access log
}

// newAPI makes the API: each route of the catalogue as a resource of its own, with the
// answers the local gateway gives for everything that no function is asked about
// (responses.go).
func newAPI(stack awscdk.Stack, s settings, lambdas map[auth.Action]awslambda.Function) restAPI {
	logs := awslogs.NewLogGroup(stack, jsii.String("AccessLog"), &awslogs.LogGroupProps{
		LogGroupName:  jsii.String("/aws/apigateway/" + s.stack()),
		Retention:     retention(s),
		RemovalPolicy: kept(s),
	})
	rest := awsapigateway.NewRestApi(stack, jsii.String("Api"), &awsapigateway.RestApiProps{
		RestApiName:      jsii.String(s.stack()),
		EndpointTypes:    &[]awsapigateway.EndpointType{awsapigateway.EndpointType_REGIONAL},
		BinaryMediaTypes: texts("*/*"),
		CloudWatchRole:   &s.LogRole, // kept when the stack goes: it is the account's, others log through it
		DeployOptions: &awsapigateway.StageOptions{
			StageName:            &s.Stage,
			TracingEnabled:       jsii.Bool(true),
			MetricsEnabled:       jsii.Bool(true),
			DataTraceEnabled:     jsii.Bool(false),
			CachingEnabled:       jsii.Bool(false),
			LoggingLevel:         awsapigateway.MethodLoggingLevel_OFF,
			ThrottlingRateLimit:  jsii.Number(rate),
			ThrottlingBurstLimit: jsii.Number(burst),
			MethodOptions:        throttles(s),
			AccessLogDestination: awsapigateway.NewLogGroupLogDestination(logs),
			AccessLogFormat:      awsapigateway.AccessLogFormat_Custom(jsii.String(accessLog())),
		},
	})
	rest.Node().TryRemoveChild(jsii.String("Endpoint")) // an output like URL, under a name made up
	resource := rest.Node().DefaultChild().(awsapigateway.CfnRestApi)
	resource.AddPropertyOverride(jsii.String("SecurityPolicy"), tlsPolicy)
	resource.AddPropertyOverride(jsii.String("EndpointAccessMode"), "BASIC")

	authorizer := newAuthorizer(stack, lambdas)
	salt := ""
	var templates []string
	for _, row := range rows(s) {
		for _, route := range row.Routes {
			templates = append(templates, route.Resource)
			for _, method := range route.Methods {
				added := addMethod(rest, route.Resource, method, row, lambdas[row.Name], authorizer)
				if streams(s, row) {
					salt += stream(added, row, lambdas[row.Name])
				}
			}
		}
	}
	for _, route := range functions.Refused {
		templates = append(templates, route.Resource)
		for _, method := range route.Methods {
			at(rest, route.Resource).AddMethod(&method, forbidden(), forbiddenOptions(authorizer))
		}
	}
	slices.Sort(templates)
	for _, template := range slices.Compact(templates) {
		allow := allowed(s, template)
		at(rest, template).AddMethod(jsii.String(http.MethodOptions), preflight(s, allow), preflightOptions())
		at(rest, template).AddMethod(jsii.String("ANY"), wrongMethod(allow), wrongMethodOptions())
	}
	addGatewayResponses(rest)

	// What a property override says is not in the hash that makes a changed API a new
	// deployment.
	rest.LatestDeployment().AddToLogicalId(salt + tlsPolicy)
	return restAPI{rest: rest, logs: logs}
}

func at(rest awsapigateway.RestApi, template string) awsapigateway.Resource {
	return rest.Root().ResourceForPath(&template)
}

// newAuthorizer asks auth-authorize who sends a token. The expression bounds the header's
// length and nothing else: what is a token is the function's to say.
func newAuthorizer(stack awscdk.Stack, lambdas map[auth.Action]awslambda.Function) awsapigateway.TokenAuthorizer {
	return awsapigateway.NewTokenAuthorizer(stack, jsii.String("Authorizer"), &awsapigateway.TokenAuthorizerProps{
		Handler:         lambdas[auth.AuthAuthorize],
		ValidationRegex: jsii.String(fmt.Sprintf("^.{1,%d}$", token.MaxHeader)),
		ResultsCacheTtl: seconds(tokenTTL),
	})
}

func addMethod(rest awsapigateway.RestApi, template, method string, row functions.Function, lambda awslambda.Function, authorizer awsapigateway.TokenAuthorizer) awsapigateway.Method {
	options := &awsapigateway.MethodOptions{
		AuthorizationType: awsapigateway.AuthorizationType_CUSTOM,
		Authorizer:        authorizer,
		OperationName:     jsii.String(string(row.Name)),
	}
	if access, _ := auth.AccessOf(row.Name); access == auth.Anyone {
		options.AuthorizationType, options.Authorizer = awsapigateway.AuthorizationType_NONE, nil
	}
	integration := awsapigateway.NewLambdaIntegration(lambda, &awsapigateway.LambdaIntegrationOptions{
		AllowTestInvoke: jsii.Bool(false),
	})
	return at(rest, template).AddMethod(&method, integration, options)
}

// stream makes a method pass its function's answer on while it is made, and wait for it
// as long as the function may run. This version of the CDK knows no property for it.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/response-transfer-mode-lambda.html
func stream(method awsapigateway.Method, row functions.Function, lambda awslambda.Function) string {
	cfn := method.Node().DefaultChild().(awsapigateway.CfnMethod)
	uri := awscdk.Fn_Sub(
		jsii.String("arn:${AWS::Partition}:apigateway:${AWS::Region}:lambda:path/2021-11-15/functions/${Function}/response-streaming-invocations"),
		&map[string]*string{"Function": lambda.FunctionArn()},
	)
	cfn.AddPropertyOverride(jsii.String("Integration.ResponseTransferMode"), "STREAM")
	cfn.AddPropertyOverride(jsii.String("Integration.Uri"), uri)
	cfn.AddPropertyOverride(jsii.String("Integration.TimeoutInMillis"), row.Timeout.Milliseconds())
	return fmt.Sprintf("%s streams for %s\n", row.Name, row.Timeout)
}

// allowed are the methods of a resource, as the local gateway lists them: a refused one
// too, since it is answered 403 and a browser must be let through to hear that.
func allowed(s settings, template string) string {
	known := map[string]bool{}
	note := func(routes []functions.Route) {
		for _, route := range routes {
			for _, method := range route.Methods {
				known[method] = known[method] || route.Resource == template
			}
		}
	}
	for _, row := range rows(s) {
		note(row.Routes)
	}
	note(functions.Refused)
	var methods []string
	for _, method := range functions.Methods() {
		if known[method] || method == http.MethodOptions {
			methods = append(methods, method)
		}
	}
	return strings.Join(methods, ", ")
}

// throttles are the lower limits of routes that stream.
func throttles(s settings) *map[string]*awsapigateway.MethodDeploymentOptions {
	options := map[string]*awsapigateway.MethodDeploymentOptions{}
	for _, row := range rows(s) {
		for _, route := range row.Routes {
			for _, method := range route.Methods {
				if row.Streamed {
					options[route.Resource+"/"+method] = &awsapigateway.MethodDeploymentOptions{
						ThrottlingRateLimit:  jsii.Number(streamedRate),
						ThrottlingBurstLimit: jsii.Number(streamedBurst),
						MetricsEnabled:       jsii.Bool(true),
						DataTraceEnabled:     jsii.Bool(false),
						CachingEnabled:       jsii.Bool(false),
						LoggingLevel:         awsapigateway.MethodLoggingLevel_OFF,
					}
				}
			}
		}
	}
	return &options
}

// accessLog is a line of JSON for each request. Only what cannot hold a client's text or
// secret is in it: the resource's template in place of the path, no query, no header.
func accessLog() string {
	var members []string
	for _, member := range [][2]string{
		{"request_id", "requestId"}, {"time", "requestTime"}, {"ip", "identity.sourceIp"},
		{"method", "httpMethod"}, {"resource", "resourcePath"}, {"status", "status"}, {"bytes", "responseLength"},
		{"ms", "responseLatency"}, {"integration_ms", "integrationLatency"}, {"integration_status", "integration.status"},
		{"tenant", "authorizer.tenant"}, {"authorizer_status", "authorizer.status"},
		{"gateway_response", "error.responseType"}, {"tls", "tlsVersion"}, {"trace", "xrayTraceId"},
	} {
		members = append(members, fmt.Sprintf(`"%s":"$context.%s"`, member[0], member[1]))
	}
	return "{" + strings.Join(members, ",") + "}"
}
