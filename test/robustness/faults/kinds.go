package faults

import (
	"net"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	dynamotypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// Kind is a way to fail. Of each it says what happens to the attempts of one call; the SDK
// makes up to ten.
type Kind string

// The kinds. "Once" and a few are hidden by retries; of the others a client hears, at best,
// that the service is not available. What is silent has no response until somebody's time is
// up: the attempt's, or the function's.
const (
	Away          Kind = "away"           // no attempt finds anybody to connect to
	AwayOnce      Kind = "away once"      // the first does not
	Lost          Kind = "lost"           // every attempt arrives, and its connection breaks
	LostOnce      Kind = "lost once"      // the first arrives, and its connection breaks
	Silent        Kind = "silent"         // every attempt arrives, and is silent
	SilentOnce    Kind = "silent once"    // the first arrives, and is silent
	Throttled     Kind = "throttled"      // every attempt is refused
	ThrottledFew  Kind = "throttled few"  // the first three are
	Conflict      Kind = "conflict"       // every attempt meets another write
	ConflictFew   Kind = "conflict few"   // the first three do
	LateBefore    Kind = "late before"    // the function's time is up before the call arrives
	LateAfter     Kind = "late after"     // and after it has arrived
	StoppedBefore Kind = "stopped before" // the function is stopped at its deadline before the call arrives
	StoppedAfter  Kind = "stopped after"  // and after it has arrived
	Twice         Kind = "twice"          // the network delivers it twice
	CrashBefore   Kind = "crash before"   // the process dies before the call
	CrashAfter    Kind = "crash after"    // the process dies when the call has been done
)

// Kinds are all of them.
var Kinds = []Kind{
	Away, AwayOnce, Lost, LostOnce, Silent, SilentOnce, Throttled, ThrottledFew, Conflict, ConflictFew,
	LateBefore, LateAfter, StoppedBefore, StoppedAfter, Twice, CrashBefore, CrashAfter,
}

// Hidden reports whether the service's retries hide the fault, so that its client must not
// see it.
func (k Kind) Hidden() bool {
	return slices.Contains([]Kind{AwayOnce, LostOnce, SilentOnce, ThrottledFew, ConflictFew, Twice}, k)
}

// Slow reports whether the fault ends by an attempt's deadline alone; then that must be short.
func (k Kind) Slow() bool { return k == Silent || k == SilentOnce }

// Ends reports whether the fault lasts until the function's time is up, which must be short.
func (k Kind) Ends() bool { return k == Silent || k.late() || k.stopped() }

// LosesResponse reports whether the call is carried out, and what came of it is never told to
// the request that made it.
func (k Kind) LosesResponse() bool {
	return slices.Contains([]Kind{Lost, Silent, LateAfter, StoppedAfter, CrashAfter}, k)
}

func (k Kind) late() bool    { return k == LateBefore || k == LateAfter }
func (k Kind) stopped() bool { return k == StoppedBefore || k == StoppedAfter }

// Writes reports whether an operation changes anything.
func Writes(operation string) bool {
	return !strings.HasPrefix(operation, "Get") && !strings.HasPrefix(operation, "BatchGet") && !strings.HasPrefix(operation, "List") &&
		operation != "Query" && operation != "HeadObject"
}

// Befalls reports whether a kind can befall an operation: reads meet no conflict.
func (k Kind) Befalls(operation string) bool {
	if k != Conflict && k != ConflictFew {
		return true
	}
	switch operation {
	case "PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem", "TransactWriteItems", "PutObject", "CompleteMultipartUpload":
		return true
	}
	return false
}

// broken is what the SDK makes of a connection that fails: one that is not made ("dial"), or
// one that ends before the response ("read").
func broken(op string, cause error) error {
	return &smithyhttp.RequestSendError{Err: &net.OpError{Op: op, Net: "tcp", Err: cause}}
}

func throttled(service string) error {
	if service == "S3" {
		return &smithy.GenericAPIError{Code: "SlowDown", Message: "Please reduce your request rate."}
	}
	return &dynamotypes.ProvisionedThroughputExceededException{Message: aws.String("throttled")}
}

// conflict is what a write is told that meets another one.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis.html#transaction-conflict-handling
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
func conflict(operation string) error {
	switch {
	case operation == "TransactWriteItems":
		return &dynamotypes.TransactionCanceledException{
			Message:             aws.String("Transaction cancelled"),
			CancellationReasons: []dynamotypes.CancellationReason{{Code: aws.String("TransactionConflict")}, {Code: aws.String("None")}},
		}
	case strings.HasSuffix(operation, "Item"):
		return &dynamotypes.TransactionConflictException{Message: aws.String("Transaction is ongoing for the item")}
	}
	return &smithy.GenericAPIError{Code: "ConditionalRequestConflict", Message: "A conflicting conditional operation is in progress."}
}
