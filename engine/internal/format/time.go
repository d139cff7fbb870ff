package format

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// TimeError is the error of [ParseTime] and [ParseInterval].
type TimeError struct {
	Value    string
	Interval bool // an interval was asked for
	Reason   string
}

// Error names the value and what is wrong with it.
func (e *TimeError) Error() string {
	what := "time"
	if e.Interval {
		what = "interval"
	}
	return fmt.Sprintf("read %s %q: %s", what, e.Value, e.Reason)
}

// Hint tells what may be written.
func (e *TimeError) Hint() string {
	if e.Interval {
		return "an interval is one or more numbers, each with one of the units s m h D W M Y, for example 7D or 1D12h (M is 30 days)"
	}
	return "a time is for example now, 2026-01-31, 2026-01-31T12:00:00+01:00, 20260131T110000Z, or 3D for three days ago"
}

// intervalUnits are duplicity's; m is minutes, M is months.
func intervalUnit(c byte) (seconds int64, ok bool) {
	const day = 24 * 60 * 60
	switch c {
	case 's':
		return 1, true
	case 'm':
		return 60, true
	case 'h':
		return 60 * 60, true
	case 'D':
		return day, true
	case 'W':
		return 7 * day, true
	case 'M':
		return 30 * day, true
	case 'Y':
		return 365 * day, true
	}
	return 0, false
}

// ParseInterval reads a length of time as duplicity writes it, for example "7D" or
// "1D12h". Units are s, m, h, D, W (7D), M (30D) and Y (365D); parts add up. Its
// error is a [*TimeError].
func ParseInterval(s string) (time.Duration, error) {
	fail := func(reason string) (time.Duration, error) {
		return 0, &TimeError{Value: s, Interval: true, Reason: reason}
	}
	if s == "" {
		return fail("it is empty")
	}
	const maxSeconds = int64(math.MaxInt64 / time.Second)
	var total int64
	for rest := s; rest != ""; {
		digits := strings.IndexFunc(rest, func(r rune) bool { return r < '0' || r > '9' })
		if digits <= 0 {
			return fail("a number and a unit are expected")
		}
		unit, ok := intervalUnit(rest[digits])
		if !ok {
			return fail("unknown unit")
		}
		n, err := strconv.ParseInt(rest[:digits], 10, 64)
		if err != nil || n > (maxSeconds-total)/unit {
			return fail("it is too long")
		}
		total += n * unit
		rest = rest[digits+1:]
	}
	return time.Duration(total) * time.Second, nil
}

// The forms of a time, in the order in which they are tried.
var (
	fullTimeSyntax = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|[+-]\d\d:\d\d)?$`)
	dateSyntaxes   = []struct {
		syntax           *regexp.Regexp
		year, month, day int // which submatch
	}{
		{regexp.MustCompile(`^(\d{4})[-/](\d{1,2})[-/](\d{1,2})$`), 1, 2, 3},
		{regexp.MustCompile(`^(\d{1,2})[-/](\d{1,2})[-/](\d{4})$`), 3, 1, 2},
		{regexp.MustCompile(`^(\d{4})(\d\d)(\d\d)Z$`), 1, 2, 3},
	}
)

// ParseTime reads a time in any of the forms that duplicity takes: now, seconds since
// 1970, 20060102T150405Z, 2006-01-02T15:04:05 with or without offset, an interval
// before now, or a date (Y-M-D, Y/M/D, M-D-Y, M/D/Y, YYYYMMDDZ), which is its local
// midnight. The zone is that of now; a time without offset is in that zone's standard
// time, in summer too. Its error is a [*TimeError].
func ParseTime(s string, now time.Time) (time.Time, error) {
	fail := func(reason string) (time.Time, error) {
		return time.Time{}, &TimeError{Value: s, Reason: reason}
	}
	if s == "now" {
		return now, nil
	}
	if s != "" && strings.Trim(s, "0123456789") == "" {
		secs, err := strconv.ParseInt(s, 10, 64)
		if err != nil || secs > maxTime {
			return fail("it is too far in the future")
		}
		return time.Unix(secs, 0).In(now.Location()), nil
	}
	if t, ok := parseCompactTime(s); ok {
		return t, nil
	}
	if m := fullTimeSyntax.FindStringSubmatch(s); m != nil {
		t, ok := parseFullTime(s, m[1], now.Location())
		if !ok {
			return fail("there is no such time")
		}
		return t, nil
	}
	if d, err := ParseInterval(s); err == nil {
		return now.Add(-d), nil
	}
	for _, f := range dateSyntaxes {
		m := f.syntax.FindStringSubmatch(s)
		if m == nil {
			continue
		}
		date := fmt.Sprintf("%s-%02s-%02sT00:00:00", m[f.year], m[f.month], m[f.day])
		t, ok := parseFullTime(date, "", now.Location())
		if !ok {
			return fail("there is no such day")
		}
		return t, nil
	}
	return fail("unknown form")
}

// maxTime is the end of the year 9999.
const maxTime = 253402300799

// parseFullTime takes years beyond 2099 too, where duplicity stops: they stand for "any
// time" in what limits a range, and a time of no set does no harm.
func parseFullTime(s, zone string, loc *time.Location) (time.Time, bool) {
	layout := "2006-01-02T15:04:05"
	if zone != "" {
		layout += "Z07:00"
	}
	t, err := time.Parse(layout, s)
	if err != nil || t.Year() < 1901 || t.Year() > 9999 {
		return time.Time{}, false
	}
	if zone == "" {
		t = t.Add(-standardOffset(t, loc)).In(loc)
	}
	return t, true
}

// standardOffset returns what the zone's standard time adds to UTC around t.
func standardOffset(t time.Time, loc *time.Location) time.Duration {
	for _, month := range []time.Month{t.Month(), time.January, time.July} {
		in := time.Date(t.Year(), month, 1, 12, 0, 0, 0, loc)
		if !in.IsDST() {
			_, offset := in.Zone()
			return time.Duration(offset) * time.Second
		}
	}
	_, offset := t.In(loc).Zone()
	return time.Duration(offset) * time.Second
}
