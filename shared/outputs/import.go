package outputs

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/guregu/dynamo/v2"
	"github.com/oklog/ulid/v2"
	"golang.org/x/sync/errgroup"
)

// Import is rows with explicit pks and times to be loaded into a tenant, as seed files
// hold them. It is for the local run and for tests; no function imports.
type Import struct {
	Jobs         []Job // without Outputs
	Nodes        []Node
	Outputs      []ImportedOutput
	LastOutputPK int64 // the output counter is lifted to at least it
}

// Node is what is known of a node.
type Node struct {
	PK         int64
	CurrentJob int64 // 0 = none
}

// ImportedOutput is an output with its bytes. Size, SHA256 and Checksum are made from
// them.
type ImportedOutput struct {
	Output
	Content []byte
}

// Import loads rows: objects first, then rows, so that stopping half-way and loading
// again is safe. Rows that are there already stay as they are; one with the same pk and
// other content is an error that names the field. What the API has changed since a row
// was loaded (a deletion, a job's state) is not other content.
func (s *Store) Import(ctx context.Context, tenant string, in Import) error {
	fresh, err := s.unknown(ctx, tenant, in)
	if err != nil {
		return err
	}
	objects, objectsCtx := errgroup.WithContext(ctx)
	objects.SetLimit(16)
	for i := range fresh.Outputs {
		o := &fresh.Outputs[i]
		objects.Go(func() error { return s.importObject(objectsCtx, tenant, o) })
	}
	if err := objects.Wait(); err != nil {
		return err
	}
	if err := s.importRows(ctx, tenant, fresh); err != nil {
		return err
	}
	var lastJob int64
	for _, j := range in.Jobs {
		lastJob = max(lastJob, j.PK)
	}
	lastOutput := in.LastOutputPK
	for _, o := range in.Outputs {
		lastOutput = max(lastOutput, o.PK)
	}
	return s.importCounters(ctx, tenant, map[string]int64{"jobs": lastJob, "outputs": lastOutput})
}

// unknown is what of the import is not in the table yet.
func (s *Store) unknown(ctx context.Context, tenant string, in Import) (Import, error) {
	var fresh Import
	jobs := make([]jobRow, len(in.Jobs))
	rows := make([]outputRow, len(in.Outputs))
	names := make([]outputRow, len(in.Outputs))
	var wanted []wantedRow
	found := make([]bool, len(jobs)+2*len(rows))
	nodes := make([]nodeRow, len(in.Nodes))
	nodeFound := make([]bool, len(nodes))
	for i, n := range in.Nodes {
		wanted = append(wanted, wantedRow{nodeKey(tenant, n.PK), nodeSort, &nodes[i], &nodeFound[i]})
	}
	for i, j := range in.Jobs {
		wanted = append(wanted, wantedRow{jobKey(tenant, j.PK), jobSort, &jobs[i], &found[i]})
	}
	for i, o := range in.Outputs {
		wanted = append(wanted,
			wantedRow{outputKey(tenant, o.PK), outputSort, &rows[i], &found[len(jobs)+i]},
			wantedRow{jobKey(tenant, o.Job), nameSort(o.Name, o.Type), &names[i], &found[len(jobs)+len(rows)+i]})
	}
	for chunk := range slices.Chunk(wanted, 100) { // BatchGetItem takes 100 keys
		if err := s.batch(ctx, chunk...); err != nil {
			return Import{}, err
		}
	}
	for i, n := range in.Nodes {
		if !nodeFound[i] {
			fresh.Nodes = append(fresh.Nodes, n)
		}
	}
	for i, j := range in.Jobs {
		j.version = 1
		if !found[i] {
			fresh.Jobs = append(fresh.Jobs, j)
		} else if field := differsJob(jobs[i], j.item(tenant)); field != "" {
			return Import{}, fmt.Errorf("job %d is there already with another %s", j.PK, field)
		}
	}
	for i := range in.Outputs {
		o := in.Outputs[i]
		o.describe(tenant)
		if found[len(jobs)+i] {
			if field := differs(rows[i], o.item()); field != "" {
				return Import{}, fmt.Errorf("output %d is there already with another %s", o.PK, field)
			}
			continue
		}
		if found[len(jobs)+len(rows)+i] {
			return Import{}, fmt.Errorf("output %d: output %d of job %d has the same name and type", o.PK, names[i].PK, o.Job)
		}
		fresh.Outputs = append(fresh.Outputs, o)
	}
	return fresh, nil
}

// describe fills in what follows from the content. The object's id follows from it too,
// so that loading again after a crash overwrites instead of leaving bytes behind.
func (o *ImportedOutput) describe(tenant string) {
	sum := sha256.Sum256(o.Content)
	o.Size, o.SHA256 = int64(len(o.Content)), hex.EncodeToString(sum[:])
	o.Checksum = &Checksum{Algorithm: "SHA256", Type: "full", Value: base64.StdEncoding.EncodeToString(sum[:])}
	o.version = 1
	seed := sha256.Sum256([]byte(objectKey(tenant, o.SHA256) + "#" + fmt.Sprint(o.PK)))
	id, _ := ulid.New(ulid.Timestamp(o.CreationTime), bytes.NewReader(seed[:]))
	o.object = id.String()
}

// differs names the first field in which a row that is there differs from the one to be
// loaded. A version above 1 says that the API changed what it can change.
func differs(there, here outputRow) string {
	return firstDifference(
		field{"job", there.Job == here.Job},
		field{"name", there.Name == here.Name},
		field{"type", there.Type == here.Type},
		field{"creator", there.Creator == here.Creator},
		field{"creation_time", there.CreationTime == here.CreationTime},
		field{"deletion_time", there.DeletionTime == here.DeletionTime || there.Version > 1},
		field{"content", there.SHA256 == here.SHA256},
	)
}

func differsJob(there, here jobRow) string {
	changed := there.Version > 1
	return firstDifference(
		field{"description", there.Description == here.Description},
		field{"creator", there.Creator == here.Creator},
		field{"creation_time", there.CreationTime == here.CreationTime},
		field{"deletion_time", there.DeletionTime == here.DeletionTime},
		field{"node", there.Node == here.Node || changed},
		field{"start_time", there.StartTime == here.StartTime || changed},
		field{"end_time", there.EndTime == here.EndTime || changed},
		field{"error_reason", aws.ToString(there.ErrorReason) == aws.ToString(here.ErrorReason) || changed},
	)
}

type field struct {
	name string
	same bool
}

func firstDifference(fields ...field) string {
	for _, f := range fields {
		if !f.same {
			return f.name
		}
	}
	return ""
}

func (s *Store) importObject(ctx context.Context, tenant string, o *ImportedOutput) error {
	_, err := s.s3.PutObject(ctx, &s3.PutObjectInput{
		Bucket:            &s.bucket,
		Key:               aws.String(objectKey(tenant, o.object)),
		Body:              bytes.NewReader(o.Content),
		ContentType:       aws.String("application/octet-stream"),
		ChecksumAlgorithm: s3types.ChecksumAlgorithmSha256,
		ChecksumSHA256:    aws.String(o.Checksum.Value),
	})
	if err != nil {
		return failed(err, "put the bytes of output %d", o.PK)
	}
	return nil
}

func (s *Store) importRows(ctx context.Context, tenant string, in Import) error {
	var items []any
	for i := range in.Outputs {
		items = append(items, in.Outputs[i].byPK(tenant, s.shards), in.Outputs[i].byName(tenant))
	}
	for i := range in.Jobs {
		items = append(items, in.Jobs[i].item(tenant))
	}
	for _, n := range in.Nodes {
		items = append(items, nodeRow{PartitionKey: nodeKey(tenant, n.PK), SortKey: nodeSort, CurrentJob: n.CurrentJob})
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(4)
	for chunk := range slices.Chunk(items, 25) { // BatchWriteItem takes 25 items
		group.Go(func() error {
			if _, err := s.table.Batch().Write().Put(chunk...).Run(ctx); err != nil {
				return failed(err, "write rows")
			}
			return nil
		})
	}
	return group.Wait()
}

// importCounters lifts counters to what the imported rows use.
func (s *Store) importCounters(ctx context.Context, tenant string, last map[string]int64) error {
	for counter, value := range last {
		err := s.counters(tenant, byClaim).Set(counter, value).
			If("attribute_not_exists($) OR $ < ?", counter, counter, value).
			Run(ctx)
		if err != nil && !dynamo.IsCondCheckFailed(err) {
			return failed(err, "lift the %s counter", counter)
		}
	}
	return nil
}
