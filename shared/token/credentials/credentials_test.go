package credentials_test

import (
	"testing"

	"joboutputs/shared/token/credentials"
)

// TestNumbers holds that numbers are the texts Python makes of them.
func TestNumbers(t *testing.T) {
	for literal, want := range map[string]string{
		"5": "5", "-5": "-5", "-0": "0", "123456789012345678901234567890": "123456789012345678901234567890",
		"1.0": "1.0", "1.50": "1.5", "-0.0": "-0.0", "0.1": "0.1", "1e5": "100000.0", "1E+2": "100.0",
		"1e15": "1000000000000000.0", "1e16": "1e+16", "1.5e300": "1.5e+300", "0.0001": "0.0001", "0.00001": "1e-05", "1e-7": "1e-07",
		"1e400": "inf", "-1e400": "-inf",
	} {
		got, err := credentials.Read([]byte(`{"f":`+literal+`}`), "f")
		if err != nil || got["f"] != want {
			t.Errorf("%s: got %q, %v, want %q", literal, got["f"], err, want)
		}
	}
}
