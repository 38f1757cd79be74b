package main

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatch"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsdynamodb"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssqs"
	"github.com/aws/jsii-runtime-go"

	"joboutputs/shared/auth"
)

// watched is what an operator wants to know the state of.
type watched struct {
	api     restAPI
	lambdas map[auth.Action]awslambda.Function
	table   awsdynamodb.Table
	cleanup awssqs.Queue // what the schedule could not hand over
}

// alarm goes off when a metric is over its threshold in so many periods of its own.
type alarm struct {
	name, does string
	metric     awscloudwatch.IMetric
	over       float64
	periods    float64
	below      bool // goes off under the threshold instead
	missing    awscloudwatch.TreatMissingData
}

// newWatch makes the alarms and the dashboard.
func newWatch(stack awscdk.Stack, s settings, w watched) {
	five, hour := awscdk.Duration_Minutes(jsii.Number(5)), awscdk.Duration_Hours(jsii.Number(1))
	sum := func(period awscdk.Duration) *awscloudwatch.MetricOptions {
		return &awscloudwatch.MetricOptions{Statistic: jsii.String("Sum"), Period: period}
	}
	math := func(expression, label string, period awscdk.Duration, metrics map[string]awscloudwatch.IMetric) awscloudwatch.IMetric {
		return awscloudwatch.NewMathExpression(&awscloudwatch.MathExpressionProps{
			Expression: &expression, Label: &label, Period: period, UsingMetrics: &metrics,
		})
	}
	stage := w.api.rest.DeploymentStage()
	cleanup, authorizer := w.lambdas[auth.Cleanup], w.lambdas[auth.AuthAuthorize]

	requests, faults := stage.MetricCount(sum(five)), stage.MetricServerError(sum(five))
	rate5xx := math("IF(requests >= 20, 100 * faults / requests, 0)", "5xx, % of requests", five,
		map[string]awscloudwatch.IMetric{"requests": requests, "faults": faults})
	p99 := stage.MetricIntegrationLatency(&awscloudwatch.MetricOptions{Statistic: jsii.String("p99"), Period: five})
	p50 := stage.MetricIntegrationLatency(&awscloudwatch.MetricOptions{Statistic: jsii.String("p50"), Period: five})
	throttled := counted(s, "Throttled", "of API Gateway's access log", w.api.logs, `{ $.status = "429" }`, "1", "Sum", five)
	tableThrottles := math("reads + writes", "throttled by DynamoDB", five, map[string]awscloudwatch.IMetric{
		"reads":  w.table.Metric(jsii.String("ReadThrottleEvents"), sum(five)),
		"writes": w.table.Metric(jsii.String("WriteThrottleEvents"), sum(five)),
	})
	refusing := math("errors + throttles", "authorizer errors", five, map[string]awscloudwatch.IMetric{
		"errors": authorizer.MetricErrors(sum(five)), "throttles": authorizer.MetricThrottles(sum(five)),
	})
	cleaned := math("invocations - errors", "cleanups done", hour, map[string]awscloudwatch.IMetric{
		"invocations": cleanup.MetricInvocations(sum(hour)), "errors": cleanup.MetricErrors(sum(hour)),
	})
	oldest := counted(s, "OldestUnfinished", "of the cleanup", cleanup.LogGroup(), `{ $.msg = "cleaned up" }`, "$.oldest_seconds", "Maximum", hour)
	failed := counted(s, "CleanupFailed", "of the cleanup", cleanup.LogGroup(), `{ $.msg = "cleaned up" }`, "$.failed", "Sum", hour)
	attempts := counted(s, "CleanupAttempts", "of the cleanup", cleanup.LogGroup(), `{ $.msg = "cleaned up" }`, "$.attempts", "Maximum", hour)
	dead := w.cleanup.MetricApproximateNumberOfMessagesVisible(&awscloudwatch.MetricOptions{Statistic: jsii.String("Maximum"), Period: five})

	alarms := []alarm{
		{name: "ServerErrors", does: "more than 1 % of at least 20 requests answered 5xx, for 15 minutes", metric: rate5xx, over: 1, periods: 3},
		{name: "Latency", does: "one request in a hundred takes a function over 5 s, for 15 minutes", metric: p99, over: 5000, periods: 3},
		{name: "Throttles", does: "requests are refused because there are too many", metric: throttled, over: 50, periods: 3},
		{name: "TableThrottles", does: "DynamoDB refuses calls because there are too many", metric: tableThrottles, over: 50, periods: 3},
		{name: "AuthorizerErrors", does: "nobody can tell whether tokens are good", metric: refusing, over: 5, periods: 1},
		{name: "CleanupNotRun", does: "no cleanup ended well for two hours", metric: cleaned, over: 1, periods: 2, below: true, missing: awscloudwatch.TreatMissingData_BREACHING},
		{name: "OldestUnfinished", does: "an intent or a tombstone is unfinished for three hours: the cleanup makes no progress", metric: oldest, over: 3 * 3600, periods: 1},
		{name: "CleanupFailed", does: "cleanup cannot finish rows of its queue: its log says why", metric: failed, over: 0, periods: 1},
		{name: "CleanupDeadLetters", does: "the schedule could not hand over a cleanup", metric: dead, over: 0, periods: 1},
	}
	if s.Alarms {
		for _, a := range alarms {
			newAlarm(stack, s, a)
		}
	}
	newDashboard(stack, s, []graph{
		{"Requests", []awscloudwatch.IMetric{requests, stage.MetricClientError(sum(five)), faults}},
		{"Latency, ms", []awscloudwatch.IMetric{p50, p99}},
		{"5xx, %", []awscloudwatch.IMetric{rate5xx}},
		{"Throttles", []awscloudwatch.IMetric{throttled, tableThrottles}},
		{"Authorizer", []awscloudwatch.IMetric{authorizer.MetricInvocations(sum(five)), refusing}},
		{"Cleanup", []awscloudwatch.IMetric{cleaned, dead, failed, attempts}},
		{"Oldest unfinished work, s", []awscloudwatch.IMetric{oldest}},
	})
}

// graph is one picture of the dashboard.
type graph struct {
	title   string
	metrics []awscloudwatch.IMetric
}

func newDashboard(stack awscdk.Stack, s settings, graphs []graph) {
	board := awscloudwatch.NewDashboard(stack, jsii.String("Dashboard"), &awscloudwatch.DashboardProps{
		DashboardName: jsii.String(s.stack()),
	})
	for i := 0; i < len(graphs); i += 2 {
		var row []awscloudwatch.IWidget
		for _, g := range graphs[i:min(i+2, len(graphs))] {
			row = append(row, awscloudwatch.NewGraphWidget(&awscloudwatch.GraphWidgetProps{
				Title: &g.title, Left: &g.metrics, Width: jsii.Number(12),
			}))
		}
		board.AddWidgets(row...)
	}
}

// counted makes a metric of what a log says.
func counted(s settings, name, of string, logs awslogs.ILogGroup, pattern, value, statistic string, period awscdk.Duration) awscloudwatch.IMetric {
	filter := logs.AddMetricFilter(jsii.String(name), &awslogs.MetricFilterOptions{
		FilterPattern:   awslogs.FilterPattern_Literal(&pattern),
		MetricNamespace: jsii.String(s.stack()),
		MetricName:      &name,
		MetricValue:     &value,
	})
	return filter.Metric(&awscloudwatch.MetricOptions{Statistic: &statistic, Period: period, Label: jsii.String(name + " " + of)})
}

func newAlarm(stack awscdk.Stack, s settings, a alarm) {
	comparison := awscloudwatch.ComparisonOperator_GREATER_THAN_THRESHOLD
	if a.below {
		comparison = awscloudwatch.ComparisonOperator_LESS_THAN_THRESHOLD
	}
	missing := a.missing
	if missing == "" {
		missing = awscloudwatch.TreatMissingData_NOT_BREACHING
	}
	made := awscloudwatch.NewAlarm(stack, jsii.String("Alarm"+a.name), &awscloudwatch.AlarmProps{
		AlarmName:          jsii.String(s.stack() + "-" + a.name),
		AlarmDescription:   &a.does,
		Metric:             a.metric,
		Threshold:          &a.over,
		EvaluationPeriods:  &a.periods,
		ComparisonOperator: comparison,
		TreatMissingData:   missing,
	})
	if s.AlarmTopic != "" {
		made.Node().DefaultChild().(awscloudwatch.CfnAlarm).SetAlarmActions(texts(s.AlarmTopic))
	}
}
