package conformance

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"time"

	"joboutputs/infra/local/seed"
)

// World is what a tenant should hold: the seed, and what the scenario's requests made of
// it. pks are ours; those in recordings are translated by PK.
type World struct {
	Seed    *seed.Seed
	Began   time.Time // nothing of the run has an earlier time
	outputs map[int64]*Output
	last    int64 // greatest pk ever given

	ours map[int64]int64  // the original's pks of outputs made in the scenario → ours
	lost map[int64]string // the original's pks of outputs that we refused, by a rule
	gone map[nameKey]string
}

type nameKey struct {
	job        int64
	name, kind string
}

// Output is an output as the tenant should hold it.
type Output struct {
	PK, Job     int64
	Name, Type  string
	Creator     int64 // 0 = null
	Username    string
	Created     Moment
	Deleted     Moment
	Content     []byte
	ContentType string // as declared at upload; "" = null
}

// Moment is a time that may be null, or known only to be of the run.
type Moment struct {
	Set    bool
	At     time.Time
	Recent bool // within the run; At is when it was asked for
}

func moment(t time.Time) Moment { return Moment{Set: !t.IsZero(), At: t} }

func (o *Output) sha256() string {
	sum := sha256.Sum256(o.Content)
	return hex.EncodeToString(sum[:])
}

// NewWorld is a tenant fresh from the seed.
func NewWorld(s *seed.Seed, now time.Time) *World {
	w := &World{
		Seed: s, Began: now, outputs: map[int64]*Output{}, last: s.NextJobOutputPK - 1,
		ours: map[int64]int64{}, lost: map[int64]string{}, gone: map[nameKey]string{},
	}
	for _, o := range s.Outputs {
		w.outputs[o.PK] = &Output{
			PK: o.PK, Job: o.Job, Name: o.Name, Type: o.Type, Creator: o.Creator, Username: s.Username(o.Creator),
			Created: moment(o.CreationTime), Deleted: moment(o.DeletionTime), Content: o.Content,
		}
	}
	return w
}

// PK is our pk for one of the original's.
func (w *World) PK(recorded int64) int64 {
	if pk, ok := w.ours[recorded]; ok {
		return pk
	}
	return recorded
}

// All is every output, by pk.
func (w *World) All() []*Output {
	var all []*Output
	for _, o := range w.outputs {
		all = append(all, o)
	}
	slices.SortFunc(all, func(a, b *Output) int { return int(a.PK - b.PK) })
	return all
}

// Named is the output of a job by name and type, nil if there is none.
func (w *World) Named(job int64, name, kind string) *Output {
	for _, o := range w.outputs {
		if o.Job == job && o.Name == name && o.Type == kind {
			return o
		}
	}
	return nil
}

// Job is a job of the seed; none is made in recordings.
func (w *World) Job(pk int64) (seed.Job, bool) {
	for _, j := range w.Seed.Jobs {
		if j.PK == pk {
			return j, true
		}
	}
	return seed.Job{}, false
}

// User is a user of the seed by name.
func (w *World) User(name string) (seed.User, bool) {
	for _, u := range w.Seed.Users {
		if u.Username == name {
			return u, true
		}
	}
	return seed.User{}, false
}
