package uploads

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"

	"joboutputs/shared/auth"
	"joboutputs/shared/problem"
	"joboutputs/shared/table"
)

// Wanted is what is asked of an upload.
type Wanted struct {
	From   int      // the first part, from 1
	SHA256 []string // base64, of the parts From, From+1, …: links to these parts, at most PartsAtOnce, instead of a look at what arrived
}

// Status reads a staged upload: which parts arrived and the first that did not; or, where
// checksums are given, links to the parts that have them, which makes no call to S3.
// Problems: NotFound, PermissionDenied, UploadNotFound, InvalidRequest, Unavailable.
func (s *Store) Status(ctx context.Context, p auth.Principal, job int64, id string, w Wanted) (Upload, error) {
	row, _, err := s.read(ctx, p, auth.UploadsStatus, job, id)
	tenant := p.Tenant
	if err != nil {
		return Upload{}, err
	}
	u, err := uploadOf(&row)
	if err != nil || u.State != StateOpen {
		return u, err
	}
	if s.ended(&row) != nil {
		u.State = StateAborted
		return u, nil
	}
	if len(w.SHA256) > 0 {
		u.Arrived = nil
		return u, s.linkParts(ctx, tenant, &row, &u, &w)
	}
	arrived, err := s.arrived(ctx, tenant, &row)
	if problem.Is(err, problem.UploadLost) {
		u.State = StateAborted
		return u, nil
	}
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
func (s *Store) listMissing(ctx context.Context, tenant string, row *table.UploadRow, u *Upload, from int) error {
	here := map[int]bool{}
	for _, p := range u.Arrived {
		_, size := part(row, p.Number)
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
		offset, size := part(row, number)
		u.Parts = append(u.Parts, Part{Number: number, Offset: offset, Size: size, Method: http.MethodPut, Headers: map[string]string{}})
	}
	return nil
}

// linkParts adds the parts whose checksums are given, with links.
func (s *Store) linkParts(ctx context.Context, tenant string, row *table.UploadRow, u *Upload, w *Wanted) error {
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
// just being, all have arrived and their checksums are not known any more. Problem:
// UploadLost.
func (s *Store) arrived(ctx context.Context, tenant string, row *table.UploadRow) ([]arrivedPart, error) {
	if row.Multipart == "" {
		head, err := s.head(ctx, tenant, row.ID)
		if head == nil || err != nil {
			return nil, err
		}
		return []arrivedPart{{ArrivedPart: ArrivedPart{Number: 1, Size: aws.ToInt64(head.ContentLength), SHA256: table.Nullable(aws.ToString(head.ChecksumSHA256))}}}, nil
	}
	parts, gone, err := s.listParts(ctx, tenant, row)
	if gone && !s.leased(row) {
		switch head, err := s.head(ctx, tenant, row.ID); {
		case err != nil:
			return nil, err
		case head == nil:
			return nil, lost()
		}
	}
	if gone {
		for number := 1; number <= partCount(row); number++ {
			_, size := part(row, number)
			parts = append(parts, arrivedPart{ArrivedPart: ArrivedPart{Number: number, Size: size}})
		}
	}
	return parts, err
}

// listParts reads the parts S3 has, by number; gone says that S3 knows no such multipart
// upload (any more).
func (s *Store) listParts(ctx context.Context, tenant string, row *table.UploadRow) (parts []arrivedPart, gone bool, err error) {
	pages := s3.NewListPartsPaginator(s.t.S3, &s3.ListPartsInput{
		Bucket: &s.t.Bucket, Key: aws.String(table.ObjectKey(tenant, row.ID)), UploadId: &row.Multipart,
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if table.HasCode(err, "NoSuchUpload") {
			return nil, true, nil
		}
		if err != nil {
			return nil, false, table.StoreError(err, "list the parts of an upload")
		}
		for _, p := range page.Parts {
			parts = append(parts, arrivedPart{
				ArrivedPart: ArrivedPart{Number: int(aws.ToInt32(p.PartNumber)), Size: aws.ToInt64(p.Size), SHA256: table.Nullable(aws.ToString(p.ChecksumSHA256))},
				etag:        aws.ToString(p.ETag),
			})
		}
	}
	return parts, false, nil
}

// head describes an object with its checksum; nil if there is none.
func (s *Store) head(ctx context.Context, tenant, id string) (*s3.HeadObjectOutput, error) {
	head, err := s.t.S3.HeadObject(ctx, &s3.HeadObjectInput{
		Bucket: &s.t.Bucket, Key: aws.String(table.ObjectKey(tenant, id)), ChecksumMode: s3types.ChecksumModeEnabled,
	})
	if table.HasCode(err, "NotFound", "NoSuchKey") {
		return nil, nil
	}
	if err != nil {
		return nil, table.StoreError(err, "head an object")
	}
	return head, nil
}

// link makes a part's link. It makes no call.
func (s *Store) link(ctx context.Context, tenant string, row *table.UploadRow, number int, sum string) (Part, error) {
	offset, size := part(row, number)
	signed, err := s.presignPart(ctx, tenant, row, number, size, sum)
	if err != nil {
		return Part{}, fmt.Errorf("presign part %d: %w", number, err)
	}
	headers := map[string]string{}
	for name := range signed.SignedHeader {
		if name != "Host" && name != "Content-Length" { // which every client sends by itself
			headers[name] = signed.SignedHeader.Get(name)
		}
	}
	return Part{Number: number, Offset: offset, Size: size, Method: signed.Method, URL: &signed.URL, Headers: headers}, nil
}

func (s *Store) presignPart(ctx context.Context, tenant string, row *table.UploadRow, number int, size int64, sum string) (*v4.PresignedHTTPRequest, error) {
	key, life := aws.String(table.ObjectKey(tenant, row.ID)), s3.WithPresignExpires(LinkLife)
	if row.Multipart == "" {
		return s.t.Presigner.PresignPutObject(ctx, &s3.PutObjectInput{
			Bucket: &s.t.Bucket, Key: key, ContentLength: &size, ChecksumSHA256: &sum,
			IfNoneMatch: aws.String("*"), // written once: not changed behind an output
		}, life)
	}
	return s.t.Presigner.PresignUploadPart(ctx, &s3.UploadPartInput{
		Bucket: &s.t.Bucket, Key: key, UploadId: &row.Multipart, PartNumber: aws.Int32(int32(number)), //nolint:gosec // at most 10,000
		ContentLength: &size, ChecksumSHA256: &sum,
	}, life)
}

// toHex is a checksum of S3 as outputs have it.
func toHex(sum string) string {
	raw, _ := base64.StdEncoding.DecodeString(sum)
	return hex.EncodeToString(raw)
}
