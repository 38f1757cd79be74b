package rows_test

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"joboutputs/shared/auth"
	"joboutputs/shared/localaws/awstest"
	"joboutputs/shared/localaws/fixture"
	"joboutputs/shared/outputs"
	"joboutputs/shared/table"
	"joboutputs/test/bench/rows"
)

// TestBothAreWhatTheStoreWrites holds that a benchmark on bare items measures the rows
// that the service has.
func TestBothAreWhatTheStoreWrites(t *testing.T) {
	a := awstest.New(t)
	store := table.New(a.StoreConfig())
	o := outputs.Output{
		PK: 7, Job: 3, Name: "model", Type: "tflite", Creator: 1, CreatorUsername: "alice", ContentType: "text/plain",
		CreationTime: time.Date(2026, 1, 5, 9, 0, 0, 123_000, time.UTC),
		DeletionTime: time.Date(2026, 1, 6, 9, 0, 0, 0, time.UTC),
	}
	in := fixture.Rows{Outputs: []fixture.Output{{Output: o, Content: []byte("hello")}}}
	if err := fixture.Load(auth.WithTenant(t.Context(), "t"), store, "t", in); err != nil {
		t.Fatal(err)
	}
	stored, err := outputs.New(store).Output(auth.WithTenant(t.Context(), "t"), "t", 7) // with what the import made of the content
	if err != nil {
		t.Fatal(err)
	}
	read := func(key rows.Item) rows.Item {
		got, err := a.DynamoDB.GetItem(t.Context(), &dynamodb.GetItemInput{TableName: &a.Table, Key: key})
		if err != nil || len(got.Item) == 0 {
			t.Fatalf("%v: %v, %v", key, got, err)
		}
		return got.Item
	}
	byPK, byName := read(rows.OutputKey("t", 7)), read(rows.NameKey("t", 3, "model", "tflite"))
	wantPK, wantName := rows.Both("t", &stored, byPK.Of("object"))
	plain := cmpopts.IgnoreUnexported(types.AttributeValueMemberS{}, types.AttributeValueMemberN{}, types.AttributeValueMemberM{})
	fromItem := cmp.Transformer("map", func(i rows.Item) map[string]types.AttributeValue { return i })
	if diff := cmp.Diff(wantPK, byPK, plain, fromItem); diff != "" {
		t.Errorf("the row by pk (-ours +the store's)\n%s", diff)
	}
	if diff := cmp.Diff(wantName, byName, plain, fromItem); diff != "" {
		t.Errorf("the row by name (-ours +the store's)\n%s", diff)
	}
}
