package table

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash/fnv"
	"strconv"
	"time"
)

// The keys of the table and the bucket, drawn here and built nowhere else. Every key but the
// queue's begins with the tenant; text from users is hashed before it becomes part of a key.
//
//	row                PK                    SK                                 holds
//	output, by pk (O)  T#<t>#O#<pk>          O                                  everything
//	output, by name(N) T#<t>#J#<job>         N#<sha256(name 0x00 type)>         everything again; guards the name
//	job                T#<t>#J#<job>         JOB                                the job
//	node               T#<t>#D#<node>        D                                  current_job
//	counters           T#<t>#C               C                                  last pks; how the tenant's users get theirs
//	user, by subject   T#<t>#U               S#<sha256(iss 0x00 sub)>           pk, username
//	user, by pk        T#<t>#U               P#<pk>                             the same
//	staged upload (X)  T#<t>#X#<ulid>        X                                  its state; kept for a while after its end
//	idempotency (I)    T#<t>#I#<sha256>      I                                  the response to a call with that key; for 24 h
//	queue (W)          W#<0..15>             <due>#<tenant>#<ulid>              what a crash could leave behind
//
// The timeline index holds the O rows of a tenant by time, in shards:
//
//	TLPK T#<t>#S<pk mod shards>   TLSK <creation_time>#<pk, 10 digits>
//
// The bucket holds the content of an output or an upload at t/<t>/<ulid>.
//
// The counters are one row, so that one condition on it fixes for good whether a tenant's
// users get their pks from their tokens or from the directory.
const (
	queuePartitions = 16

	// NamePrefix begins the sort key of every output's row in the partition of its job.
	NamePrefix = "N#"
)

// Key is the primary key of a row. Every row embeds its own.
type Key struct {
	Partition string `dynamo:"PK"`
	Sort      string `dynamo:"SK"`
}

func tenantPrefix(tenant string) string { return "T#" + tenant }

// OutputKey is the key of an output's row by pk.
func OutputKey(tenant string, pk int64) Key {
	return Key{tenantPrefix(tenant) + "#O#" + strconv.FormatInt(pk, 10), "O"}
}

// JobPartition holds a job's row and one row by name for each of its outputs.
func JobPartition(tenant string, job int64) string {
	return tenantPrefix(tenant) + "#J#" + strconv.FormatInt(job, 10)
}

// JobKey is the key of a job's row.
func JobKey(tenant string, job int64) Key { return Key{JobPartition(tenant, job), "JOB"} }

// NameKey is the key of an output's row by name.
func NameKey(tenant string, job int64, name, typ string) Key {
	return Key{JobPartition(tenant, job), NamePrefix + digest(name, typ)}
}

// UploadKey is the key of a staged upload's row.
func UploadKey(tenant, id string) Key { return Key{tenantPrefix(tenant) + "#X#" + id, "X"} }

// IdempotencyKey is the key of an idempotency row. The digest covers user, action, target
// and the Idempotency-Key that was sent.
func IdempotencyKey(tenant, digest string) Key {
	return Key{tenantPrefix(tenant) + "#I#" + digest, "I"}
}

// NodeKey is the key of a node's row.
func NodeKey(tenant string, node int64) Key {
	return Key{tenantPrefix(tenant) + "#D#" + strconv.FormatInt(node, 10), "D"}
}

// CountersKey is the key of a tenant's counters.
func CountersKey(tenant string) Key { return Key{tenantPrefix(tenant) + "#C", "C"} }

// SubjectKey is the key of a user's row in the tenant's directory, by subject.
func SubjectKey(tenant, issuer, subject string) Key {
	return Key{tenantPrefix(tenant) + "#U", "S#" + digest(issuer, subject)}
}

// UserKey is the key of a user's row in the tenant's directory, by pk.
func UserKey(tenant string, pk int64) Key {
	return Key{tenantPrefix(tenant) + "#U", "P#" + strconv.FormatInt(pk, 10)}
}

// ShardPartition is a partition of the tenant's timeline index.
func ShardPartition(tenant string, shard int) string {
	return tenantPrefix(tenant) + "#S" + strconv.Itoa(shard)
}

// timelineSort orders rows by time, then by pk; pks have a fixed width, so that their text
// orders as the numbers do.
func timelineSort(created string, pk int64) string {
	return fmt.Sprintf("%s#%010d", created, pk)
}

// QueueKey is the key of an object's queue row, which is due at a time.
func QueueKey(due time.Time, tenant, object string) Key {
	h := fnv.New32a()
	h.Write([]byte(object))
	return Key{queuePartition(int(h.Sum32() % queuePartitions)), FormatTime(due) + "#" + tenant + "#" + object}
}

func queuePartition(n int) string { return "W#" + strconv.Itoa(n) }

// ObjectKey is the key of an object in the bucket. The service makes the id, and writes
// each object once.
func ObjectKey(tenant, id string) string { return "t/" + tenant + "/" + id }

// digest covers two texts, separated by a byte that the first cannot hold: names with NUL
// are refused.
func digest(a, b string) string {
	sum := sha256.Sum256([]byte(a + "\x00" + b))
	return hex.EncodeToString(sum[:])
}
