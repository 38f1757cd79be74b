package filter_test

import (
	"encoding/base64"
	"fmt"
	"regexp"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"joboutputs/shared/filter"
	"joboutputs/shared/problem"
)

const ordered = `"expressions": [{"type": "exact", "field": "job", "value": 3}], "order_by": [{"field": "deletion_time"}, {"field": "name"}]`

func TestCursor(t *testing.T) {
	s := mustParse(t, `{`+ordered+`}`)
	for i := range rows {
		want := filter.Row{PK: rows[i].PK, Name: rows[i].Name, DeletionTime: rows[i].DeletionTime}
		cursor := s.EncodeCursor("t1", &rows[i])
		if !regexp.MustCompile(`^[A-Za-z0-9_-]+$`).MatchString(cursor) {
			t.Errorf("%q is not safe in a header", cursor)
		}
		// White space, escapes, limit and the cursor itself don't matter.
		next := mustParse(t, fmt.Sprintf("{\n%s, \"limit\": 7, \"cursor\": %q}", strings.Replace(ordered, "job", `\u006aob`, 1), cursor))
		got, err := next.DecodeCursor("t1")
		if err != nil {
			t.Fatal(err)
		}
		if diff := gocmp.Diff(&want, got); diff != "" {
			t.Error(diff)
		}
		if c := next.Compare(got, &rows[i]); c != 0 {
			t.Errorf("the decoded row compares %d with row %d", c, i)
		}
	}
	if after, err := s.DecodeCursor("t1"); after != nil || err != nil {
		t.Errorf("without a cursor: got %v, %v", after, err)
	}
}

func TestCursorRefused(t *testing.T) {
	cursor := mustParse(t, `{`+ordered+`}`).EncodeCursor("t1", &rows[2])
	raw, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		t.Fatal(err)
	}
	encode := func(b ...[]byte) string {
		var all []byte
		for _, b := range b {
			all = append(all, b...)
		}
		return base64.RawURLEncoding.EncodeToString(all)
	}
	const (
		foreign = "cursor: not a cursor of this API"
		other   = "cursor: made for another filter or order"
		damaged = "cursor: damaged"
	)
	for _, test := range []struct{ what, body, tenant, cursor, want string }{
		{"another tenant", ordered, "t2", cursor, other},
		{"another filter", strings.Replace(ordered, "3", "4", 1), "t1", cursor, other},
		{"soft-deleted too", ordered + `, "include_inactive": true`, "t1", cursor, other},
		{"another order", strings.Replace(ordered, `"name"`, `"name", "ascending": false`, 1), "t1", cursor, other},
		{"no order", ordered[:strings.Index(ordered, `, "order_by"`)], "t1", cursor, other},
		{"padding", ordered, "t1", cursor + "=", foreign},
		{"standard base64", ordered, "t1", "+/+/", foreign},
		{"a line break", ordered, "t1", cursor[:4] + `\n` + cursor[4:], damaged},
		{"another version", ordered, "t1", encode([]byte{2}, raw[1:]), foreign},
		{"the version alone", ordered, "t1", encode(raw[:1]), other},
		{"no values", ordered, "t1", encode(raw[:13]), damaged},
		{"cut short", ordered, "t1", encode(raw[:len(raw)-1]), damaged},
		{"cut in the name", ordered, "t1", encode(raw[:25]), damaged},
		{"more at the end", ordered, "t1", encode(raw, []byte{0}), damaged},
		{"an overlong varint", ordered, "t1", encode(raw[:len(raw)-1], []byte{raw[len(raw)-1] | 0x80, 0}), damaged},
		{"a NULL pk", ordered, "t1", encode(raw[:len(raw)-2], []byte{0}), damaged},
		{"a flag of 2", ordered, "t1", encode(raw[:13], []byte{2}, raw[14:]), damaged},
		{"a long name", ordered, "t1", encode(raw[:13], []byte{0, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1}), damaged},
	} {
		s := mustParse(t, fmt.Sprintf(`{%s, "cursor": "%s"}`, test.body, test.cursor))
		after, err := s.DecodeCursor(test.tenant)
		if f, ok := problem.As(err); !ok || f.Kind != problem.InvalidRequest || f.Message != test.want || after != nil {
			t.Errorf("%s\n got %v, %v\nwant %s", test.what, after, err, test.want)
		}
	}
}
