package outputs

import (
	"context"
	"fmt"
	"iter"
	"time"

	dynamotypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/guregu/dynamo/v2"

	"joboutputs/shared/filter"
	"joboutputs/shared/problem"
	"joboutputs/shared/table"
)

// pageSize is how many rows a read of the table looks at: at some 400 bytes a row well
// under the 1 MB a Query may answer.
const pageSize = 1000

// source is one place where rows are read, in the order it keeps them, in the background:
// one page ahead of what was taken, or, where more has to be asked for, none.
type source struct {
	pages <-chan rowPage
	more  chan<- struct{} // nil: nothing has to be asked for
	taken bool            // a page that nothing was asked for after
	rows  []Output
	done  bool
}

// rowPage is the rows of one page that were wanted, maybe none, or why there is no page.
type rowPage struct {
	rows []Output
	err  error
}

// fill makes sure that a row is at hand, unless there is none left. The context is that of
// the reads.
func (s *source) fill(ctx context.Context) error {
	for len(s.rows) == 0 && !s.done {
		if s.taken && s.more != nil {
			s.more <- struct{}{} // has room for it
		}
		page, ok := <-s.pages
		if page.err != nil {
			return page.err
		}
		if err := ctx.Err(); err != nil && !ok { // given up, which is not the end of the rows
			return table.StoreError(err, "read a page of outputs")
		}
		s.rows, s.done, s.taken = page.rows, !ok, ok
	}
	return nil
}

// merge gives the rows of all sources in order; each source must be in order itself.
func merge(ctx context.Context, sources []*source, compare func(a, b *Output) int) iter.Seq2[Output, error] {
	return func(yield func(Output, error) bool) {
		for {
			var first *source
			for _, s := range sources {
				if err := s.fill(ctx); err != nil {
					yield(Output{}, err)
					return
				}
				if len(s.rows) > 0 && (first == nil || compare(&s.rows[0], &first.rows[0]) < 0) {
					first = s
				}
			}
			if first == nil {
				return
			}
			o := first.rows[0]
			first.rows = first.rows[1:]
			if !yield(o, nil) {
				return
			}
		}
	}
}

// sources begins the reads a plan asks for. They end with the context.
func (s *Store) sources(ctx context.Context, tenant string, plan filter.Plan, spec *filter.Spec, after *filter.Row, keep func(*Output) bool) []*source {
	switch plan.Access {
	case filter.ByPK:
		return []*source{single(keep, func() (Output, error) { return s.Output(ctx, tenant, plan.PK) })}
	case filter.ByName:
		return []*source{single(keep, func() (Output, error) {
			return s.readOutput(ctx, table.NameKey(tenant, plan.Job, plan.Name, plan.Type))
		})}
	case filter.ByJob:
		return []*source{s.read(ctx, keep, pageSize, func() *dynamo.Query {
			return push(plan.Push, s.t.Table.Get("PK", table.JobPartition(tenant, plan.Job)).
				Range("SK", dynamo.BeginsWith, table.NamePrefix).
				Consistent(true))
		})}
	}
	first := pageSize
	if ordered, _ := spec.IndexOrder(); ordered && spec.Limit > 0 {
		first = s.firstPage(spec.Limit)
	}
	all := make([]*source, s.t.ReadShards)
	for shard := range all {
		all[shard] = s.read(ctx, keep, first, func() *dynamo.Query {
			return push(plan.Push, s.timeline(table.ShardPartition(tenant, shard), plan, spec, after))
		})
	}
	return all
}

// firstPage is how many rows of each shard are likely to hold the first limit of all, and
// one more: pks go round the shards, so that what is near in time is spread evenly, and a
// quarter and a few allow for rows that were deleted.
func (s *Store) firstPage(limit int) int {
	each := limit/s.t.Shards + 1
	return min(each+each/4+4, pageSize)
}

// single is the source of one row that may not exist.
func single(keep func(*Output) bool, read func() (Output, error)) *source {
	o, err := read()
	pages := make(chan rowPage, 1)
	defer close(pages)
	switch {
	case problem.Is(err, problem.NotFound):
	case err != nil:
		pages <- rowPage{err: err}
	case keep(&o):
		pages <- rowPage{rows: []Output{o}}
	}
	return &source{pages: pages}
}

// timeline is a query of one shard, within the plan's time range and after the cursor.
func (s *Store) timeline(shard string, plan filter.Plan, spec *filter.Spec, after *filter.Row) *dynamo.Query {
	from, to := plan.From, plan.To
	ordered, descending := spec.IndexOrder()
	if ordered && after != nil { // inclusive: Compare leaves out what was answered
		if descending && (to.IsZero() || after.CreationTime.Before(to)) {
			to = after.CreationTime
		}
		if !descending && after.CreationTime.After(from) {
			from = after.CreationTime
		}
	}
	q := s.t.Table.Get("TLPK", shard).Index(table.TimelineIndex)
	if ordered && descending {
		q = q.Order(dynamo.Descending)
	}
	low, high := bound(from, ""), bound(to, "#~") // "~" is after every digit
	switch {
	case low != "" && high != "":
		if low > high {
			high = low // DynamoDB refuses an empty range; nothing is at exactly this key
		}
		return q.Range("TLSK", dynamo.Between, low, high)
	case low != "":
		return q.Range("TLSK", dynamo.GreaterOrEqual, low)
	case high != "":
		return q.Range("TLSK", dynamo.LessOrEqual, high)
	}
	return q
}

func bound(t time.Time, suffix string) string {
	if t.IsZero() {
		return ""
	}
	return table.FormatTime(t) + suffix
}

// pageGrowth is how many times longer each page is than the one before, up to pageSize:
// where the first rows were not enough, the filter lets few through.
const pageGrowth = 2

// read starts reading a query page by page. From the size of the first page it knows
// whether more is likely to be wanted: a whole page is followed by the next unasked, one
// ahead of what is taken; a smaller one, which should do, only when more is asked for.
// Pages of which no row was wanted are passed over.
func (s *Store) read(ctx context.Context, keep func(*Output) bool, size int, query func() *dynamo.Query) *source {
	pages := make(chan rowPage, 1)
	var more chan struct{}
	if size < pageSize {
		more = make(chan struct{}, 1)
	}
	go func() {
		defer close(pages)
		var start dynamo.PagingKey
		for {
			rows, next, err := readPage(ctx, query().SearchLimit(size).StartFrom(start).Iter(), keep)
			last := err != nil || len(next) == 0
			if len(rows) > 0 || last {
				select {
				case pages <- rowPage{rows, err}:
				case <-ctx.Done():
					return
				}
			}
			if last {
				return
			}
			if len(rows) > 0 && more != nil {
				select {
				case <-more:
				case <-ctx.Done():
					return
				}
			}
			start, size = next, min(size*pageGrowth, pageSize)
		}
	}()
	return &source{pages: pages, more: more}
}

// readPage returns the rows of a page that are wanted. It ends with the context, also if
// none is.
func readPage(ctx context.Context, rows dynamo.PagingIter, keep func(*Output) bool) ([]Output, dynamo.PagingKey, error) {
	var kept []Output
	for row := (table.OutputRow{}); rows.Next(ctx, &row); {
		if err := ctx.Err(); err != nil {
			return nil, nil, fmt.Errorf("match a page of outputs: %w", err)
		}
		o, err := FromRow(&row)
		if err != nil {
			return nil, nil, fmt.Errorf("decode output %d: %w", row.PK, err)
		}
		if keep(&o) {
			kept = append(kept, o)
		}
	}
	if err := rows.Err(); err != nil {
		return nil, nil, table.StoreError(err, "read a page of outputs")
	}
	next, err := rows.LastEvaluatedKey(ctx) // known, as the page was read to its end
	return kept, next, err
}

// push hands the plan's filter expression to the query, as it is.
func push(e filter.Expression, q *dynamo.Query) *dynamo.Query {
	if e.Text == "" {
		return q
	}
	names := make(map[string]*string, len(e.Names))
	for placeholder, name := range e.Names {
		names[placeholder] = &name
	}
	values := make(dynamo.Item, len(e.Values))
	for placeholder, value := range e.Values {
		values[placeholder] = attribute(value)
	}
	return q.Filter("$", dynamo.ExpressionLiteral{Expression: e.Text, AttributeNames: names, AttributeValues: values})
}

func attribute(value any) dynamotypes.AttributeValue {
	if text, ok := value.(string); ok {
		return &dynamotypes.AttributeValueMemberS{Value: text}
	}
	return &dynamotypes.AttributeValueMemberN{Value: fmt.Sprint(value)}
}
