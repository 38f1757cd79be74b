package outputs

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"joboutputs/shared/problem"
	"joboutputs/shared/table"
)

// Output reads an output by its pk, soft-deleted or not: one strongly consistent GetItem.
// Problem: NotFound, also for another tenant's.
func (s *Store) Output(ctx context.Context, tenant string, pk int64) (Output, error) {
	return s.readOutput(ctx, table.OutputKey(tenant, pk))
}

// OutputByName reads an output by its job, name and type: one strongly consistent GetItem
// where it exists. Where it does not, a second one tells a missing job (NotFound) from a
// missing output (OutputNotFound).
func (s *Store) OutputByName(ctx context.Context, tenant string, job int64, name, typ string) (Output, error) {
	o, err := s.readOutput(ctx, table.NameKey(tenant, job, name, typ))
	if !problem.Is(err, problem.NotFound) {
		return o, err
	}
	if err := s.t.Get(ctx, table.JobKey(tenant, job), &table.JobRow{}); err != nil {
		return Output{}, err
	}
	return Output{}, problem.New(problem.OutputNotFound, "Bad name '%s': Job has no output by this name/type (%s/%s)", name, name, typ)
}

func (s *Store) readOutput(ctx context.Context, key table.Key) (Output, error) {
	var row table.OutputRow
	if err := s.t.Get(ctx, key, &row); err != nil {
		return Output{}, err
	}
	return FromRow(&row)
}

// ActiveOutputs reads a job's outputs that are not soft-deleted, by pk: its partition,
// strongly consistent. They are at most so many. Problems: NotFound for a missing job,
// ResultTooLarge.
func (s *Store) ActiveOutputs(ctx context.Context, tenant string, job int64, most int) ([]Output, error) {
	iter := s.t.Table.Get("PK", table.JobPartition(tenant, job)).Consistent(true).Iter()
	var active []Output
	found := false
	for row := (table.OutputRow{}); iter.Next(ctx, &row); row = (table.OutputRow{}) {
		if !strings.HasPrefix(row.Sort, table.NamePrefix) {
			found = found || row.Key == table.JobKey(tenant, job)
			continue
		}
		o, err := FromRow(&row)
		if err != nil {
			return nil, fmt.Errorf("decode a row of job %d: %w", job, err)
		}
		if !o.Active() {
			continue
		}
		if len(active) == most {
			return nil, problem.New(problem.ResultTooLarge, "The job has more than %d outputs, too many for one answer: get them one by one.", most)
		}
		active = append(active, o)
	}
	if err := iter.Err(); err != nil {
		return nil, table.StoreError(err, "read the outputs of job %d", job)
	}
	if !found {
		return nil, problem.Missing()
	}
	slices.SortFunc(active, func(a, b Output) int { return cmp.Compare(a.PK, b.PK) })
	return active, nil
}
