package outputs

import (
	"context"
	"iter"
	"slices"

	"joboutputs/shared/filter"
	"joboutputs/shared/problem"
)

// MaxSorted bounds the rows kept in memory for an order the index cannot give, in bytes.
const MaxSorted = 64 << 20

// Listing is the answer to a list specification.
type Listing struct {
	// Rows are the outputs, in order; an error ends them. They may be read once.
	Rows iter.Seq2[Output, error]
	// Next is the cursor of the next page, if there was a limit and there is one.
	Next string
}

// List finds what a specification asks for. The plan decides what is read, Match alone
// what is answered. Without a limit the rows stream while they are read: what List itself
// returns has read the first page of every source, so that a store that is away is said
// before anything is answered. With a limit the whole page is read.
//
// By pk, by name and by job the answer is strongly consistent; the rest is read from the
// timeline, which lags behind writes by up to a second or so. Pages are not a snapshot.
//
// Problems: InvalidRequest for a cursor of another list, ResultTooLarge, Unavailable.
func (s *Store) List(ctx context.Context, tenant string, spec *filter.Spec) (*Listing, error) {
	after, err := spec.DecodeCursor(tenant)
	if err != nil {
		return nil, err
	}
	plan := spec.Plan()
	if plan.Empty {
		return &Listing{Rows: sequence(nil)}, nil
	}
	keep := func(o *Output) bool {
		row := o.filterRow()
		return spec.Match(&row) && (after == nil || spec.Compare(&row, after) > 0)
	}
	compare := func(a, b *Output) int {
		rowA, rowB := a.filterRow(), b.filterRow()
		return spec.Compare(&rowA, &rowB)
	}

	ctx, cancel := context.WithCancel(ctx)
	sources := s.sources(ctx, tenant, plan, spec, after, keep)
	for _, source := range sources {
		if err := source.fill(ctx); err != nil {
			cancel()
			return nil, err
		}
	}
	rows := merge(ctx, sources, compare)
	if ordered, _ := spec.IndexOrder(); !ordered || plan.Access == filter.ByJob {
		sorted, err := sortRows(rows, compare, spec.Limit)
		if err != nil {
			cancel()
			return nil, err
		}
		rows = sequence(sorted)
	}
	if spec.Limit == 0 {
		return &Listing{Rows: func(yield func(Output, error) bool) {
			defer cancel()
			rows(yield)
		}}, nil
	}
	defer cancel()
	return page(rows, tenant, spec)
}

// page takes the first limit rows, and one more to know whether there is a next page.
func page(rows iter.Seq2[Output, error], tenant string, spec *filter.Spec) (*Listing, error) {
	taken := make([]Output, 0, min(spec.Limit, 64))
	for o, err := range rows {
		if err != nil {
			return nil, err
		}
		if len(taken) == spec.Limit {
			last := taken[len(taken)-1].filterRow()
			return &Listing{Rows: sequence(taken), Next: spec.EncodeCursor(tenant, &last)}, nil
		}
		taken = append(taken, o)
	}
	return &Listing{Rows: sequence(taken)}, nil
}

// sortRows brings rows into an order no index gives. With a limit only the first limit+1
// are kept, however many there are; without, all, up to MaxSorted bytes.
func sortRows(rows iter.Seq2[Output, error], compare func(a, b *Output) int, limit int) ([]Output, error) {
	var all []Output
	var size int
	order := func(a, b Output) int { return compare(&a, &b) }
	for o, err := range rows {
		if err != nil {
			return nil, err
		}
		all = append(all, o)
		size += o.memory()
		switch {
		case limit > 0 && len(all) >= 2*(limit+1): // amortised: each row is sorted a few times at most
			slices.SortFunc(all, order)
			clear(all[limit+1:])
			all = all[:limit+1]
		case limit == 0 && size > MaxSorted:
			return nil, tooLarge()
		}
	}
	slices.SortFunc(all, order)
	return all, nil
}

// memory is about what a row takes while it is sorted, in bytes.
func (o *Output) memory() int {
	const fixed = 320 // the struct, with its string and slice headers, and its checksum
	return fixed + len(o.Name) + len(o.Type) + len(o.CreatorUsername) + len(o.ContentType) + len(o.SHA256)
}

func tooLarge() error {
	return problem.New(problem.ResultTooLarge, "The result is too large to sort in this order: use limit and cursor, or filter by job, name or creation_time.")
}

func sequence(rows []Output) iter.Seq2[Output, error] {
	return func(yield func(Output, error) bool) {
		for i := range rows {
			if !yield(rows[i], nil) {
				return
			}
		}
	}
}
