package uploads

import (
	"context"
	"errors"

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

// Begin starts a staged upload. It refuses what outputs.Add would refuse; the name is not
// reserved, so completing it may yet meet another output of that name.
//
//	strong BatchGet {job, name, key}   respond as before, or refuse
//	Put queue row                      due after the upload has expired: a crash from here on leaves something to clean up
//	CreateMultipartUpload              if there are several parts
//	Put upload                         with a key: transaction {Put upload, Put key}
//
// Problems: as outputs.Add's, InvalidRequest (part size), PayloadTooLarge.
func (s *Store) Begin(ctx context.Context, p auth.Principal, n NewUpload) (Upload, error) {
	if err := outputs.CheckName(n.Name, n.Type); err != nil {
		return Upload{}, err
	}
	if n.Size > s.limits.MaxSize {
		return Upload{}, problem.New(problem.PayloadTooLarge, "The content is %d bytes; at most %d can be uploaded.", n.Size, s.limits.MaxSize)
	}
	partSize, single, err := partSize(n.Size, n.PartSize)
	if err != nil {
		return Upload{}, err
	}
	tenant, creator := p.Tenant, users.Of(p)
	call := idempotency.New(s.t, tenant, creator, n.Key, "begin", []any{n.Job}, []any{n.Name, n.Type, n.ContentType, n.Size, n.PartSize, n.SHA256})
	creatorPK, earlier, err := outputs.Admit(ctx, s.t, p, auth.UploadsBegin, outputs.Named{Job: n.Job, Name: n.Name, Type: n.Type}, call)
	if err != nil {
		return Upload{}, err
	}
	if earlier != nil {
		return s.replay(ctx, tenant, earlier)
	}

	expires := s.t.Now().Add(s.limits.Life)
	id := s.t.NewID()
	row := table.UploadRow{
		Key: table.UploadKey(tenant, id), ID: id, Job: n.Job, Name: n.Name, Type: n.Type, ContentType: n.ContentType,
		Size: n.Size, PartSize: partSize, Claimed: n.SHA256,
		State: StateOpen, ExpiresAt: table.FormatTime(expires), TTL: expires.Add(uploadKept).Unix(),
		Creator: creatorPK, CreatorUsername: creator.Username,
	}
	if err := s.t.Put(table.Queued(table.UploadKind, tenant, row.ID, expires)).Run(ctx); err != nil {
		return Upload{}, table.StoreError(err, "put the queue row of an upload")
	}
	if !single {
		made, err := s.t.S3.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{
			Bucket:            &s.t.Bucket,
			Key:               aws.String(table.ObjectKey(tenant, row.ID)),
			ContentType:       aws.String("application/octet-stream"),
			ChecksumAlgorithm: s3types.ChecksumAlgorithmSha256,
			ChecksumType:      s3types.ChecksumTypeComposite,
		})
		if err != nil {
			return Upload{}, table.StoreError(err, "create a multipart upload")
		}
		row.Multipart = aws.ToString(made.UploadId)
	}
	put := s.t.Put(row).If("attribute_not_exists('PK')")
	if call == nil {
		if err = put.Run(ctx); dynamo.IsCondCheckFailed(err) {
			err = nil // met its own first attempt, whose answer was lost
		}
	} else {
		tx := s.t.DB.WriteTx().Put(put)
		call.KeepUpload(tx, row)
		err = tx.Run(ctx)
	}
	if table.Cancellation(err) != nil { // another call with the key was faster; this one's is cleaned up
		if earlier, err := call.LookAgain(ctx); err != nil {
			return Upload{}, err
		} else if earlier != nil {
			return s.replay(ctx, tenant, earlier)
		}
	}
	if err != nil {
		return Upload{}, table.CommitError(err, "put an upload")
	}
	u, err := uploadOf(&row)
	if err != nil {
		return Upload{}, err
	}
	return u, s.listMissing(ctx, tenant, &row, &u, 1)
}

// partSize says how content is cut, and whether it is sent by a single PUT.
func partSize(size, asked int64) (partSize int64, single bool, err error) {
	switch {
	case asked != 0 && (asked < MinPartSize || asked > MaxPartSize):
		return 0, false, problem.New(problem.InvalidRequest, "part_size: must be from %d to %d", MinPartSize, int64(MaxPartSize))
	case asked != 0 && (size+asked-1)/asked > MaxParts:
		return 0, false, problem.New(problem.InvalidRequest, "part_size: must be at least %d, for at most %d parts", (size+MaxParts-1)/MaxParts, MaxParts)
	case size <= MaxSinglePart && (asked == 0 || asked >= size):
		return size, true, nil
	case asked != 0:
		return asked, false, nil
	}
	partSize = leastPartSize
	for partSize < MaxPartSize/2 && (size+partSize-1)/partSize > usualParts {
		partSize *= 2
	}
	return partSize, false, nil
}

// replay is the upload that an earlier call with the same idempotency key began, as that
// call returned it. A link is made anew, and only as long as the upload is open: nobody
// would clean up what came by a later one.
func (s *Store) replay(ctx context.Context, tenant string, earlier *table.IdempotencyRow) (Upload, error) {
	if earlier.Upload == nil {
		return Upload{}, errors.New("an idempotency key has no upload")
	}
	begun := earlier.Upload
	u, err := uploadOf(begun)
	if err != nil {
		return Upload{}, err
	}
	u.Replayed = true
	if begun.Claimed != "" {
		var now table.UploadRow
		if err := s.t.Batch(ctx, table.Wanted{Key: table.UploadKey(tenant, begun.ID), Row: &now, Found: new(bool)}); err != nil {
			return Upload{}, err
		}
		if now.State != StateOpen || s.ended(&now) != nil {
			begun.Claimed = ""
		}
	}
	return u, s.listMissing(ctx, tenant, begun, &u, 1)
}
