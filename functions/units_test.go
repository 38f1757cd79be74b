package functions_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"math"
	"os"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	gocmp "github.com/google/go-cmp/cmp"

	"joboutputs/shared/auth"
)

// countedCall is a call with the units DynamoDB charges for it: read units for what reads,
// write units for what writes, transactions and indexes included; 0 of S3.
type countedCall struct {
	Call  string  `json:"call"`
	Units float64 `json:"units,omitempty"`
}

// unitsOf is what a call is charged, by the rules of
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/on-demand-capacity-mode.html:
// rows that are put by their size, all others as up to 1 KB, and a Query as up to 4 KB.
// DynamoDB Local's own count is no help: it knows neither missing rows nor transactions.
func unitsOf(input any) float64 {
	switch in := input.(type) {
	case *dynamodb.GetItemInput:
		return read(in.ConsistentRead, 1)
	case *dynamodb.BatchGetItemInput:
		units := 0.0
		for _, table := range in.RequestItems {
			units += read(table.ConsistentRead, len(table.Keys))
		}
		return units
	case *dynamodb.QueryInput:
		return read(in.ConsistentRead, 1)
	case *dynamodb.TransactGetItemsInput:
		return 2 * float64(len(in.TransactItems))
	case *dynamodb.PutItemInput:
		return put(in.Item) + index(in.Item)
	case *dynamodb.UpdateItemInput:
		return 1 + index(in.Key)
	case *dynamodb.DeleteItemInput:
		return 1 + index(in.Key)
	case *dynamodb.TransactWriteItemsInput:
		units := 0.0
		for _, item := range in.TransactItems {
			switch { // twice, but for the index, which is written afterwards
			case item.Put != nil:
				units += 2*put(item.Put.Item) + index(item.Put.Item)
			case item.Update != nil:
				units += 2 + index(item.Update.Key)
			case item.Delete != nil:
				units += 2 + index(item.Delete.Key)
			default:
				units += 2
			}
		}
		return units
	}
	return 0
}

func read(consistent *bool, rows int) float64 {
	if aws.ToBool(consistent) {
		return float64(rows)
	}
	return float64(rows) / 2
}

func put(item map[string]types.AttributeValue) float64 {
	return math.Ceil(float64(size(&types.AttributeValueMemberM{Value: item})) / 1024)
}

// index is what the timeline takes of a write: a row of an output by its pk is in it.
func index(row map[string]types.AttributeValue) float64 {
	if sort, ok := row["SK"].(*types.AttributeValueMemberS); ok && sort.Value == "O" {
		return 1
	}
	return 0
}

// size is how many bytes a value counts for, those of its attributes' names included; for
// a number a little more than DynamoDB says.
func size(value types.AttributeValue) int {
	switch v := value.(type) {
	case *types.AttributeValueMemberS:
		return len(v.Value)
	case *types.AttributeValueMemberN:
		return len(v.Value)
	case *types.AttributeValueMemberM:
		total := 0
		for name, member := range v.Value {
			total += len(name) + size(member) + 1
		}
		return total
	}
	return 1
}

// counted is what was recorded, in an order that does not depend on what came first: some
// calls are made at the same time. What is only presigned is no call.
func (rec *recorder) counted() []countedCall {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	sent := map[string]int{}
	for _, call := range rec.calls {
		sent[call]++
	}
	var all []countedCall
	for _, c := range rec.units {
		if sent[c.Call] > 0 {
			sent[c.Call]--
			all = append(all, c)
		}
	}
	slices.SortFunc(all, func(a, b countedCall) int {
		return cmp.Or(cmp.Compare(a.Call, b.Call), cmp.Compare(a.Units, b.Units))
	})
	return all
}

// checkCounted holds testdata/calls.json, from which costs are computed (test/bench/cost),
// to what was counted.
func checkCounted(t *testing.T, cases []callCase, units [][]countedCall) {
	t.Helper()
	const path = "testdata/calls.json"
	type counted struct {
		Action auth.Action   `json:"action"`
		How    string        `json:"how,omitempty"` // "" = the ordinary way
		Calls  []countedCall `json:"calls"`
	}
	var all []counted
	for i, tc := range cases {
		all = append(all, counted{tc.action, tc.how, units[i]})
	}
	var want bytes.Buffer
	want.WriteString("[\n")
	for i, c := range all { // a line each
		line, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		want.Write(line)
		if i < len(all)-1 {
			want.WriteByte(',')
		}
		want.WriteByte('\n')
	}
	want.WriteString("]\n")
	got, err := os.ReadFile(path)
	if err == nil && bytes.Equal(got, want.Bytes()) {
		return
	}
	if !*update {
		t.Errorf("%s is out of date; go test ./functions -run TestCalls -update writes it (-file +counted):\n%s", path, gocmp.Diff(string(got), want.String()))
		return
	}
	if err := os.MkdirAll("testdata", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, want.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}
