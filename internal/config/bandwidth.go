package config

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Bandwidth is a limit that may change by time of day. The zero value is none.
type Bandwidth struct {
	slots []slot // by minute; a single one is for all of the time
}

type slot struct {
	minute int   // of the week, from Sunday 00:00
	rate   int64 // bytes per second, 0 is no limit
}

const minutesOfDay = 24 * 60

// At gives the limit at a time, by the clock of its time zone, in bytes per second;
// 0 is none.
func (b Bandwidth) At(t time.Time) int64 {
	if len(b.slots) == 0 {
		return 0
	}
	now := int(t.Weekday())*minutesOfDay + t.Hour()*60 + t.Minute()
	i, found := slices.BinarySearchFunc(b.slots, now, func(s slot, now int) int { return cmp.Compare(s.minute, now) })
	if !found {
		i-- // the one before, which for the first is the week's last
	}
	return b.slots[(i+len(b.slots))%len(b.slots)].rate
}

// IsZero reports whether there is never a limit.
func (b Bandwidth) IsZero() bool {
	return !slices.ContainsFunc(b.slots, func(s slot) bool { return s.rate > 0 })
}

// Changes reports whether the limit is not always the same.
func (b Bandwidth) Changes() bool { return len(b.slots) > 1 }

// parseBandwidth reads a rate, or a timetable as rclone has it:
// 08:00,512 19:00,10M Sat-00:00,off.
func parseBandwidth(s string) (Bandwidth, error) {
	if !strings.ContainsAny(s, ":,") {
		rate, err := parseRate(s)
		return Bandwidth{[]slot{{0, rate}}}, err
	}
	var b Bandwidth
	seen := map[int]bool{}
	for _, word := range strings.Fields(s) {
		days, minute, rate, err := parseSlot(word)
		if err != nil {
			return Bandwidth{}, err
		}
		for _, day := range days {
			at := day*minutesOfDay + minute
			if seen[at] {
				return Bandwidth{}, withHint("take one of the two out", "%s is given twice", word[:strings.IndexByte(word, ',')])
			}
			seen[at] = true
			b.slots = append(b.slots, slot{at, rate})
		}
	}
	slices.SortFunc(b.slots, func(a, b slot) int { return cmp.Compare(a.minute, b.minute) })
	return b, nil
}

// parseSlot reads HH:MM,RATE, with Mon- and so on before it.
func parseSlot(word string) (days []int, minute int, rate int64, err error) {
	const hint = "write a time and a rate with a comma between them, such as 08:00,512 19:00,10M 23:00,off, or Sat-08:00,1M for a day of the week"
	when, value, ok := strings.Cut(word, ",")
	if !ok {
		return nil, 0, 0, withHint(hint, "not a timetable")
	}
	days = []int{0, 1, 2, 3, 4, 5, 6}
	if name, rest, ok := strings.Cut(when, "-"); ok {
		day := slices.IndexFunc(days, func(d int) bool {
			full := time.Weekday(d).String()
			return strings.EqualFold(name, full) || strings.EqualFold(name, full[:3])
		})
		if day < 0 {
			return nil, 0, 0, withHint(hint, "not a day of the week")
		}
		days, when = []int{day}, rest
	}
	hour, min, _ := strings.Cut(when, ":")
	h, err1 := strconv.ParseUint(hour, 10, 8)
	m, err2 := strconv.ParseUint(min, 10, 8)
	if err1 != nil || err2 != nil || h > 23 || m > 59 {
		return nil, 0, 0, withHint(hint, "not a time of day")
	}
	if !strings.EqualFold(value, "off") {
		rate, err = parseRate(value)
	}
	return days, int(h*60 + m), rate, err
}
