package conformance

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// jobFields are the members of a job's body, in order. The original's body has others in
// their midst (template, parent, values), which are no business of this service.
var jobFields = []string{
	"pk", "description", "node", "creator", "creation_time", "start_time", "end_time",
	"error_reason", "deletion_time", "is_cancelled", "outputs",
}

var timeFields = []string{"creation_time", "start_time", "end_time", "deletion_time"}

// jobBody is the answer of a job, as the original would have it.
func (v *View) jobBody() *Want {
	job, ok := v.w.Job(v.pk())
	if !ok {
		return problem(404, sayNotFound, "not_found")
	}
	type mention struct {
		PK   int64  `json:"pk"`
		Name string `json:"name"`
		Type string `json:"type"`
	}
	mentions := []mention{}
	for _, o := range v.w.All() {
		if o.Job == job.PK {
			mentions = append(mentions, mention{o.PK, o.Name, o.Type})
		}
	}
	body, _ := json.Marshal(map[string]any{
		"pk": job.PK, "description": job.Description, "node": orNull(job.Node), "creator": orNull(job.Creator),
		"creation_time": timeOrNull(job.CreationTime), "start_time": timeOrNull(job.StartTime),
		"end_time": timeOrNull(job.EndTime), "deletion_time": timeOrNull(job.DeletionTime),
		"error_reason": job.ErrorReason, "is_cancelled": job.Cancelled(), "outputs": mentions,
	})
	return &Want{Status: 200, Job: body, Empty: v.method == "HEAD"}
}

func orNull(pk int64) any {
	if pk == 0 {
		return nil
	}
	return pk
}

func timeOrNull(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UTC().Format(time.RFC3339Nano)
}

// compareJobs compares two bodies of a job in jobFields; times are instants, the pks of
// outputs are translated in want alone, and outputs are in the order of pks.
func (w *World) compareJobs(want, got []byte) string {
	var l, r map[string]any
	for text, into := range map[*[]byte]*map[string]any{&want: &l, &got: &r} {
		value, err := decodeJSON(*text)
		o, ok := value.(map[string]any)
		if err != nil || !ok {
			return fmt.Sprintf("not a JSON object: %.80q", *text)
		}
		*into = o
	}
	for _, name := range jobFields {
		left, right := l[name], r[name]
		if slices.Contains(timeFields, name) {
			left, right = instant(left), instant(right)
		}
		if name == "outputs" {
			left = w.mentions(left)
		}
		lt, _ := json.Marshal(left)
		rt, _ := json.Marshal(right)
		if string(lt) != string(rt) {
			return fmt.Sprintf("%s is %.200s, want %.200s", name, rt, lt)
		}
	}
	return ""
}

// mentions translates the pks of a job's outputs into ours.
func (w *World) mentions(value any) any {
	list, _ := value.([]any)
	out := []any{}
	for _, item := range list {
		mention, _ := item.(map[string]any)
		number, _ := mention["pk"].(json.Number)
		pk, _ := number.Int64()
		out = append(out, map[string]any{"pk": json.Number(fmt.Sprint(w.PK(pk))), "name": mention["name"], "type": mention["type"]})
	}
	return out
}

func instant(value any) any {
	text, ok := value.(string)
	if !ok {
		return value
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return text
	}
	return t.UTC()
}
