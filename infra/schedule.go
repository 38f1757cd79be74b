package main

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsevents"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssqs"
	"github.com/aws/jsii-runtime-go"
)

// newSchedule invokes the cleanup every quarter of an hour; an invocation that could not be
// handed over goes to the queue that is returned. Two cleanups at once are harmless (an
// intent is claimed before its bytes go), so no concurrency is reserved: a new account has
// none to spare.
//
// The rule is declared plainly because the CDK's package of targets brings every service
// that can be one.
func newSchedule(stack awscdk.Stack, cleanup awslambda.Function) awssqs.Queue {
	dead := awssqs.NewQueue(stack, jsii.String("CleanupDeadLetters"), &awssqs.QueueProps{
		Encryption:      awssqs.QueueEncryption_SQS_MANAGED,
		EnforceSSL:      jsii.Bool(true),
		RetentionPeriod: awscdk.Duration_Days(jsii.Number(14)),
	})
	rule := awsevents.NewCfnRule(stack, jsii.String("CleanupSchedule"), &awsevents.CfnRuleProps{
		Description:        jsii.String("finishes what a crash left"),
		ScheduleExpression: jsii.String("rate(15 minutes)"),
		State:              jsii.String("ENABLED"),
		Targets: []awsevents.CfnRule_TargetProperty{{
			Id:               jsii.String("cleanup"),
			Arn:              cleanup.FunctionArn(),
			DeadLetterConfig: &awsevents.CfnRule_DeadLetterConfigProperty{Arn: dead.QueueArn()},
			RetryPolicy: &awsevents.CfnRule_RetryPolicyProperty{
				MaximumEventAgeInSeconds: jsii.Number(900), MaximumRetryAttempts: jsii.Number(2),
			},
		}},
	})
	events := awsiam.NewServicePrincipal(jsii.String("events.amazonaws.com"), nil)
	cleanup.AddPermission(jsii.String("Schedule"), &awslambda.Permission{Principal: events, SourceArn: rule.AttrArn()})
	dead.AddToResourcePolicy(awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
		Sid:        jsii.String("Schedule"),
		Effect:     awsiam.Effect_ALLOW,
		Principals: &[]awsiam.IPrincipal{events},
		Actions:    texts("sqs:SendMessage"),
		Resources:  &[]*string{dead.QueueArn()},
		Conditions: &map[string]any{"ArnEquals": map[string]any{"aws:SourceArn": rule.AttrArn()}},
	}))
	return dead
}
