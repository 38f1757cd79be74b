//go:build ignore

package outputs

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash/fnv"
	"strconv"
	"time"
)

// The table. Every key begins with the tenant, but for the queue's; text of users is
// hashed before it becomes part of a key.
//
//	row                PK                    SK                                 holds
//	output, by pk (O)  T#<t>#O#<pk>          O                                  everything
//	output, by name(N) T#<t>#J#<job>         N#<sha256(name 0x00 type)>         everything again; guards the name
//	job                T#<t>#J#<job>         JOB                                the job
//	node               T#<t>#D#<node>        D                                  current_job
//	counters           T#<t>#C               C                                  last pks; the tenant's way of naming users
//	user, by subject   T#<t>#U               S#<sha256(iss 0x00 sub)>           pk, username
//	user, by pk        T#<t>#U               P#<pk>                             the same
//	staged upload (X)  T#<t>#X#<ulid>        X                                  its state; kept for a while after its end
//	idempotency (I)    T#<t>#I#<sha256>      I                                  what a call with that key answered; for 24 h
//	queue (W)          W#<0..15>             <due>#<tenant>#<ulid>              what a crash could leave
//
// The timeline index holds the O rows of a tenant by time, in shards:
//
//	TLPK T#<t>#S<pk mod shards>   TLSK <creation_time>#<pk, 10 digits>
//
// The counters are one row, so that one condition on it fixes for good whether a
// tenant's users are named by its tokens or by the directory.
const (
	outputSort   = "O"
	jobSort      = "JOB"
	namePrefix   = "N#"
	nodeSort     = "D"
	countersSort = "C"
	uploadSort   = "X"

	idempotencySort = "I"

	queuePartitions = 16
)

func tenantKey(tenant string) string { return "T#" + tenant }

func outputKey(tenant string, pk int64) string {
	return tenantKey(tenant) + "#O#" + strconv.FormatInt(pk, 10)
}

func jobKey(tenant string, job int64) string {
	return tenantKey(tenant) + "#J#" + strconv.FormatInt(job, 10)
}

func nameSort(name, typ string) string { return namePrefix + digest(name, typ) }

func uploadKey(tenant, id string) string { return tenantKey(tenant) + "#X#" + id }

// idempotencyKey is of the digest of user, action, target and the key that was sent.
func idempotencyKey(tenant, digest string) string { return tenantKey(tenant) + "#I#" + digest }

func nodeKey(tenant string, node int64) string {
	return tenantKey(tenant) + "#D#" + strconv.FormatInt(node, 10)
}

func countersKey(tenant string) string { return tenantKey(tenant) + "#C" }

func usersKey(tenant string) string { return tenantKey(tenant) + "#U" }

func subjectSort(issuer, subject string) string { return "S#" + digest(issuer, subject) }

func userSort(pk int64) string { return "P#" + strconv.FormatInt(pk, 10) }

func shardKey(tenant string, shard int) string {
	return tenantKey(tenant) + "#S" + strconv.Itoa(shard)
}

// timelineSort orders rows by time, then pk; as text it does what numbers would.
func timelineSort(created time.Time, pk int64) string {
	return fmt.Sprintf("%s#%010d", FormatTime(created), pk)
}

func queueKey(id string) string {
	h := fnv.New32a()
	h.Write([]byte(id))
	return "W#" + strconv.Itoa(int(h.Sum32()%queuePartitions))
}

func queueSort(due time.Time, tenant, id string) string {
	return FormatTime(due) + "#" + tenant + "#" + id
}

// objectKey is where an object's bytes are: made by the server, written once.
func objectKey(tenant, id string) string { return "t/" + tenant + "/" + id }

// digest is of two texts, separated by a byte that the first cannot hold: names with NUL
// are refused.
func digest(a, b string) string {
	sum := sha256.Sum256([]byte(a + "\x00" + b))
	return hex.EncodeToString(sum[:])
}
