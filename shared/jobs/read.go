package jobs

import (
	"context"
	"fmt"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/guregu/dynamo/v2"

	"joboutputs/shared/problem"
	"joboutputs/shared/table"
)

// Limits of the outputs that a job mentions. Together with the longest description and error
// the response fits a buffered Lambda's (api.MaxResponse).
const (
	MaxOutputs     = 1000
	maxOutputBytes = 3 << 20 // of their names and types as JSON
)

// Job reads a job without its outputs. Problem: NotFound.
func (s *Store) Job(ctx context.Context, tenant string, pk int64) (Job, error) {
	var row table.JobRow
	if err := s.t.Get(ctx, table.JobKey(tenant, pk), &row); err != nil {
		return Job{}, err
	}
	return FromRow(&row)
}

// WithOutputs reads a job and mentions of its outputs, MaxOutputs at most, and fewer if
// their names and types are long: the beginning of its partition, where the job comes first,
// strongly consistent. Problem: NotFound.
func (s *Store) WithOutputs(ctx context.Context, tenant string, pk int64) (Job, error) {
	iter := s.t.Table.Get("PK", table.JobPartition(tenant, pk)).
		Project(table.JobAttributes...).
		Limit(1 + MaxOutputs + 1). // the job, and one output to know whether there are more
		Consistent(true).Iter()
	var row table.JobRow
	if !iter.Next(ctx, &row) || row.Key != table.JobKey(tenant, pk) {
		if err := iter.Err(); err != nil {
			return Job{}, table.StoreError(err, "read job %d", pk)
		}
		return Job{}, problem.Missing()
	}
	job, err := FromRow(&row)
	if err != nil {
		return Job{}, err
	}
	job.Outputs = []OutputRef{}
	size := 0
	for item := (dynamo.Item{}); iter.Next(ctx, &item); item = (dynamo.Item{}) {
		var row table.OutputRow
		if err := row.UnmarshalDynamoItem(item); err != nil {
			return Job{}, fmt.Errorf("decode a row of job %d: %w", pk, err)
		}
		size += quotedSize(row.Name) + quotedSize(row.Type)
		if len(job.Outputs) == MaxOutputs || size > maxOutputBytes {
			job.Truncated = true
			return job, nil
		}
		job.Outputs = append(job.Outputs, OutputRef{PK: row.PK, Name: row.Name, Type: row.Type})
	}
	if err := iter.Err(); err != nil {
		return Job{}, table.StoreError(err, "read the outputs of job %d", pk)
	}
	return job, nil
}

// quotedSize is how many bytes a text has as JSON, where a control character has six.
func quotedSize(text string) int {
	quoted, _ := jsontext.AppendQuote(nil, text) // invalid UTF-8 is replaced
	return len(quoted)
}
