package retention

import (
	"fmt"
	"time"
)

// period is a unit of the calendar.
type period string

const (
	hour      period = "hour"
	day       period = "day"
	week      period = "week"
	fortnight period = "fortnight"
	month     period = "month"
	year      period = "year"
)

// start gives the beginning of the period that t lies in. A fortnight begins
// with the week before.
func (p period) start(t time.Time) time.Time {
	y, m, d := t.Date()
	loc := t.Location()
	switch p {
	case hour:
		// Not by the wall's hour: one may come twice in autumn.
		return t.Add(-time.Duration(t.Minute())*time.Minute - time.Duration(t.Second())*time.Second - time.Duration(t.Nanosecond()))
	case week:
		return time.Date(y, m, d-int(t.Weekday()), 0, 0, 0, 0, loc)
	case fortnight:
		return time.Date(y, m, d-int(t.Weekday())-7, 0, 0, 0, 0, loc)
	case month:
		return time.Date(y, m, 1, 0, 0, 0, 0, loc)
	case year:
		return time.Date(y, 1, 1, 0, 0, 0, 0, loc)
	}
	return time.Date(y, m, d, 0, 0, 0, 0, loc)
}

// back goes n periods back from the beginning of one.
func (p period) back(start time.Time, n int) time.Time {
	switch p {
	case week:
		return start.AddDate(0, 0, -7*n)
	case fortnight:
		return start.AddDate(0, 0, -14*n)
	case month:
		return start.AddDate(0, -n, 0)
	}
	return start.AddDate(0, 0, -n)
}

// length is that of a profile's unit: a month has 30 days.
func (p period) length() time.Duration {
	switch p {
	case hour:
		return time.Hour
	case week:
		return 7 * 24 * time.Hour
	case month:
		return 30 * 24 * time.Hour
	}
	return 24 * time.Hour
}

// lastDays selects what is at most so many times 24 hours old.
type lastDays int

func (r lastDays) selects(points []time.Time, now time.Time) []int {
	since := now.Add(-time.Duration(r) * 24 * time.Hour)
	return from(points, since)
}

func (r lastDays) reason() string { return fmt.Sprintf("it is of the last %s", count(int(r), "day")) }

// from gives the indexes of the points that are not before t.
func from(points []time.Time, t time.Time) []int {
	var list []int
	for i := len(points) - 1; i >= 0 && !points[i].Before(t); i-- {
		list = append(list, i)
	}
	return list
}

// lastPoints selects the newest ones.
type lastPoints int

func (r lastPoints) selects(points []time.Time, _ time.Time) []int {
	var list []int
	for i := max(0, len(points)-int(r)); i < len(points); i++ {
		list = append(list, i)
	}
	return list
}

func (r lastPoints) reason() string {
	if r == 1 {
		return isNewest
	}
	return fmt.Sprintf("it is one of the %d newest", int(r))
}

// earliest selects one point: the oldest of the last n periods, of which the
// current one is the first.
type earliest struct {
	n    int
	unit period
}

func (r earliest) selects(points []time.Time, now time.Time) []int {
	list := from(points, r.unit.back(r.unit.start(now), r.n-1))
	if len(list) == 0 {
		return nil
	}
	return list[len(list)-1:]
}

func (r earliest) reason() string {
	if r.n == 1 {
		return "it is the earliest of the " + string(r.unit)
	}
	return "it is the earliest of " + count(r.n, string(r.unit))
}

// newestOfEach selects the newest point of each of the n newest periods that
// have one: a generation of grandfather, father and son.
type newestOfEach struct {
	n    int
	unit period
}

func (r newestOfEach) selects(points []time.Time, _ time.Time) []int {
	var list []int
	var last time.Time
	for i := len(points) - 1; i >= 0 && len(list) < r.n; i-- {
		if start := r.unit.start(points[i]); len(list) == 0 || !start.Equal(last) {
			list, last = append(list, i), start
		}
	}
	return list
}

func (r newestOfEach) reason() string {
	return fmt.Sprintf("it is the newest of its %s, of %s", r.unit, count(r.n, string(r.unit)))
}

// profile selects the first point of each period until it is n units old.
type profile struct {
	n    int
	unit period
}

func (r profile) selects(points []time.Time, now time.Time) []int {
	var list []int
	var last time.Time
	for i, t := range points {
		start := r.unit.start(t)
		if i > 0 && start.Equal(last) {
			continue
		}
		last = start
		if !r.expired(t, now) {
			list = append(list, i)
		}
	}
	return list
}

func (r profile) expired(t, now time.Time) bool {
	return !t.Add(time.Duration(r.n) * r.unit.length()).After(now)
}

func (r profile) reason() string {
	return fmt.Sprintf("it is the first of its %s, for %d times a %s", r.unit, r.n, r.unit)
}

func count(n int, unit string) string {
	if n == 1 {
		return "1 " + unit
	}
	return fmt.Sprintf("%d %ss", n, unit)
}
