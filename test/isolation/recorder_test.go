// Package isolation proves that tenants are apart: every principal of one tries every route on
// what another has, and sees, changes and costs what it would if that existed nowhere.
package isolation_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/middleware"
)

// call is one call to a store.
type call struct {
	operation string
	input     string // as JSON
}

// recorder notes the calls of the service to its stores.
type recorder struct {
	mu    sync.Mutex
	calls []call
}

func (rec *recorder) add(stack *middleware.Stack) error {
	return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("record", func(
		ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler,
	) (middleware.InitializeOutput, middleware.Metadata, error) {
		operation := strings.TrimSuffix(fmt.Sprintf("%T", in.Parameters), "Input")
		var input any = in.Parameters
		switch in := in.Parameters.(type) { // whose bodies are no JSON
		case *s3.PutObjectInput:
			input = *in.Key
		case *s3.GetObjectInput:
			input = *in.Key
		}
		text, err := json.Marshal(input)
		if err != nil {
			return middleware.InitializeOutput{}, middleware.Metadata{}, fmt.Errorf("record %s: %w", operation, err)
		}
		rec.mu.Lock()
		rec.calls = append(rec.calls, call{operation[strings.LastIndexByte(operation, '.')+1:], string(text)})
		rec.mu.Unlock()
		return next.HandleInitialize(ctx, in)
	}), middleware.Before)
}

// take returns the calls since the last take, sorted: some are made at the same time.
func (rec *recorder) take() []call {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	calls := rec.calls
	rec.calls = nil
	slices.SortFunc(calls, func(a, b call) int {
		return strings.Compare(a.operation+a.input, b.operation+b.input)
	})
	return calls
}
