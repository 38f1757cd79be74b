package table

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamotypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"

	"joboutputs/shared/problem"
)

// store responds to each request with the next of its errors, DynamoDB's codes; then with
// success.
type store struct {
	errors   []string
	requests int
}

const (
	well      = "" // no error
	throttled = "ProvisionedThroughputExceededException"
	away      = "InternalServerError"
	conflict  = "TransactionCanceledException TransactionConflict"
	busy      = "TransactionCanceledException TransactionConflict ThrottlingError"
)

func (s *store) Do(request *http.Request) (*http.Response, error) {
	s.requests++
	next := well
	if len(s.errors) > 0 {
		next, s.errors = s.errors[0], s.errors[1:]
	}
	status, body := http.StatusOK, "{}"
	if code, reasons, _ := strings.Cut(next, " "); code != "" {
		status = http.StatusBadRequest
		if code == away {
			status = http.StatusInternalServerError
		}
		var all []string
		for reason := range strings.FieldsSeq(reasons) {
			all = append(all, fmt.Sprintf(`{"Code":%q}`, reason))
		}
		body = fmt.Sprintf(`{"__type":"com.amazonaws.dynamodb.v20120810#%s","CancellationReasons":[%s]}`, code, strings.Join(all, ","))
	}
	return &http.Response{
		StatusCode: status, Header: http.Header{"Content-Type": {"application/x-amz-json-1.0"}},
		Body: io.NopCloser(strings.NewReader(body)), Request: request,
	}, nil
}

// TestRetryBudget: a store that throttles or is away for long gets one attempt for each call,
// until calls succeed; conflicts are retried whatever the budget is.
func TestRetryBudget(t *testing.T) {
	s := &store{}
	db := dynamodb.New(dynamodb.Options{
		Region: "eu-central-1", Credentials: credentials.NewStaticCredentialsProvider("id", "secret", ""),
		HTTPClient: s, Retryer: retryer(time.Millisecond),
	})
	// attempts makes calls, to each of which the store responds with the error the given number
	// of times and then with success, and counts the attempts of each.
	attempts := func(calls int, code string, times int) (all []int) {
		for range calls {
			s.errors, s.requests = slices.Repeat([]string{code}, times), 0
			_, err := db.TransactWriteItems(t.Context(), &dynamodb.TransactWriteItemsInput{TransactItems: []dynamotypes.TransactWriteItem{{
				Delete: &dynamotypes.Delete{TableName: aws.String("t"), Key: map[string]dynamotypes.AttributeValue{"PK": &dynamotypes.AttributeValueMemberS{Value: "k"}}},
			}}})
			if (err == nil) != (s.requests > times) {
				t.Errorf("%d attempts, of which the first %d fail: %v", s.requests, times, err)
			}
			if p, ok := problem.As(StoreError(err, "call")); err != nil && (!ok || p.Kind != problem.Unavailable) {
				t.Errorf("%v is not Unavailable", err)
			}
			all = append(all, s.requests)
		}
		return all
	}
	const always = MaxAttempts
	for _, step := range []struct {
		name  string
		calls int
		code  string
		times int
		want  []int
	}{
		{"the budget is full", 100, well, 0, slices.Repeat([]int{1}, 100)},
		{"throttled", 8, throttled, always, []int{10, 10, 10, 10, 10, 6, 1, 1}},
		{"away", 2, away, always, []int{1, 1}},
		{"throttled in a transaction", 2, busy, always, []int{1, 1}},
		{"contended", 100, conflict, 9, slices.Repeat([]int{10}, 100)},
		{"contended for too long", 2, conflict, always, []int{10, 10}},
		{"still throttled", 2, throttled, always, []int{1, 1}},
		{"well again", 5, well, 0, []int{1, 1, 1, 1, 1}},
		{"a retry that succeeds is free", 20, away, 1, slices.Repeat([]int{2}, 20)},
		{"throttled again", 2, throttled, always, []int{6, 1}},
	} {
		if diff := cmp.Diff(step.want, attempts(step.calls, step.code, step.times)); diff != "" {
			t.Errorf("%s: attempts of each call (-want +got):\n%s", step.name, diff)
		}
	}
}
