package functions

import (
	"net/http"
	"time"

	"joboutputs/functions/auth/authorize"
	"joboutputs/functions/auth/obtain"
	"joboutputs/functions/auth/refresh"
	"joboutputs/functions/auth/verify"
	"joboutputs/functions/cleanup"
	"joboutputs/functions/docs/limits"
	"joboutputs/functions/docs/openapi"
	"joboutputs/functions/joboutputs/destroy"
	"joboutputs/functions/joboutputs/download"
	"joboutputs/functions/joboutputs/harddelete"
	"joboutputs/functions/joboutputs/list"
	"joboutputs/functions/joboutputs/reinstate"
	"joboutputs/functions/joboutputs/retrieve"
	"joboutputs/functions/jobs/acquire"
	"joboutputs/functions/jobs/addoutput"
	"joboutputs/functions/jobs/create"
	"joboutputs/functions/jobs/deleteoutput"
	"joboutputs/functions/jobs/finish"
	"joboutputs/functions/jobs/getoutput"
	"joboutputs/functions/jobs/getoutputinfo"
	"joboutputs/functions/jobs/release"
	jobretrieve "joboutputs/functions/jobs/retrieve"
	"joboutputs/functions/jobs/start"
	"joboutputs/functions/jobs/zipoutputs"
	"joboutputs/functions/uploads/abort"
	"joboutputs/functions/uploads/begin"
	"joboutputs/functions/uploads/complete"
	"joboutputs/functions/uploads/status"
	"joboutputs/shared/auth"
)

// Catalogue is every function of the service.
func Catalogue() []Function {
	const (
		get     = http.MethodGet
		head    = http.MethodHead
		post    = http.MethodPost
		del     = http.MethodDelete
		output  = "/v1/job-outputs/{pk}"
		job     = "/v1/jobs/{pk}"
		named   = job + "/outputs/{name}/{type}"
		uploads = job + "/uploads"
		small   = 128 // MB
		medium  = 256
		quick   = 10 * time.Second
		gateway = 29 * time.Second  // API Gateway waits no longer for a buffered answer
		stream  = 300 * time.Second // 200 MB at the 2 MB/s that is sure after the burst, and a margin
	)
	return []Function{
		{
			Name: auth.OutputsList, Routes: routes("/v1/job-outputs/list", post),
			Rights: onTable("GetItem", "Query").and(onTimeline("Query")),
			Memory: medium, Timeout: stream, Streamed: true,
			HTTP: func(d Deps) http.Handler { return list.New(d.Outputs, d.Streaming) },
		},
		{
			Name: auth.OutputsRetrieve, Routes: routes(output, get, head),
			Rights: onTable("GetItem"),
			Memory: small, Timeout: quick,
			HTTP: func(d Deps) http.Handler { return retrieve.New(d.Outputs) },
		},
		{
			Name: auth.OutputsDestroy, Routes: routes(output, del),
			Rights: onTable("GetItem", "PutItem", "UpdateItem"),
			Memory: small, Timeout: quick,
			HTTP: func(d Deps) http.Handler { return destroy.New(d.Outputs) },
		},
		{
			Name: auth.OutputsHardDelete, Routes: routes(output+"/hard", del),
			Rights: onTable("GetItem", "DeleteItem", "PutItem").and(onObjects("DeleteObject")),
			Memory: small, Timeout: quick,
			HTTP: func(d Deps) http.Handler { return harddelete.New(d.Outputs) },
		},
		{
			Name: auth.OutputsReinstate, Routes: routes(output+"/reinstate", del, post),
			Rights: onTable("GetItem", "PutItem", "UpdateItem"),
			Memory: small, Timeout: quick,
			HTTP: func(d Deps) http.Handler { return reinstate.New(d.Outputs) },
		},
		{
			Name: auth.OutputsDownload, Routes: routes(output+"/download", post),
			Rights: onTable("GetItem").and(onObjects("GetObject")).and(onBucket("ListBucket")),
			Memory: medium, Timeout: stream, Streamed: true,
			HTTP: func(d Deps) http.Handler { return download.New(d.Outputs, d.Streaming) },
		},
		{
			Name: auth.JobsCreate, Routes: routes("/v1/jobs/create", post),
			Rights: onTable("GetItem", "PutItem", "UpdateItem"),
			Memory: small, Timeout: quick,
			HTTP: func(d Deps) http.Handler { return create.New(d.Jobs) },
		},
		{
			Name: auth.JobsRetrieve, Routes: routes(job, get, head),
			Rights: onTable("Query"),
			Memory: small, Timeout: quick,
			HTTP: func(d Deps) http.Handler { return jobretrieve.New(d.Jobs) },
		},
		{
			Name: auth.JobsAcquire, Routes: routes(job+"/acquire", get),
			Rights: onTable("GetItem", "Query", "PutItem"),
			Memory: small, Timeout: quick,
			HTTP: func(d Deps) http.Handler { return acquire.New(d.Jobs) },
		},
		{
			Name: auth.JobsRelease, Routes: routes(job+"/release", del),
			Rights: onTable("GetItem", "Query", "PutItem"),
			Memory: small, Timeout: quick,
			HTTP: func(d Deps) http.Handler { return release.New(d.Jobs) },
		},
		{
			Name: auth.JobsStart, Routes: routes(job+"/start", post),
			Rights: onTable("GetItem", "Query", "PutItem", "UpdateItem"),
			Memory: small, Timeout: quick,
			HTTP: func(d Deps) http.Handler { return start.New(d.Jobs) },
		},
		{
			Name: auth.JobsFinish, Routes: routes(job+"/finish", post),
			Rights: onTable("GetItem", "Query", "PutItem", "UpdateItem"),
			Memory: small, Timeout: quick,
			HTTP: func(d Deps) http.Handler { return finish.New(d.Jobs) },
		},
		{
			Name: auth.JobsAddOutput, Routes: routes(named, post),
			Rights: onTable("BatchGetItem", "GetItem", "PutItem", "UpdateItem", "DeleteItem").and(onObjects("PutObject")),
			Memory: medium, Timeout: gateway,
			HTTP: func(d Deps) http.Handler { return addoutput.New(d.Outputs) },
		},
		{
			Name: auth.JobsGetOutput, Routes: routes(named, get, head),
			Rights: onTable("GetItem").and(onObjects("GetObject")).and(onBucket("ListBucket")),
			Memory: medium, Timeout: stream, Streamed: true,
			HTTP: func(d Deps) http.Handler { return getoutput.New(d.Outputs, d.Streaming) },
		},
		{
			Name: auth.JobsGetOutputInfo, Routes: routes(named+"/info", get, head),
			Rights: onTable("GetItem"),
			Memory: small, Timeout: quick,
			HTTP: func(d Deps) http.Handler { return getoutputinfo.New(d.Outputs) },
		},
		{
			Name: auth.JobsDeleteOutput, Routes: routes(named, del),
			Rights: onTable("GetItem", "PutItem", "UpdateItem"),
			Memory: small, Timeout: quick,
			HTTP: func(d Deps) http.Handler { return deleteoutput.New(d.Outputs) },
		},
		{
			Name: auth.JobsZipOutputs, Routes: routes(job+"/outputs.zip", get, head),
			Rights: onTable("Query", "GetItem").and(onObjects("GetObject")).and(onBucket("ListBucket")),
			Memory: medium, Timeout: stream, Streamed: true,
			HTTP: func(d Deps) http.Handler { return zipoutputs.New(d.Outputs, d.Streaming) },
		},
		{
			Name: auth.UploadsBegin, Routes: routes(uploads, post),
			Rights: onTable("BatchGetItem", "GetItem", "PutItem", "UpdateItem").and(onObjects("PutObject")),
			Memory: small, Timeout: quick,
			HTTP: func(d Deps) http.Handler { return begin.New(d.Uploads) },
		},
		{
			Name: auth.UploadsStatus, Routes: routes(uploads+"/{id}", get, head),
			Rights: onTable("BatchGetItem").
				and(onObjects("GetObject", "ListMultipartUploadParts", "PutObject")). // the last for the links, which carry it
				and(onBucket("ListBucket")),
			Memory: medium, Timeout: gateway,
			HTTP: func(d Deps) http.Handler { return status.New(d.Uploads) },
		},
		{
			Name: auth.UploadsComplete, Routes: routes(uploads+"/{id}/complete", post),
			Rights: onTable("BatchGetItem", "GetItem", "PutItem", "UpdateItem", "DeleteItem").
				and(onObjects("GetObject", "ListMultipartUploadParts", "PutObject", "AbortMultipartUpload", "DeleteObject")).
				and(onBucket("ListBucket", "ListBucketMultipartUploads")),
			Memory: medium, Timeout: gateway,
			HTTP: func(d Deps) http.Handler { return complete.New(d.Uploads) },
		},
		{
			Name: auth.UploadsAbort, Routes: routes(uploads+"/{id}", del),
			Rights: onTable("BatchGetItem", "GetItem", "PutItem", "UpdateItem", "DeleteItem").and(onObjects("AbortMultipartUpload", "DeleteObject")),
			Memory: small, Timeout: gateway,
			HTTP: func(d Deps) http.Handler { return abort.New(d.Uploads) },
		},
		{
			Name: auth.AuthObtain, Routes: routes("/v1/auth/obtain", post),
			Rights: onUserPool("AdminInitiateAuth"),
			Memory: small, Timeout: quick,
			HTTP: func(d Deps) http.Handler { return obtain.New(d.Issuer) },
		},
		{
			Name: auth.AuthRefresh, Routes: routes("/v1/auth/refresh", post),
			Rights: onUserPool("AdminInitiateAuth"),
			Memory: small, Timeout: quick,
			HTTP: func(d Deps) http.Handler { return refresh.New(d.Issuer) },
		},
		{
			Name: auth.AuthVerify, Routes: routes("/v1/auth/verify", post),
			Memory: small, Timeout: quick,
			HTTP: func(d Deps) http.Handler { return verify.New(d.Verifier) },
		},
		{
			Name: auth.DocsOpenAPI, Routes: append(routes("/v1/openapi.json", get, head), routes("/v1/docs", get, head)...),
			Memory: small, Timeout: quick,
			HTTP: func(Deps) http.Handler { return openapi.New() },
		},
		{
			Name: auth.DocsLimits, Routes: routes("/v1/limits", get, head),
			Memory: small, Timeout: quick,
			HTTP: func(d Deps) http.Handler { return limits.New(d.Uploads.Limits()) },
		},
		{
			Name:   auth.AuthAuthorize,
			Memory: small, Timeout: quick,
			Authorizer: func(d Deps) Authorizer { return authorize.New(d.Verifier) },
		},
		{
			Name: auth.Cleanup,
			Rights: onTable("Query", "UpdateItem", "PutItem", "DeleteItem", "BatchWriteItem").
				and(onObjects("DeleteObject", "AbortMultipartUpload")).
				and(onBucket("ListBucketMultipartUploads")),
			Memory: medium, Timeout: 15 * time.Minute,
			Schedule: func(d Deps) Schedule { return cleanup.New(d.Cleanup, d.CleanupGrace, d.Log) },
		},
	}
}

func routes(resource string, methods ...string) []Route {
	return []Route{{Methods: methods, Resource: resource}}
}

type rights []Right

func (r rights) and(more rights) rights { return append(r, more...) }

func onTable(operations ...string) rights    { return on(Table, "dynamodb:", operations) }
func onTimeline(operations ...string) rights { return on(Timeline, "dynamodb:", operations) }
func onBucket(operations ...string) rights   { return on(Bucket, "s3:", operations) }
func onObjects(operations ...string) rights  { return on(Objects, "s3:", operations) }
func onUserPool(operations ...string) rights { return on(UserPool, "cognito-idp:", operations) }

func on(resource Resource, prefix string, operations []string) rights {
	var all rights
	for _, operation := range operations {
		all = append(all, Right{Action: prefix + operation, On: resource})
	}
	return all
}
