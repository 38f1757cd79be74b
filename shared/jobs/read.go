package jobs

import (
	"context"
	"fmt"
	"strings"

	"github.com/guregu/dynamo/v2"

	"joboutputs/shared/problem"
	"joboutputs/shared/table"
)

// Job reads a job without its outputs. Problem: NotFound.
func (s *Store) Job(ctx context.Context, tenant string, pk int64) (Job, error) {
	var row table.JobRow
	if err := s.t.Get(ctx, table.JobKey(tenant, pk), &row); err != nil {
		return Job{}, err
	}
	return FromRow(&row)
}

// WithOutputs reads a job and the mentions of all its outputs: its partition, strongly
// consistent. Problem: NotFound.
func (s *Store) WithOutputs(ctx context.Context, tenant string, pk int64) (Job, error) {
	iter := s.t.Table.Get("PK", table.JobPartition(tenant, pk)).Consistent(true).Iter()
	var job Job
	found := false
	mentions := []OutputRef{}
	for item := (dynamo.Item{}); iter.Next(ctx, &item); item = (dynamo.Item{}) {
		row := struct { // a JOB row, or an N row of which only this is wanted
			table.JobRow
			Name string `dynamo:"name"`
			Type string `dynamo:"type"`
		}{}
		err := dynamo.UnmarshalItem(item, &row)
		if err != nil {
			return Job{}, fmt.Errorf("decode a row of job %d: %w", pk, err)
		}
		if strings.HasPrefix(row.Sort, table.NamePrefix) {
			mentions = append(mentions, OutputRef{PK: row.PK, Name: row.Name, Type: row.Type})
			continue
		}
		if job, err = FromRow(&row.JobRow); err != nil {
			return Job{}, err
		}
		found = true
	}
	if err := iter.Err(); err != nil {
		return Job{}, table.StoreError(err, "read job %d with its outputs", pk)
	}
	if !found {
		return Job{}, problem.Missing()
	}
	job.Outputs = mentions
	return job, nil
}
