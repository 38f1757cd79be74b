package uploads

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"maps"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/guregu/dynamo/v2"

	"joboutputs/shared/problem"
	"joboutputs/shared/table"
)

// maxNamed bounds the part numbers an answer names.
const maxNamed = 100

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

// assemble verifies every part, has S3 put them together, and fills in the checksum. If S3
// has done so for an earlier call, the object is verified instead. On success it leaves the
// lease to the caller. Problems: UploadIncomplete, UploadLost.
func (s *Store) assemble(ctx context.Context, tenant string, row *table.UploadRow, c *Completion) error {
	if s.leased(row) {
		return errAgain
	}
	parts, gone, err := s.listParts(ctx, tenant, row)
	if err != nil {
		return err
	}
	var completed []s3types.CompletedPart
	if !gone {
		completed, err = verifyParts(row, parts, c)
	}
	if err != nil {
		if head, err := s.head(ctx, tenant, row.ID); err != nil {
			return err
		} else if head != nil { // another call has just put them together, and they are being removed
			return errAgain
		}
		known, listErr := s.known(ctx, tenant, row)
		if listErr != nil {
			return listErr
		}
		if known {
			return err
		}
	}
	if err := s.lease(ctx, row); err != nil {
		return err
	}
	if err := s.putTogether(ctx, tenant, row, c, completed); err != nil {
		s.release(ctx, row)
		return err
	}
	return nil
}

// known reports whether S3 knows the multipart upload. One that was aborted while parts were
// in flight may still list those.
func (s *Store) known(ctx context.Context, tenant string, row *table.UploadRow) (bool, error) {
	pages := s3.NewListMultipartUploadsPaginator(s.t.S3, &s3.ListMultipartUploadsInput{
		Bucket: &s.t.Bucket, Prefix: aws.String(table.ObjectKey(tenant, row.ID)),
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return false, table.StoreError(err, "list multipart uploads")
		}
		if slices.ContainsFunc(page.Uploads, func(u s3types.MultipartUpload) bool { return aws.ToString(u.UploadId) == row.Multipart }) {
			return true, nil
		}
	}
	return false, nil
}

// putTogether is assemble under the lease. No parts: S3 does not know the upload any more.
func (s *Store) putTogether(ctx context.Context, tenant string, row *table.UploadRow, c *Completion, parts []s3types.CompletedPart) error {
	if len(parts) > 0 {
		stop := s.renewing(ctx, row)
		made, err := s.t.S3.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{
			Bucket: &s.t.Bucket, Key: aws.String(table.ObjectKey(tenant, row.ID)), UploadId: &row.Multipart,
			MultipartUpload: &s3types.CompletedMultipartUpload{Parts: parts},
			ChecksumType:    s3types.ChecksumTypeComposite,
			MpuObjectSize:   &row.Size,
			IfNoneMatch:     aws.String("*"),
		})
		stop()
		switch sum := compositeOf(parts); {
		case table.HasCode(err, "InvalidPart"): // one was sent again since it was listed
			return errAgain
		case err != nil && !table.HasCode(err, "NoSuchUpload", "PreconditionFailed", "ConditionalRequestConflict"):
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
	if head == nil {
		return s.lose(ctx, tenant, row)
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

// lose ends an upload that S3 knows no more and did not assemble: an operator or a lifecycle
// rule aborted it, or S3 gave it up after a conflict (409), when all parts must be sent to a
// new one (https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html).
func (s *Store) lose(ctx context.Context, tenant string, row *table.UploadRow) error {
	tx := s.t.DB.WriteTx()
	err := s.end(tx, tenant, row, stateLost)
	if err == nil {
		err = tx.Run(ctx)
	}
	switch {
	case dynamo.IsCondCheckFailed(err):
		return errAgain
	case err != nil:
		return table.StoreError(err, "end an upload that is lost")
	}
	return cmp.Or(s.freeLate(ctx, tenant, row), lost())
}

func lost() error {
	return problem.New(problem.UploadLost, "The object store no longer has the parts of the upload; begin another.")
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
