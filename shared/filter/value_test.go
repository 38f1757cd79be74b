package filter

import (
	"math"
	"testing"
	"time"
)

func TestParseInt(t *testing.T) {
	none := integer{-2, false}
	for _, test := range []struct {
		s    string
		want integer
	}{
		{"5", integer{5, true}},
		{" \t\u00a0\u2003\u0085+5\n", integer{5, true}},
		{"-0", integer{0, true}},
		{"-5", integer{-1, false}},
		{"0005", integer{5, true}},
		{"1_000", integer{1000, true}},
		{"٥", integer{5, true}},
		{"𝟗", integer{9, true}}, // of several alphabets in one range of Unicode
		{"9223372036854775806", integer{maxInt, true}},
		{"9223372036854775807", integer{maxInt, false}},
		{"100000000000000000000", integer{maxInt, false}},
		{"", none}, {"+", none}, {"_5", none}, {"5_", none}, {"1__0", none}, {"+-5", none}, {"- 5", none},
		{"\x1c5", none}, {"5.0", none}, {"0x5", none}, {"五", none}, {"True", none},
	} {
		got, ok := parseInt(test.s)
		if !ok {
			got = none
		}
		if got != test.want {
			t.Errorf("parseInt(%q)\n got %v\nwant %v", test.s, got, test.want)
		}
	}
}

func TestNumber(t *testing.T) {
	for _, test := range []struct {
		n       number
		integer integer
		text    string // as Python's str()
	}{
		{"0", integer{0, true}, "0"},
		{"-0", integer{0, true}, "0"},
		{"-0.0", integer{0, true}, "-0.0"},
		{"5", integer{5, true}, "5"},
		{"5.0", integer{5, true}, "5.0"},
		{"5.50", integer{5, false}, "5.5"},
		{"-5.5", integer{-1, false}, "-5.5"},
		{"1e5", integer{100000, true}, "100000.0"},
		{"1E+15", integer{1e15, true}, "1000000000000000.0"},
		{"1e16", integer{1e16, true}, "1e+16"},
		{"9999999999999998.0", integer{9999999999999998, true}, "9999999999999998.0"},
		{"1e22", integer{maxInt, false}, "1e+22"},
		{"0.0001", integer{0, false}, "0.0001"},
		{"0.00001234", integer{0, false}, "1.234e-05"},
		{"123456e-3", integer{123, false}, "123.456"},
		{"120000e-3", integer{120, true}, "120.0"},
		{"0.1", integer{0, false}, "0.1"},
		{"2.00000000000000000001", integer{2, false}, "2.0"},
		{"9223372036854775806.5", integer{maxInt, false}, "9.223372036854776e+18"},
		{"5e-324", integer{0, false}, "5e-324"},
		{"1e-99999999999999999999", integer{0, false}, "0.0"},
		{"0e99999999999999999999", integer{0, true}, "0.0"},
		{"100000000000000000000000", integer{maxInt, false}, "100000000000000000000000"},
	} {
		if got := test.n.integer(); got != test.integer {
			t.Errorf("%s: integer\n got %v\nwant %v", test.n, got, test.integer)
		}
		if got := test.n.text(); got != test.text {
			t.Errorf("%s: text\n got %s\nwant %s", test.n, got, test.text)
		}
		if !test.n.valid() {
			t.Errorf("%s: not valid", test.n)
		}
	}
	for _, n := range []number{"1e400", "-1e309"} {
		if n.valid() {
			t.Errorf("%s: valid", n)
		}
	}
}

func TestSpanOf(t *testing.T) {
	all := pk.domain()
	for _, test := range []struct {
		op   operator
		n    integer
		want span
	}{
		{equal, integer{5, true}, span{5, 5}},
		{equal, integer{-1, false}, span{1, 0}},
		{less, integer{5, true}, span{0, 4}},
		{less, integer{5, false}, span{0, 5}},
		{less, integer{0, true}, span{0, -1}},
		{less, integer{-1, false}, span{0, -1}},
		{less, integer{maxInt, false}, all},
		{lessEqual, integer{5, false}, span{0, 5}},
		{greater, integer{5, true}, span{6, math.MaxInt64 - 1}},
		{greater, integer{5, false}, span{6, math.MaxInt64 - 1}},
		{greater, integer{-1, false}, all},
		{greater, integer{maxInt, false}, span{math.MaxInt64, maxInt}},
		{greaterEqual, integer{5, false}, span{6, math.MaxInt64 - 1}},
		{greaterEqual, integer{maxInt, false}, span{math.MaxInt64, maxInt}},
		{greaterEqual, integer{maxInt, true}, span{maxInt, maxInt}},
	} {
		if got := spanOf(test.op, test.n, all); got != test.want {
			t.Errorf("operator %d, %v\n got %v\nwant %v", test.op, test.n, got, test.want)
		}
	}
}

func TestParseTime(t *testing.T) {
	const none = "none"
	for _, test := range []struct{ s, want string }{
		{"2023-01-04", "2023-01-04T00:00:00.000000Z"},
		{"20230104", "2023-01-04T00:00:00.000000Z"},
		{"2023-1-4", "2023-01-04T00:00:00.000000Z"},
		{"2023-W01", "2023-01-02T00:00:00.000000Z"},
		{"2023-W01-3", "2023-01-04T00:00:00.000000Z"},
		{"2023W013", "2023-01-04T00:00:00.000000Z"},
		{"2020-W53-7", "2021-01-03T00:00:00.000000Z"},
		{"2024-02-29", "2024-02-29T00:00:00.000000Z"},
		{"0001-01-01", "0001-01-01T00:00:00.000000Z"},
		{"2023-01-04T13", "2023-01-04T13:00:00.000000Z"},
		{"2023-01-04t13:05", "2023-01-04T13:05:00.000000Z"},
		{"2023-01-04 13:05:06", "2023-01-04T13:05:06.000000Z"},
		{"2023-1-4 1:2:3", "2023-01-04T01:02:03.000000Z"},
		{"20230104T130506Z", "2023-01-04T13:05:06.000000Z"},
		{"2023-W01-3T1305", "2023-01-04T13:05:00.000000Z"},
		{"2023-01-04T13:05:06.5", "2023-01-04T13:05:06.500000Z"},
		{"2023-01-04T13:05:06,1234567899Z", "2023-01-04T13:05:06.123456Z"},
		{"2023-01-04T00:00:00 Z", "2023-01-04T00:00:00.000000Z"},
		{"2023-01-04T00:00:00+13", "2023-01-03T11:00:00.000000Z"},
		{"2023-01-04T00:00:00+1300", "2023-01-03T11:00:00.000000Z"},
		{"2023-01-04T00:00:00-00:30:15", "2023-01-04T00:30:15.000000Z"},
		{"2023-01-04T00:00:00+15:59", "2023-01-03T08:01:00.000000Z"},
		{"1969-12-31T23:59:59.999999Z", "1969-12-31T23:59:59.999999Z"},
		{"", none}, {"now", none}, {"null", none}, {"5", none}, {"1672531200", none}, {"2023", none}, {"2023-01", none},
		{"2023-004", none}, {"2023-13-01", none}, {"2023-02-29", none}, {"2023-00-01", none}, {"0000-01-01", none},
		{"10000-01-01", none}, {"2023-W53-1", none}, {"2023-W00-1", none}, {"2023-W01-0", none}, {"2023-W01-8", none},
		{"9999-W52-7", none}, {"2023-W013", none}, {" 2023-01-04", none}, {"2023-01-04 ", none}, {"2023-01-04T", none}, {"2023-01-04Z", none},
		{"2023-01-04T24:00:00Z", none}, {"2023-01-04T23:60", none}, {"2023-01-04T23:59:60", none},
		{"2023-01-04T00:00:00z", none}, {"2023-01-04T00:00:00.", none}, {"2023-01-04T1", none}, {"2023-01-04T0000:00", none},
		{"2023-01-04T00:00:00+16:00", none}, {"2023-01-04T00:00:00+01:60", none}, {"2023-01-04T00:00:00+1", none}, {"2023-01-04+13:00", none},
	} {
		got := none
		if micros, ok := parseTime(test.s); ok {
			got = time.UnixMicro(micros).UTC().Format(TimeLayout)
		}
		if got != test.want {
			t.Errorf("parseTime(%q)\n got %s\nwant %s", test.s, got, test.want)
		}
	}
}
