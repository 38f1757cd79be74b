//go:build ignore

package outputs

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

	"joboutputs/shared/problem"
)

// Completion is what a client says of the content it has sent. All of it is optional.
type Completion struct {
	SHA256 string         // base64, of all of it
	Parts  map[int]string // base64 SHA-256 by number
	User   User           // who completes; the creator is who began
	Key    string         // the caller's idempotency key; "" = none
	Admit  func(Job) error
}

// maxNamed bounds the part numbers an answer names.
const maxNamed = 100

// completeAttempts bounds how often an upload is looked at that another call is just
// completing: about 12 seconds, within which S3 has put most contents together.
const completeAttempts = 80

// CompleteUpload makes a staged upload an output, once: again, or by several calls at
// once, it is the same output and the same answer.
//
//	strong BatchGet {job, upload, key}, Get name  answer again, or refuse
//	ListParts                                     each part: there, its length, its checksum
//	CompleteMultipartUpload                       put together; of a single PUT a HeadObject
//	draw a pk
//	transaction {Update upload if open, Put O, Put N, Delete queue row if not claimed, Put key}
//
// A crash after any of them leaves an open upload, which another call completes from
// where it stands, or the cleanup removes.
//
// Problems: as Add's, UploadNotFound, UploadIncomplete (with missing and wrong part
// numbers), UploadAborted, UploadExpired.
func (s *Store) CompleteUpload(ctx context.Context, tenant string, job int64, id string, c Completion) (Output, error) {
	call := s.newKeyed(tenant, c.User, c.Key, "complete", []any{job, id}, c.request())
	for attempt := range completeAttempts {
		o, err := s.complete(ctx, tenant, job, id, &c, call)
		if !errors.Is(err, errAgain) {
			return o, err
		}
		if err := pause(ctx, attempt); err != nil {
			return Output{}, failed(err, "complete an upload")
		}
	}
	return Output{}, problem.New(problem.Unavailable, "The upload is being completed by another call.").After(retryAfter)
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

func (s *Store) complete(ctx context.Context, tenant string, job int64, id string, c *Completion, call *keyed) (Output, error) {
	row, j, err := s.readUpload(ctx, tenant, job, id, c.Admit, call.wanted()...)
	if err != nil {
		return Output{}, err
	}
	if earlier, err := s.earlier(call); err != nil {
		return Output{}, err
	} else if earlier != nil {
		return earlier.output()
	}
	if row.State == UploadCompleted { // by a call with this key, perhaps, which the batch did not see
		if earlier, err := s.lookAgain(ctx, call); err != nil {
			return Output{}, err
		} else if earlier != nil {
			return earlier.output()
		}
		return row.output()
	}
	if err := s.ended(&row); err != nil {
		if row.State != UploadOpen { // for good: an earlier call, or this one, may have come too late to be cleaned up
			err = cmp.Or(s.freeLate(ctx, tenant, &row), err)
		}
		return Output{}, err
	}
	if err := j.admits(); err != nil {
		return Output{}, err
	}
	var holder outputRow
	err = s.get(ctx, jobKey(tenant, job), nameSort(row.Name, row.Type), &holder)
	switch {
	case err == nil && holder.Object == row.ID:
		return Output{}, errAgain // it has just been completed
	case err == nil:
		return Output{}, duplicate(&holder)
	case !problem.Is(err, problem.NotFound):
		return Output{}, err
	}

	if row.Multipart == "" {
		err = s.verifySingle(ctx, tenant, &row, c)
	} else {
		err = s.assemble(ctx, tenant, &row, c)
	}
	if problem.Is(err, problem.UploadIncomplete) { // or it was freed since it was read
		if err := s.get(ctx, row.PartitionKey, row.SortKey, &row); err != nil || row.State != UploadOpen {
			return Output{}, cmp.Or(err, errAgain)
		}
	}
	if err != nil {
		return Output{}, err
	}
	counters, err := s.count(ctx, tenant, "outputs", c.User.mode())
	if err != nil {
		return Output{}, err
	}
	if counters.Outputs > MaxPK {
		return Output{}, fmt.Errorf("tenant %s has used all %d primary keys", tenant, MaxPK)
	}
	row.PK, row.CreationTime = counters.Outputs, FormatTime(s.now())
	return s.publishUpload(ctx, tenant, &row, call)
}

// verifySingle holds what a single PUT has left against what was said of it, and fills in
// the checksum.
func (s *Store) verifySingle(ctx context.Context, tenant string, row *uploadRow, c *Completion) error {
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
	row.SHA256, row.Checksum = toHex(sum), &Checksum{Algorithm: "SHA256", Type: "full", Value: sum}
	return nil
}

// assemble verifies every part, has S3 put them together, and fills in the checksum.
// Another call may be at the same, or have been: then the object is looked at instead.
func (s *Store) assemble(ctx context.Context, tenant string, row *uploadRow, c *Completion) error {
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
		made, err := s.s3.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{
			Bucket: &s.bucket, Key: aws.String(objectKey(tenant, row.ID)), UploadId: &row.Multipart,
			MultipartUpload: &s3types.CompletedMultipartUpload{Parts: completed},
			ChecksumType:    s3types.ChecksumTypeComposite,
			MpuObjectSize:   &row.Size,
			IfNoneMatch:     aws.String("*"),
		})
		switch sum := compositeOf(completed); {
		case hasCode(err, "InvalidPart"): // one was sent again since it was listed
			return errAgain
		case err != nil && !hasCode(err, "NoSuchUpload", "PreconditionFailed"):
			return failed(err, "complete a multipart upload")
		case err == nil && aws.ToString(made.ChecksumSHA256) == sum:
			row.Checksum = &Checksum{Algorithm: "SHA256", Type: "composite", Value: sum, PartSize: row.PartSize}
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
	if len(c.Parts) == row.parts() && composite(c.Parts) != sum {
		return problem.New(problem.UploadIncomplete, "The parts that were put together have other checksums.").With("missing", []int{}).With("wrong", []int{})
	}
	row.Checksum = &Checksum{Algorithm: "SHA256", Type: "composite", Value: sum, PartSize: row.PartSize}
	return nil
}

// verifyParts holds the parts that arrived against what they must be.
func verifyParts(row *uploadRow, parts []arrivedPart, c *Completion) ([]s3types.CompletedPart, error) {
	var (
		missing   []int
		wrong     = extras(c, row.parts())
		completed []s3types.CompletedPart
		next      = 1
	)
	for _, p := range parts {
		for ; next < p.Number && next <= row.parts(); next++ {
			missing = append(missing, next)
		}
		next = p.Number + 1
		if p.Number > row.parts() {
			wrong = append(wrong, p.Number)
			continue
		}
		_, size := row.part(p.Number)
		claimed, named := c.Parts[p.Number]
		if p.Size != size || p.SHA256 == nil || named && claimed != *p.SHA256 {
			wrong = append(wrong, p.Number)
		}
		completed = append(completed, s3types.CompletedPart{
			PartNumber: aws.Int32(int32(p.Number)), ETag: aws.String(p.etag), ChecksumSHA256: p.SHA256, //nolint:gosec // at most 10,000
		})
	}
	for ; next <= row.parts(); next++ {
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

// publishUpload makes the upload an output, if nobody else has ended it.
func (s *Store) publishUpload(ctx context.Context, tenant string, row *uploadRow, call *keyed) (Output, error) {
	o, err := row.output()
	if err != nil {
		return Output{}, err
	}
	queue, err := s.queueRow(tenant, row)
	if err != nil {
		return Output{}, err
	}
	update := s.table.Update("PK", row.PartitionKey).Range("SK", row.SortKey).
		Set("state", UploadCompleted).Set("pk", row.PK).Set("creation_time", row.CreationTime).Set("checksum", row.Checksum)
	row.asRead(update)
	if row.SHA256 != "" {
		update.Set("sha256", row.SHA256)
	}
	tx := s.db.WriteTx().
		Update(update).
		Put(s.table.Put(o.byPK(tenant, s.shards)).If("attribute_not_exists('PK')")).
		Put(s.table.Put(o.byName(tenant)).If("attribute_not_exists('PK')")).
		Delete(s.table.Delete("PK", queue.PartitionKey).Range("SK", queue.SortKey).
			If("attribute_exists('PK') AND attribute_not_exists('claimed')")).
		IncludeAllItemsInCondCheckFail(true)
	if call != nil {
		call.row.Output = new(o.item())
		s.keep(tx, call)
	}
	err = tx.Run(ctx)
	if reasons := cancellation(err); reasons != nil {
		switch {
		case conditionFailed(reasons[0]), call != nil && conditionFailed(reasons[4]):
			return Output{}, errAgain // it has ended: the row says how, or the key's
		case conditionFailed(reasons[3]): // the cleanup has it
			if err := s.freeLate(ctx, tenant, row); err != nil {
				return Output{}, err
			}
			return Output{}, problem.New(problem.UploadExpired, "The upload expired at %s; begin another.", row.ExpiresAt).Because(err)
		case conditionFailed(reasons[2]):
			var holder outputRow
			if err := dynamo.UnmarshalItem(reasons[2].Item, &holder); err != nil {
				return Output{}, fmt.Errorf("decode the holder of a name: %w", err)
			}
			return Output{}, s.refuseUpload(ctx, row, &holder)
		}
	}
	if err != nil {
		return Output{}, failed(err, "publish output %d", o.PK)
	}
	return o, nil
}

// refuseUpload answers a completion whose name another has. The upload stays open, but no
// delivery of the completion's transaction that is still under way completes it (see giveUp).
func (s *Store) refuseUpload(ctx context.Context, row *uploadRow, holder *outputRow) error {
	err := row.asRead(s.table.Update("PK", row.PartitionKey).Range("SK", row.SortKey).Add("refused", 1)).Run(ctx)
	if dynamo.IsCondCheckFailed(err) {
		return errAgain
	}
	if err != nil {
		return failed(err, "refuse a completion")
	}
	return duplicate(holder)
}

// asRead has an update demand that the upload is open, and that no completion was refused
// since the row was read.
func (r *uploadRow) asRead(u *dynamo.Update) *dynamo.Update {
	u.If("'state' = ?", UploadOpen)
	if r.Refused == 0 {
		return u.If("attribute_not_exists('refused')")
	}
	return u.If("'refused' = ?", r.Refused)
}
