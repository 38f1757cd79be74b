package outputs

import (
	"context"
	"errors"
	"testing"

	"github.com/guregu/dynamo/v2"
)

// blank is a page of so many empty rows.
type blank struct {
	dynamo.PagingIter
	left int
}

func (p *blank) Next(context.Context, any) bool {
	p.left--
	return p.left >= 0
}

func (p *blank) Err() error { return nil }

func (p *blank) LastEvaluatedKey(context.Context) (dynamo.PagingKey, error) { return nil, nil }

// TestMatchingEndsWithTheContext: also where no row is wanted, so that nothing is written
// that could fail.
func TestMatchingEndsWithTheContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	looked := 0
	_, _, err := readPage(ctx, &blank{left: 1_000}, func(*Output) bool {
		if looked++; looked == 3 {
			cancel()
		}
		return false
	})
	if !errors.Is(err, context.Canceled) || looked != 3 {
		t.Errorf("%v after %d rows, want the context's error after 3", err, looked)
	}
}

// TestReadsGivenUp: rows that were not read because the request is over are not the end.
func TestReadsGivenUp(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	pages := make(chan rowPage)
	close(pages)
	var got error
	for _, err := range merge(ctx, []*source{{pages: pages}}, func(a, b *Output) int { return 0 }) {
		got = err
	}
	if !errors.Is(got, context.Canceled) {
		t.Errorf("the rows end with %v, want the context's error", got)
	}
}
