package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"joboutputs/shared/auth"
)

// TestHardening holds the rules that no change may loosen.
func TestHardening(t *testing.T) {
	eachStack(t, func(t *testing.T, tmpl *template) {
		isProd := tmpl.settings.prod()
		must := func(ok bool, rule string, args ...any) {
			t.Helper()
			if !ok {
				t.Errorf(rule, args...)
			}
		}

		bucket := tmpl.one(t, "AWS::S3::Bucket")
		for _, name := range []string{"BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"} {
			must(bucket.get("PublicAccessBlockConfiguration."+name) == true, "bucket: %s is not set", name)
		}
		must(bucket.get("OwnershipControls.Rules.0.ObjectOwnership") == "BucketOwnerEnforced", "bucket: ACLs are on")
		must(bucket.get("BucketEncryption.ServerSideEncryptionConfiguration.0.ServerSideEncryptionByDefault.SSEAlgorithm") == "AES256", "bucket: not encrypted")
		must(bucket.get("VersioningConfiguration") == nil, "bucket: versions keep what was deleted")
		must(bucket.get("LifecycleConfiguration.Rules.0.AbortIncompleteMultipartUpload.DaysAfterInitiation") != nil, "bucket: incomplete uploads stay")
		must(str(bucket.get("CorsConfiguration.CorsRules.0.AllowedOrigins.0")) == "*", "bucket: a redirected browser sends Origin null")
		policies := str(tmpl.one(t, "AWS::S3::BucketPolicy").get("PolicyDocument.Statement"))
		for _, condition := range []string{
			`"Bool":{"aws:SecureTransport":"false"}`, `"s3:TlsVersion":1.2`,
			`"NumericGreaterThan":{"s3:signatureAge":900000},"StringEquals":{"s3:authType":"REST-QUERY-STRING"}`,
		} {
			must(strings.Contains(policies, condition), "bucket: nothing is refused by %s", condition)
		}
		must(!strings.Contains(policies, `"Allow"`), "bucket: its policy allows something")

		table := tmpl.one(t, "AWS::DynamoDB::Table")
		must(table.get("PointInTimeRecoverySpecification.PointInTimeRecoveryEnabled") == true, "table: no point-in-time recovery")
		must(table.get("DeletionProtectionEnabled") == isProd, "table: deletion protection is for prod")
		must(table.DeletionPolicy == map[bool]string{true: "Retain", false: "Delete"}[isProd], "table: %s", table.DeletionPolicy)
		must(bucket.DeletionPolicy == table.DeletionPolicy, "bucket: %s", bucket.DeletionPolicy)

		for id, log := range tmpl.all("AWS::Logs::LogGroup") {
			must(log.get("RetentionInDays") != nil, "%s is kept for ever", id)
		}
		for _, setting := range tmpl.one(t, "AWS::ApiGateway::Stage").get("MethodSettings").([]any) {
			path := str(get(setting, "ResourcePath"))
			must(get(setting, "DataTraceEnabled") == false && get(setting, "LoggingLevel") == "OFF", "%s: bodies and headers are logged", path)
			must(get(setting, "CachingEnabled") == false, "%s: answers are cached", path)
			must(get(setting, "ThrottlingRateLimit") != nil && get(setting, "ThrottlingBurstLimit") != nil, "%s: not throttled", path)
		}
		stage := tmpl.one(t, "AWS::ApiGateway::Stage")
		must(stage.get("TracingEnabled") == true, "stage: no traces")
		must(stage.get("CacheClusterEnabled") == nil, "stage: a cache")
		rest := tmpl.one(t, "AWS::ApiGateway::RestApi")
		must(strings.Contains(str(rest.get("SecurityPolicy")), "_TLS13_1_2_"), "API: TLS before 1.2")
		must(str(rest.get("EndpointConfiguration.Types")) == `["REGIONAL"]` && str(rest.get("BinaryMediaTypes")) == `["*/*"]`, "API: %s", str(rest.Properties))

		for id, p := range tmpl.all("AWS::Lambda::Permission") {
			must(str(p.get("SourceArn")) != "" && p.get("Action") == "lambda:InvokeFunction" && p.get("FunctionUrlAuthType") == nil, "%s: whoever asks may invoke", id)
		}
		must(len(tmpl.all("AWS::Lambda::Url")) == 0, "a function has a URL")
		for id, f := range tmpl.all("AWS::Lambda::Function") {
			variables := strings.ToUpper(str(f.get("Environment.Variables")))
			for _, word := range []string{"SECRET", "PASSWORD", "PRIVATE", "API_KEY", "ACCESS_KEY"} {
				must(!strings.Contains(variables, word), "%s: %s in the environment", id, word)
			}
		}
	})
}

// TestAuthorizer holds how API Gateway asks who a caller is.
func TestAuthorizer(t *testing.T) {
	eachStack(t, func(t *testing.T, tmpl *template) {
		a := tmpl.one(t, "AWS::ApiGateway::Authorizer")
		want := map[string]string{
			"Type": "TOKEN", "AuthorizerResultTtlInSeconds": "60", "IdentitySource": "method.request.header.Authorization",
			"IdentityValidationExpression": "^.{1,8199}$", // "Bearer " and 8 KiB, whatever they hold
		}
		for name, value := range want {
			if got := str(a.get(name)); got != value {
				t.Errorf("%s is %s, want %s", name, got, value)
			}
		}
	})
}

// TestAccessLog holds that the access log is JSON and holds no text of the client's.
func TestAccessLog(t *testing.T) {
	format := str(synthesized[dev.stack()].one(t, "AWS::ApiGateway::Stage").get("AccessLogSetting.Format"))
	var line map[string]string
	if err := json.Unmarshal([]byte(format), &line); err != nil {
		t.Fatalf("%s: %v", format, err)
	}
	if line["request_id"] != "$context.requestId" || line["status"] != "$context.status" {
		t.Errorf("%s", format)
	}
	for _, value := range line {
		for _, word := range []string{"$context.path", "query", "header", "message", "userAgent", "principalId", "input"} {
			if strings.Contains(strings.ToLower(value), strings.ToLower(word)) && value != "$context.resourcePath" {
				t.Errorf("%s is logged", value)
			}
		}
	}
}

// TestUserPool holds that nobody but an administrator makes users or says who they are.
func TestUserPool(t *testing.T) {
	eachStack(t, func(t *testing.T, tmpl *template) {
		if tmpl.settings.OIDC != nil {
			if pools := tmpl.all("AWS::Cognito::UserPool"); len(pools) != 0 {
				t.Errorf("a pool beside an issuer: %v", pools)
			}
			return
		}
		pool, client := tmpl.one(t, "AWS::Cognito::UserPool"), tmpl.one(t, "AWS::Cognito::UserPoolClient")
		if pool.get("AdminCreateUserConfig.AllowAdminCreateUserOnly") != true {
			t.Error("anyone may sign up")
		}
		if got := strs(client.get("ExplicitAuthFlows")); !slices.Equal(got, []string{"ALLOW_ADMIN_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"}) {
			t.Errorf("flows %v", got)
		}
		if client.get("PreventUserExistenceErrors") != "ENABLED" || client.get("AllowedOAuthFlowsUserPoolClient") != false ||
			client.get("GenerateSecret") != false || client.get("RefreshTokenRotation") != nil {
			t.Errorf("client %s", str(client.Properties))
		}
		if got := strs(client.get("WriteAttributes")); client.get("WriteAttributes") == nil || slices.ContainsFunc(got, func(name string) bool { return strings.HasPrefix(name, "custom:") }) {
			t.Errorf("users write %v", got) // an absent list would be all attributes
		}
		for _, name := range privileges {
			if !slices.Contains(strs(client.get("ReadAttributes")), "custom:"+name) {
				t.Errorf("%s is not in the token", name)
			}
			if !strings.Contains(str(pool.get("Schema")), `"Name":"`+name+`"`) {
				t.Errorf("the pool has no %s", name)
			}
		}
		if got := str(tmpl.one(t, "AWS::Cognito::UserPoolGroup").get("GroupName")); got != "admin" {
			t.Errorf("group %s", got)
		}
		var who []string
		for id, role := range tmpl.all("AWS::IAM::Role") {
			if strings.Contains(str(role.Properties), "cognito-idp:") {
				who = append(who, short(id))
			}
		}
		slices.Sort(who)
		if !slices.Equal(who, []string{construct(string(auth.AuthObtain)) + "Role", construct(string(auth.AuthRefresh)) + "Role"}) {
			t.Errorf("%v may ask the pool", who)
		}
	})
}

// TestSchedule holds that the cleanup runs, and what happens when it does not.
func TestSchedule(t *testing.T) {
	eachStack(t, func(t *testing.T, tmpl *template) {
		rule := tmpl.one(t, "AWS::Events::Rule")
		if str(rule.get("Targets.0.Arn")) != "${Cleanup.Arn}" || rule.get("State") != "ENABLED" || rule.get("ScheduleExpression") != "rate(15 minutes)" ||
			str(rule.get("Targets.0.DeadLetterConfig.Arn")) != "${CleanupDeadLetters.Arn}" {
			t.Errorf("rule %s", str(rule.Properties))
		}
		var names []string
		for _, a := range tmpl.all("AWS::CloudWatch::Alarm") {
			names = append(names, strings.TrimPrefix(str(a.get("AlarmName")), tmpl.settings.stack()+"-"))
			if got := len(strs(a.get("AlarmActions"))) == 1 && a.get("AlarmActions") != nil; got != (tmpl.settings.AlarmTopic != "") {
				t.Errorf("%s tells %v", str(a.get("AlarmName")), a.get("AlarmActions"))
			}
		}
		slices.Sort(names)
		want := []string{"AuthorizerErrors", "CleanupDeadLetters", "CleanupFailed", "CleanupNotRun", "Latency", "OldestUnfinished", "ServerErrors", "TableThrottles", "Throttles"}
		if !tmpl.settings.Alarms {
			want = nil
		}
		if diff := cmp.Diff(want, names); diff != "" {
			t.Errorf("alarms (-want +got):\n%s", diff)
		}
		tmpl.one(t, "AWS::CloudWatch::Dashboard")
		if got := slices.Sorted(maps.Keys(tmpl.Outputs)); !slices.Contains(got, "URL") || !slices.Contains(got, "TableName") || !slices.Contains(got, "BucketName") {
			t.Errorf("outputs %v", got)
		}
	})
}

// TestStatements shows every IAM statement of the stack in review: a change of testdata/iam.txt
// is a change of what somebody may. `go test ./infra -update` writes it anew.
func TestStatements(t *testing.T) {
	tmpl := synthesized[dev.stack()]
	var lines []string
	say := func(who string, document any) {
		for _, s := range document.([]any) {
			line := fmt.Sprintf("%s: %s %s on %s", who, get(s, "Effect"), strings.Join(strs(get(s, "Action")), ", "), strings.Join(strs(get(s, "Resource")), ", "))
			if p := get(s, "Principal"); p != nil {
				line += " by " + str(p)
			}
			if c := get(s, "Condition"); c != nil {
				line += " if " + str(c)
			}
			lines = append(lines, line)
		}
	}
	for id, r := range tmpl.Resources {
		switch r.Type {
		case "AWS::IAM::Role":
			for i := 0; r.get(fmt.Sprintf("Policies.%d", i)) != nil; i++ {
				say(short(id), r.get(fmt.Sprintf("Policies.%d.PolicyDocument.Statement", i)))
			}
			for _, managed := range strs(r.get("ManagedPolicyArns")) {
				if managed != "" {
					lines = append(lines, short(id)+": managed policy "+managed)
				}
			}
			trust := r.get("AssumeRolePolicyDocument.Statement.0")
			lines = append(lines, short(id)+": assumed by "+str(get(trust, "Principal")))
		case "AWS::S3::BucketPolicy", "AWS::SQS::QueuePolicy", "AWS::IAM::Policy":
			say(short(id), r.get("PolicyDocument.Statement"))
		case "AWS::Lambda::Permission":
			lines = append(lines, fmt.Sprintf("%s: invoked by %s from %s", str(r.get("FunctionName")), str(r.get("Principal")), str(r.get("SourceArn"))))
		}
	}
	slices.Sort(lines)
	got := strings.Join(lines, "\n") + "\n"
	const golden = "testdata/iam.txt"
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
		t.Errorf("IAM statements changed (-%s +now); if that is right, go test ./infra -update:\n%s", golden, diff)
	}
}

// TestLint holds that cfn-lint has nothing to say but that dependencies are stated twice
// (W3005), which is the CDK's way.
func TestLint(t *testing.T) {
	const program = ".tools/cfn-lint/bin/cfn-lint"
	if out, err := exec.Command("make", "--no-print-directory", "-C", "..", program).CombinedOutput(); err != nil {
		t.Fatalf("install cfn-lint: %v\n%s", err, out)
	}
	args := []string{"--ignore-checks", "W3005", "--"}
	for name := range synthesized {
		args = append(args, filepath.Join(assembly, name+".template.json"))
	}
	if out, err := exec.Command("../"+program, args...).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
