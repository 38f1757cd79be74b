package api

import (
	"net/http"
	"strings"

	"joboutputs/shared/problem"
)

// maxKey is the length of the longest idempotency key.
const maxKey = 255

// IdempotencyKey reads the header by which a caller names a call that it may have to make
// again (draft-ietf-httpapi-idempotency-key-header); "" = there is none. The key is taken
// as it is, quotes and all. Problem: InvalidRequest.
func IdempotencyKey(r *http.Request) (string, error) {
	values := r.Header.Values("Idempotency-Key")
	if len(values) == 0 {
		return "", nil
	}
	key := values[0]
	unprintable := strings.ContainsFunc(key, func(c rune) bool { return c < ' ' || c > '~' })
	if len(values) > 1 || key == "" || len(key) > maxKey || unprintable {
		return "", problem.New(problem.InvalidRequest, "Idempotency-Key: must be sent once and have 1 to %d printable ASCII characters", maxKey)
	}
	return key, nil
}

// Replayed says in the header whether the answer is one that was given before.
func Replayed(w http.ResponseWriter, replayed bool) {
	if replayed {
		w.Header().Set("Idempotent-Replay", "true")
	}
}
