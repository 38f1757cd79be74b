//go:build ignore

package outputs

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"

	"joboutputs/shared/problem"
)

// Wanted is what is asked of an upload.
type Wanted struct {
	From   int      // the first part, from 1
	SHA256 []string // base64, of the parts From, From+1, …: links to these parts, at most PartsAtOnce, instead of a look at what arrived
	Admit  func(Job) error
}

// Upload reads a staged upload: which parts arrived and the first that did not; or, where
// checksums are given, links to the parts that have them, which makes no call to S3.
// Problems: NotFound, Admit's, UploadNotFound, InvalidRequest, Unavailable.
func (s *Store) Upload(ctx context.Context, tenant string, job int64, id string, w Wanted) (Upload, error) {
	row, _, err := s.readUpload(ctx, tenant, job, id, w.Admit)
	if err != nil {
		return Upload{}, err
	}
	u, err := row.upload()
	if err != nil || u.State != UploadOpen {
		return u, err
	}
	if s.ended(&row) != nil {
		u.State = UploadAborted
		return u, nil
	}
	if len(w.SHA256) > 0 {
		u.Arrived = nil
		return u, s.linkParts(ctx, tenant, &row, &u, &w)
	}
	arrived, err := s.arrived(ctx, tenant, &row)
	if err != nil {
		return Upload{}, err
	}
	for _, p := range arrived {
		u.Arrived = append(u.Arrived, p.ArrivedPart)
	}
	return u, s.listMissing(ctx, tenant, &row, &u, w.From)
}

// listMissing adds the first parts that are missing or not of their size, without links:
// only the content of a single part can be known by its checksum already.
func (s *Store) listMissing(ctx context.Context, tenant string, row *uploadRow, u *Upload, from int) error {
	here := map[int]bool{}
	for _, p := range u.Arrived {
		_, size := row.part(p.Number)
		here[p.Number] = p.Size == size
	}
	for number := from; number <= u.PartCount && len(u.Parts) < PartsAtOnce; number++ {
		if here[number] {
			continue
		}
		if row.Multipart == "" && row.Claimed != "" {
			p, err := s.link(ctx, tenant, row, number, row.Claimed)
			if err != nil {
				return err
			}
			u.Parts = append(u.Parts, p)
			continue
		}
		offset, size := row.part(number)
		u.Parts = append(u.Parts, UploadPart{Number: number, Offset: offset, Size: size, Method: http.MethodPut, Headers: map[string]string{}})
	}
	return nil
}

// linkParts adds the parts whose checksums are given, with links.
func (s *Store) linkParts(ctx context.Context, tenant string, row *uploadRow, u *Upload, w *Wanted) error {
	for i, sum := range w.SHA256 {
		number := w.From + i
		if number > u.PartCount {
			return problem.New(problem.InvalidRequest, "sha256: the upload has no part %d", number)
		}
		if row.Multipart == "" && row.Claimed != "" && sum != row.Claimed {
			return problem.New(problem.InvalidRequest, "sha256: the upload was begun with another checksum")
		}
		p, err := s.link(ctx, tenant, row, number, sum)
		if err != nil {
			return err
		}
		u.Parts = append(u.Parts, p)
	}
	return nil
}

// arrivedPart is a part with what completing it takes.
type arrivedPart struct {
	ArrivedPart
	etag string
}

// arrived is what S3 has of an upload. Where its parts are already put together, or are
// just being, all have arrived and their checksums are not known any more.
func (s *Store) arrived(ctx context.Context, tenant string, row *uploadRow) ([]arrivedPart, error) {
	if row.Multipart == "" {
		head, err := s.head(ctx, tenant, row.ID)
		if head == nil || err != nil {
			return nil, err
		}
		return []arrivedPart{{ArrivedPart: ArrivedPart{Number: 1, Size: aws.ToInt64(head.ContentLength), SHA256: nullable(aws.ToString(head.ChecksumSHA256))}}}, nil
	}
	parts, gone, err := s.listParts(ctx, tenant, row)
	if gone {
		for number := 1; number <= row.parts(); number++ {
			_, size := row.part(number)
			parts = append(parts, arrivedPart{ArrivedPart: ArrivedPart{Number: number, Size: size}})
		}
	}
	return parts, err
}

// listParts reads the parts S3 has, by number; gone says that S3 knows no such multipart
// upload (any more).
func (s *Store) listParts(ctx context.Context, tenant string, row *uploadRow) (parts []arrivedPart, gone bool, err error) {
	pages := s3.NewListPartsPaginator(s.s3, &s3.ListPartsInput{
		Bucket: &s.bucket, Key: aws.String(objectKey(tenant, row.ID)), UploadId: &row.Multipart,
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if hasCode(err, "NoSuchUpload") {
			return nil, true, nil
		}
		if err != nil {
			return nil, false, failed(err, "list the parts of an upload")
		}
		for _, p := range page.Parts {
			parts = append(parts, arrivedPart{
				ArrivedPart: ArrivedPart{Number: int(aws.ToInt32(p.PartNumber)), Size: aws.ToInt64(p.Size), SHA256: nullable(aws.ToString(p.ChecksumSHA256))},
				etag:        aws.ToString(p.ETag),
			})
		}
	}
	return parts, false, nil
}

// head describes an object with its checksum; nil if there is none.
func (s *Store) head(ctx context.Context, tenant, id string) (*s3.HeadObjectOutput, error) {
	head, err := s.s3.HeadObject(ctx, &s3.HeadObjectInput{
		Bucket: &s.bucket, Key: aws.String(objectKey(tenant, id)), ChecksumMode: s3types.ChecksumModeEnabled,
	})
	if hasCode(err, "NotFound", "NoSuchKey") {
		return nil, nil
	}
	if err != nil {
		return nil, failed(err, "head an object")
	}
	return head, nil
}

// link makes a part's link. It makes no call.
func (s *Store) link(ctx context.Context, tenant string, row *uploadRow, number int, sum string) (UploadPart, error) {
	offset, size := row.part(number)
	signed, err := s.presignPart(ctx, tenant, row, number, size, sum)
	if err != nil {
		return UploadPart{}, fmt.Errorf("presign part %d: %w", number, err)
	}
	headers := map[string]string{}
	for name := range signed.SignedHeader {
		if name != "Host" && name != "Content-Length" { // which every client sends by itself
			headers[name] = signed.SignedHeader.Get(name)
		}
	}
	return UploadPart{Number: number, Offset: offset, Size: size, Method: signed.Method, URL: &signed.URL, Headers: headers}, nil
}

func (s *Store) presignPart(ctx context.Context, tenant string, row *uploadRow, number int, size int64, sum string) (*v4.PresignedHTTPRequest, error) {
	key, life := aws.String(objectKey(tenant, row.ID)), s3.WithPresignExpires(PartLinkLife)
	if row.Multipart == "" {
		return s.presigner.PresignPutObject(ctx, &s3.PutObjectInput{
			Bucket: &s.bucket, Key: key, ContentLength: &size, ChecksumSHA256: &sum,
			IfNoneMatch: aws.String("*"), // written once: not changed behind an output
		}, life)
	}
	return s.presigner.PresignUploadPart(ctx, &s3.UploadPartInput{
		Bucket: &s.bucket, Key: key, UploadId: &row.Multipart, PartNumber: aws.Int32(int32(number)), //nolint:gosec // at most 10,000
		ContentLength: &size, ChecksumSHA256: &sum,
	}, life)
}

// hasCode reports whether S3 answered one of the codes.
func hasCode(err error, codes ...string) bool {
	var api smithy.APIError
	return errors.As(err, &api) && slices.Contains(codes, api.ErrorCode())
}

// toHex is a checksum of S3 as outputs have it.
func toHex(sum string) string {
	raw, _ := base64.StdEncoding.DecodeString(sum)
	return hex.EncodeToString(raw)
}
