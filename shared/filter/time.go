package filter

import (
	"regexp"
	"strconv"
	"sync"
	"time"
)

// TimeLayout is how times stand in stored items and so in an [Expression]: in UTC and of
// one width, so that they order as text.
const TimeLayout = "2006-01-02T15:04:05.000000Z"

// The times that fit TimeLayout, in microseconds since 1970: those of the years 0 to 9999.
var (
	firstMicro = time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro()
	lastMicro  = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro() - 1
)

// The forms of a time are those of Python's datetime.fromisoformat together with the more
// lenient ones of Django's parse_datetime and parse_date; here each form of a date goes
// with each form of a clock. Malformed text that Python 3.11 happens to read is refused.
type timeForms struct {
	dateAndClock *regexp.Regexp

	calendarDate []*regexp.Regexp // year, month, day
	weekDate     []*regexp.Regexp // year, ISO week, day of the week
	clock        []*regexp.Regexp // hour, minute, second, fraction; offset: all of it, sign, hour, minute, second
}

// forms are compiled when a filter first holds a time: at the start they would cost every
// Lambda a third of a millisecond, and few filters hold one.
var forms = sync.OnceValue(func() timeForms {
	return timeForms{
		dateAndClock: regexp.MustCompile(`^([^Tt ]+)(?:[Tt ](.*))?$`),
		calendarDate: []*regexp.Regexp{
			regexp.MustCompile(`^(\d{4})-(\d\d?)-(\d\d?)$`),
			regexp.MustCompile(`^(\d{4})(\d\d)(\d\d)$`),
		},
		weekDate: []*regexp.Regexp{
			regexp.MustCompile(`^(\d{4})-W(\d\d)(?:-(\d))?$`),
			regexp.MustCompile(`^(\d{4})W(\d\d)(\d)?$`),
		},
		clock: []*regexp.Regexp{
			regexp.MustCompile(`^(\d\d?):(\d\d?)(?::(\d\d?)(?:[.,](\d+))?)?\s*` + offset + `$`),
			regexp.MustCompile(`^(\d\d)(?:(\d\d)(?:(\d\d)(?:[.,](\d+))?)?)?` + offset + `$`),
		},
	}
})

const offset = `(Z|([+-])(\d\d)(?::?(\d\d)(?::?(\d\d))?)?)?`

// parseTime reads a date or a date and time, to the microsecond. What is finer is cut
// off; a date is its midnight, and without an offset a time is in UTC.
func parseTime(s string) (micros int64, ok bool) {
	parts := forms().dateAndClock.FindStringSubmatch(s)
	if parts == nil {
		return 0, false
	}
	date, ok := parseDate(parts[1])
	if !ok {
		return 0, false
	}
	if len(parts[1]) == len(s) {
		return date.UnixMicro(), true
	}
	clock, ok := parseClock(parts[2])
	return date.Add(clock).UnixMicro(), ok
}

func parseDate(s string) (t time.Time, ok bool) {
	if year, month, day, ok := threeInts(forms().calendarDate, s); ok {
		t = time.Date(year, time.Month(month), day, 0, 0, 0, 0, time.UTC)
		return t, year > 0 && t.Month() == time.Month(month) && t.Day() == day
	}
	year, week, day, ok := threeInts(forms().weekDate, s)
	if !ok || day < 1 || day > 7 {
		return t, false
	}
	// 4 January is always in the first week, weeks start on Mondays.
	fourth := time.Date(year, 1, 4, 0, 0, 0, 0, time.UTC)
	monday := 4 - (int(fourth.Weekday())+6)%7
	t = time.Date(year, 1, monday+7*(week-1)+day-1, 0, 0, 0, 0, time.UTC)
	y, w := t.ISOWeek()
	return t, year > 0 && t.Year() < 10000 && y == year && w == week
}

// threeInts matches s with the patterns; a missing third number is 1.
func threeInts(patterns []*regexp.Regexp, s string) (a, b, c int, ok bool) {
	for _, p := range patterns {
		if m := p.FindStringSubmatch(s); m != nil {
			if m[3] == "" {
				m[3] = "1"
			}
			return atoi(m[1]), atoi(m[2]), atoi(m[3]), true
		}
	}
	return 0, 0, 0, false
}

// parseClock reads a time of day and returns the time since midnight UTC. PostgreSQL
// takes no offset of 16 hours or more.
func parseClock(s string) (d time.Duration, ok bool) {
	for _, p := range forms().clock {
		m := p.FindStringSubmatch(s)
		if m == nil {
			continue
		}
		hour, minute, second := atoi(m[1]), atoi(m[2]), atoi(m[3])
		offsetHour, offsetMinute, offsetSecond := atoi(m[7]), atoi(m[8]), atoi(m[9])
		if hour > 23 || offsetHour > 15 || max(minute, second, offsetMinute, offsetSecond) > 59 {
			return 0, false
		}
		d = hms(hour, minute, second) + time.Duration(atoi((m[4] + "000000")[:6]))*time.Microsecond
		if shift := hms(offsetHour, offsetMinute, offsetSecond); m[6] == "-" {
			d += shift
		} else {
			d -= shift
		}
		return d, true
	}
	return 0, false
}

func hms(hour, minute, second int) time.Duration {
	return time.Duration(hour)*time.Hour + time.Duration(minute)*time.Minute + time.Duration(second)*time.Second
}

// atoi reads what a pattern matched: a few digits, or nothing for 0.
func atoi(s string) int {
	n, _ := strconv.Atoi(s)
	return n
}
