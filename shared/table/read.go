package table

import (
	"context"
	"errors"

	"github.com/guregu/dynamo/v2"

	"joboutputs/shared/problem"
)

// Get reads one row, strongly consistent. Problem: NotFound.
func (s *Store) Get(ctx context.Context, key Key, row any) error {
	err := s.Table.Get("PK", key.Partition).Range("SK", dynamo.Equal, key.Sort).Consistent(true).One(ctx, row)
	if errors.Is(err, dynamo.ErrNotFound) {
		return problem.Missing()
	}
	if err != nil {
		return StoreError(err, "read %s %s", key.Partition, key.Sort)
	}
	return nil
}

// Wanted is a row that Batch reads.
type Wanted struct {
	Key   Key
	Row   any   // a pointer; decoded into if the row exists
	Found *bool // set to true if the row exists
}

// Batch reads up to 100 rows in one strongly consistent call.
func (s *Store) Batch(ctx context.Context, wanted ...Wanted) error {
	keys := make([]dynamo.Keyed, len(wanted))
	for i, w := range wanted {
		keys[i] = dynamo.Keys{w.Key.Partition, w.Key.Sort}
	}
	iter := s.Table.Batch("PK", "SK").Get(keys...).Consistent(true).Iter()
	for item := (dynamo.Item{}); iter.Next(ctx, &item); item = (dynamo.Item{}) {
		var key Key
		if err := dynamo.UnmarshalItem(item, &key); err != nil {
			return err
		}
		for _, w := range wanted {
			if w.Key == key {
				if err := dynamo.UnmarshalItem(item, w.Row); err != nil {
					return err
				}
				*w.Found = true
			}
		}
	}
	if err := iter.Err(); err != nil && !errors.Is(err, dynamo.ErrNotFound) {
		return StoreError(err, "read %d rows", len(wanted))
	}
	return nil
}
