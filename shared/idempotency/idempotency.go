// Package idempotency makes a write repeatable. If a request gets no response, the client
// retries it with the same Idempotency-Key and receives the response of the first call. The
// row that remembers it is put in the transaction that makes the call's effect visible, so
// that there are both or neither. Of calls at the same time one puts it, and the others
// return what it says.
package idempotency

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/guregu/dynamo/v2"

	"joboutputs/shared/problem"
	"joboutputs/shared/table"
	"joboutputs/shared/users"
)

// kept is how long a key is remembered. DynamoDB removes expired rows late, so the clock
// decides.
const kept = 24 * time.Hour

// Call is a call with an idempotency key; nil is a call without one, for which every method
// does nothing.
type Call struct {
	t     *table.Store
	row   table.IdempotencyRow // to be put
	found table.IdempotencyRow // as read: an earlier call's
}

// New is a user's call with a key; nil if the key is empty. The target is part of the row's
// key, so that the same key means another call there; the request is what else decides the
// call.
func New(t *table.Store, tenant string, u users.User, key, action string, target, request []any) *Call {
	if key == "" {
		return nil
	}
	who := []any{u.By(), u.PK}
	if u.PK == 0 {
		who = append(who, u.Issuer, u.Subject)
	}
	return &Call{t: t, row: table.IdempotencyRow{
		Key:         table.IdempotencyKey(tenant, fingerprint(who, []any{action}, target, []any{key})),
		Fingerprint: fingerprint(request),
		Expires:     t.Now().Add(kept).Unix(),
	}}
}

// fingerprint digests values in groups; different groups never have the same text.
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

// Wanted is the row to be read along with others, for Earlier.
func (c *Call) Wanted() []table.Wanted {
	if c == nil {
		return nil
	}
	return []table.Wanted{{Key: c.row.Key, Row: &c.found, Found: new(bool)}}
}

// Earlier is what an earlier call with the key has left; nil = there was none. Problem:
// IdempotencyMismatch, if that call asked for something else.
func (c *Call) Earlier() (*table.IdempotencyRow, error) {
	switch {
	case c == nil, c.found.Expires <= c.t.Now().Unix():
		return nil, nil
	case c.found.Fingerprint != c.row.Fingerprint:
		return nil, problem.New(problem.IdempotencyMismatch, "The Idempotency-Key was used for another request here.")
	}
	return &c.found, nil
}

// errMet ends an attempt that another call with the same key has overtaken.
var errMet = errors.New("another call with the key was faster")

// Do makes a call that replaces nothing it has read, with or without a key: what an earlier
// call with the key left is replayed, else do is called. do adds Keep to its transaction and
// passes its error to Met. A refusal is looked at twice, since the call itself, made at the
// same time, may be the reason. Problem: IdempotencyMismatch.
func Do[T any](ctx context.Context, c *Call, replay func(*table.IdempotencyRow) (T, error), do func() (T, error)) (T, error) {
	if c == nil {
		return do()
	}
	var none T
	err := c.t.Get(ctx, c.row.Key, &c.found)
	if err != nil && !problem.Is(err, problem.NotFound) {
		return none, err
	}
	earlier, err := c.Earlier()
	if err == nil && earlier == nil {
		v, failed := do()
		if !errors.Is(failed, errMet) && !isRefusal(failed) {
			return v, failed
		}
		if earlier, err = c.LookAgain(ctx); err == nil && earlier == nil {
			if errors.Is(failed, errMet) { // whose row has expired since
				failed = table.Contended()
			}
			return v, failed
		}
	}
	if err != nil {
		return none, err
	}
	return replay(earlier)
}

// isRefusal reports whether an error says that the call must not be done.
func isRefusal(err error) bool {
	p, ok := problem.As(err)
	return ok && p.Kind != problem.Unavailable && p.Kind != problem.OutcomeUnknown
}

// Met replaces the error of a transaction whose last write, the key's row, was refused, with
// the one that Do looks for.
func (c *Call) Met(err error) error {
	if reasons := table.Cancellation(err); c != nil && reasons != nil && table.ConditionFailed(reasons[len(reasons)-1]) {
		return errMet
	}
	return err
}

// LookAgain is Earlier for a call that met another one after its first look. A read in a
// transaction waits for one that is being committed, whose other rows may be seen already.
func (c *Call) LookAgain(ctx context.Context) (*table.IdempotencyRow, error) {
	if c == nil {
		return nil, nil
	}
	err := c.t.DB.GetTx().
		GetOne(c.t.Table.Get("PK", c.row.Partition).Range("SK", dynamo.Equal, c.row.Sort), &c.found).
		Run(ctx)
	if err != nil && !errors.Is(err, dynamo.ErrNotFound) {
		return nil, table.StoreError(err, "read an idempotency key")
	}
	return c.Earlier()
}

// KeepOutput adds the key's row, with the output of the response, to the transaction that
// does the call.
func (c *Call) KeepOutput(tx *dynamo.WriteTx, o table.OutputRow) {
	if c != nil {
		c.row.Output = &o
		c.keep(tx)
	}
}

// KeepUpload is KeepOutput for a call that begins an upload.
func (c *Call) KeepUpload(tx *dynamo.WriteTx, u table.UploadRow) {
	if c != nil {
		c.row.Upload = &u
		c.keep(tx)
	}
}

// KeepJob is KeepOutput for a call that makes or changes a job.
func (c *Call) KeepJob(tx *dynamo.WriteTx, j table.JobRow) {
	if c != nil {
		c.row.Job = &j
		c.keep(tx)
	}
}

// KeepDone is KeepOutput for a call whose response is empty.
func (c *Call) KeepDone(tx *dynamo.WriteTx) {
	if c != nil {
		c.keep(tx)
	}
}

func (c *Call) keep(tx *dynamo.WriteTx) {
	tx.Put(c.t.Put(c.row).If("attribute_not_exists('PK') OR 'expires' <= ?", c.t.Now().Unix()))
}
