// Package rows is the table's rows as bare items, for benchmarks that read and write them
// without the store: shared/table/keys.go and rows.go, said a second time. A test holds
// that they are what the store writes.
package rows

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"joboutputs/shared/outputs"
	"joboutputs/shared/table"
)

// Item is a row, or a key.
type Item map[string]types.AttributeValue

// Text is an attribute of type S.
func Text(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

// Number is an attribute of type N.
func Number(n int64) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(n, 10)}
}

// Of is an attribute's text, also that of a number.
func (i Item) Of(name string) string {
	switch v := i[name].(type) {
	case *types.AttributeValueMemberS:
		return v.Value
	case *types.AttributeValueMemberN:
		return v.Value
	}
	return ""
}

// Key is a row's key.
func Key(partition, sort string) Item { return Item{"PK": Text(partition), "SK": Text(sort)} }

// OutputKey is the key of an output's row by pk.
func OutputKey(tenant string, pk int64) Item { return Key("T#"+tenant+"#O#"+decimal(pk), "O") }

// JobPartition holds a job and its outputs by name.
func JobPartition(tenant string, job int64) string { return "T#" + tenant + "#J#" + decimal(job) }

// NamePrefix begins the sort keys of a job's outputs.
const NamePrefix = "N#"

// NameKey is the key of an output's row by name.
func NameKey(tenant string, job int64, name, typ string) Item {
	sum := sha256.Sum256([]byte(name + "\x00" + typ))
	return Key(JobPartition(tenant, job), NamePrefix+hex.EncodeToString(sum[:]))
}

// Shard is a partition of a tenant's timeline.
func Shard(tenant string, shard int) string { return "T#" + tenant + "#S" + strconv.Itoa(shard) }

// Both are an output's two rows. object is its storage key's last part.
func Both(tenant string, o *outputs.Output, object string) (byPK, byName Item) {
	byPK, byName = attributes(o, object), attributes(o, object)
	maps.Copy(byPK, OutputKey(tenant, o.PK))
	byPK["TLPK"] = Text(Shard(tenant, int(o.PK%table.DefaultShards)))
	byPK["TLSK"] = Text(fmt.Sprintf("%s#%010d", table.FormatTime(o.CreationTime), o.PK))
	maps.Copy(byName, NameKey(tenant, o.Job, o.Name, o.Type))
	return byPK, byName
}

// Job is the row of a job that runs.
func Job(tenant string, pk int64, created time.Time) Item {
	i := Item{
		"pk": Number(pk), "description": Text("benchmark"), "node": Number(1), "creator": Number(1), "v": Number(1),
		"creation_time": Text(table.FormatTime(created)), "start_time": Text(table.FormatTime(created)),
	}
	maps.Copy(i, Key(JobPartition(tenant, pk), "JOB"))
	return i
}

func attributes(o *outputs.Output, object string) Item {
	i := Item{
		"pk": Number(o.PK), "job": Number(o.Job), "name": Text(o.Name), "creation_time": Text(table.FormatTime(o.CreationTime)),
		"size": Number(o.Size), "object": Text(object), "v": Number(1),
	}
	for name, value := range map[string]string{
		"type": o.Type, "creator_username": o.CreatorUsername, "deletion_time": table.FormatTime(o.DeletionTime),
		"content_type": o.ContentType, "sha256": o.SHA256,
	} {
		if value != "" { // null is absent
			i[name] = Text(value)
		}
	}
	if o.Creator != 0 {
		i["creator"] = Number(o.Creator)
	}
	if c := o.Checksum; c != nil {
		i["checksum"] = &types.AttributeValueMemberM{Value: Item{
			"algorithm": Text(c.Algorithm), "type": Text(c.Type), "value": Text(c.Value),
		}}
	}
	return i
}

func decimal(n int64) string { return strconv.FormatInt(n, 10) }
