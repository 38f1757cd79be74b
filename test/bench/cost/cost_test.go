package cost

import (
	"math"
	"testing"

	"joboutputs/functions"
	"joboutputs/shared/auth"
	"joboutputs/test/bench/result"
)

// TestRun holds that every action that is called has its line, and prints the tables.
func TestRun(t *testing.T) {
	tables, err := Run(t.Context(), true)
	if err != nil {
		t.Fatal(err)
	}
	called := 0
	for _, f := range functions.Catalogue() {
		if f.HTTP != nil {
			called++
		}
	}
	if got := len(tables[0].Rows); got != called {
		t.Errorf("%d actions have a line, want %d", got, called)
	}
	for _, row := range tables[1].Rows {
		if row[2] == "" {
			t.Errorf("nothing is said about the item %s", row[0])
		}
	}
	t.Log(result.Result{Tables: tables}.Markdown())
}

// TestBill computes one bill by hand.
func TestBill(t *testing.T) {
	var p prices
	p.PerMillion.Request, p.PerMillion.GBSecond = 0.2, 16
	p.PerMillion.ReadUnit, p.PerMillion.WriteUnit, p.PerMillion.S3Put = 0.1, 0.5, 5
	p.Assumed.Read, p.Assumed.Write, p.Assumed.Transaction, p.Assumed.S3Put, p.Assumed.WholeCPU = 1, 2, 3, 4, 1024
	var add counted
	add.Action = auth.JobsAddOutput
	for call, units := range map[string]float64{"BatchGetItem": 2, "PutItem": 1, "UpdateItem": 1, "PutObject": 0, "TransactWriteItems": 7} {
		add.Calls = append(add.Calls, struct {
			Call  string  `json:"call"`
			Units float64 `json:"units"`
		}{call, units})
	}
	cpu := map[auth.Action]float64{}
	for _, f := range functions.Catalogue() {
		cpu[f.Name] = 1
	}
	all, err := bills([]counted{add}, p, cpu)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range all {
		if b.action != auth.JobsAddOutput {
			continue
		}
		const ms = 1024./256 + 1 + 2 + 2 + 4 + 3
		want := 0.2 + ms/1000*256/1024*16 + 2*0.1 + 2*0.5 + 7*0.5 + 5
		if got := b.sum(lambdaRequest, lambdaTime, reads, writes, transactions, s3Put, s3Get); math.Abs(got-want) > 1e-9 {
			t.Errorf("a million adds cost %v, want %v", got, want)
		}
	}
	if _, err := bills([]counted{{Action: auth.JobsAddOutput, Calls: add.Calls}}, p, nil); err == nil {
		t.Error("no duration is taken for one")
	}
}
