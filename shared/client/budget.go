package client

import (
	"net/http"
	"sync"
)

// budget bounds the retries of all calls of a Client together, by the number of successes
// and a constant: under a lasting overload a Client sends at most twice its calls. gRPC and
// the AWS SDKs bound theirs the same way (https://github.com/grpc/proposal/blob/master/A6-client-retries.md#throttling-retry-attempts-and-hedged-rpcs).
type budget struct {
	mu         sync.Mutex
	left, most int
}

func newBudget(most int) *budget { return &budget{left: most, most: most} }

// take takes a retry from the budget. It reports false if there is none left.
func (b *budget) take() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.left == 0 {
		return false
	}
	b.left--
	return true
}

// refund gives a retry back.
func (b *budget) refund() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.left = min(b.left+1, b.most)
}

// refunding refunds a retry for each successful response.
type refunding struct {
	http.RoundTripper
	budget *budget
}

func (t refunding) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := t.RoundTripper.RoundTrip(request)
	if err == nil && response.StatusCode < http.StatusBadRequest {
		t.budget.refund()
	}
	return response, err
}
