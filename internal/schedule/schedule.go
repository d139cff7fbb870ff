// Package schedule says when the next run is due.
package schedule

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

// Schedule gives the points in time at which something is due. It is immutable
// and may be used by several goroutines.
type Schedule interface {
	// Next gives the first point after t, in the location of t, by whose clock
	// the schedule is read: the caller chooses the time zone with t.In.
	Next(t time.Time) time.Time
}

// names of the fields in an expression of six; one of five has no second.
var fieldNames = [...]string{"second", "minute", "hour", "day of month", "month", "day of week"}

const (
	sixFields  = cron.Second | fiveFields
	fiveFields = cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow | cron.Descriptor
)

// Parse reads a schedule for whoever has the identity id:
//
//   - the six fields of rancher-backup with the seconds first (0 0 3 * * *), or
//     the five of cron (0 3 * * *). Where both the day of the month and the day
//     of the week are given, either is enough. Jenkins' H in a field is a value
//     that depends on id: H, H(8-16), H/15, H(0-29)/10;
//   - @yearly, @monthly, @weekly, @daily, @hourly, or "@every 6h" counted from
//     the time given to Next;
//   - Turku's words: hourly, daily, weekly, monthly or a weekday, at a time that
//     depends on id. A window may follow (daily, 2200-0400), which belongs to the
//     day on which it opens, or a time (sunday, 0230). "cron" and five fields have
//     a second that depends on id; "cron @daily" is a time of the day likewise.
//
// Where the clock is changed for summer, it is as with Debian's cron: what is
// due at certain hours comes once on each day, right after the gap if the clock
// skips its time, and the first time if the clock shows it twice. What is due in
// every hour, as */15 of the minutes, follows the real clock.
//
// A fault is an *Error, which has a hint.
func Parse(expr, id string) (Schedule, error) {
	expr = strings.TrimSpace(expr)
	if expr == "" {
		return nil, &Error{Expr: expr, Err: errors.New("it is empty"), hint: examples}
	}
	h := hashOf(id)
	if startsWithWord(expr) {
		return parseWords(expr, h)
	}
	return parseCron(expr, expr, h)
}

// parseCron reads fields or what begins with @; expr is the whole text, for
// errors.
func parseCron(expr, text string, h hash) (Schedule, error) {
	fields := strings.Fields(text)
	options := cron.ParseOption(sixFields)
	switch {
	case strings.Contains(fields[0], "TZ="):
		return nil, &Error{Expr: expr, Err: errors.New("it names a time zone"), hint: "set the time zone with the variable TZ"}
	case strings.HasPrefix(text, "@"):
	case len(fields) == 5 && hashed(fields):
		return parseWithSecond(expr, text, h)
	case len(fields) == 5:
		options = fiveFields
	case len(fields) != 6:
		return nil, &Error{Expr: expr, Err: fmt.Errorf("it has %d fields, not 5 or 6", len(fields)), hint: examples}
	}
	plain, err := h.expand(expr, fields)
	if err != nil {
		return nil, err
	}
	parsed, err := cron.NewParser(options).Parse(strings.Join(plain, " "))
	if err != nil {
		return nil, explain(expr, plain, options, err)
	}
	spec, ok := parsed.(*cron.SpecSchedule)
	if !ok {
		return parsed, nil // @every
	}
	// The year 2000 has all days that there are.
	if spec.Next(time.Date(1999, 12, 31, 0, 0, 0, 0, time.UTC)).IsZero() {
		return nil, &Error{Expr: expr, Err: errors.New("no such day ever comes"), hint: "choose a day of the month that the month has"}
	}
	if spec.Hour&everyHour == everyHour {
		return &hourly{spec}, nil
	}
	return &daily{spec}, nil
}

// parseWithSecond reads five fields with a second that depends on the identity.
func parseWithSecond(expr, text string, h hash) (Schedule, error) {
	s, err := parseCron(expr, "H "+text, h)
	var e *Error
	if errors.As(err, &e) && e.Field > 0 {
		e.Field-- // of those that the user wrote
	}
	return s, err
}

// explain finds the field at fault by trying each alone.
func explain(expr string, fields []string, options cron.ParseOption, err error) error {
	if strings.HasPrefix(expr, "@") {
		return &Error{Expr: expr, Err: err, hint: examples}
	}
	for i, f := range fields {
		alone := strings.Fields(strings.Repeat("* ", len(fields)))
		alone[i] = f
		if _, err := cron.NewParser(options).Parse(strings.Join(alone, " ")); err != nil {
			name := fieldNames[i+len(fieldNames)-len(fields)]
			return &Error{Expr: expr, Field: i + 1, Name: name, Err: err, hint: hints[name]}
		}
	}
	return &Error{Expr: expr, Err: err, hint: examples}
}

const examples = `write six fields, "0 0 3 * * *" (second minute hour day month weekday), five without the second, @daily, or words such as "daily, 0200-0500"`

var hints = map[string]string{
	"second":       "seconds are 0 to 59, as in 0, */15 or 10-20",
	"minute":       "minutes are 0 to 59, as in 0, */15 or 10-20",
	"hour":         "hours are 0 to 23, as in 3, */6 or 22-23",
	"day of month": "days are 1 to 31, as in 1, */2, 1,15 or *",
	"month":        "months are 1 to 12 or JAN to DEC, as in *, */3 or JAN,JUL",
	"day of week":  "weekdays are 0 (Sunday) to 6 or SUN to SAT, as in *, MON-FRI or 0",
}

// Error is a schedule that can't be read.
type Error struct {
	Expr  string
	What  string // it is, "schedule" if empty
	Field int    // the field at fault, from 1; 0 is the whole
	Name  string // of the field, as "minute"
	Pos   int    // the character at fault, from 1; 0 is unknown
	Err   error
	hint  string
}

func (e *Error) Error() string {
	what := cmp.Or(e.What, "schedule")
	switch {
	case e.Field == 0 && e.Pos > 0:
		return fmt.Sprintf("%s %q: at character %d: %v", what, e.Expr, e.Pos, e.Err)
	case e.Field == 0:
		return fmt.Sprintf("%s %q: %v", what, e.Expr, e.Err)
	}
	return fmt.Sprintf("schedule %q: field %d (%s): %v", e.Expr, e.Field, e.Name, e.Err)
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// Hint says how to write it.
func (e *Error) Hint() string { return e.hint }

// everyHour is the bits of an hour field that takes all hours.
const everyHour = 1<<24 - 1

// wall gives what the clock on the wall shows at t, as if that were UTC.
func wall(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), time.UTC)
}

// clock is a schedule by a clock that is never changed: times are as if in UTC.
type clock interface {
	Next(shown time.Time) time.Time
}

// daily is a schedule with fixed hours. The parser's own would leave out what
// the clock skips in spring and repeat what it shows twice in autumn.
type daily struct{ spec clock }

func (d *daily) Next(t time.Time) time.Time {
	// What is shown later happens later, or at the same time where the clock
	// skips it: nothing before the first due time that lies after t is missed.
	for due := d.spec.Next(wall(t)); !due.IsZero(); due = d.spec.Next(due) {
		if at := first(due, t.Location()); at.After(t) {
			return at
		}
	}
	return time.Time{}
}

// first gives the first moment at which a clock in loc shows shown, or if it
// skips that, the end of the gap.
func first(shown time.Time, loc *time.Location) time.Time {
	at := time.Date(shown.Year(), shown.Month(), shown.Day(), shown.Hour(), shown.Minute(), shown.Second(), 0, loc)
	since, until := at.ZoneBounds()
	switch order := wall(at).Compare(shown); {
	case order > 0:
		return since
	case order < 0:
		return until
	case since.IsZero():
		return at
	}
	_, offset := since.Add(-time.Second).Zone()
	earlier := shown.Add(-time.Duration(offset) * time.Second).In(loc)
	if earlier.Before(since) && wall(earlier).Equal(shown) {
		return earlier
	}
	return at
}

// hourly is a schedule that comes in every hour. It follows the real clock:
// what the clock skips takes no time, and an hour shown twice is two hours.
type hourly struct{ spec *cron.SpecSchedule }

func (h *hourly) Next(t time.Time) time.Time {
	loc, shown := t.Location(), wall(t)
	for {
		_, offset := t.Zone()
		_, until := t.ZoneBounds()
		due := h.spec.Next(shown)
		if due.IsZero() {
			return due
		}
		at := due.Add(-time.Duration(offset) * time.Second).In(loc)
		if until.IsZero() || at.Before(until) {
			return at
		}
		// From there on the clock shows something else.
		t, shown = until, wall(until).Add(-time.Second)
	}
}
