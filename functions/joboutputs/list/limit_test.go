package list

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"joboutputs/shared/api/apitest"
	"joboutputs/shared/filter"
	"joboutputs/shared/outputs"
)

// many lists so many rows of some 2 KB.
type many int

func (n many) List(context.Context, string, *filter.Spec) (*outputs.Listing, error) {
	return &outputs.Listing{Rows: func(yield func(outputs.Output, error) bool) {
		for pk := range int(n) {
			if !yield(outputs.Output{PK: int64(pk + 1), Name: "n", Type: strings.Repeat("t", 2_000)}, nil) {
				return
			}
		}
	}}, nil
}

// TestMaxStreamed: a list that reaches what Lambda sends at most is whole to the last byte,
// or broken off and logged as such.
func TestMaxStreamed(t *testing.T) {
	call := apitest.Call{Method: http.MethodPost, Resource: "/v1/job-outputs/list", As: apitest.Bob}
	const n = 100
	whole := call.Stream(t, handler(many(n), sizes{flushAt: 5_000, most: 1 << 30}))
	size := len(whole.Body)
	for _, test := range []struct {
		name       string
		rows, most int
		cut        bool
	}{
		{"just fits", n, size, false},
		{"a byte too much", n, size - 1, true},
		{"far too much", 10 * n, size, true},
	} {
		got := call.Stream(t, handler(many(test.rows), sizes{flushAt: 5_000, most: test.most}))
		logged := strings.Contains(got.Log, `"code":"result_too_large"`)
		if valid := json.Valid(got.Body); valid == test.cut || (got.Cut != nil) != test.cut || logged != test.cut || len(got.Body) > test.most {
			t.Errorf("%s: %d bytes of %d, valid JSON: %v, cut: %v, want cut: %v; log %s", test.name, len(got.Body), test.most, valid, got.Cut, test.cut, got.Log)
		}
	}

	// Before the first bytes are out the caller is told.
	got := call.Stream(t, handler(many(n), sizes{flushAt: 5_000, most: 4_000}))
	if want := "413 result_too_large: The result is over 4000 bytes: use limit and cursor, or narrower filters."; got.Line() != want {
		t.Errorf("got %.200s, want %s", got.Line(), want)
	}
}
