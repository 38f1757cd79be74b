package model_test

import (
	"testing"

	"joboutputs/shared/auth"
	"joboutputs/test/robustness/model"
)

// TestPermits holds what the model permits and what it does not, in one short life.
func TestPermits(t *testing.T) {
	t.Parallel()
	const now = "2026-01-02T03:04:05.000000Z"
	admin := model.Caller{Tenant: "acme", User: 1, Admin: true}
	node := model.Caller{Tenant: "acme", User: 2, Nodes: []int64{7}, Node: 7}
	call := func(c model.Call) model.Call {
		if c.At = now; c.Caller.Tenant == "" {
			c.Caller = admin
		}
		return c
	}
	state := model.Possible{model.New()}
	must := func(c model.Call, a model.Answer) {
		t.Helper()
		next, err := state.Step(call(c), a)
		if err != nil {
			t.Fatal(err)
		}
		state = next
	}
	never := func(c model.Call, a model.Answer) {
		t.Helper()
		if _, err := state.Step(call(c), a); err == nil {
			t.Fatalf("%s may be answered %+v", c, a)
		}
	}
	job := model.Job{PK: 1, Node: 7, Creator: 1, CreationTime: now, Outputs: []model.Mention{}}
	must(model.Call{Action: auth.JobsCreate, PK: 1, Node: 7}, model.Answer{Status: 201, Job: &job})

	// A pk may be so far above the last one, and one that is refused lifts nothing.
	far := job
	far.PK, far.Node = 1_000_002, 0
	must(model.Call{Action: auth.JobsCreate, PK: far.PK}, model.Answer{Status: 400, Code: "invalid_request"})
	never(model.Call{Action: auth.JobsCreate, PK: far.PK}, model.Answer{Status: 201, Job: &far})
	never(model.Call{Action: auth.JobsCreate}, model.Answer{Status: 201, Job: &far})
	far.PK--
	must(model.Call{Action: auth.JobsCreate, PK: far.PK}, model.Answer{Status: 201, Job: &far})

	add := model.Call{Action: auth.JobsAddOutput, Job: 1, Name: "n", Type: "t", Content: "x"}
	must(add, model.Answer{Status: 409, Code: "job_not_started"})
	running := job
	running.StartTime = now
	must(model.Call{Action: auth.JobsStart, Caller: node, Job: 1}, model.Answer{Status: 200, Job: &running})

	// An add that was not answered may have happened; what is seen next decides.
	must(add, model.Answer{Unknown: true})
	if len(state) != 2 {
		t.Fatalf("%d states after an add that was not answered", len(state))
	}
	info := model.Call{Action: auth.JobsGetOutputInfo, Job: 1, Name: "n", Type: "t"}
	output := model.Output{PK: 4, Job: 1, Name: "n", Type: "t", Creator: 1, CreationTime: now, Size: 1,
		SHA256:   "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881",
		Checksum: &model.Checksum{Algorithm: "SHA256", Type: "full", Value: "LXEWQrcmsEQBYnyp+6wy9chTD7GQPMTbAiWHF5IaSIE="}}
	other := output
	other.Size = 2
	never(info, model.Answer{Status: 200, Output: &other})
	must(info, model.Answer{Status: 200, Output: &output})
	if len(state) != 1 {
		t.Fatalf("%d states after the output was seen", len(state))
	}
	never(info, model.Answer{Status: 404, Code: "output_not_found"})
	never(add, model.Answer{Status: 200, Output: &output})
	must(add, model.Answer{Status: 409, Code: "duplicate_output", Holder: &model.Holder{PK: 4, SHA256: output.SHA256}})
	never(add, model.Answer{Status: 409, Code: "duplicate_output", Holder: &model.Holder{PK: 5, SHA256: output.SHA256}})

	purged := output
	purged.DeletionTime = now
	must(model.Call{Action: auth.OutputsHardDelete, PK: 4}, model.Answer{Status: 200, Output: &purged})
	never(model.Call{Action: auth.OutputsRetrieve, PK: 4}, model.Answer{Status: 200, Output: &output})
	never(add, model.Answer{Status: 200, Output: &output}) // the name is free again, the pk is not
	output.PK = 5
	must(add, model.Answer{Status: 200, Output: &output})
	never(model.Call{Action: auth.OutputsDestroy, Caller: node, PK: 5}, model.Answer{Status: 204})
	must(model.Call{Action: auth.OutputsDestroy, Caller: node, PK: 5}, model.Answer{Status: 403, Code: "permission_denied"})
	must(model.Call{Action: auth.OutputsList}, model.Answer{Status: 200, Outputs: []model.Output{output}})
	never(model.Call{Action: auth.OutputsList}, model.Answer{Status: 200})

	// A refusal tells the pk of the name's holder, and leaves open what it does not tell.
	add.Name, info.Name = "late", "late"
	add.Caller = model.Caller{Tenant: "acme", Directory: true, Admin: true}
	must(add, model.Answer{Unknown: true})
	must(add, model.Answer{Status: 409, Code: "duplicate_output", Holder: &model.Holder{PK: 6, SHA256: output.SHA256}})
	output.PK, output.Name, output.Creator = 6, "late", 3
	must(info, model.Answer{Status: 200, Output: &output})
}

// TestPermitsRetries holds what the model permits of repeated steps, keys and outcomes.
func TestPermitsRetries(t *testing.T) {
	t.Parallel()
	const now, later = "2026-01-02T03:04:05.000000Z", "2026-01-02T03:04:06.000000Z"
	admin := model.Caller{Tenant: "acme", User: 1, Admin: true}
	node := model.Caller{Tenant: "acme", User: 2, Nodes: []int64{7}, Node: 7}
	text := "it failed"
	unavailable := model.Answer{Status: 503, Code: "unavailable"}
	illegal := model.Answer{Status: 409, Code: "illegal_transition"}
	mismatch := model.Answer{Status: 422, Code: "idempotency_mismatch"}
	acquired := model.Job{PK: 1, Node: 7, Creator: 1, CreationTime: now, Outputs: []model.Mention{}}
	running, ended, none := acquired, acquired, acquired
	running.StartTime, ended.StartTime = now, now
	ended.EndTime = later
	none.PK = 2
	create := model.Call{Action: auth.JobsCreate, Caller: admin, Node: 7, At: now, Key: "k"}
	other := create
	other.Description = "another"
	start := model.Call{Action: auth.JobsStart, Caller: node, Job: 1, At: now}
	finish := model.Call{Action: auth.JobsFinish, Caller: node, Job: 1, At: later}
	again := func(c model.Call) model.Call { c.At = "2026-01-02T03:04:07.000000Z"; return c }
	failed := again(finish)
	failed.Error = &text
	keyed := start
	keyed.Key = "k"
	job := func(j model.Job, status int) model.Answer { return model.Answer{Status: status, Job: &j} }

	state := model.Possible{model.New()}
	for i, tc := range []struct {
		call    model.Call
		answer  model.Answer
		permits bool
		states  int
	}{
		{create, model.Answer{Unknown: true}, true, 2},
		{other, mismatch, true, 1}, // so it was carried out
		{create, unavailable, true, 1},
		{create, job(acquired, 201), true, 1},
		{create, job(none, 201), false, 0},
		{create, job(acquired, 201), true, 1},
		{start, unavailable, true, 1},
		{finish, illegal, true, 1},
		{keyed, job(running, 200), true, 1},
		{again(start), illegal, false, 0},
		{again(start), job(running, 200), true, 1},
		{finish, job(ended, 200), true, 1},
		{again(finish), job(ended, 200), true, 1},
		{failed, job(ended, 200), false, 0},
		{failed, illegal, true, 1},
		{again(start), illegal, true, 1},
		{again(keyed), job(running, 200), true, 1}, // whatever has happened since
		{finish, model.Answer{Unknown: true}, true, 1},
	} {
		next, err := state.Step(tc.call, tc.answer)
		if (err == nil) != tc.permits {
			t.Fatalf("%d: %s, answered %+v: %v, want permitted: %v", i, tc.call, tc.answer, err, tc.permits)
		}
		if !tc.permits {
			continue
		}
		if len(next) != tc.states {
			t.Fatalf("%d: %s, answered %+v: %d states, want %d", i, tc.call, tc.answer, len(next), tc.states)
		}
		state = next
	}
}
