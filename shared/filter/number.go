package filter

import (
	"math"
	"strconv"
	"strings"
	"unicode"
)

// A span is the values from lo to hi, both included; lo > hi is the empty one.
type span struct{ lo, hi int64 }

func (s span) empty() bool     { return s.lo > s.hi }
func (s span) single() bool    { return s.lo == s.hi }
func (s span) and(t span) span { return span{max(s.lo, t.lo), min(s.hi, t.hi)} }

// maxInt is the greatest number a column can have; one more does not overflow.
const maxInt = math.MaxInt64 - 1

// domain is all values a number column can have. What a filter asks for beyond it is
// cut off, so that pk >= -5 asks for nothing and pk < 0 is empty.
func (c Column) domain() span {
	if c.isTime() {
		return span{firstMicro, lastMicro}
	}
	return span{0, maxInt}
}

// An integer is a number of any size as seen from the integers 0 to maxInt: the greatest
// of them that is not above it (-1 if there is none), and whether the two are equal.
// That is all it takes to compare exactly.
type integer struct {
	floor int64
	whole bool
}

// spanOf returns the values v of the domain for which v op n holds.
func spanOf(op operator, n integer, domain span) span {
	s := domain
	switch op {
	case equal:
		if !n.whole {
			return span{1, 0}
		}
		s = span{n.floor, n.floor}
	case less:
		s.hi = n.floor
		if n.whole {
			s.hi--
		}
	case lessEqual:
		s.hi = n.floor
	case greater:
		s.lo = n.floor + 1
	case greaterEqual:
		s.lo = n.floor
		if !n.whole {
			s.lo++
		}
	}
	return s.and(domain)
}

// decimal returns the number 0.digits × 10^scale.
func decimal(negative bool, digits string, scale int) integer {
	significant := strings.TrimLeft(digits, "0")
	scale -= len(digits) - len(significant)
	significant = strings.TrimRight(significant, "0")
	switch {
	case significant == "":
		return integer{0, true}
	case negative:
		return integer{-1, false}
	case scale <= 0:
		return integer{0, false}
	case scale > 19: // the digits of MaxInt64
		return integer{maxInt, false}
	}
	whole := len(significant) <= scale
	if whole {
		significant += strings.Repeat("0", scale-len(significant))
	}
	n, err := strconv.ParseInt(significant[:scale], 10, 64)
	if err != nil || n > maxInt {
		return integer{maxInt, false}
	}
	return integer{n, whole}
}

// maxDigits is how long an integer Python reads at most, as text or in JSON
// (sys.int_info.default_max_str_digits).
const maxDigits = 4300

// A number is a JSON number as it was written.
type number string

func (n number) isFloat() bool { return strings.ContainsAny(string(n), ".eE") }

// valid reports whether Python reads n, and a float as finite.
func (n number) valid() bool {
	if !n.isFloat() {
		return len(n) <= maxDigits
	}
	_, err := strconv.ParseFloat(string(n), 64)
	return err == nil
}

// integer returns n as it was written, to the last digit.
func (n number) integer() integer {
	mantissa, exponent, _ := strings.Cut(strings.ToLower(string(n)), "e")
	unsigned := strings.TrimPrefix(mantissa, "-")
	whole, fraction, _ := strings.Cut(unsigned, ".")
	scale, _ := strconv.Atoi(exponent) // the nearest int if it is out of range, 0 if there is none
	scale = max(-math.MaxInt32, min(scale, math.MaxInt32))
	return decimal(mantissa != unsigned, whole+fraction, len(whole)+scale)
}

// text returns Python's str() of n: an integer's digits, or the shortest decimal that
// reads back as the same float, always recognisable as a float.
func (n number) text() string {
	if !n.isFloat() {
		if n == "-0" {
			return "0"
		}
		return string(n)
	}
	f, _ := strconv.ParseFloat(string(n), 64)
	if abs := math.Abs(f); abs >= 1e16 || abs < 1e-4 && abs > 0 {
		return strconv.FormatFloat(f, 'e', -1, 64)
	}
	s := strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return s
}

// parseInt is Python's int(s): decimal digits of any script with single underscores
// between them, a sign, and white space around.
func parseInt(s string) (n integer, ok bool) {
	s = strings.TrimSpace(s)
	negative := strings.HasPrefix(s, "-")
	if negative || strings.HasPrefix(s, "+") {
		s = s[1:]
	}
	var digits []byte
	after := false // a digit, so that an underscore may follow
	for _, r := range s {
		d, isDigit := digit(r)
		switch {
		case isDigit:
			digits = append(digits, '0'+d)
		case r != '_' || !after:
			return integer{}, false
		}
		after = isDigit
	}
	if !after || len(digits) > maxDigits {
		return integer{}, false
	}
	return decimal(negative, string(digits), len(digits)), true
}

// digit returns the value of a decimal digit. Unicode keeps the ten digits of a script
// in order, next to each other.
func digit(r rune) (d byte, ok bool) {
	if r <= unicode.MaxASCII {
		return byte(r - '0'), '0' <= r && r <= '9'
	}
	for _, set := range unicode.Nd.R16 {
		if rune(set.Lo) <= r && r <= rune(set.Hi) {
			return byte((r - rune(set.Lo)) % 10), true
		}
	}
	for _, set := range unicode.Nd.R32 {
		if rune(set.Lo) <= r && r <= rune(set.Hi) {
			return byte((r - rune(set.Lo)) % 10), true
		}
	}
	return 0, false
}
