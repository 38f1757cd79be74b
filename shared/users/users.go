// Package users gives every user of a tenant a primary key. In most tenants the token
// carries it; in the others the tenant's directory, rows of the table, assigns one at the
// user's first write.
package users

import (
	"context"
	"fmt"

	"github.com/guregu/dynamo/v2"

	"joboutputs/shared/auth"
	"joboutputs/shared/problem"
	"joboutputs/shared/table"
)

// User is who creates something.
type User struct {
	PK              int64  // 0 = the directory knows it
	Issuer, Subject string // who the user is where the token came from
	Username        string
}

// Of is the caller of a request.
func Of(p auth.Principal) User {
	return User{PK: p.UserPK, Issuer: p.Issuer, Subject: p.Subject, Username: p.Username}
}

// By is table.ByClaim or table.ByDirectory: where the user's pk comes from.
func (u User) By() string {
	if u.PK != 0 {
		return table.ByClaim
	}
	return table.ByDirectory
}

// Wanted is the user's row in the directory, to be read along with others; none if the
// token carries the pk.
func (u User) Wanted(tenant string, row *table.UserRow, found *bool) []table.Wanted {
	if u.PK != 0 {
		return nil
	}
	return []table.Wanted{{Key: table.SubjectKey(tenant, u.Issuer, u.Subject), Row: row, Found: found}}
}

// PK is the user's pk, from the token or the directory, which assigns one if needed.
// Problem: PermissionDenied, see table.Count.
func PK(ctx context.Context, t *table.Store, tenant string, u User) (int64, error) {
	if u.PK != 0 {
		return u.PK, nil
	}
	var row table.UserRow
	err := t.Get(ctx, table.SubjectKey(tenant, u.Issuer, u.Subject), &row)
	if problem.Is(err, problem.NotFound) {
		return Register(ctx, t, tenant, u)
	}
	return row.PK, err
}

// Register assigns a pk to a user who is not in the directory: the counter, then both rows
// in one transaction. Of two first writes at once one wins, and the other takes its pk; the
// pk that was drawn in vain is a gap.
func Register(ctx context.Context, t *table.Store, tenant string, u User) (int64, error) {
	counters, err := t.Count(ctx, tenant, table.UserCounter, u.By())
	if err != nil {
		return 0, err
	}
	row := table.UserRow{Key: table.SubjectKey(tenant, u.Issuer, u.Subject), PK: counters.Users, Username: u.Username}
	byPK := row
	byPK.Key = table.UserKey(tenant, row.PK)
	err = t.DB.WriteTx().
		Put(t.Put(row).If("attribute_not_exists('PK')")).
		Put(t.Put(byPK).If("attribute_not_exists('PK')")).
		IncludeAllItemsInCondCheckFail(true).
		Run(ctx)
	if dynamo.IsCondCheckFailed(err) {
		var winners []table.UserRow
		if _, err := dynamo.UnmarshalItemsFromTxCondCheckFailed(err, &winners); err != nil {
			return 0, fmt.Errorf("decode the winner of a registration: %w", err)
		}
		return winners[0].PK, nil
	}
	if err != nil {
		return 0, table.StoreError(err, "register a user")
	}
	return row.PK, nil
}
