package conformance

import (
	"fmt"
	"math"
	"math/big"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// The original is written in Python. These are its ways of reading values, as far as the
// API shows them.

// pyInt is int(text): digits of any script with single underscores between them, a sign
// and blanks around.
func pyInt(text string) (*big.Int, bool) {
	text = strings.TrimSpace(text)
	sign := ""
	if strings.HasPrefix(text, "-") || strings.HasPrefix(text, "+") {
		sign, text = text[:1], text[1:]
	}
	if text == "" || strings.HasPrefix(text, "_") || strings.HasSuffix(text, "_") || strings.Contains(text, "__") {
		return nil, false
	}
	var digits strings.Builder
	for _, r := range text {
		if r == '_' {
			continue
		}
		d, ok := digitValue(r)
		if !ok {
			return nil, false
		}
		digits.WriteByte('0' + d)
	}
	if digits.Len() > 4300 { // sys.int_info.default_max_str_digits
		return nil, false
	}
	return new(big.Int).SetString(strings.TrimPrefix(sign, "+")+digits.String(), 10)
}

// digitValue is unicodedata.decimal of a character. Every script's digits are ten in a row.
func digitValue(r rune) (byte, bool) {
	if !unicode.Is(unicode.Nd, r) {
		return 0, false
	}
	for _, t := range unicode.Nd.R16 {
		if lo, hi := rune(t.Lo), rune(t.Hi); lo <= r && r <= hi {
			return byte((r - lo) % 10), true
		}
	}
	for _, t := range unicode.Nd.R32 {
		if lo, hi := rune(t.Lo), rune(t.Hi); lo <= r && r <= hi {
			return byte((r - lo) % 10), true
		}
	}
	return 0, false
}

// isFloat reports whether Python reads the JSON number as a float.
func isFloat(number string) bool { return strings.ContainsAny(number, ".eE") }

// pyText is str() of a JSON number; ok is false for a float that is infinite.
func pyText(number string) (text string, ok bool) {
	if !isFloat(number) {
		if number == "-0" {
			return "0", true
		}
		return number, true
	}
	f, err := strconv.ParseFloat(number, 64)
	if err != nil {
		return "", false
	}
	if f == math.Trunc(f) && math.Abs(f) < 1e16 {
		return strconv.FormatFloat(f, 'f', 1, 64), true
	}
	if abs := math.Abs(f); abs < 1e-4 || abs >= 1e16 {
		return strconv.FormatFloat(f, 'e', -1, 64), true
	}
	return strconv.FormatFloat(f, 'f', -1, 64), true
}

// The forms of times: ISO 8601 as datetime.fromisoformat reads it, and Django's two
// lenient patterns for what it does not.
var timeForms = []*regexp.Regexp{
	regexp.MustCompile(`^(?P<Y>\d{4})-(?P<M>\d\d)-(?P<D>\d\d)(?:[T ](?P<h>\d\d)(?::(?P<m>\d\d)(?::(?P<s>\d\d)(?:[.,](?P<f>\d+))?)?)?` + zone + `)?$`),
	regexp.MustCompile(`^(?P<Y>\d{4})(?P<M>\d\d)(?P<D>\d\d)(?:[T ](?P<h>\d\d)(?:(?P<m>\d\d)(?:(?P<s>\d\d)(?:[.,](?P<f>\d+))?)?)?` + zone + `)?$`),
	regexp.MustCompile(`^(?P<Y>\d{4})-W(?P<W>\d\d)(?:-(?P<d>\d))?(?:[T ](?P<h>\d\d)(?::(?P<m>\d\d)(?::(?P<s>\d\d)(?:[.,](?P<f>\d+))?)?)?` + zone + `)?$`),
	regexp.MustCompile(`^(?P<Y>\d{4})W(?P<W>\d\d)(?P<d>\d)?(?:[T ](?P<h>\d\d)(?:(?P<m>\d\d)(?:(?P<s>\d\d)(?:[.,](?P<f>\d+))?)?)?` + zone + `)?$`),
	regexp.MustCompile(`^(?P<Y>\d{4})-(?P<M>\d{1,2})-(?P<D>\d{1,2})[T ](?P<h>\d{1,2}):(?P<m>\d{1,2})(?::(?P<s>\d{1,2})(?:[.,](?P<f>\d{1,12}))?)?\s*` + zone + `$`),
	regexp.MustCompile(`^(?P<Y>\d{4})-(?P<M>\d{1,2})-(?P<D>\d{1,2})$`),
}

const zone = `(?:(?P<z>Z)|(?P<sign>[+-])(?P<zh>\d\d)(?::?(?P<zm>\d\d))?)?`

// pyTime reads a date or a date and time, cut to the microsecond. A date is its midnight;
// without an offset the time is taken as UTC, and offset is false. What PostgreSQL cannot
// take (an offset of 16 hours and more) is refused too.
func pyTime(text string) (t time.Time, offset bool, err error) {
	for _, form := range timeForms {
		match := form.FindStringSubmatch(text)
		if match == nil {
			continue
		}
		part := map[string]int{}
		for i, name := range form.SubexpNames() {
			if n, err := strconv.Atoi(match[i]); err == nil && name != "" && name != "f" {
				part[name] = n
			}
		}
		get := func(name string) string {
			if i := form.SubexpIndex(name); i >= 0 {
				return match[i]
			}
			return ""
		}
		micros, _ := strconv.Atoi((get("f") + "000000")[:6])
		day := time.Date(part["Y"], time.Month(part["M"]), part["D"], 0, 0, 0, 0, time.UTC)
		if get("W") != "" {
			weekday := 1
			if get("d") != "" {
				weekday = part["d"]
			}
			first := time.Date(part["Y"], 1, 4, 0, 0, 0, 0, time.UTC) // is in week 1
			monday := first.AddDate(0, 0, -(int(first.Weekday())+6)%7)
			day = monday.AddDate(0, 0, 7*(part["W"]-1)+weekday-1)
			if year, week := day.ISOWeek(); weekday < 1 || weekday > 7 || year != part["Y"] || week != part["W"] {
				return t, false, fmt.Errorf("%q: no such week or day", text)
			}
		} else if day.Month() != time.Month(part["M"]) || day.Day() != part["D"] {
			return t, false, fmt.Errorf("%q: no such day", text)
		}
		if part["Y"] < 1 || part["h"] > 23 || part["m"] > 59 || part["s"] > 59 || part["zh"] > 15 || part["zm"] > 59 {
			return t, false, fmt.Errorf("%q: out of range", text)
		}
		shift := time.Duration(part["zh"])*time.Hour + time.Duration(part["zm"])*time.Minute
		if get("sign") == "-" {
			shift = -shift
		}
		clock := time.Duration(part["h"])*time.Hour + time.Duration(part["m"])*time.Minute +
			time.Duration(part["s"])*time.Second + time.Duration(micros)*time.Microsecond
		return day.Add(clock - shift), get("z") != "" || get("sign") != "", nil
	}
	return t, false, fmt.Errorf("%q is no time", text)
}

// pgTime is a time as PostgreSQL shows it in UTC.
func pgTime(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05.999999") + "+00" }

// pgUpper is PostgreSQL's upper() in a UTF-8 locale: one character to one character.
func pgUpper(s string) string { return strings.Map(unicode.ToUpper, s) }
