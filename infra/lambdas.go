package main

import (
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"
	"github.com/aws/jsii-runtime-go"

	"joboutputs/functions"
	"joboutputs/shared/auth"
	"joboutputs/shared/config"
)

// maxBuffered is how long API Gateway waits for a buffered answer, unless the account's
// quota was raised.
const maxBuffered = 29 * time.Second

// newLambdas makes the Lambda of every row: its binary, its environment, its log group
// and a role of its own with its rights.
func newLambdas(stack awscdk.Stack, s settings, st storage, who identity) map[auth.Action]awslambda.Function {
	architecture := awslambda.Architecture_ARM_64()
	if s.Arch == "x86_64" {
		architecture = awslambda.Architecture_X86_64()
	}
	lambdas := map[auth.Action]awslambda.Function{}
	for _, row := range rows(s) {
		name, id := s.stack()+"-"+string(row.Name), construct(string(row.Name))
		logs := awslogs.NewLogGroup(stack, jsii.String(id+"Log"), &awslogs.LogGroupProps{
			LogGroupName:  jsii.String("/aws/lambda/" + name),
			Retention:     retention(s),
			RemovalPolicy: kept(s),
		})
		role := awsiam.NewRole(stack, jsii.String(id+"Role"), &awsiam.RoleProps{
			AssumedBy:   awsiam.NewServicePrincipal(jsii.String("lambda.amazonaws.com"), nil),
			Description: jsii.String("of the Lambda " + name),
			InlinePolicies: &map[string]awsiam.PolicyDocument{
				"rights": awsiam.NewPolicyDocument(&awsiam.PolicyDocumentProps{
					Statements: statements(row, st, who, logs),
				}),
			},
		})
		lambdas[row.Name] = awslambda.NewFunction(stack, &id, &awslambda.FunctionProps{
			FunctionName: &name,
			Runtime:      awslambda.Runtime_PROVIDED_AL2023(),
			Architecture: architecture,
			Handler:      jsii.String("bootstrap"),
			Code:         awslambda.Code_FromAsset(jsii.String(filepath.Join(s.Build, string(row.Name))), nil),
			MemorySize:   jsii.Number(float64(row.Memory)),
			Timeout:      seconds(timeout(s, row)),
			Environment:  environment(s, row, st, who),
			Role:         role.WithoutPolicyUpdates(nil), // nothing is granted but what stands above
			LogGroup:     logs,
			Tracing:      awslambda.Tracing_ACTIVE,
		})
	}
	return lambdas
}

// statements are what a function's role allows: the rights of its row, its own log, and
// traces. X-Ray's actions know no resources.
func statements(row functions.Function, st storage, id identity, logs awslogs.ILogGroup) *[]awsiam.PolicyStatement {
	allow := func(resource *string, actions ...string) awsiam.PolicyStatement {
		return awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
			Effect: awsiam.Effect_ALLOW, Actions: texts(actions...), Resources: &[]*string{resource},
		})
	}
	var order []functions.Resource
	actions := map[functions.Resource][]string{}
	for _, r := range row.Rights {
		if !slices.Contains(order, r.On) {
			order = append(order, r.On)
		}
		actions[r.On] = append(actions[r.On], r.Action)
	}
	var all []awsiam.PolicyStatement
	for _, on := range order {
		all = append(all, allow(arn(on, st, id), actions[on]...))
	}
	all = append(all,
		allow(logs.LogGroupArn(), "logs:CreateLogStream", "logs:PutLogEvents"),
		allow(jsii.String("*"), "xray:PutTelemetryRecords", "xray:PutTraceSegments"),
	)
	return &all
}

// arn is a resource of the catalogue, e.g. table/index/timeline: what it begins with,
// then the path below it.
func arn(on functions.Resource, st storage, id identity) *string {
	root, path, below := strings.Cut(string(on), "/")
	var base *string
	switch functions.Resource(root) {
	case functions.Table:
		base = st.table.TableArn()
	case functions.Bucket:
		base = st.bucket.BucketArn()
	case functions.UserPool:
		base = id.pool.UserPoolArn()
	default:
		panic("the stack has no resource " + string(on))
	}
	if below {
		return awscdk.Fn_Join(jsii.String("/"), &[]*string{base, &path})
	}
	return base
}

// environment is what a function reads (shared/config), and what Go's runtime does. Nothing
// in it is secret.
func environment(s settings, row functions.Function, st storage, id identity) *map[string]*string {
	env := map[string]*string{"GOMEMLIMIT": jsii.String(functions.MemoryLimit(row.Memory))}
	for _, r := range row.Rights {
		if r.On == functions.UserPool {
			env[config.UserPoolID], env[config.UserPoolClient] = id.pool.UserPoolId(), id.client.UserPoolClientId()
			continue
		}
		env[config.Table], env[config.Bucket] = st.table.TableName(), st.bucket.BucketName()
		if s.EndpointURL != "" {
			env[config.S3PathStyle] = jsii.String("true")
		}
		for name, shards := range map[string]int{config.Shards: s.Shards, config.ReadShards: s.ReadShards} {
			if shards != 0 {
				env[name] = jsii.String(strconv.Itoa(shards))
			}
		}
	}
	if row.Streamed {
		env[config.StreamingOn] = jsii.String(strconv.FormatBool(s.Streaming))
	}
	if row.Name == auth.AuthAuthorize || row.Name == auth.AuthVerify {
		for name, value := range id.environment {
			env[name] = value
		}
	}
	if s.EndpointURL != "" && len(row.Rights) > 0 {
		env["AWS_ENDPOINT_URL"] = &s.EndpointURL
	}
	return &env
}

// timeout is how long an invocation may take: the row's, and where API Gateway waits for
// the whole answer, no longer than it does.
func timeout(s settings, row functions.Function) time.Duration {
	if row.HTTP != nil && !streams(s, row) {
		return min(row.Timeout, maxBuffered)
	}
	return row.Timeout
}

func streams(s settings, row functions.Function) bool { return row.Streamed && s.Streaming }

func retention(s settings) awslogs.RetentionDays {
	if s.prod() {
		return awslogs.RetentionDays_THREE_MONTHS
	}
	return awslogs.RetentionDays_ONE_WEEK
}

func seconds(d time.Duration) awscdk.Duration {
	return awscdk.Duration_Seconds(jsii.Number(d.Seconds()))
}

// construct is a name in the template: jobs-addoutput becomes JobsAddoutput, and
// ACCESS_DENIED AccessDenied.
func construct(name string) string {
	var b strings.Builder
	for word := range strings.FieldsFuncSeq(strings.ToLower(name), func(r rune) bool { return r == '-' || r == '_' }) {
		b.WriteString(strings.ToUpper(word[:1]) + word[1:])
	}
	return b.String()
}
