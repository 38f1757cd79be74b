package model

import (
	"fmt"
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"
)

// Differs says in what an answer differs from what was wanted, "" = in nothing but what
// was open, which the state after it then knows.
func Differs(want, got Answer, after State) string {
	var diffs []string
	note := func(diff string) {
		if diff != "" {
			diffs = append(diffs, diff)
		}
	}
	if want.Status != got.Status || want.Code != got.Code || want.Content != got.Content {
		return fmt.Sprintf("want %d %s %.40q, got %d %s %.40q", want.Status, want.Code, want.Content, got.Status, got.Code, got.Content)
	}
	if (want.Output != nil) != (got.Output != nil) || (want.Job != nil) != (got.Job != nil) || (want.Upload != nil) != (got.Upload != nil) || (want.Holder != nil) != (got.Holder != nil) {
		return fmt.Sprintf("another kind of answer: want %+v, got %+v", want, got)
	}
	if want.Output != nil {
		note(after.differs(*want.Output, *got.Output))
	}
	note(after.listDiffers(want, got))
	if want.Job != nil {
		slices.SortFunc(want.Job.Outputs, mentions)
		seen := *got.Job
		if !slices.IsSortedFunc(seen.Outputs, func(a, b Mention) int { return int(a.PK - b.PK) }) {
			note("the job's outputs are not in the order of their pks")
		}
		seen.Outputs = append([]Mention{}, seen.Outputs...)
		slices.SortFunc(seen.Outputs, mentions)
		filled := want.Job.fill(seen)
		note(cmp.Diff(filled, seen))
		if drawn := want.Job.PK; drawn <= 0 && len(diffs) == 0 {
			note(after.drawJob(drawn, filled))
		}
	}
	if want.Upload != nil {
		filled := want.Upload.fill(*got.Upload)
		seen := filled
		u := *got.Upload
		seen.ID, seen.Job, seen.Name, seen.Type, seen.Size, seen.PartSize, seen.State, seen.Expires = u.ID, u.Job, u.Name, u.Type, u.Size, u.PartSize, u.State, u.Expires
		note(cmp.Diff(filled, seen))
		if (u.Output != nil) != (filled.Output != nil) {
			note("an upload has an output if it is completed")
		} else if u.Output != nil {
			note(after.differs(*filled.Output, *u.Output))
		}
		if strings.HasPrefix(want.Upload.ID, untold) {
			delete(after.Uploads, want.Upload.ID)
			after.Uploads[filled.ID] = filled
			after.told(func(a *Answer) {
				if a.Upload != nil && a.Upload.ID == want.Upload.ID {
					a.Upload = &filled
				}
			})
		}
	}
	if want.Holder != nil {
		seen, holder := *got.Holder, *want.Holder
		for name, o := range after.Outputs { // its pk or time may have been open
			if o.SHA256 == holder.SHA256 && o.PK == holder.PK {
				told := o
				told.PK, told.DeletionTime = seen.PK, seen.DeletionTime
				o = o.fill(told)
				holder.PK, holder.DeletionTime = o.PK, o.DeletionTime
				after.Outputs[name] = o
				break
			}
		}
		if holder != seen {
			note(fmt.Sprintf("the name's holder: want %+v, got %+v", holder, seen))
		}
	}
	return strings.Join(diffs, "\n")
}

// differs compares one output. A pk that was open must not have been another's.
func (s State) differs(want, got Output) string {
	filled := want.fill(got)
	seen := got
	seen.Deleted, seen.Content = got.DeletionTime != "", want.Content
	if diff := cmp.Diff(filled, seen); diff != "" {
		return diff
	}
	if want.PK == 0 && s.Spent[got.PK] {
		return fmt.Sprintf("the pk %d was another output's", got.PK)
	}
	s.learn(filled)
	for id, u := range s.Uploads { // an upload answers again what it answered at first
		if u.Output != nil && u.Output.PK == 0 && u.Output.key() == got.key() {
			o := u.Output.fill(got)
			u.Output = &o
			s.Uploads[id] = u
		}
	}
	return ""
}

// listDiffers compares lists: the same outputs, in the order of their creation.
func (s State) listDiffers(want, got Answer) string {
	byName := func(all []Output) []Output {
		return slices.SortedFunc(slices.Values(all), func(a, b Output) int {
			return cmp3(a.Job-b.Job, strings.Compare(a.Name, b.Name), strings.Compare(a.Type, b.Type))
		})
	}
	wanted, seen := byName(want.Outputs), byName(got.Outputs)
	if len(wanted) != len(seen) {
		return fmt.Sprintf("a list of %d outputs, want %d:\n%s", len(seen), len(wanted), cmp.Diff(wanted, seen))
	}
	for i := range wanted {
		if diff := s.differs(wanted[i], seen[i]); diff != "" {
			return diff
		}
	}
	if !slices.IsSortedFunc(got.Outputs, func(a, b Output) int {
		return cmp3(int64(strings.Compare(a.CreationTime, b.CreationTime)), int(a.PK-b.PK), 0)
	}) {
		return "the list is not in the order of creation"
	}
	return ""
}

func mentions(a, b Mention) int {
	return cmp3(0, strings.Compare(a.Name, b.Name), strings.Compare(a.Type, b.Type))
}

func cmp3(first int64, others ...int) int {
	if first != 0 {
		return int(first)
	}
	for _, n := range others {
		if n != 0 {
			return n
		}
	}
	return 0
}

// drawJob gives a job that was made without a pk the one it was answered with. That is
// above every other, and not so far as if a pk that was refused had lifted the counter.
func (s State) drawJob(drawn int64, j Job) string {
	if j.PK <= s.last() || j.PK > s.HighestPK() {
		return fmt.Sprintf("the job got the pk %d, and the last one was %d", j.PK, s.last())
	}
	delete(s.Jobs, drawn)
	j.Outputs = nil
	s.Jobs[j.PK] = j
	s.told(func(a *Answer) {
		if a.Job != nil && a.Job.PK == drawn {
			a.Job = &j
		}
	})
	return ""
}
