package outputs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"

	"joboutputs/shared/problem"
	"joboutputs/shared/table"
)

// Range is a part of an output's bytes, both ends included, counted from 0.
type Range struct{ First, Last int64 }

// Open opens an output's bytes, all or a part of them. The caller closes what it returns.
// An object that is not there was deleted since the row was read, which the row, read
// again, says: NotFound; if it still refers to the object, that is a defect: BytesMissing.
// Problems: NotFound, BytesMissing, Unavailable.
func (s *Store) Open(ctx context.Context, tenant string, o *Output, part *Range) (io.ReadCloser, error) {
	in := &s3.GetObjectInput{Bucket: &s.t.Bucket, Key: aws.String(table.ObjectKey(tenant, o.object))}
	if part != nil {
		in.Range = aws.String(fmt.Sprintf("bytes=%d-%d", part.First, part.Last))
	}
	got, err := s.t.S3.GetObject(ctx, in)
	var code smithy.APIError
	if errors.As(err, &code) && code.ErrorCode() == "NoSuchKey" {
		return nil, s.missing(ctx, tenant, o, err)
	}
	if err != nil {
		return nil, table.StoreError(err, "get the bytes of output %d", o.PK)
	}
	return got.Body, nil
}

func (s *Store) missing(ctx context.Context, tenant string, o *Output, cause error) error {
	now, err := s.Output(ctx, tenant, o.PK)
	if err != nil {
		return err
	}
	if now.object != o.object {
		return problem.Missing()
	}
	return problem.New(problem.BytesMissing, "The output's content is missing.").Because(cause)
}

// Link is a presigned GET of an output's bytes: whoever has it reads them until it
// expires, so it is never logged or cached.
type Link struct {
	URL     string
	Method  string
	Headers http.Header // to be sent with the request, besides Host; empty for a GET
	Expires time.Time   // at the latest: the link ends with the credentials that signed it, and a Lambda is not told when that is
}

// Presign makes a link to an output's bytes. The answer's media type and file name are
// signed in. It makes no call, so nothing is known of the bytes.
func (s *Store) Presign(ctx context.Context, tenant string, o *Output, disposition string, life time.Duration) (Link, error) {
	expires := s.t.Now().Add(life).Truncate(time.Second)
	signed, err := s.t.Presigner.PresignGetObject(ctx, &s3.GetObjectInput{
		Bucket:                     &s.t.Bucket,
		Key:                        aws.String(table.ObjectKey(tenant, o.object)),
		ResponseContentType:        aws.String("application/octet-stream"),
		ResponseContentDisposition: &disposition,
		ResponseCacheControl:       aws.String("no-store"),
	}, s3.WithPresignExpires(life))
	if err != nil {
		return Link{}, fmt.Errorf("presign output %d: %w", o.PK, err)
	}
	headers := signed.SignedHeader.Clone()
	headers.Del("Host")
	return Link{URL: signed.URL, Method: signed.Method, Headers: headers, Expires: expires}, nil
}
