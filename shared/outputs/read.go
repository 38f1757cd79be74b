package outputs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/guregu/dynamo/v2"

	"joboutputs/shared/problem"
)

// Output reads an output by its pk, soft-deleted or not: one strongly consistent GetItem.
// Problem: NotFound, also for another tenant's.
func (s *Store) Output(ctx context.Context, tenant string, pk int64) (Output, error) {
	return s.readOutput(ctx, outputKey(tenant, pk), outputSort)
}

// OutputByName reads an output by its job, name and type: one strongly consistent GetItem
// where it exists. Where it does not, a second one tells a missing job (NotFound) from a
// missing output (OutputNotFound).
func (s *Store) OutputByName(ctx context.Context, tenant string, job int64, name, typ string) (Output, error) {
	o, err := s.readOutput(ctx, jobKey(tenant, job), nameSort(name, typ))
	if !problem.Is(err, problem.NotFound) {
		return o, err
	}
	if _, err := s.Job(ctx, tenant, job); err != nil {
		return Output{}, err
	}
	return Output{}, problem.New(problem.OutputNotFound, "Bad name '%s': Job has no output by this name/type (%s/%s)", name, name, typ)
}

func (s *Store) readOutput(ctx context.Context, partition, sort string) (Output, error) {
	var row outputRow
	if err := s.get(ctx, partition, sort, &row); err != nil {
		return Output{}, err
	}
	return row.output()
}

// Job reads a job without its outputs. Problem: NotFound.
func (s *Store) Job(ctx context.Context, tenant string, pk int64) (Job, error) {
	var row jobRow
	if err := s.get(ctx, jobKey(tenant, pk), jobSort, &row); err != nil {
		return Job{}, err
	}
	return row.job()
}

// JobWithOutputs reads a job and the mentions of all its outputs: its partition, strongly
// consistent. Problem: NotFound.
func (s *Store) JobWithOutputs(ctx context.Context, tenant string, pk int64) (Job, error) {
	iter := s.table.Get("PK", jobKey(tenant, pk)).Consistent(true).Iter()
	var job Job
	found := false
	mentions := []JobOutput{}
	for item := (dynamo.Item{}); iter.Next(ctx, &item); item = (dynamo.Item{}) {
		row := struct { // a JOB row, or an N row of which only this is wanted
			jobRow
			Name string `dynamo:"name"`
			Type string `dynamo:"type"`
		}{}
		err := dynamo.UnmarshalItem(item, &row)
		if err != nil {
			return Job{}, fmt.Errorf("decode a row of job %d: %w", pk, err)
		}
		if strings.HasPrefix(row.SortKey, namePrefix) {
			mentions = append(mentions, JobOutput{PK: row.PK, Name: row.Name, Type: row.Type})
			continue
		}
		if job, err = row.job(); err != nil {
			return Job{}, err
		}
		found = true
	}
	if err := iter.Err(); err != nil {
		return Job{}, failed(err, "read job %d with its outputs", pk)
	}
	if !found {
		return Job{}, notFound()
	}
	job.Outputs = mentions
	return job, nil
}

// ActiveOutputs reads a job's outputs that are not soft-deleted, by pk: its partition,
// strongly consistent. They are at most so many. Problems: NotFound for a missing job,
// ResultTooLarge.
func (s *Store) ActiveOutputs(ctx context.Context, tenant string, job int64, most int) ([]Output, error) {
	iter := s.table.Get("PK", jobKey(tenant, job)).Consistent(true).Iter()
	var active []Output
	found := false
	for row := (outputRow{}); iter.Next(ctx, &row); row = (outputRow{}) {
		if !strings.HasPrefix(row.SortKey, namePrefix) {
			found = found || row.SortKey == jobSort
			continue
		}
		o, err := row.output()
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
		return nil, failed(err, "read the outputs of job %d", job)
	}
	if !found {
		return nil, notFound()
	}
	slices.SortFunc(active, func(a, b Output) int { return cmp.Compare(a.PK, b.PK) })
	return active, nil
}

// get reads one row, strongly consistent. Problem: NotFound.
func (s *Store) get(ctx context.Context, partition, sort string, row any) error {
	err := s.table.Get("PK", partition).Range("SK", dynamo.Equal, sort).Consistent(true).One(ctx, row)
	if errors.Is(err, dynamo.ErrNotFound) {
		return notFound()
	}
	if err != nil {
		return failed(err, "read %s %s", partition, sort)
	}
	return nil
}

// batch reads several rows in one strongly consistent call. Each that exists is decoded
// into its row, and found is set.
func (s *Store) batch(ctx context.Context, wanted ...wantedRow) error {
	keys := make([]dynamo.Keyed, len(wanted))
	for i, w := range wanted {
		keys[i] = dynamo.Keys{w.partition, w.sort}
	}
	iter := s.table.Batch("PK", "SK").Get(keys...).Consistent(true).Iter()
	for item := (dynamo.Item{}); iter.Next(ctx, &item); item = (dynamo.Item{}) {
		var key struct {
			PartitionKey string `dynamo:"PK"`
			SortKey      string `dynamo:"SK"`
		}
		if err := dynamo.UnmarshalItem(item, &key); err != nil {
			return err
		}
		for _, w := range wanted {
			if w.partition == key.PartitionKey && w.sort == key.SortKey {
				if err := dynamo.UnmarshalItem(item, w.row); err != nil {
					return err
				}
				*w.found = true
			}
		}
	}
	if err := iter.Err(); err != nil && !errors.Is(err, dynamo.ErrNotFound) {
		return failed(err, "read %d rows", len(wanted))
	}
	return nil
}

// wantedRow is a row that batch reads.
type wantedRow struct {
	partition, sort string
	row             any
	found           *bool
}

func notFound() error { return problem.New(problem.NotFound, "Not found.") }
