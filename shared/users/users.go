//go:build ignore

package outputs

import (
	"context"
	"fmt"

	"github.com/guregu/dynamo/v2"

	"joboutputs/shared/auth"
	"joboutputs/shared/problem"
)

// User is who creates something. In most tenants the token carries the user's pk; in the
// others the tenant's directory gives every subject one, at the first write.
type User struct {
	PK              int64  // 0 = the directory knows it
	Issuer, Subject string // who the user is where the token came from
	Username        string
}

// UserOf is the caller of a request.
func UserOf(p auth.Principal) User {
	return User{PK: p.UserPK, Issuer: p.Issuer, Subject: p.Subject, Username: p.Username}
}

// How a tenant's users get their pks. Fixed at its first write, so that two people never
// share a pk.
const (
	byClaim     = "claim"
	byDirectory = "directory"
)

func (u User) mode() string {
	if u.PK != 0 {
		return byClaim
	}
	return byDirectory
}

// subject is the directory's row of the user.
func (u User) subject(tenant string) (partition, sort string) {
	return usersKey(tenant), subjectSort(u.Issuer, u.Subject)
}

// register gives a user who is not in the directory a pk: the counter, then both rows in
// one transaction. Of two first writes at once, one wins and the other takes its pk; the
// pk that was drawn in vain is a gap.
func (s *Store) register(ctx context.Context, tenant string, u User) (int64, error) {
	counters, err := s.count(ctx, tenant, "users", u.mode())
	if err != nil {
		return 0, err
	}
	partition, sort := u.subject(tenant)
	row := userRow{PartitionKey: partition, SortKey: sort, PK: counters.Users, Username: u.Username}
	byPK := row
	byPK.SortKey = userSort(row.PK)
	err = s.db.WriteTx().
		Put(s.table.Put(row).If("attribute_not_exists('PK')")).
		Put(s.table.Put(byPK).If("attribute_not_exists('PK')")).
		IncludeAllItemsInCondCheckFail(true).
		Run(ctx)
	if dynamo.IsCondCheckFailed(err) {
		var winners []userRow
		if _, err := dynamo.UnmarshalItemsFromTxCondCheckFailed(err, &winners); err != nil {
			return 0, fmt.Errorf("decode the winner of a registration: %w", err)
		}
		return winners[0].PK, nil
	}
	if err != nil {
		return 0, failed(err, "register a user")
	}
	return row.PK, nil
}

// count draws the next number of a counter: "outputs", "jobs" or "users". The first write
// of a tenant fixes how its users are named.
func (s *Store) count(ctx context.Context, tenant, counter, usersBy string) (countersRow, error) {
	var row countersRow
	err := s.counters(tenant, usersBy).Add(counter, 1).
		If("attribute_not_exists('users_by') OR 'users_by' = ?", usersBy).
		Value(ctx, &row)
	return row, countFailed(err, usersBy, "draw a number from %s", counter)
}

// counters is an update of the tenant's counters; its condition is the caller's.
func (s *Store) counters(tenant, usersBy string) *dynamo.Update {
	return s.table.Update("PK", countersKey(tenant)).Range("SK", countersSort).Set("users_by", usersBy)
}

func countFailed(err error, usersBy, format string, args ...any) error {
	if dynamo.IsCondCheckFailed(err) {
		if usersBy == byClaim {
			return problem.New(problem.PermissionDenied, "This tenant's users are named by its directory; a token with a user's pk can't write.")
		}
		return problem.New(problem.PermissionDenied, "This tenant's users are named by their tokens; a token without a user's pk can't write.")
	}
	if err != nil {
		return failed(err, format, args...)
	}
	return nil
}
