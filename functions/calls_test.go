package functions_test

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/middleware"
	"github.com/google/go-cmp/cmp"
	"github.com/guregu/dynamo/v2"

	"joboutputs/functions"
	"joboutputs/shared/api/apitest"
	"joboutputs/shared/auth"
	"joboutputs/shared/cleanup"
	"joboutputs/shared/jobs"
	"joboutputs/shared/localaws"
	"joboutputs/shared/localaws/awstest"
	"joboutputs/shared/localaws/storetest"
	"joboutputs/shared/outputs"
	"joboutputs/shared/problem"
	"joboutputs/shared/table"
	"joboutputs/shared/uploads"
	"joboutputs/shared/users"
)

var update = flag.Bool("update", false, "write the table of calls into README.md, and testdata/calls.json")

// recorder notes every call that is sent, every right that is needed, and what DynamoDB
// charges.
type recorder struct {
	mu     sync.Mutex
	calls  []string
	units  []countedCall
	rights map[functions.Right]bool
}

func (rec *recorder) reset() {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	rec.calls, rec.units, rec.rights = nil, nil, map[functions.Right]bool{}
}

func (rec *recorder) taken() ([]string, map[functions.Right]bool) {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	return slices.Clone(rec.calls), maps.Clone(rec.rights)
}

// add notes rights where an operation begins and calls where one is sent: a presigned
// link needs its right without being a call.
func (rec *recorder) add(stack *middleware.Stack) error {
	var operation string // a stack is of one operation
	begun := middleware.InitializeMiddlewareFunc("rights", func(
		ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler,
	) (middleware.InitializeOutput, middleware.Metadata, error) {
		operation = strings.TrimSuffix(fmt.Sprintf("%T", in.Parameters), "Input")
		operation = operation[strings.LastIndexByte(operation, '.')+1:]
		rec.mu.Lock()
		for _, right := range needed(operation, in.Parameters) {
			rec.rights[right] = true
		}
		rec.units = append(rec.units, countedCall{Call: operation, Units: unitsOf(in.Parameters)})
		rec.mu.Unlock()
		return next.HandleInitialize(ctx, in)
	})
	sent := middleware.DeserializeMiddlewareFunc("calls", func(
		ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler,
	) (middleware.DeserializeOutput, middleware.Metadata, error) {
		rec.mu.Lock()
		rec.calls = append(rec.calls, operation)
		rec.mu.Unlock()
		return next.HandleDeserialize(ctx, in)
	})
	if err := stack.Initialize.Add(begun, middleware.Before); err != nil {
		return err
	}
	return stack.Deserialize.Add(sent, middleware.Before)
}

// needed is what a role must allow for an operation. A transaction needs the rights of
// what is in it; S3's actions have names of their own.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html#mpuAndPermissions
func needed(operation string, input any) []functions.Right {
	table := func(operation string) functions.Right {
		return functions.Right{Action: "dynamodb:" + operation, On: functions.Table}
	}
	switch in := input.(type) {
	case *dynamodb.TransactWriteItemsInput:
		var all []functions.Right
		for _, item := range in.TransactItems {
			switch {
			case item.Put != nil:
				all = append(all, table("PutItem"))
			case item.Update != nil:
				all = append(all, table("UpdateItem"))
			case item.Delete != nil:
				all = append(all, table("DeleteItem"))
			default:
				all = append(all, table("ConditionCheckItem"))
			}
		}
		return all
	case *dynamodb.TransactGetItemsInput:
		return []functions.Right{table("GetItem")}
	case *dynamodb.QueryInput:
		if in.IndexName != nil {
			return []functions.Right{{Action: "dynamodb:Query", On: functions.Timeline}}
		}
	case *s3.ListMultipartUploadsInput:
		return []functions.Right{{Action: "s3:ListBucketMultipartUploads", On: functions.Bucket}}
	case *s3.DeleteObjectsInput:
		return []functions.Right{{Action: "s3:DeleteObject", On: functions.Objects}}
	case *s3.PutObjectInput, *s3.GetObjectInput, *s3.DeleteObjectInput, *s3.AbortMultipartUploadInput:
		return []functions.Right{{Action: "s3:" + operation, On: functions.Objects}}
	case *s3.CreateMultipartUploadInput, *s3.UploadPartInput, *s3.CompleteMultipartUploadInput:
		return []functions.Right{{Action: "s3:PutObject", On: functions.Objects}}
	case *s3.HeadObjectInput:
		return []functions.Right{{Action: "s3:GetObject", On: functions.Objects}}
	case *s3.ListPartsInput:
		return []functions.Right{{Action: "s3:ListMultipartUploadParts", On: functions.Objects}}
	}
	return []functions.Right{table(operation)}
}

// callCase is one way an action goes well.
type callCase struct {
	action auth.Action
	how    string // "" = the ordinary way, which is README's, as is withKey
	call   apitest.Call
	want   int
	calls  []string // sorted: some are made at the same time
}

// withKey is how an action goes whose caller sends an idempotency key.
const withKey = "with `Idempotency-Key`"

// silent are rights no call asks for: with ListBucket, S3 answers 404 for an object that
// is not there, and 403 without.
var silent = map[functions.Right]bool{{Action: "s3:ListBucket", On: functions.Bucket}: true}

// TestCalls counts the AWS calls of every action and holds them equal to its rights: what
// it may do is what it does.
func TestCalls(t *testing.T) {
	t.Parallel()
	a := awstest.New(t)
	rec := &recorder{}
	deps := functions.NewDeps(table.Config{
		DynamoDB: localaws.DynamoDB(a.DynamoDBEndpoint, func(o *dynamodb.Options) { o.APIOptions = append(o.APIOptions, rec.add) }),
		S3:       localaws.S3(a.S3Endpoint, func(o *s3.Options) { o.APIOptions = append(o.APIOptions, rec.add) }),
		Table:    a.Table, Bucket: a.Bucket, Shards: 2,
	}, uploads.Limits{})
	deps.Streaming, deps.CleanupGrace, deps.Log = true, 0, slog.New(slog.DiscardHandler)
	rec.reset()
	admin := auth.Principal{Tenant: "acme", UserPK: 1, Username: "admin", Admin: true, Nodes: []int64{1}}
	newcomer := admin
	newcomer.UserPK, newcomer.Issuer, newcomer.Subject, newcomer.Tenant = 0, "https://issuer", "someone", "directory"
	another := newcomer
	another.Subject = "another"
	node := map[string]string{"Node-Id": "1"}
	key, otherKey := map[string]string{"Idempotency-Key": "k"}, map[string]string{"Idempotency-Key": "other"}
	pk := map[string]string{"pk": "1"}
	named := map[string]string{"pk": "1", "name": "model", "type": "txt"}
	keyed := map[string]string{"pk": "1", "name": "keyed", "type": "txt"}
	byName := "/v1/jobs/{pk}/outputs/{name}/{type}"
	output, staged := "/v1/job-outputs/{pk}", "/v1/jobs/{pk}/uploads"

	keyedNode, otherKeyedNode := map[string]string{"Node-Id": "1", "Idempotency-Key": "k"}, map[string]string{"Node-Id": "1", "Idempotency-Key": "other"}
	job := map[string]string{"pk": "60"}
	inJob := map[string]string{"pk": "60", "name": "keyed", "type": "txt"}
	ofJob := map[string]string{} // its output's pk, once it is added

	// Ids are known only when their uploads have begun: by the cases, or here.
	large, small, unwanted := map[string]string{"pk": "1"}, map[string]string{"pk": "1"}, map[string]string{"pk": "1"}
	largeKeyed := map[string]string{"pk": "1"}
	const (
		hello = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
		zeros = "c036cbb7553a909f8b8877d4461924307f27ecb66cff928eeeafd569c3887e29" // of 5 MiB
		zero  = "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d" // of one byte
	)

	cases := []callCase{
		{auth.JobsCreate, "", apitest.Call{Method: "POST", Resource: "/v1/jobs/create", As: admin}, 201, []string{"TransactWriteItems", "UpdateItem"}},
		{auth.JobsCreate, "given a pk", apitest.Call{Method: "POST", Resource: "/v1/jobs/create", JSON: `{"pk":70}`, As: admin}, 201, []string{"TransactWriteItems", "UpdateItem"}},
		{auth.JobsCreate, "given a pk below the last one", apitest.Call{Method: "POST", Resource: "/v1/jobs/create", JSON: `{"pk":60}`, As: admin}, 201, []string{"TransactWriteItems", "UpdateItem"}},
		{auth.JobsCreate, "given a pk too far above it", apitest.Call{Method: "POST", Resource: "/v1/jobs/create", JSON: `{"pk":1000071}`, As: admin}, 400, []string{"UpdateItem"}},
		{auth.JobsCreate, "user named by the directory, for the first time",
			apitest.Call{Method: "POST", Resource: "/v1/jobs/create", JSON: `{"node":1}`, As: newcomer}, 201,
			[]string{"GetItem", "TransactWriteItems", "TransactWriteItems", "UpdateItem", "UpdateItem"}},
		{auth.JobsStart, "in the directory's tenant", apitest.Call{Method: "POST", Resource: "/v1/jobs/{pk}/start", Params: pk, Header: node, As: newcomer}, 200,
			[]string{"Query", "TransactWriteItems"}},
		{auth.UploadsBegin, "user named by the directory, for the first time",
			apitest.Call{Method: "POST", Resource: staged, Params: pk, JSON: `{"name":"n","type":"t","size":5}`, As: another}, 201,
			[]string{"BatchGetItem", "PutItem", "PutItem", "TransactWriteItems", "UpdateItem"}},
		{auth.JobsAcquire, "", apitest.Call{Method: "GET", Resource: "/v1/jobs/{pk}/acquire", Params: pk, Header: node, As: admin}, 200, []string{"PutItem", "Query"}},
		{auth.JobsRelease, "", apitest.Call{Method: "DELETE", Resource: "/v1/jobs/{pk}/release", Params: pk, Header: node, As: admin}, 200, []string{"PutItem", "Query"}},
		{auth.JobsAcquire, "released", apitest.Call{Method: "GET", Resource: "/v1/jobs/{pk}/acquire", Params: pk, Header: node, As: admin}, 200, []string{"PutItem", "Query"}},
		{auth.JobsAcquire, "again", apitest.Call{Method: "GET", Resource: "/v1/jobs/{pk}/acquire", Params: pk, Header: node, As: admin}, 200, []string{"Query"}},
		{auth.JobsStart, "", apitest.Call{Method: "POST", Resource: "/v1/jobs/{pk}/start", Params: pk, Header: node, As: admin}, 200, []string{"Query", "TransactWriteItems"}},
		{auth.JobsAddOutput, "", apitest.Call{Method: "POST", Resource: byName, Params: named, Body: "hello", As: admin}, 200,
			[]string{"BatchGetItem", "PutItem", "PutObject", "TransactWriteItems", "UpdateItem"}},
		{auth.JobsRetrieve, "", apitest.Call{Method: "GET", Resource: "/v1/jobs/{pk}", Params: pk, As: admin}, 200, []string{"Query"}},
		{auth.JobsGetOutput, "", apitest.Call{Method: "GET", Resource: byName, Params: named, As: admin}, 200, []string{"GetItem", "GetObject"}},
		{auth.JobsGetOutputInfo, "", apitest.Call{Method: "GET", Resource: byName + "/info", Params: named, As: admin}, 200, []string{"GetItem"}},
		{auth.OutputsRetrieve, "", apitest.Call{Method: "GET", Resource: output, Params: pk, As: admin}, 200, []string{"GetItem"}},
		{auth.OutputsDownload, "", apitest.Call{Method: "POST", Resource: output + "/download", Params: pk, As: admin}, 200, []string{"GetItem", "GetObject"}},
		{auth.OutputsDownload, "as a link", apitest.Call{Method: "POST", Resource: output + "/download", Params: pk, JSON: `{"delivery":"url"}`, As: admin}, 200, []string{"GetItem"}},
		{auth.OutputsList, "", apitest.Call{Method: "POST", Resource: "/v1/job-outputs/list", As: admin}, 200, []string{"Query", "Query"}},
		{auth.OutputsList, "of a job", apitest.Call{Method: "POST", Resource: "/v1/job-outputs/list", As: admin,
			JSON: `{"expressions":[{"type":"exact","field":"job","value":1}]}`}, 200, []string{"Query"}},
		{auth.OutputsList, "by pk", apitest.Call{Method: "POST", Resource: "/v1/job-outputs/list", As: admin,
			JSON: `{"expressions":[{"type":"exact","field":"pk","value":1}]}`}, 200, []string{"GetItem"}},
		{auth.JobsZipOutputs, "", apitest.Call{Method: "GET", Resource: "/v1/jobs/{pk}/outputs.zip", Params: pk, As: admin}, 200, []string{"GetObject", "Query"}},
		{auth.JobsZipOutputs, "whose bytes are gone", apitest.Call{Method: "GET", Resource: "/v1/jobs/{pk}/outputs.zip", Params: pk, As: admin}, 500, []string{"GetItem", "GetObject", "Query"}},
		{auth.JobsAddOutput, withKey, apitest.Call{Method: "POST", Resource: byName, Params: keyed, Header: key, Body: "hello", As: admin}, 200,
			[]string{"BatchGetItem", "PutItem", "PutObject", "TransactWriteItems", "UpdateItem"}},
		{auth.JobsAddOutput, "again", apitest.Call{Method: "POST", Resource: byName, Params: keyed, Header: key, Body: "hello", As: admin}, 200, []string{"BatchGetItem"}},
		{auth.JobsAddOutput, "again, with another key", apitest.Call{Method: "POST", Resource: byName, Params: keyed, Header: otherKey, Body: "hello", As: admin}, 409,
			[]string{"BatchGetItem", "TransactGetItems"}},
		{auth.JobsAddOutput, "again, without a key", apitest.Call{Method: "POST", Resource: byName, Params: keyed, Body: "hello", As: admin}, 409, []string{"BatchGetItem"}},
		{auth.JobsDeleteOutput, "", apitest.Call{Method: "DELETE", Resource: byName, Params: named, As: admin}, 200, []string{"GetItem", "TransactWriteItems"}},
		{auth.OutputsDestroy, "of a deleted one", apitest.Call{Method: "DELETE", Resource: output, Params: pk, As: admin}, 204, []string{"GetItem"}},
		{auth.OutputsReinstate, "", apitest.Call{Method: "POST", Resource: output + "/reinstate", Params: pk, As: admin}, 200, []string{"GetItem", "TransactWriteItems"}},
		{auth.OutputsDestroy, "", apitest.Call{Method: "DELETE", Resource: output, Params: pk, As: admin}, 204, []string{"GetItem", "TransactWriteItems"}},
		{auth.OutputsHardDelete, "", apitest.Call{Method: "DELETE", Resource: output + "/hard", Params: pk, As: admin}, 200,
			[]string{"DeleteObject", "GetItem", "TransactWriteItems"}},
		{auth.UploadsBegin, "", apitest.Call{Method: "POST", Resource: staged, Params: pk, As: admin,
			JSON: `{"name":"large","type":"t","size":5242881,"part_size":5242880}`}, 201,
			[]string{"BatchGetItem", "CreateMultipartUpload", "PutItem", "PutItem"}},
		{auth.UploadsBegin, "of one part", apitest.Call{Method: "POST", Resource: staged, Params: pk, As: admin,
			JSON: `{"name":"small","type":"t","size":5,"sha256":"` + hello + `"}`}, 201, []string{"BatchGetItem", "PutItem", "PutItem"}},
		{auth.UploadsBegin, withKey, apitest.Call{Method: "POST", Resource: staged, Params: pk, Header: key, As: admin,
			JSON: `{"name":"keyed","type":"t","size":5242881,"part_size":5242880}`}, 201,
			[]string{"BatchGetItem", "CreateMultipartUpload", "PutItem", "TransactWriteItems"}},
		{auth.UploadsBegin, "again, with a key", apitest.Call{Method: "POST", Resource: staged, Params: pk, Header: key, As: admin,
			JSON: `{"name":"keyed","type":"t","size":5242881,"part_size":5242880}`}, 201, []string{"BatchGetItem"}},
		{auth.UploadsBegin, "with a key and a link", apitest.Call{Method: "POST", Resource: staged, Params: pk, Header: otherKey, As: admin,
			JSON: `{"name":"linked","type":"t","size":5,"sha256":"` + hello + `"}`}, 201, []string{"BatchGetItem", "PutItem", "TransactWriteItems"}},
		{auth.UploadsBegin, "again, with a key and a link", apitest.Call{Method: "POST", Resource: staged, Params: pk, Header: otherKey, As: admin,
			JSON: `{"name":"linked","type":"t","size":5,"sha256":"` + hello + `"}`}, 201, []string{"BatchGetItem", "BatchGetItem"}},
		{auth.UploadsBegin, "with a key, under a name that is taken", apitest.Call{Method: "POST", Resource: staged, Params: pk, Header: map[string]string{"Idempotency-Key": "third"}, As: admin,
			JSON: `{"name":"keyed","type":"txt","size":5}`}, 409, []string{"BatchGetItem", "TransactGetItems"}},
		{auth.UploadsComplete, "before its parts have arrived", apitest.Call{Method: "POST", Resource: staged + "/{id}/complete", Params: large, As: admin}, 409,
			[]string{"BatchGetItem", "GetItem", "HeadObject", "ListMultipartUploads", "ListParts"}},
		{auth.UploadsStatus, "", apitest.Call{Method: "GET", Resource: staged + "/{id}", Params: large, As: admin}, 200, []string{"BatchGetItem", "ListParts"}},
		{auth.UploadsStatus, "of one part", apitest.Call{Method: "GET", Resource: staged + "/{id}", Params: small, As: admin}, 200, []string{"BatchGetItem", "HeadObject"}},
		{auth.UploadsStatus, "for links", apitest.Call{Method: "GET", Resource: staged + "/{id}", Params: large, Query: "sha256=" + zeros + "," + zero, As: admin}, 200, []string{"BatchGetItem"}},
		{auth.UploadsComplete, "", apitest.Call{Method: "POST", Resource: staged + "/{id}/complete", Params: large, As: admin}, 200,
			[]string{"BatchGetItem", "CompleteMultipartUpload", "ListParts", "TransactWriteItems", "UpdateItem", "UpdateItem"}},
		{auth.UploadsComplete, "of one part", apitest.Call{Method: "POST", Resource: staged + "/{id}/complete", Params: small, As: admin}, 200,
			[]string{"BatchGetItem", "GetItem", "HeadObject", "TransactWriteItems", "UpdateItem"}},
		{auth.UploadsStatus, "for links, with a key", apitest.Call{Method: "GET", Resource: staged + "/{id}", Params: largeKeyed, Query: "sha256=" + zeros + "," + zero, As: admin}, 200, []string{"BatchGetItem"}},
		{auth.UploadsComplete, withKey, apitest.Call{Method: "POST", Resource: staged + "/{id}/complete", Params: largeKeyed, Header: key, As: admin}, 200,
			[]string{"BatchGetItem", "CompleteMultipartUpload", "ListParts", "TransactWriteItems", "UpdateItem", "UpdateItem"}},
		{auth.UploadsComplete, "again, with a key", apitest.Call{Method: "POST", Resource: staged + "/{id}/complete", Params: largeKeyed, Header: key, As: admin}, 200, []string{"BatchGetItem"}},
		{auth.UploadsComplete, "again", apitest.Call{Method: "POST", Resource: staged + "/{id}/complete", Params: small, As: admin}, 200, []string{"BatchGetItem"}},
		{auth.UploadsAbort, "", apitest.Call{Method: "DELETE", Resource: staged + "/{id}", Params: unwanted, As: admin}, 204,
			[]string{"AbortMultipartUpload", "BatchGetItem", "DeleteObject", "TransactWriteItems"}},
		{auth.UploadsAbort, "of an aborted one, with a key", apitest.Call{Method: "DELETE", Resource: staged + "/{id}", Params: unwanted, Header: key, As: admin}, 204,
			[]string{"BatchGetItem", "GetItem", "TransactWriteItems"}},
		{auth.UploadsAbort, "again, with a key", apitest.Call{Method: "DELETE", Resource: staged + "/{id}", Params: unwanted, Header: key, As: admin}, 204, []string{"GetItem"}},
		{auth.UploadsComplete, "of an aborted one", apitest.Call{Method: "POST", Resource: staged + "/{id}/complete", Params: unwanted, As: admin}, 409,
			[]string{"AbortMultipartUpload", "BatchGetItem", "DeleteObject"}},
		{auth.JobsFinish, "", apitest.Call{Method: "POST", Resource: "/v1/jobs/{pk}/finish", Params: pk, Header: node, As: admin}, 200, []string{"Query", "TransactWriteItems"}},

		{auth.JobsCreate, withKey, apitest.Call{Method: "POST", Resource: "/v1/jobs/create", Header: key, As: admin}, 201, []string{"GetItem", "TransactWriteItems", "UpdateItem"}},
		{auth.JobsCreate, "again, with a key", apitest.Call{Method: "POST", Resource: "/v1/jobs/create", Header: key, As: admin}, 201, []string{"GetItem"}},
		{auth.JobsAcquire, withKey, apitest.Call{Method: "GET", Resource: "/v1/jobs/{pk}/acquire", Params: job, Header: keyedNode, As: admin}, 200, []string{"GetItem", "Query", "TransactWriteItems"}},
		{auth.JobsAcquire, "again, with a key", apitest.Call{Method: "GET", Resource: "/v1/jobs/{pk}/acquire", Params: job, Header: keyedNode, As: admin}, 200, []string{"GetItem", "Query"}},
		{auth.JobsAcquire, "again, with another key", apitest.Call{Method: "GET", Resource: "/v1/jobs/{pk}/acquire", Params: job, Header: otherKeyedNode, As: admin}, 200,
			[]string{"GetItem", "Query", "TransactWriteItems"}},
		{auth.JobsRelease, withKey, apitest.Call{Method: "DELETE", Resource: "/v1/jobs/{pk}/release", Params: job, Header: keyedNode, As: admin}, 200, []string{"GetItem", "Query", "TransactWriteItems"}},
		{auth.JobsAcquire, "to start with a key", apitest.Call{Method: "GET", Resource: "/v1/jobs/{pk}/acquire", Params: job, Header: node, As: admin}, 200, []string{"PutItem", "Query"}},
		{auth.JobsStart, withKey, apitest.Call{Method: "POST", Resource: "/v1/jobs/{pk}/start", Params: job, Header: keyedNode, As: admin}, 200, []string{"GetItem", "Query", "TransactWriteItems"}},
		{auth.JobsAddOutput, "to change with a key", apitest.Call{Method: "POST", Resource: byName, Params: inJob, Body: "hello", As: admin}, 200,
			[]string{"BatchGetItem", "PutItem", "PutObject", "TransactWriteItems", "UpdateItem"}},
		{auth.OutputsDestroy, withKey, apitest.Call{Method: "DELETE", Resource: output, Params: ofJob, Header: key, As: admin}, 204, []string{"GetItem", "GetItem", "TransactWriteItems"}},
		{auth.OutputsReinstate, withKey, apitest.Call{Method: "POST", Resource: output + "/reinstate", Params: ofJob, Header: key, As: admin}, 200, []string{"GetItem", "GetItem", "TransactWriteItems"}},
		{auth.JobsDeleteOutput, withKey, apitest.Call{Method: "DELETE", Resource: byName, Params: inJob, Header: key, As: admin}, 200, []string{"GetItem", "GetItem", "TransactWriteItems"}},
		{auth.OutputsHardDelete, withKey, apitest.Call{Method: "DELETE", Resource: output + "/hard", Params: ofJob, Header: key, As: admin}, 200,
			[]string{"DeleteObject", "GetItem", "GetItem", "TransactWriteItems"}},
		{auth.OutputsHardDelete, "again, with a key", apitest.Call{Method: "DELETE", Resource: output + "/hard", Params: ofJob, Header: key, As: admin}, 200, []string{"GetItem"}},
		{auth.OutputsHardDelete, "again, with another key", apitest.Call{Method: "DELETE", Resource: output + "/hard", Params: ofJob, Header: otherKey, As: admin}, 404,
			[]string{"GetItem", "GetItem", "TransactGetItems"}},
		{auth.JobsFinish, withKey, apitest.Call{Method: "POST", Resource: "/v1/jobs/{pk}/finish", Params: job, Header: keyedNode, As: admin}, 200, []string{"GetItem", "Query", "TransactWriteItems"}},
	}

	rows := map[auth.Action]functions.Function{}
	for _, f := range functions.Catalogue() {
		rows[f.Name] = f
	}
	used := map[auth.Action]map[functions.Right]bool{}
	note := func(action auth.Action, how string, want []string) {
		t.Helper()
		calls, rights := rec.taken()
		slices.Sort(calls)
		if diff := cmp.Diff(want, calls); diff != "" {
			t.Errorf("%s %s: calls (-want +got):\n%s", action, how, diff)
		}
		if used[action] == nil {
			used[action] = map[functions.Right]bool{}
		}
		maps.Copy(used[action], rights)
	}
	units := make([][]countedCall, len(cases))
	for i, tc := range cases {
		rec.reset()
		answer := tc.call.Do(t, rows[tc.action].HTTP(deps))
		if answer.Status != tc.want {
			t.Fatalf("%s %s: status %d, want %d: %s", tc.action, tc.how, answer.Status, tc.want, answer.Body)
		}
		note(tc.action, tc.how, tc.calls)
		units[i] = rec.counted()
		switch {
		case tc.action == auth.JobsAddOutput && tc.how == "to change with a key":
			var added struct{ PK int64 }
			answer.Into(t, &added)
			ofJob["pk"] = strconv.FormatInt(added.PK, 10)
		case tc.action == auth.JobsZipOutputs && tc.how == "":
			loseBytes(t, a)
		case tc.action == auth.UploadsBegin && tc.how == "":
			large["id"] = uploadOf(t, answer)
			unwanted["id"] = uploadOf(t, apitest.Call{Method: "POST", Resource: staged, Params: pk, As: admin,
				JSON: `{"name":"unwanted","type":"t","size":5242881,"part_size":5242880}`}.Do(t, rows[auth.UploadsBegin].HTTP(deps)))
		case tc.action == auth.UploadsBegin && tc.how == "of one part":
			small["id"] = uploadOf(t, answer)
		case tc.action == auth.UploadsBegin && tc.how == withKey:
			largeKeyed["id"] = uploadOf(t, answer)
		case tc.action == auth.UploadsStatus && tc.how == "of one part":
			sendParts(t, answer, "hello")
		case tc.action == auth.UploadsStatus && strings.HasPrefix(tc.how, "for links"):
			sendParts(t, answer, strings.Repeat("\x00", 5242881))
		}
	}
	cleanupLeftovers(t, a, rec, deps, rows, func(want []string) { note(auth.Cleanup, "", want) })

	for name, f := range rows {
		if slices.ContainsFunc(f.Rights, func(r functions.Right) bool { return r.On == functions.UserPool }) {
			continue // the calls of obtain and refresh are Cognito's: shared/cognito holds them
		}
		want := map[functions.Right]bool{}
		for _, right := range f.Rights {
			if !silent[right] {
				want[right] = true
			}
		}
		if got := used[name]; len(got)+len(want) > 0 {
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s: rights and calls differ (-rights +calls):\n%s", name, diff)
			}
		}
	}
	checkReadme(t, cases)
	checkCounted(t, cases, units)
}

func uploadOf(t *testing.T, answer *apitest.Answer) string {
	t.Helper()
	var upload struct{ ID string }
	answer.Into(t, &upload)
	return upload.ID
}

// loseBytes empties the bucket.
func loseBytes(t *testing.T, a *awstest.AWS) {
	t.Helper()
	list, err := a.S3.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: &a.Bucket})
	if err != nil {
		t.Fatal(err)
	}
	for _, object := range list.Contents {
		if _, err := a.S3.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: &a.Bucket, Key: object.Key}); err != nil {
			t.Fatal(err)
		}
	}
}

// sendParts sends content by the links in the answer.
func sendParts(t *testing.T, answer *apitest.Answer, content string) {
	t.Helper()
	var upload struct{ Parts []uploads.Part }
	answer.Into(t, &upload)
	for _, p := range upload.Parts {
		r, err := http.NewRequestWithContext(t.Context(), p.Method, *p.URL, strings.NewReader(content[p.Offset:p.Offset+p.Size]))
		if err != nil {
			t.Fatal(err)
		}
		for name, value := range p.Headers {
			r.Header.Set(name, value)
		}
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode != http.StatusOK {
			t.Fatalf("part %d: %s", p.Number, response.Status)
		}
	}
}

// cleanupLeftovers makes an add lose its race after its bytes were put, which leaves an
// intent, abandons an upload, and cleans both up.
func cleanupLeftovers(t *testing.T, a *awstest.AWS, rec *recorder, deps functions.Deps, rows map[auth.Action]functions.Function, note func([]string)) {
	t.Helper()
	ctx, p := auth.WithTenant(t.Context(), "acme"), auth.Principal{Tenant: "acme", UserPK: 1, Admin: true, Nodes: []int64{50}, Node: 50}
	if _, err := deps.Jobs.Create(ctx, "acme", jobs.NewJob{PK: 50, Node: 50, Creator: users.Of(p)}); err != nil {
		t.Fatal(err)
	}
	if _, err := deps.Jobs.Start(ctx, p, 50, ""); err != nil {
		t.Fatal(err)
	}
	raced := outputs.Addition{Job: 50, Name: "raced", Type: "t"}
	overtaken := storetest.Before("PutObject", func(context.Context) error { // it has read that the name is free; now another add takes it
		_, err := deps.Outputs.Add(ctx, p, raced)
		return err
	})
	loser := a.StoreConfig()
	loser.S3 = localaws.S3(a.S3Endpoint, func(o *s3.Options) { o.APIOptions = append(o.APIOptions, overtaken) })
	if _, err := outputs.New(table.New(loser)).Add(ctx, p, raced); !problem.Is(err, problem.DuplicateOutput) {
		t.Fatalf("the loser of a race: %v", err)
	}
	yesterday := a.StoreConfig()
	yesterday.Now = func() time.Time { return time.Now().Add(-uploads.DefaultLife) }
	if _, err := uploads.New(table.New(yesterday), uploads.Limits{}).Begin(ctx, p, uploads.NewUpload{Job: 50, Name: "abandoned", Size: 1 << 30}); err != nil {
		t.Fatal(err)
	}
	poison := table.Queued("nobody knows", "acme", "01POISON", time.Now())
	if err := dynamo.NewFromIface(a.DynamoDB).Table(a.Table).Put(poison).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	deps.Cleanup = cleanup.New(table.Config{
		DynamoDB: localaws.DynamoDB(a.DynamoDBEndpoint, func(o *dynamodb.Options) { o.APIOptions = append(o.APIOptions, rec.add) }),
		S3:       localaws.S3(a.S3Endpoint, func(o *s3.Options) { o.APIOptions = append(o.APIOptions, rec.add) }),
		Table:    a.Table, Bucket: a.Bucket, Now: func() time.Time { return time.Now().Add(table.Grace) },
	})
	rec.reset()
	answer, err := rows[auth.Cleanup].Schedule(deps)(t.Context())
	counts, _ := answer.(cleanup.Counts)
	counts.Oldest = 0
	if err == nil || counts != (cleanup.Counts{Intents: 1, Tombstones: 2, Uploads: 2, Failed: 1, Attempts: 1}) { // one upload was aborted
		t.Fatalf("cleanup: %+v, %v", counts, err)
	}
	var want []string
	for _, calls := range []struct {
		operation string
		times     int
	}{{"AbortMultipartUpload", 2}, {"BatchWriteItem", 1}, {"DeleteObjects", 1}, {"ListMultipartUploads", 2}, {"Query", 16}, {"TransactWriteItems", 1}, {"UpdateItem", 5}} {
		want = append(want, slices.Repeat([]string{calls.operation}, calls.times)...)
	}
	note(want)
}

// checkReadme holds README's table of calls, between its two markers, to what was counted.
func checkReadme(t *testing.T, cases []callCase) {
	t.Helper()
	const begin, end = "<!-- calls: begin -->\n", "<!-- calls: end -->"
	var lines strings.Builder
	lines.WriteString("| action | DynamoDB | S3 |\n|---|---|---|\n")
	for _, tc := range cases {
		name := string(tc.action)
		switch tc.how {
		case "":
		case withKey:
			name += ", " + withKey
		default:
			continue
		}
		var db, objects []string
		for _, call := range tc.calls {
			if strings.HasSuffix(call, "Object") || strings.Contains(call, "Multipart") || call == "ListParts" {
				objects = append(objects, call)
			} else {
				db = append(db, call)
			}
		}
		if tc.action == auth.OutputsList {
			db = []string{"Query (one a shard and page)"}
		}
		if tc.action == auth.JobsZipOutputs {
			objects = []string{"GetObject (one an output)"}
		}
		fmt.Fprintf(&lines, "| %s | %s | %s |\n", name, strings.Join(db, ", "), strings.Join(objects, ", "))
	}
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok1 := strings.Cut(string(readme), begin)
	got, after, ok2 := strings.Cut(rest, end)
	if !ok1 || !ok2 {
		t.Fatal("README.md has no place for the table of calls")
	}
	if got == lines.String() {
		return
	}
	if !*update {
		t.Errorf("README's table of calls is out of date; go test ./functions -run TestCalls -update writes it (-README +counted):\n%s", cmp.Diff(got, lines.String()))
		return
	}
	if err := os.WriteFile("../README.md", []byte(before+begin+lines.String()+end+after), 0o644); err != nil {
		t.Fatal(err)
	}
}
