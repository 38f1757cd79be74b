package table

import (
	"context"
	"errors"
	"fmt"

	dynamotypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
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

// Lift raises a counter to at least a value that is at most ahead above it, and answers
// the counter. That is below the value if the value is too far above it: then nothing is
// written. A counter that nobody has drawn from is 0. Problem: as Count.
func (s *Store) Lift(ctx context.Context, tenant, counter string, value, ahead int64, usersBy string) (int64, error) {
	below, args := "$ BETWEEN ? AND ?", []any{counter, value - ahead, value - 1}
	if value <= ahead {
		below, args = "attribute_not_exists($) OR "+below, append([]any{counter}, args...)
	}
	err := s.counters(tenant, usersBy).Set(counter, value).
		If(below, args...).
		If("attribute_not_exists('users_by') OR 'users_by' = ?", usersBy).
		IncludeItemInCondCheckFail(true).
		Run(ctx)
	var failed *dynamotypes.ConditionalCheckFailedException
	if !errors.As(err, &failed) {
		return value, countError(err, usersBy, "lift the %s counter", counter)
	}
	// The row says which condition failed; there is none before the tenant's first write.
	var by string
	text{"users_by", &by}.from(failed.Item)
	if by != "" && by != usersBy {
		return 0, countError(err, usersBy, "lift the %s counter", counter)
	}
	var is int64
	if err := (number{counter, &is}).from(failed.Item); err != nil {
		return 0, fmt.Errorf("read the %s counter: %w", counter, err)
	}
	return is, nil
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
