package uploads

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/guregu/dynamo/v2"

	"joboutputs/shared/auth"
	"joboutputs/shared/idempotency"
	"joboutputs/shared/outputs"
	"joboutputs/shared/problem"
	"joboutputs/shared/table"
	"joboutputs/shared/users"
)

// Completion is what a client says of the content it has sent. All of it is optional.
type Completion struct {
	SHA256 string         // base64, of all of it
	Parts  map[int]string // base64 SHA-256 by number
	Key    string         // the caller's idempotency key; "" = none
}

// maxNamed bounds the part numbers an answer names.
const maxNamed = 100

// completeAttempts bounds how often an upload is looked at that another call is just
// completing: about 12 seconds, within which S3 has put most contents together.
const completeAttempts = 80

// Complete makes a staged upload an output, once: repeated, or called several times at once,
// it returns the same output and the same response. The creator is who began the upload.
//
//	strong BatchGet {job, upload, key}, Get name  respond as before, or refuse
//	ListParts                                     each part: there, its length, its checksum
//	CompleteMultipartUpload                       put together; of a single PUT a HeadObject
//	draw a pk
//	transaction {Update upload if open, Put O, Put N, Delete queue row if not claimed, Put key}
//
// A crash after any of them leaves an open upload, which another call completes from
// where it stands, or the cleanup removes.
//
// Problems: as outputs.Add's, UploadNotFound, UploadIncomplete (with missing and wrong part
// numbers), StateAborted, UploadExpired.
func (s *Store) Complete(ctx context.Context, p auth.Principal, job int64, id string, c Completion) (outputs.Output, error) {
	call := idempotency.New(s.t, p.Tenant, users.Of(p), c.Key, "complete", []any{job, id}, c.request())
	for attempt := range completeAttempts {
		o, err := s.complete(ctx, p, job, id, &c, call)
		if !errors.Is(err, errAgain) {
			return o, err
		}
		if err := table.Pause(ctx, attempt); err != nil {
			return outputs.Output{}, table.StoreError(err, "complete an upload")
		}
	}
	return outputs.Output{}, problem.New(problem.Unavailable, "The upload is being completed by another call.").After(table.RetryAfter)
}

// errAgain: another call moves the same upload on; where it got to is to be looked at anew.
var errAgain = errors.New("look again")

// request is what decides a completion, besides the upload.
func (c *Completion) request() []any {
	all := []any{c.SHA256}
	for _, number := range slices.Sorted(maps.Keys(c.Parts)) {
		all = append(all, number, c.Parts[number])
	}
	return all
}

func (s *Store) complete(ctx context.Context, p auth.Principal, job int64, id string, c *Completion, call *idempotency.Call) (outputs.Output, error) {
	tenant := p.Tenant
	row, j, err := s.read(ctx, p, auth.UploadsComplete, job, id, call.Wanted()...)
	if err != nil {
		return outputs.Output{}, err
	}
	if earlier, err := call.Earlier(); err != nil {
		return outputs.Output{}, err
	} else if earlier != nil {
		return outputs.Replay(earlier)
	}
	if row.State == StateCompleted { // by a call with this key, perhaps, which the batch did not see
		if earlier, err := call.LookAgain(ctx); err != nil {
			return outputs.Output{}, err
		} else if earlier != nil {
			return outputs.Replay(earlier)
		}
		return outputOf(&row)
	}
	if err := s.ended(&row); err != nil {
		if row.State != StateOpen { // for good: an earlier call, or this one, may have come too late to be cleaned up
			err = cmp.Or(s.freeLate(ctx, tenant, &row), err)
		}
		return outputs.Output{}, err
	}
	if err := j.TakesOutputs(); err != nil {
		return outputs.Output{}, err
	}
	var holder table.OutputRow
	err = s.t.Get(ctx, table.NameKey(tenant, job, row.Name, row.Type), &holder)
	switch {
	case err == nil && holder.Object == row.ID:
		return outputs.Output{}, errAgain // it has just been completed
	case err == nil:
		return outputs.Output{}, outputs.Duplicate(&holder)
	case !problem.Is(err, problem.NotFound):
		return outputs.Output{}, err
	}

	if row.Multipart == "" {
		err = s.verifySingle(ctx, tenant, &row, c)
	} else {
		err = s.assemble(ctx, tenant, &row, c)
	}
	if problem.Is(err, problem.UploadIncomplete) { // or it was freed since it was read
		if err := s.t.Get(ctx, row.Key, &row); err != nil || row.State != StateOpen {
			return outputs.Output{}, cmp.Or(err, errAgain)
		}
	}
	if err != nil {
		return outputs.Output{}, err
	}
	counters, err := s.t.Count(ctx, tenant, table.OutputCounter, users.Of(p).By())
	if err != nil {
		return outputs.Output{}, err
	}
	if counters.Outputs > auth.MaxPK {
		return outputs.Output{}, fmt.Errorf("tenant %s has used all %d primary keys", tenant, auth.MaxPK)
	}
	row.PK, row.CreationTime = counters.Outputs, table.FormatTime(s.t.Now())
	return s.publish(ctx, tenant, &row, call)
}

// verifySingle holds what a single PUT has left against what was said of it, and fills in
// the checksum.
func (s *Store) verifySingle(ctx context.Context, tenant string, row *table.UploadRow, c *Completion) error {
	head, err := s.head(ctx, tenant, row.ID)
	if err != nil {
		return err
	}
	if head == nil {
		return incomplete([]int{1}, nil)
	}
	sum := aws.ToString(head.ChecksumSHA256)
	wrong := sum == "" || head.ChecksumType == s3types.ChecksumTypeComposite || aws.ToInt64(head.ContentLength) != row.Size
	for _, claimed := range []string{row.Claimed, c.SHA256} {
		wrong = wrong || claimed != "" && claimed != sum
	}
	for number, claimed := range c.Parts {
		wrong = wrong || number == 1 && claimed != sum
	}
	others := extras(c, 1)
	if wrong {
		others = append(others, 1)
	}
	if len(others) > 0 {
		return incomplete(nil, others)
	}
	row.SHA256, row.Checksum = toHex(sum), &table.Checksum{Algorithm: "SHA256", Type: "full", Value: sum}
	return nil
}

// assemble verifies every part, has S3 put them together, and fills in the checksum.
// Another call may be at the same, or have been: then the object is looked at instead.
func (s *Store) assemble(ctx context.Context, tenant string, row *table.UploadRow, c *Completion) error {
	parts, gone, err := s.listParts(ctx, tenant, row)
	if err != nil {
		return err
	}
	if !gone {
		completed, err := verifyParts(row, parts, c)
		if err != nil {
			if head, headErr := s.head(ctx, tenant, row.ID); headErr != nil {
				return headErr
			} else if head != nil { // another call has just put them together, and they are being removed
				return errAgain
			}
			return err
		}
		made, err := s.t.S3.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{
			Bucket: &s.t.Bucket, Key: aws.String(table.ObjectKey(tenant, row.ID)), UploadId: &row.Multipart,
			MultipartUpload: &s3types.CompletedMultipartUpload{Parts: completed},
			ChecksumType:    s3types.ChecksumTypeComposite,
			MpuObjectSize:   &row.Size,
			IfNoneMatch:     aws.String("*"),
		})
		switch sum := compositeOf(completed); {
		case table.HasCode(err, "InvalidPart"): // one was sent again since it was listed
			return errAgain
		case err != nil && !table.HasCode(err, "NoSuchUpload", "PreconditionFailed"):
			return table.StoreError(err, "complete a multipart upload")
		case err == nil && aws.ToString(made.ChecksumSHA256) == sum:
			row.Checksum = &table.Checksum{Algorithm: "SHA256", Type: "composite", Value: sum, PartSize: row.PartSize}
			return nil // put together from the parts that were verified: nothing is left to be looked at
		}
	}
	head, err := s.head(ctx, tenant, row.ID)
	if err != nil {
		return err
	}
	if head == nil { // not yet, or not any more
		return errAgain
	}
	sum := aws.ToString(head.ChecksumSHA256)
	if aws.ToInt64(head.ContentLength) != row.Size || sum == "" {
		return fmt.Errorf("upload %s was put together to %d bytes with the checksum %q, not %d bytes", row.ID, aws.ToInt64(head.ContentLength), sum, row.Size)
	}
	if len(c.Parts) == partCount(row) && composite(c.Parts) != sum {
		return problem.New(problem.UploadIncomplete, "The parts that were put together have other checksums.").With("missing", []int{}).With("wrong", []int{})
	}
	row.Checksum = &table.Checksum{Algorithm: "SHA256", Type: "composite", Value: sum, PartSize: row.PartSize}
	return nil
}

// verifyParts holds the parts that arrived against what they must be.
func verifyParts(row *table.UploadRow, parts []arrivedPart, c *Completion) ([]s3types.CompletedPart, error) {
	var (
		missing   []int
		wrong     = extras(c, partCount(row))
		completed []s3types.CompletedPart
		next      = 1
	)
	for _, p := range parts {
		for ; next < p.Number && next <= partCount(row); next++ {
			missing = append(missing, next)
		}
		next = p.Number + 1
		if p.Number > partCount(row) {
			wrong = append(wrong, p.Number)
			continue
		}
		_, size := part(row, p.Number)
		claimed, named := c.Parts[p.Number]
		if p.Size != size || p.SHA256 == nil || named && claimed != *p.SHA256 {
			wrong = append(wrong, p.Number)
		}
		completed = append(completed, s3types.CompletedPart{
			PartNumber: aws.Int32(int32(p.Number)), ETag: aws.String(p.etag), ChecksumSHA256: p.SHA256, //nolint:gosec // at most 10,000
		})
	}
	for ; next <= partCount(row); next++ {
		missing = append(missing, next)
	}
	if len(missing)+len(wrong) > 0 {
		return nil, incomplete(missing, wrong)
	}
	return completed, nil
}

// extras are the parts a client names that the upload does not have.
func extras(c *Completion, parts int) []int {
	var all []int
	for number := range c.Parts {
		if number < 1 || number > parts {
			all = append(all, number)
		}
	}
	return all
}

func incomplete(missing, wrong []int) error {
	slices.Sort(missing)
	slices.Sort(wrong)
	wrong = slices.Compact(wrong)
	return problem.New(problem.UploadIncomplete, "The upload is not complete: %d parts are missing, %d are wrong.", len(missing), len(wrong)).
		With("missing", append([]int{}, missing[:min(len(missing), maxNamed)]...)).
		With("wrong", append([]int{}, wrong[:min(len(wrong), maxNamed)]...))
}

// composite is S3's checksum of checksums.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html
func composite(parts map[int]string) string {
	h := sha256.New()
	for _, number := range slices.Sorted(maps.Keys(parts)) {
		raw, _ := base64.StdEncoding.DecodeString(parts[number])
		h.Write(raw)
	}
	return fmt.Sprintf("%s-%d", base64.StdEncoding.EncodeToString(h.Sum(nil)), len(parts))
}

// compositeOf is the composite checksum of parts, whose own were verified.
func compositeOf(parts []s3types.CompletedPart) string {
	sums := map[int]string{}
	for _, p := range parts {
		sums[int(aws.ToInt32(p.PartNumber))] = aws.ToString(p.ChecksumSHA256)
	}
	return composite(sums)
}

// The writes of a completion's transaction, in their order.
const (
	endUpload  = iota // the upload, if it is open
	_                 // the O row
	writeName         // the N row
	takeQueued        // the queue row, unless the cleanup has claimed it
	keepKey           // the idempotency key, if there is one
)

// publish makes the upload an output, if nobody else has ended it.
func (s *Store) publish(ctx context.Context, tenant string, row *table.UploadRow, call *idempotency.Call) (outputs.Output, error) {
	o, err := outputOf(row)
	if err != nil {
		return outputs.Output{}, err
	}
	queue, err := s.queueRow(tenant, row)
	if err != nil {
		return outputs.Output{}, err
	}
	update := s.t.Update(row.Key).
		Set("state", StateCompleted).Set("pk", row.PK).Set("creation_time", row.CreationTime).Set("checksum", row.Checksum)
	asRead(row, update)
	if row.SHA256 != "" {
		update.Set("sha256", row.SHA256)
	}
	tx := s.t.DB.WriteTx().Update(update)
	o.Publish(tx, s.t, tenant)
	tx.Delete(s.t.Delete(queue.Key).If("attribute_exists('PK') AND attribute_not_exists('claimed')")).
		IncludeAllItemsInCondCheckFail(true)
	call.KeepOutput(tx, o.Row())
	err = tx.Run(ctx)
	if reasons := table.Cancellation(err); reasons != nil {
		switch {
		case table.ConditionFailed(reasons[endUpload]), call != nil && table.ConditionFailed(reasons[keepKey]):
			return outputs.Output{}, errAgain // it has ended: the row says how, or the key's
		case table.ConditionFailed(reasons[takeQueued]): // the cleanup has it
			if err := s.freeLate(ctx, tenant, row); err != nil {
				return outputs.Output{}, err
			}
			return outputs.Output{}, problem.New(problem.UploadExpired, "The upload expired at %s; begin another.", row.ExpiresAt).Because(err)
		case table.ConditionFailed(reasons[writeName]):
			var holder table.OutputRow
			if err := dynamo.UnmarshalItem(reasons[writeName].Item, &holder); err != nil {
				return outputs.Output{}, fmt.Errorf("decode the holder of a name: %w", err)
			}
			return outputs.Output{}, s.refuse(ctx, row, &holder)
		}
	}
	if err != nil {
		return outputs.Output{}, table.StoreError(err, "publish output %d", o.PK)
	}
	return o, nil
}

// refuse ends a completion whose name another output has. The upload stays open, but no
// delivery of the completion's transaction that is still under way completes it (see outputs.Store.Add).
func (s *Store) refuse(ctx context.Context, row *table.UploadRow, holder *table.OutputRow) error {
	err := asRead(row, s.t.Update(row.Key).Add("refused", 1)).Run(ctx)
	if dynamo.IsCondCheckFailed(err) {
		return errAgain
	}
	if err != nil {
		return table.StoreError(err, "refuse a completion")
	}
	return outputs.Duplicate(holder)
}

// asRead has an update demand that the upload is open, and that no completion was refused
// since the row was read.
func asRead(r *table.UploadRow, u *dynamo.Update) *dynamo.Update {
	u.If("'state' = ?", StateOpen)
	if r.Refused == 0 {
		return u.If("attribute_not_exists('refused')")
	}
	return u.If("'refused' = ?", r.Refused)
}
