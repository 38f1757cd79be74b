package outputs_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/smithy-go/middleware"

	"joboutputs/shared/filter"
	"joboutputs/shared/localaws/fixture"
	"joboutputs/shared/localaws/storetest"
	"joboutputs/shared/outputs"
)

// TestPageReadsWhatItNeeds holds that a page looks at about as many rows as it has,
// however many there are, and at more only where that was not enough.
func TestPageReadsWhatItNeeds(t *testing.T) {
	var calls, rows atomic.Int64
	count := middleware.InitializeMiddlewareFunc("count",
		func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
			out, metadata, err := next.HandleInitialize(ctx, in)
			if page, ok := out.Result.(*dynamodb.QueryOutput); ok {
				calls.Add(1)
				rows.Add(int64(page.ScannedCount))
			}
			return out, metadata, err
		})
	s := storetest.New(t).Hooked(func(s *middleware.Stack) error { return s.Initialize.Add(count, middleware.After) })
	const (
		stored = 300
		gone   = 40 // the newest, which are soft-deleted
	)
	begun := time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)
	var in fixture.Rows
	for pk := int64(1); pk <= stored; pk++ {
		o := outputs.Output{PK: pk, Job: 1, Name: fmt.Sprint("o", pk), Type: "t", CreationTime: begun.Add(time.Duration(pk) * time.Second)}
		if pk > stored-gone {
			o.DeletionTime = begun
		}
		in.Outputs = append(in.Outputs, fixture.Output{Output: o})
	}
	if err := fixture.Load(storetest.Acting(t), s.Table, storetest.Tenant, in); err != nil {
		t.Fatal(err)
	}

	for _, test := range []struct {
		name, body          string
		first               int64 // pk
		mostCalls, mostRows int64
	}{
		{"the newest 20, deleted ones too", `{"include_inactive":true,"order_by":[{"field":"creation_time","ascending":false}],"limit":20}`, stored, 4, 44},
		{"the oldest 20", `{"limit":20}`, 1, 4, 44},
		{"the newest 20, behind 40 that are deleted", `{"order_by":[{"field":"creation_time","ascending":false}],"limit":20}`, stored - gone, 8, 44 + 176},
		{"the newest of one name", `{"expressions":[{"type":"contains","field":"name","sub_string":"o7","case_insensitive":true}],"order_by":[{"field":"creation_time","ascending":false}],"limit":5}`, 79, 20, stored},
	} {
		t.Run(test.name, func(t *testing.T) {
			spec, err := filter.Parse([]byte(test.body))
			if err != nil {
				t.Fatal(err)
			}
			calls.Store(0)
			rows.Store(0)
			listing, err := s.Outputs.List(storetest.Acting(t), storetest.Tenant, spec)
			if err != nil {
				t.Fatal(err)
			}
			got := 0
			for o, err := range listing.Rows {
				if err != nil {
					t.Fatal(err)
				}
				if got++; got == 1 && o.PK != test.first {
					t.Errorf("the first is %d, want %d", o.PK, test.first)
				}
			}
			if got != spec.Limit {
				t.Errorf("got %d rows, want %d", got, spec.Limit)
			}
			if calls.Load() > test.mostCalls || rows.Load() > test.mostRows {
				t.Errorf("%d calls looked at %d rows, want at most %d and %d", calls.Load(), rows.Load(), test.mostCalls, test.mostRows)
			}
		})
	}
}
