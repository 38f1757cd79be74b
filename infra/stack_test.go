package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"joboutputs/functions"
	"joboutputs/shared/config"
	"joboutputs/shared/table"
)

// TestFunctions holds that there is one Lambda for each row, made as the row says.
func TestFunctions(t *testing.T) {
	eachStack(t, func(t *testing.T, tmpl *template) {
		s := tmpl.settings
		if got, want := len(tmpl.all("AWS::Lambda::Function")), len(rows(s)); got != want {
			t.Errorf("%d functions, want %d", got, want)
		}
		roles := map[string]bool{}
		for _, row := range rows(s) {
			f := tmpl.function(t, string(row.Name))
			for path, want := range map[string]string{
				"Runtime": "provided.al2023", "Handler": "bootstrap", "Architectures.0": s.Arch,
				"MemorySize": fmt.Sprint(row.Memory), "Timeout": fmt.Sprint(timeout(s, row).Seconds()),
				"TracingConfig.Mode": "Active",
			} {
				if got := str(f.get(path)); got != want {
					t.Errorf("%s: %s is %s, want %s", row.Name, path, got, want)
				}
			}
			if f.get("ReservedConcurrentExecutions") != nil || f.get("VpcConfig") != nil {
				t.Errorf("%s has what no function needs", row.Name)
			}
			if row.HTTP != nil && !streams(s, row) && timeout(s, row) > maxBuffered {
				t.Errorf("%s may take %s, and API Gateway waits %s", row.Name, timeout(s, row), maxBuffered)
			}
			roles[str(f.get("Role"))] = true
		}
		if len(roles) != len(rows(s)) {
			t.Errorf("%d roles for %d functions: each has its own", len(roles), len(rows(s)))
		}
	})
}

// TestRights holds that a role allows its row's rights, its own log, traces, and nothing
// else: no action of a star, no resource of a star but X-Ray's.
func TestRights(t *testing.T) {
	eachStack(t, func(t *testing.T, tmpl *template) {
		for _, row := range rows(tmpl.settings) {
			want := map[string][]string{
				"${" + construct(string(row.Name)) + "Log.Arn}": {"logs:CreateLogStream", "logs:PutLogEvents"},
				"*": {"xray:PutTelemetryRecords", "xray:PutTraceSegments"},
			}
			arns := map[functions.Resource]string{
				functions.Table: "${Table.Arn}", functions.Timeline: "${Table.Arn}/index/timeline",
				functions.Bucket: "${Bucket.Arn}", functions.Objects: "${Bucket.Arn}/t/*", functions.UserPool: "${UserPool.Arn}",
			}
			for _, r := range row.Rights {
				want[arns[r.On]] = append(want[arns[r.On]], r.Action)
			}
			for _, actions := range want {
				slices.Sort(actions)
			}
			role := tmpl.Resources[get(tmpl.function(t, string(row.Name)).get("Role"), "Fn::GetAtt.0").(string)]
			if role.get("ManagedPolicyArns") != nil || role.get("Policies.1") != nil {
				t.Errorf("%s: the role has more than its one policy", row.Name)
			}
			got := map[string][]string{}
			for _, statement := range role.get("Policies.0.PolicyDocument.Statement").([]any) {
				if get(statement, "Effect") != "Allow" || get(statement, "NotAction") != nil || get(statement, "NotResource") != nil {
					t.Errorf("%s: %s", row.Name, str(statement))
				}
				for _, on := range strs(get(statement, "Resource")) {
					got[on] = append(got[on], strs(get(statement, "Action"))...)
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", row.Name, diff)
			}
		}
		for id, r := range tmpl.all("AWS::IAM::Policy") {
			t.Errorf("%s: %s stands outside the roles", id, str(r.get("PolicyDocument")))
		}
	})
}

// TestEnvironment holds that a function is told exactly what its bootstrap reads of
// shared/config, and nothing more.
func TestEnvironment(t *testing.T) {
	calls := regexp.MustCompile(`config\.([A-Z]\w+)\(`)
	sections := map[string][]string{
		"Storage":      {config.Table, config.Bucket},
		"Streaming":    {config.StreamingOn},
		"Tokens":       {config.TokenIssuer, config.TokenAudience, config.TokenJWKS, config.TokenUses},
		"UserPool":     {config.UserPoolID, config.UserPoolClient},
		"CleanupGrace": nil, // its default is right,
		"Uploads":      nil, // and so are these
	}
	eachStack(t, func(t *testing.T, tmpl *template) {
		s := tmpl.settings
		for _, row := range rows(s) {
			source, err := os.ReadFile("../functions/" + strings.ReplaceAll(string(row.Name), "-", "/") + "/bootstrap/main.go")
			if err != nil {
				t.Fatal(err)
			}
			want := map[string]bool{"GOMEMLIMIT": true}
			for _, call := range calls.FindAllStringSubmatch(string(source), -1) {
				names, known := sections[call[1]]
				if !known {
					t.Errorf("%s reads config.%s, which this test does not know", row.Name, call[1])
				}
				for _, name := range names {
					want[name] = true
				}
				if call[1] == "Tokens" && s.OIDC == nil {
					want[config.TokenClaims] = true
				}
				if call[1] == "Storage" && s.EndpointURL != "" {
					want[config.S3PathStyle], want["AWS_ENDPOINT_URL"] = true, true
				}
				if call[1] == "Storage" && s.Shards != 0 {
					want[config.Shards], want[config.ReadShards] = true, true
				}
			}
			variables, _ := tmpl.function(t, string(row.Name)).get("Environment.Variables").(map[string]any)
			if diff := cmp.Diff(slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(variables))); diff != "" {
				t.Errorf("%s (-want +got):\n%s", row.Name, diff)
			}
			for name, value := range variables {
				if got, want := str(value), wantValue(s, row, name); got != want {
					t.Errorf("%s: %s is %q, want %q", row.Name, name, got, want)
				}
			}
		}
	})
}

// wantValue is what a variable holds.
func wantValue(s settings, row functions.Function, name string) string {
	tokens := oidc{
		Issuer: "https://cognito-idp.${AWS::Region}.${AWS::URLSuffix}/${UserPool}", Audience: "${UserPoolClient}", JWKS: "https://cognito-idp.${AWS::Region}.${AWS::URLSuffix}/${UserPool}/.well-known/jwks.json", Uses: "id",
	}
	if s.OIDC != nil {
		tokens = *s.OIDC
	}
	return map[string]string{
		"GOMEMLIMIT": fmt.Sprintf("%dMiB", row.Memory*3/4),
		config.Table: "${Table}", config.Bucket: "${Bucket}",
		config.Shards: fmt.Sprint(s.Shards), config.ReadShards: fmt.Sprint(s.ReadShards),
		config.StreamingOn: fmt.Sprint(s.Streaming), config.S3PathStyle: "true", "AWS_ENDPOINT_URL": s.EndpointURL,
		config.TokenIssuer: tokens.Issuer, config.TokenAudience: tokens.Audience, config.TokenJWKS: tokens.JWKS, config.TokenUses: tokens.Uses,
		config.TokenClaims: "tenant=custom:tenant,upk=custom:upk,nodes=custom:nodes,username=cognito:username,admin=cognito:groups",
		config.UserPoolID:  "${UserPool}", config.UserPoolClient: "${UserPoolClient}",
	}[name]
}

// TestTable holds that the table is table.Schema, on demand.
func TestTable(t *testing.T) {
	eachStack(t, func(t *testing.T, tmpl *template) {
		declared := tmpl.one(t, "AWS::DynamoDB::Table")
		keys := func(v any) string {
			return str(get(v, "KeySchema.0.KeyType")) + " " + str(get(v, "KeySchema.0.AttributeName")) + " " +
				str(get(v, "KeySchema.1.KeyType")) + " " + str(get(v, "KeySchema.1.AttributeName"))
		}
		if got, want := keys(declared.Properties), "HASH "+table.Schema.PartitionKey+" RANGE "+table.Schema.SortKey; got != want {
			t.Errorf("keys %s, want %s", got, want)
		}
		if got := str(declared.get("TimeToLiveSpecification.AttributeName")); got != table.Schema.TTL || declared.get("TimeToLiveSpecification.Enabled") != true {
			t.Errorf("TTL is on %s", got)
		}
		if declared.get("BillingMode") != "PAY_PER_REQUEST" {
			t.Error("not on demand")
		}
		for i, index := range table.Schema.Indexes {
			got := declared.get(fmt.Sprintf("GlobalSecondaryIndexes.%d", i))
			projected := strs(get(got, "Projection.NonKeyAttributes"))
			want := slices.Sorted(slices.Values(index.Projected))
			if str(get(got, "IndexName")) != index.Name || keys(got) != "HASH "+index.PartitionKey+" RANGE "+index.SortKey ||
				get(got, "Projection.ProjectionType") != "INCLUDE" || !slices.Equal(projected, want) {
				t.Errorf("index %d is %s, want %+v", i, str(got), index)
			}
		}
		if declared.get(fmt.Sprintf("GlobalSecondaryIndexes.%d", len(table.Schema.Indexes))) != nil {
			t.Error("more indexes than the schema's")
		}
		for i := range 2 + 2*len(table.Schema.Indexes) {
			if kind := declared.get(fmt.Sprintf("AttributeDefinitions.%d.AttributeType", i)); kind != "S" {
				t.Errorf("key attribute %d is of type %v", i, kind)
			}
		}
	})
}

// TestSAM holds what `sam local` reads of the template: where each function's own files
// are, and how to start them.
func TestSAM(t *testing.T) {
	eachStack(t, func(t *testing.T, tmpl *template) {
		paths := map[string]string{}
		for _, row := range rows(tmpl.settings) {
			f := tmpl.function(t, string(row.Name))
			path := str(f.Metadata["aws:asset:path"])
			if f.Metadata["aws:asset:property"] != "Code" || f.get("PackageType") != nil {
				t.Errorf("%s: metadata %v", row.Name, f.Metadata)
			}
			got, err := os.ReadFile(assembly + "/" + path + "/" + str(f.get("Handler")))
			if err != nil || string(got) != string(row.Name) {
				t.Errorf("%s: its asset %s holds %q (%v)", row.Name, path, got, err)
			}
			if other := paths[path]; other != "" {
				t.Errorf("%s and %s have the same asset", row.Name, other)
			}
			paths[path] = string(row.Name)
		}
	})
}

// TestSAMVariables holds that events/env.json gives `sam local` a value for every variable
// that the template only refers to, and names no variable that no function has.
func TestSAMVariables(t *testing.T) {
	text, err := os.ReadFile("../events/env.json")
	if err != nil {
		t.Fatal(err)
	}
	var env struct{ Parameters map[string]string }
	if err := json.Unmarshal(text, &env); err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, tmpl := range synthesized {
		for id, f := range tmpl.all("AWS::Lambda::Function") {
			variables, _ := f.get("Environment.Variables").(map[string]any)
			for name, value := range variables {
				known[name] = true
				if _, literal := value.(string); !literal && env.Parameters[name] == "" {
					t.Errorf("%s: %s is %s, for which env.json has nothing", id, name, str(value))
				}
			}
		}
	}
	for name := range env.Parameters {
		if !known[name] {
			t.Errorf("no function reads %s", name)
		}
	}
}
