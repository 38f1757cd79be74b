//go:build ignore

package outputs

import (
	"fmt"
	"strconv"
	"time"

	dynamotypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/guregu/dynamo/v2"
)

// outputRow is an O or an N row. Times are text of fixed width; null is absent.
type outputRow struct {
	PartitionKey string `dynamo:"PK"`
	SortKey      string `dynamo:"SK"`
	TimelineKey  string `dynamo:"TLPK,omitempty"` // on O rows alone
	TimelineSort string `dynamo:"TLSK,omitempty"`

	PK              int64     `dynamo:"pk"`
	Job             int64     `dynamo:"job"`
	Name            string    `dynamo:"name"`
	Type            string    `dynamo:"type,omitempty"`
	Creator         int64     `dynamo:"creator,omitempty"`
	CreatorUsername string    `dynamo:"creator_username,omitempty"`
	CreationTime    string    `dynamo:"creation_time"`
	DeletionTime    string    `dynamo:"deletion_time,omitempty"`
	Size            int64     `dynamo:"size"`
	ContentType     string    `dynamo:"content_type,omitempty"`
	SHA256          string    `dynamo:"sha256,omitempty"`
	Checksum        *Checksum `dynamo:"checksum,omitempty"`
	Object          string    `dynamo:"object"`
	Version         int64     `dynamo:"v"`
}

// UnmarshalDynamoItem decodes an item, as the tags above have it. Rows of outputs are read
// by the thousand, and reflection took as long as everything else together.
func (r *outputRow) UnmarshalDynamoItem(item dynamo.Item) error {
	*r = outputRow{}
	texts := [...]text{
		{"PK", &r.PartitionKey}, {"SK", &r.SortKey}, {"TLPK", &r.TimelineKey}, {"TLSK", &r.TimelineSort},
		{"name", &r.Name}, {"type", &r.Type}, {"creator_username", &r.CreatorUsername},
		{"creation_time", &r.CreationTime}, {"deletion_time", &r.DeletionTime},
		{"content_type", &r.ContentType}, {"sha256", &r.SHA256}, {"object", &r.Object},
	}
	for _, text := range texts {
		text.from(item)
	}
	for _, n := range [...]number{{"pk", &r.PK}, {"job", &r.Job}, {"creator", &r.Creator}, {"size", &r.Size}, {"v", &r.Version}} {
		if err := n.from(item); err != nil {
			return err
		}
	}
	m, ok := item["checksum"].(*dynamotypes.AttributeValueMemberM)
	if !ok {
		return nil
	}
	r.Checksum = &Checksum{}
	for _, text := range [...]text{{"algorithm", &r.Checksum.Algorithm}, {"type", &r.Checksum.Type}, {"value", &r.Checksum.Value}} {
		text.from(m.Value)
	}
	return number{"part_size", &r.Checksum.PartSize}.from(m.Value)
}

// text is a text attribute of an item, and where it goes.
type text struct {
	name  string
	value *string
}

func (t text) from(item map[string]dynamotypes.AttributeValue) {
	if v, ok := item[t.name].(*dynamotypes.AttributeValueMemberS); ok {
		*t.value = v.Value
	}
}

// number is a whole number of an item, and where it goes.
type number struct {
	name  string
	value *int64
}

func (n number) from(item map[string]dynamotypes.AttributeValue) (err error) {
	if v, ok := item[n.name].(*dynamotypes.AttributeValueMemberN); ok {
		if *n.value, err = strconv.ParseInt(v.Value, 10, 64); err != nil {
			return fmt.Errorf("attribute %s: %w", n.name, err)
		}
	}
	return nil
}

// byPK is the O row of an output.
func (o *Output) byPK(tenant string, shards int) outputRow {
	row := o.item()
	row.PartitionKey, row.SortKey = outputKey(tenant, o.PK), outputSort
	row.TimelineKey = shardKey(tenant, int(o.PK%int64(shards)))
	row.TimelineSort = timelineSort(o.CreationTime, o.PK)
	return row
}

// byName is the N row of an output.
func (o *Output) byName(tenant string) outputRow {
	row := o.item()
	row.PartitionKey, row.SortKey = jobKey(tenant, o.Job), nameSort(o.Name, o.Type)
	return row
}

func (o *Output) item() outputRow {
	return outputRow{
		PK: o.PK, Job: o.Job, Name: o.Name, Type: o.Type, Creator: o.Creator, CreatorUsername: o.CreatorUsername,
		CreationTime: FormatTime(o.CreationTime), DeletionTime: FormatTime(o.DeletionTime),
		Size: o.Size, ContentType: o.ContentType, SHA256: o.SHA256, Checksum: o.Checksum,
		Object: o.object, Version: o.version,
	}
}

func (r *outputRow) output() (Output, error) {
	o := Output{
		PK: r.PK, Job: r.Job, Name: r.Name, Type: r.Type, Creator: r.Creator, CreatorUsername: r.CreatorUsername,
		Size: r.Size, ContentType: r.ContentType, SHA256: r.SHA256, Checksum: r.Checksum,
		object: r.Object, version: r.Version,
	}
	var err error
	if o.CreationTime, err = parseTime(r.CreationTime); err != nil {
		return Output{}, err
	}
	o.DeletionTime, err = parseTime(r.DeletionTime)
	return o, err
}

// jobRow is a JOB row.
type jobRow struct {
	PartitionKey string `dynamo:"PK"`
	SortKey      string `dynamo:"SK"`

	PK           int64   `dynamo:"pk"`
	Description  string  `dynamo:"description,omitempty"`
	Node         int64   `dynamo:"node,omitempty"`
	Creator      int64   `dynamo:"creator,omitempty"`
	CreationTime string  `dynamo:"creation_time"`
	StartTime    string  `dynamo:"start_time,omitempty"`
	EndTime      string  `dynamo:"end_time,omitempty"`
	ErrorReason  *string `dynamo:"error_reason,allowempty"`
	DeletionTime string  `dynamo:"deletion_time,omitempty"`
	Cancelled    bool    `dynamo:"is_cancelled,omitempty"`
	Version      int64   `dynamo:"v"`
}

func (j *Job) item(tenant string) jobRow {
	return jobRow{
		PartitionKey: jobKey(tenant, j.PK), SortKey: jobSort,
		PK: j.PK, Description: j.Description, Node: j.Node, Creator: j.Creator, CreationTime: FormatTime(j.CreationTime),
		StartTime: FormatTime(j.StartTime), EndTime: FormatTime(j.EndTime), ErrorReason: j.ErrorReason,
		DeletionTime: FormatTime(j.DeletionTime), Cancelled: j.Cancelled, Version: j.version,
	}
}

func (r *jobRow) job() (Job, error) {
	j := Job{
		PK: r.PK, Description: r.Description, Node: r.Node, Creator: r.Creator,
		ErrorReason: r.ErrorReason, Cancelled: r.Cancelled, version: r.Version,
	}
	for text, at := range map[*string]*time.Time{
		&r.CreationTime: &j.CreationTime, &r.StartTime: &j.StartTime, &r.EndTime: &j.EndTime, &r.DeletionTime: &j.DeletionTime,
	} {
		var err error
		if *at, err = parseTime(*text); err != nil {
			return Job{}, err
		}
	}
	return j, nil
}

// nodeRow is a D row.
type nodeRow struct {
	PartitionKey string `dynamo:"PK"`
	SortKey      string `dynamo:"SK"`
	CurrentJob   int64  `dynamo:"current_job,omitempty"`
}

// countersRow is a tenant's C row.
type countersRow struct {
	Outputs int64 `dynamo:"outputs"`
	Jobs    int64 `dynamo:"jobs"`
	Users   int64 `dynamo:"users"`
}

// userRow is a row of the directory.
type userRow struct {
	PartitionKey string `dynamo:"PK"`
	SortKey      string `dynamo:"SK"`
	PK           int64  `dynamo:"pk"`
	Username     string `dynamo:"username,omitempty"`
}

// queueRow is a W row.
type queueRow struct {
	PartitionKey string `dynamo:"PK"`
	SortKey      string `dynamo:"SK"`
	Kind         string `dynamo:"kind"`
	Tenant       string `dynamo:"tenant"`
	Object       string `dynamo:"object"`
	Claimed      bool   `dynamo:"claimed,omitempty"`
}

func parseTime(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(TimeFormat, text)
	if err != nil {
		return time.Time{}, fmt.Errorf("a stored time: %w", err)
	}
	return t, nil
}
