//go:build ignore

package outputs

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/guregu/dynamo/v2"

	"joboutputs/shared/problem"
)

// Who can't know whether a call was done, because its answer was lost, makes it again with
// the same idempotency key, and is answered what the first one was. The row that remembers
// it is put in the transaction that makes the call's effect visible, so that there are both
// or neither; of calls at the same time one puts it, and the others answer what it says.

// keysKept is how long a key is remembered. The table drops rows late, so the clock decides.
const keysKept = 24 * time.Hour

// keyed is a call with an idempotency key; nil = one without.
type keyed struct {
	row  idempotencyRow // to be put
	kept idempotencyRow // as read: an earlier call's
}

// idempotencyRow is an I row. What the answer is made of is kept, and not its text: a link
// in it would be a secret, and dead before the row is.
type idempotencyRow struct {
	PartitionKey string `dynamo:"PK"`
	SortKey      string `dynamo:"SK"`

	Fingerprint string     `dynamo:"fingerprint"` // of the request
	Expires     int64      `dynamo:"expires"`     // Unix seconds
	Output      *outputRow `dynamo:"output,omitempty"`
	Upload      *uploadRow `dynamo:"upload,omitempty"`
}

// newKeyed is the call of a user with a key. What the action is done to is in the row's
// key, so that the same text means another call there; request is what else decides it.
func (s *Store) newKeyed(tenant string, u User, key, action string, target, request []any) *keyed {
	if key == "" {
		return nil
	}
	who := []any{u.mode(), u.PK}
	if u.PK == 0 {
		who = append(who, u.Issuer, u.Subject)
	}
	return &keyed{row: idempotencyRow{
		PartitionKey: idempotencyKey(tenant, fingerprint(who, []any{action}, target, []any{key})),
		SortKey:      idempotencySort,
		Fingerprint:  fingerprint(request),
		Expires:      s.now().Add(keysKept).Unix(),
	}}
}

// fingerprint is of values in groups, no two of which can be taken for others.
func fingerprint(groups ...[]any) string {
	h := sha256.New()
	for _, group := range groups {
		for _, value := range group {
			fmt.Fprintf(h, "%q,", fmt.Sprint(value))
		}
		fmt.Fprintln(h)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// wanted is the row to be read along with others.
func (k *keyed) wanted() []wantedRow {
	if k == nil {
		return nil
	}
	return []wantedRow{{k.row.PartitionKey, k.row.SortKey, &k.kept, new(bool)}}
}

// earlier is what an earlier call with the key has left; nil = there was none. Problem:
// IdempotencyMismatch, if it asked for something else.
func (s *Store) earlier(k *keyed) (*idempotencyRow, error) {
	switch {
	case k == nil, k.kept.Expires <= s.now().Unix():
		return nil, nil
	case k.kept.Fingerprint != k.row.Fingerprint:
		return nil, problem.New(problem.IdempotencyMismatch, "The Idempotency-Key was used for another request here.")
	}
	return &k.kept, nil
}

// lookAgain is earlier for a call that met another one after its first look. A read in a
// transaction waits for one that is being committed, whose other rows may be seen already.
func (s *Store) lookAgain(ctx context.Context, k *keyed) (*idempotencyRow, error) {
	if k == nil {
		return nil, nil
	}
	err := s.db.GetTx().
		GetOne(s.table.Get("PK", k.row.PartitionKey).Range("SK", dynamo.Equal, k.row.SortKey), &k.kept).
		Run(ctx)
	if err != nil && !errors.Is(err, dynamo.ErrNotFound) {
		return nil, failed(err, "read an idempotency key")
	}
	return s.earlier(k)
}

// keep adds the key's row to the transaction that does the call.
func (s *Store) keep(tx *dynamo.WriteTx, k *keyed) {
	tx.Put(s.table.Put(k.row).If("attribute_not_exists('PK') OR 'expires' <= ?", s.now().Unix()))
}

// output is the output that was answered.
func (r *idempotencyRow) output() (Output, error) {
	if r.Output == nil {
		return Output{}, errors.New("an idempotency key has no output")
	}
	o, err := r.Output.output()
	o.Replayed = true
	return o, err
}

// begunBefore is the upload that was begun, as it was answered. A link is made anew, and
// only as long as the upload is open: nobody would clean up what came by a later one.
func (s *Store) begunBefore(ctx context.Context, tenant string, r *idempotencyRow) (Upload, error) {
	if r.Upload == nil {
		return Upload{}, errors.New("an idempotency key has no upload")
	}
	begun := r.Upload
	u, err := begun.upload()
	if err != nil {
		return Upload{}, err
	}
	u.Replayed = true
	if begun.Claimed != "" {
		var now uploadRow
		if err := s.batch(ctx, wantedRow{uploadKey(tenant, begun.ID), uploadSort, &now, new(bool)}); err != nil {
			return Upload{}, err
		}
		if now.State != UploadOpen || s.ended(&now) != nil {
			begun.Claimed = ""
		}
	}
	return u, s.listMissing(ctx, tenant, begun, &u, 1)
}
