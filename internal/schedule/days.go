package schedule

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Days are certain days of the calendar. The zero Days has none. It is
// immutable.
type Days struct {
	text string
	days []slot
}

const daysHint = "write weekdays or days of the month with commas between them, such as sunday or 1st, 15th; H is a weekday of purser's choice"

var ordinal = regexp.MustCompile(`^(\d{1,2})(st|nd|rd|th)$`)

// ParseDays reads a list of days for whoever has the identity id: weekdays, days
// of the month from 1st to 28th, and weekly or H, and monthly, for a weekday and
// a day of the month that depend on id. A fault is an *Error, which has a hint.
func ParseDays(text, id string) (Days, error) {
	d := Days{text: strings.TrimSpace(text)}
	known := words(hashOf(id))
	delete(known, "daily")
	known["h"] = known["weekly"]
	pos := 0
	for _, item := range strings.Split(text, ",") {
		word := strings.ToLower(strings.TrimSpace(item))
		at := pos + len(item) - len(strings.TrimLeft(item, " \t")) + 1
		pos += len(item) + 1
		s, ok := known[word]
		if !ok {
			var err error
			if s, err = dayOfMonth(word); err != nil {
				return Days{}, &Error{Expr: text, What: "days", Pos: at, Err: err, hint: daysHint}
			}
		}
		d.days = append(d.days, s)
	}
	return d, nil
}

func dayOfMonth(word string) (slot, error) {
	m := ordinal.FindStringSubmatch(word)
	if m == nil {
		return slot{}, fmt.Errorf("unknown word %q", word)
	}
	n, err := strconv.Atoi(m[1])
	if err != nil || n < 1 || n > 28 {
		return slot{}, errors.New("not every month has this day")
	}
	return slot{weekday: -1, day: n}, nil
}

// IsZero reports whether there are no days.
func (d Days) IsZero() bool { return len(d.days) == 0 }

func (d Days) String() string { return d.text }

// Last gives the beginning of the newest of the days that is not after t, in
// the location of t; zero if there are no days.
func (d Days) Last(t time.Time) time.Time {
	if d.IsZero() {
		return time.Time{}
	}
	// Every month has the days 1 to 28, so this ends.
	for day := time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC); ; day = day.AddDate(0, 0, -1) {
		for i := range d.days {
			if d.days[i].on(day) {
				return first(day, t.Location())
			}
		}
	}
}
