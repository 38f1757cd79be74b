package table

import (
	"context"

	"github.com/guregu/dynamo/v2"

	"joboutputs/shared/problem"
)

// How a tenant's users get their pks. A tenant's first write fixes it, so that two people
// never share a pk.
const (
	ByClaim     = "claim"     // from their tokens
	ByDirectory = "directory" // from the tenant's directory
)

// The counters of a tenant, as attributes of its row.
const (
	OutputCounter = "outputs"
	JobCounter    = "jobs"
	UserCounter   = "users"
)

// Count draws the next number of a counter. usersBy is ByClaim or ByDirectory. Problem:
// PermissionDenied if the tenant's users get their pks the other way.
func (s *Store) Count(ctx context.Context, tenant, counter, usersBy string) (CountersRow, error) {
	var row CountersRow
	err := s.counters(tenant, usersBy).Add(counter, 1).
		If("attribute_not_exists('users_by') OR 'users_by' = ?", usersBy).
		Value(ctx, &row)
	return row, countError(err, usersBy, "draw a number from %s", counter)
}

// Lift raises a counter to at least a value. Problem: as Count.
func (s *Store) Lift(ctx context.Context, tenant, counter string, value int64, usersBy string) error {
	err := s.counters(tenant, usersBy).Set(counter, value).
		If("attribute_not_exists($) OR $ < ?", counter, counter, value).
		If("attribute_not_exists('users_by') OR 'users_by' = ?", usersBy).
		Run(ctx)
	if !dynamo.IsCondCheckFailed(err) {
		return countError(err, usersBy, "lift the %s counter", counter)
	}
	// Either condition: the counter is high enough, which is what was wanted, or the
	// tenant's users get their pks the other way.
	return countError(s.counters(tenant, usersBy).
		If("attribute_not_exists('users_by') OR 'users_by' = ?", usersBy).Run(ctx), usersBy, "read the %s counter", counter)
}

// counters is an update of the tenant's counters; the caller adds its condition.
func (s *Store) counters(tenant, usersBy string) *dynamo.Update {
	return s.Update(CountersKey(tenant)).Set("users_by", usersBy)
}

func countError(err error, usersBy, format string, args ...any) error {
	if dynamo.IsCondCheckFailed(err) {
		if usersBy == ByClaim {
			return problem.New(problem.PermissionDenied, "This tenant's users are named by its directory; a token with a user's pk can't write.")
		}
		return problem.New(problem.PermissionDenied, "This tenant's users are named by their tokens; a token without a user's pk can't write.")
	}
	if err != nil {
		return StoreError(err, format, args...)
	}
	return nil
}
