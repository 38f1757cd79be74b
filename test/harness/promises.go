package harness

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// Broken says which promises what is there breaks; none = it keeps them. Clean says that
// everything that was due has been cleaned up, after which nothing may be left of it.
func (s *Stores) Broken(cleaned bool) []string {
	var broken []string
	say := func(format string, args ...any) { broken = append(broken, fmt.Sprintf(format, args...)) }
	var (
		guards   = map[string]row{} // N rows, by their whole key
		uploads  = map[string]row{} // X rows, by the object's key
		waiting  = map[string]row{} // W rows, by the object's key
		counters = map[string]row{} // C rows, by tenant
		works    = map[string]int64{}
		owned    = map[string]row{} // O rows, by the object's key
		users    = map[string]int{} // rows of a user, by tenant and pk
	)
	for _, r := range s.rows {
		switch r.kind() {
		case "N":
			guards[r.PK+" "+r.SK] = r
		case "X":
			uploads["t/"+r.tenant()+"/"+r.ID] = r
		case "C":
			counters[r.tenant()] = r
		case "D":
			works[r.PK] = r.Working
		case "W":
			if before, ok := waiting[r.object()]; ok {
				say("two queue rows for one object: %s %s and %s %s", before.Kind, before.SK, r.Kind, r.SK)
			}
			waiting[r.object()] = r
			if !strings.HasSuffix(r.SK, "#"+r.Tenant+"#"+r.Object) {
				say("a queue row %s that does not name its object %s", r.SK, r.object())
			}
			if cleaned {
				say("a queue row after the cleanup: %s %s", r.Kind, r.SK)
			}
		case "U":
			users[fmt.Sprintf("%s#%d", r.PK, r.Pk)]++
		case "O", "J", "I":
		default:
			say("a row of no known kind: %s %s", r.PK, r.SK)
		}
	}
	for _, r := range s.rows {
		switch r.kind() {
		case "O":
			s.output(r, guards, uploads, say)
			if other, ok := owned[r.object()]; ok {
				say("outputs %d and %d have one object", other.Pk, r.Pk)
			}
			owned[r.object()] = r
			if w, ok := waiting[r.object()]; ok {
				say("output %d is visible, and its object waits to be removed by the %s %s", r.Pk, w.Kind, w.SK)
			}
			if r.Pk > counters[r.tenant()].Outputs {
				say("output %d is above the counter, %d: its pk will come again", r.Pk, counters[r.tenant()].Outputs)
			}
		case "J":
			if r.Pk > counters[r.tenant()].Jobs {
				say("job %d is above the counter, %d: its pk will come again", r.Pk, counters[r.tenant()].Jobs)
			}
			runs := r.Started != "" && r.Ended == "" && r.Node != 0
			node := fmt.Sprintf("T#%s#D#%d", r.tenant(), r.Node)
			if runs && works[node] != r.Pk {
				say("job %d runs on node %d, which works %d", r.Pk, r.Node, works[node])
			}
			if !runs && works[node] == r.Pk {
				say("node %d works job %d, which does not run", r.Node, r.Pk)
			}
		case "X":
			_, waits := waiting["t/"+r.tenant()+"/"+r.ID]
			if r.State == "open" && !waits {
				say("the upload %s is open, and nothing will end it", r.ID)
			}
		}
	}
	for user, n := range users {
		if n != 2 {
			say("the user %s has %d rows in the directory, want one by subject and one by pk", user, n)
		}
	}
	for key, guard := range guards { // those of outputs are gone
		say("the name %s/%s of job %d is guarded, and output %d is not there (%s)", guard.Name, guard.Type, guard.Job, guard.Pk, key)
	}
	for key := range s.objects {
		_, has := owned[key]
		_, waits := waiting[key]
		if !has && (!waits || cleaned) {
			say("the object %s belongs to nothing, cleaned up: %v", key, cleaned)
		}
	}
	for key, n := range s.multiparts {
		if _, waits := waiting[key]; !waits || cleaned {
			say("%d multipart uploads of %s belong to nothing, cleaned up: %v", n, key, cleaned)
		}
	}
	slices.Sort(broken)
	return broken
}

// output holds what is promised of one. Its guard is taken from the guards.
func (s *Stores) output(r row, guards, uploads map[string]row, say func(string, ...any)) {
	sum := sha256.Sum256([]byte(r.Name + "\x00" + r.Type))
	key := fmt.Sprintf("T#%s#J#%d N#%x", r.tenant(), r.Job, sum)
	guard, ok := guards[key]
	delete(guards, key)
	if !ok {
		say("output %d has no guard of its name", r.Pk)
	} else if diff := cmp.Diff(r, guard, cmpopts.IgnoreFields(row{}, "PK", "SK", "TLPK", "TLSK")); diff != "" {
		say("the copies of output %d differ (-O +N):\n%s", r.Pk, diff)
	}
	if want := fmt.Sprintf("T#%s#O#%d", r.tenant(), r.Pk); r.PK != want {
		say("output %d is at %s, want %s", r.Pk, r.PK, want)
	}
	if want := fmt.Sprintf("%s#%010d", r.Created, r.Pk); r.TLSK != want || !strings.HasPrefix(r.TLPK, "T#"+r.tenant()+"#S") {
		say("output %d is in the timeline at %s %s, want %s", r.Pk, r.TLPK, r.TLSK, want)
	}
	bytes, ok := s.objects[r.object()]
	if !ok {
		say("output %d has no bytes: %s is not there", r.Pk, r.object())
		return
	}
	inHex, inBase64 := digest(bytes)
	switch {
	case int64(len(bytes)) != r.Size:
		say("output %d has %d bytes, and %d are there", r.Pk, r.Size, len(bytes))
	case r.Check == nil:
		say("output %d has no checksum", r.Pk)
	case r.Check.Type == "full" && (r.Sum != inHex || r.Check.Value != inBase64):
		say("output %d has the digest %s, and its bytes have %s", r.Pk, r.Sum, inHex)
	case r.Check.Type == "composite":
		all, parts := sha256.New(), 0
		for part := range slices.Chunk(bytes, int(max(1, uploads[r.object()].PartSize))) {
			sum := sha256.Sum256(part)
			all.Write(sum[:])
			parts++
		}
		if want := fmt.Sprintf("%s-%d", base64.StdEncoding.EncodeToString(all.Sum(nil)), parts); r.Check.Value != want {
			say("output %d has the checksum %s, and its bytes have %s", r.Pk, r.Check.Value, want)
		}
	}
}
