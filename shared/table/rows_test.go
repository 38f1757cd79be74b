package table

import (
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/guregu/dynamo/v2"
)

// TestEveryFieldIsDecoded: rows of outputs are decoded by a list of their attributes, which
// a new field must not be missing from.
func TestEveryFieldIsDecoded(t *testing.T) {
	want := OutputRow{Checksum: &Checksum{}}
	for _, v := range []reflect.Value{reflect.ValueOf(&want).Elem(), reflect.ValueOf(&want.Key).Elem(), reflect.ValueOf(want.Checksum).Elem()} {
		for i := range v.NumField() {
			switch field := v.Field(i); field.Kind() {
			case reflect.String:
				field.SetString(v.Type().Field(i).Name)
			case reflect.Int64:
				field.SetInt(int64(100 + i))
			case reflect.Struct, reflect.Pointer: // the key, the checksum
			default:
				t.Fatalf("field %s is of a kind this test does not know", v.Type().Field(i).Name)
			}
		}
	}
	item, err := dynamo.MarshalItem(want)
	if err != nil {
		t.Fatal(err)
	}
	var got OutputRow
	if err := dynamo.UnmarshalItem(item, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
