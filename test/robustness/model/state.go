package model

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"

	"joboutputs/shared/jobs"
)

// State is what one tenant has. Tenants share nothing, so a service is as many of them.
// Values are never changed in place: a step makes another State.
//
// What the service chooses, a pk or a time, may be open: zero, until an answer tells it.
type State struct {
	Jobs    map[int64]Job
	Working map[int64]int64 // by node: the job it works
	Outputs map[Name]Output // a name has at most one output
	Uploads map[string]Upload
	Spent   map[int64]bool // the pks outputs have had: none comes again
	Keys    map[KeyOf]Kept // the idempotency keys that were used
	Lifted  int64          // the highest pk a create gave that was not answered and made no job
}

// Name is what an output is called: no two of a tenant have the same.
type Name struct {
	Job        int64
	Name, Type string
}

// Job is a job as it is answered, without the mentions of its outputs in a State.
type Job struct {
	PK           int64     `json:"pk"`
	Description  string    `json:"description"`
	Node         int64     `json:"node"`
	Creator      int64     `json:"creator"`
	CreationTime string    `json:"creation_time"`
	StartTime    string    `json:"start_time"`
	EndTime      string    `json:"end_time"`
	ErrorReason  *string   `json:"error_reason"`
	DeletionTime string    `json:"deletion_time"`
	Cancelled    bool      `json:"is_cancelled"`
	Outputs      []Mention `json:"outputs"`
}

// Mention is a job's word of one of its outputs.
type Mention struct {
	PK   int64  `json:"pk"`
	Name string `json:"name"`
	Type string `json:"type"`
}

// Output is an output as it is answered, with its content.
type Output struct {
	PK           int64     `json:"pk"`
	Job          int64     `json:"job"`
	Name         string    `json:"name"`
	Type         string    `json:"type"`
	Creator      int64     `json:"creator"`
	CreationTime string    `json:"creation_time"`
	DeletionTime string    `json:"deletion_time"`
	Size         int64     `json:"size"`
	ContentType  string    `json:"content_type"`
	SHA256       string    `json:"sha256"`
	Checksum     *Checksum `json:"checksum"`

	Deleted bool   `json:"-"` // softly; its time may be open
	Content string `json:"-"`
}

// Checksum is what S3 verified.
type Checksum struct {
	Algorithm string `json:"algorithm"`
	Type      string `json:"type"`
	Value     string `json:"value"`
}

// Upload is a staged upload as it is answered.
type Upload struct {
	ID       string  `json:"id"`
	Job      int64   `json:"job"`
	Name     string  `json:"name"`
	Type     string  `json:"type"`
	Size     int64   `json:"size"`
	PartSize int64   `json:"part_size"`
	State    string  `json:"state"`
	Expires  string  `json:"expires_at"`
	Output   *Output `json:"output"` // as it was when it was completed

	Creator     int64  `json:"-"`
	ContentType string `json:"-"`
	Sent        bool   `json:"-"` // whether S3 has all of it
	Content     string `json:"-"` // what the client means to send
}

// The states of an upload; expired and lost are answered as aborted.
const (
	open      = "open"
	completed = "completed"
	aborted   = "aborted"
	expired   = "expired"
	lost      = "lost"
)

// untold is a time, or what the id of an upload begins with, that its client was not told.
const untold = "?"

// New is a tenant that has nothing.
func New() State {
	return State{Jobs: map[int64]Job{}, Working: map[int64]int64{}, Outputs: map[Name]Output{}, Uploads: map[string]Upload{}, Spent: map[int64]bool{}, Keys: map[KeyOf]Kept{}}
}

func (s State) clone() State {
	return State{maps.Clone(s.Jobs), maps.Clone(s.Working), maps.Clone(s.Outputs), maps.Clone(s.Uploads), maps.Clone(s.Spent), maps.Clone(s.Keys), s.Lifted}
}

// last is the job counter: the highest pk that was given or drawn. Calls that were not
// answered may have drawn a few more.
func (s State) last() int64 {
	last := s.Lifted
	for pk := range s.Jobs {
		last = max(last, pk)
	}
	return last
}

// HighestPK is the highest pk that a job to be made may be given.
func (s State) HighestPK() int64 { return s.last() + jobs.MaxPKAhead }

func (o Output) key() Name { return Name{o.Job, o.Name, o.Type} }

// output finds an output by its pk.
func (s State) output(pk int64) (Output, bool) {
	for _, o := range s.Outputs {
		if o.PK == pk && pk != 0 {
			return o, true
		}
	}
	return Output{}, false
}

// newOutput is what content becomes. In several parts S3 knows the checksums of those alone.
func newOutput(name Name, creator int64, contentType, content string, partSize int64) Output {
	o := Output{Job: name.Job, Name: name.Name, Type: name.Type, Creator: creator, ContentType: contentType, Size: int64(len(content)), Content: content}
	sum := sha256.Sum256([]byte(content))
	if partSize == 0 || partSize >= o.Size {
		o.SHA256 = hex.EncodeToString(sum[:])
		o.Checksum = &Checksum{"SHA256", "full", base64.StdEncoding.EncodeToString(sum[:])}
		return o
	}
	all, parts := sha256.New(), 0
	for part := range slices.Chunk([]byte(content), int(partSize)) {
		sum := sha256.Sum256(part)
		all.Write(sum[:])
		parts++
	}
	o.Checksum = &Checksum{"SHA256", "composite", fmt.Sprintf("%s-%d", base64.StdEncoding.EncodeToString(all.Sum(nil)), parts)}
	return o
}

// fill takes over from what was seen what is open.
func (o Output) fill(seen Output) Output {
	if o.PK == 0 {
		o.PK = seen.PK
	}
	if o.CreationTime == "" {
		o.CreationTime = seen.CreationTime
	}
	if o.Creator == drawn {
		o.Creator = seen.Creator
	}
	if o.Deleted && o.DeletionTime == "" {
		o.DeletionTime = seen.DeletionTime
	}
	return o
}

func (j Job) fill(seen Job) Job {
	if j.PK <= 0 {
		j.PK = seen.PK
	}
	if j.CreationTime == "" {
		j.CreationTime = seen.CreationTime
	}
	if j.Creator == drawn {
		j.Creator = seen.Creator
	}
	if j.StartTime == untold {
		j.StartTime = seen.StartTime
	}
	if j.EndTime == untold {
		j.EndTime = seen.EndTime
	}
	for i := range j.Outputs {
		if i < len(seen.Outputs) && j.Outputs[i].PK == 0 {
			j.Outputs[i].PK = seen.Outputs[i].PK
		}
	}
	return j
}

func (u Upload) fill(seen Upload) Upload {
	if strings.HasPrefix(u.ID, untold) {
		u.ID = seen.ID
	}
	if u.Expires == "" {
		u.Expires = seen.Expires
	}
	if u.Output != nil && seen.Output != nil {
		o := u.Output.fill(*seen.Output)
		u.Output = &o
	}
	return u
}

// learn takes over what an answer told of outputs, if they are still there.
func (s State) learn(outputs ...Output) {
	for _, o := range outputs {
		s.Spent[o.PK] = true
		if known, ok := s.Outputs[o.key()]; ok && (known.PK == 0 || known.PK == o.PK) {
			s.Outputs[o.key()] = known.fill(o)
		}
		s.told(func(a *Answer) {
			if kept := a.Output; kept != nil && kept.PK == 0 && kept.key() == o.key() && kept.SHA256 == o.SHA256 {
				seen := o
				seen.DeletionTime = kept.DeletionTime
				filled := kept.fill(seen)
				a.Output = &filled
			}
		})
	}
}

// Admits says in what the table's rows, read as a State, differ from a permitted state;
// "" = in nothing. Uploads' contents and pks that were spent are in no row.
func (s State) Admits(seen State) string {
	var diffs []string
	note := func(what any, want, got any) {
		if diff := cmp.Diff(want, got); diff != "" {
			diffs = append(diffs, fmt.Sprintf("%v (-want +got):\n%s", what, diff))
		}
	}
	wantJobs, drawn := maps.Clone(s.Jobs), []Job{}
	for pk, j := range s.Jobs {
		if pk <= 0 {
			delete(wantJobs, pk)
			drawn = append(drawn, j)
		}
	}
	for pk, j := range seen.Jobs { // one the client was never told of
		if _, ok := wantJobs[pk]; !ok && len(drawn) > 0 {
			wantJobs[pk] = drawn[0].fill(j)
			drawn = drawn[1:]
		}
	}
	for pk, j := range wantJobs {
		wantJobs[pk] = j.fill(seen.Jobs[pk])
	}
	note("jobs", wantJobs, seen.Jobs)
	note("jobs that are not there", []Job{}, drawn)
	note("idempotency keys", len(s.Keys), len(seen.Keys)) // which are hashed
	note("working", s.Working, seen.Working)
	want := map[Name]Output{}
	for name, o := range s.Outputs {
		want[name] = o.fill(seen.Outputs[name])
	}
	note("outputs", want, seen.Outputs)
	states := func(s State) map[string]string {
		all := map[string]string{}
		for id, u := range s.Uploads {
			if !strings.HasPrefix(id, untold) {
				all[id] = u.State
			}
		}
		return all
	}
	wantUploads, seenUploads := states(s), states(seen)
	nameless := len(s.Uploads) - len(wantUploads) // those the client was never told of may be there
	for id, state := range seenUploads {
		if _, ok := wantUploads[id]; !ok && nameless > 0 {
			wantUploads[id] = state
			nameless--
		}
	}
	note("uploads", wantUploads, seenUploads)
	return strings.Join(diffs, "\n")
}

// Equal reports whether two states are one.
func (s State) Equal(other State) bool { return reflect.DeepEqual(s, other) }
