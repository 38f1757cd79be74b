package main

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"joboutputs/functions"
	"joboutputs/shared/auth"
)

// newStack declares the service: one table, one bucket, the issuer of tokens, one Lambda
// for each row of the catalogue, the REST API over them, the cleanup's schedule, and what
// tells an operator how they are. It names no account and no region.
func newStack(scope constructs.Construct, s settings) awscdk.Stack {
	stack := awscdk.NewStack(scope, jsii.String(s.stack()), &awscdk.StackProps{
		Description:           jsii.String("job-outputs: keeps what jobs produce"),
		TerminationProtection: jsii.Bool(s.prod()),
	})
	awscdk.Tags_Of(stack).Add(jsii.String("service"), jsii.String(s.Name), nil)
	awscdk.Tags_Of(stack).Add(jsii.String("stage"), jsii.String(s.Stage), nil)

	st := newStorage(stack, s)
	id := newIdentity(stack, s)
	lambdas := newLambdas(stack, s, st, id)
	api := newAPI(stack, s, lambdas)
	cleanup := newSchedule(stack, lambdas[auth.Cleanup])
	newWatch(stack, s, watched{
		api: api, lambdas: lambdas, table: st.table, cleanup: cleanup,
	})

	output := func(name, does string, value *string) {
		awscdk.NewCfnOutput(stack, &name, &awscdk.CfnOutputProps{Description: &does, Value: value})
	}
	output("URL", "where the API is, with the stage", api.rest.Url())
	output("TableName", "DynamoDB table", st.table.TableName())
	output("BucketName", "S3 bucket", st.bucket.BucketName())
	output("Issuer", "whose tokens are accepted", id.issuer)
	if id.pool != nil {
		output("UserPoolId", "Cognito user pool", id.pool.UserPoolId())
		output("UserPoolClientId", "its app client", id.client.UserPoolClientId())
	}
	return stack
}

// rows are the catalogue's rows that a deployment has: without a user pool nobody can
// obtain or refresh tokens here, so those are left out.
func rows(s settings) []functions.Function {
	var all []functions.Function
	for _, f := range functions.Catalogue() {
		needsPool := false
		for _, r := range f.Rights {
			needsPool = needsPool || r.On == functions.UserPool
		}
		if !needsPool || s.OIDC == nil {
			all = append(all, f)
		}
	}
	return all
}

// kept is what becomes of a resource with the stack.
func kept(s settings) awscdk.RemovalPolicy {
	if s.prod() {
		return awscdk.RemovalPolicy_RETAIN
	}
	return awscdk.RemovalPolicy_DESTROY
}

// texts is a list as jsii takes it.
func texts(list ...string) *[]*string { return jsii.Strings(list...) }
