// Package functions is the catalogue: one row for every Lambda of the service. Read it
// first. The local gateway, the stack and the tests all work from these rows; nothing
// else knows a route, a right or a time-out.
package functions

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"joboutputs/shared/auth"
)

// Function is one Lambda. Its Name is its folder (group-action), the name of its event
// file and the action in the logs. Exactly one of HTTP, Authorizer and Schedule is set,
// which makes its kind.
type Function struct {
	Name     auth.Action
	Routes   []Route       // what API Gateway sends here; none for the authorizer and the cleanup
	Rights   []Right       // the AWS operations it makes: its role allows these and no others
	Memory   int           // MB
	Timeout  time.Duration // of one invocation
	Streamed bool          // answers by response streaming where the target can

	HTTP       func(Deps) http.Handler
	Authorizer func(Deps) Authorizer
	Schedule   func(Deps) Schedule
}

// MemoryLimit is the GOMEMLIMIT of a function with so many MB of memory: the rest is for
// its code and stacks. Without one, the collector lets garbage grow to twice of what is in
// use before it runs, and a large request could end a small function.
func MemoryLimit(memory int) string { return strconv.Itoa(memory*3/4) + "MiB" }

// Route is a resource template with the methods served on it, e.g. GET and HEAD of
// /v1/job-outputs/{pk}. Every path parameter is one segment.
type Route struct {
	Methods  []string
	Resource string
}

// Methods are the methods that API Gateway's ANY stands for, in the order of an Allow header.
func Methods() []string {
	return []string{
		http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions,
	}
}

// Right is an IAM action on one of the service's resources.
type Right struct {
	Action string // "dynamodb:GetItem"
	On     Resource
}

// Resource is what a right is for.
type Resource string

// The service's resources.
const (
	Table    Resource = "table"
	Timeline Resource = "table/index/timeline"
	Bucket   Resource = "bucket"
	Objects  Resource = "bucket/t/*"
	UserPool Resource = "user-pool"
)

// Authorizer answers API Gateway's question who the caller is (TOKEN type).
type Authorizer = func(context.Context, events.APIGatewayCustomAuthorizerRequest) (events.APIGatewayCustomAuthorizerResponse, error)

// Schedule is a function that a timer invokes; what it answers is for the log.
type Schedule = func(context.Context) (any, error)

// Refused are UFDL's routes for making and changing outputs directly, which nobody may:
// 401 without a token, else 403. The gateway answers them itself.
var Refused = []Route{
	{Methods: []string{http.MethodPost}, Resource: "/v1/job-outputs/create"},
	{Methods: []string{http.MethodPut, http.MethodPatch}, Resource: "/v1/job-outputs/{pk}"},
}
