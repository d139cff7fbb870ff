package schedule_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/purser-backup/purser/internal/schedule"
)

func zone(t *testing.T, name string) *time.Location {
	t.Helper()
	loc, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return loc
}

func TestNext(t *testing.T) {
	const layout = "2006-01-02 15:04:05 -0700"
	for _, c := range []struct{ expr, zone, from, want string }{
		{"0 0 0 * * *", "UTC", "2026-11-20 12:00:00 +0000", "2026-11-21 00:00:00 +0000"},
		{"0 0 0 * * *", "UTC", "2026-11-20 00:00:00 +0000", "2026-11-21 00:00:00 +0000"},
		{"0 0 0 * * *", "Asia/Kolkata", "2026-11-20 12:00:00 +0530", "2026-11-21 00:00:00 +0530"},
		{"0 0 * * *", "UTC", "2026-11-20 12:00:00 +0000", "2026-11-21 00:00:00 +0000"},
		{"  30  4 * * 1-5 ", "UTC", "2026-11-20 12:00:00 +0000", "2026-11-23 04:30:00 +0000"},
		{"15 30 4 1,15 * ?", "UTC", "2026-11-20 12:00:00 +0000", "2026-12-01 04:30:15 +0000"},
		{"*/10 * * * * *", "UTC", "2026-11-20 12:00:01 +0000", "2026-11-20 12:00:10 +0000"},
		{"@daily", "Europe/Paris", "2026-11-20 12:00:00 +0100", "2026-11-21 00:00:00 +0100"},
		{"@weekly", "UTC", "2026-11-20 12:00:00 +0000", "2026-11-22 00:00:00 +0000"},
		{"@every 6h", "UTC", "2026-11-20 12:34:56 +0000", "2026-11-20 18:34:56 +0000"},
		{"0 0 0 29 2 *", "UTC", "2026-11-20 12:00:00 +0000", "2028-02-29 00:00:00 +0000"},
	} {
		s, err := schedule.Parse(c.expr, "shop/db")
		if err != nil {
			t.Errorf("%q: %v", c.expr, err)
			continue
		}
		from, err := time.Parse(layout, c.from)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.Next(from.In(zone(t, c.zone))).Format(layout); got != c.want {
			t.Errorf("%q in %s after %s: %s, want %s", c.expr, c.zone, c.from, got, c.want)
		}
	}
}

// TestClockChanges follows schedules through the nights in which the clock is
// changed. Times are local, the offset tells which of two is meant.
func TestClockChanges(t *testing.T) {
	const layout = "02 15:04 -0700"
	for _, c := range []struct{ zone, expr, from, want string }{
		// On 2026-03-29 from 02:00 to 03:00.
		{"Europe/Berlin", "0 30 2 * * *", "2026-03-28T02:30:00+01:00", "29 03:00 +0200, 30 02:30 +0200"},
		{"Europe/Berlin", "30 2 * * *", "2026-03-29T01:59:59+01:00", "29 03:00 +0200, 30 02:30 +0200"},
		{"Europe/Berlin", "0 0 2 * * *", "2026-03-28T12:00:00+01:00", "29 03:00 +0200, 30 02:00 +0200"},
		{"Europe/Berlin", "0 0 3 * * *", "2026-03-28T12:00:00+01:00", "29 03:00 +0200, 30 03:00 +0200"},
		{"Europe/Berlin", "0 30 1 * * *", "2026-03-28T12:00:00+01:00", "29 01:30 +0100, 30 01:30 +0200"},
		{"Europe/Berlin", "0 0,20,40 2,3 * * *", "2026-03-29T00:00:00+01:00", "29 03:00 +0200, 29 03:20 +0200, 29 03:40 +0200, 30 02:00 +0200"},
		{"Europe/Berlin", "0 */15 2 * * *", "2026-03-29T00:00:00+01:00", "29 03:00 +0200, 30 02:00 +0200, 30 02:15 +0200"},
		{"Europe/Berlin", "0 0 */2 * * *", "2026-03-29T00:00:00+01:00", "29 03:00 +0200, 29 04:00 +0200, 29 06:00 +0200"},
		{"Europe/Berlin", "*/15 * * * *", "2026-03-29T01:40:00+01:00", "29 01:45 +0100, 29 03:00 +0200, 29 03:15 +0200"},
		{"Europe/Berlin", "@hourly", "2026-03-29T00:30:00+01:00", "29 01:00 +0100, 29 03:00 +0200, 29 04:00 +0200"},
		{"Europe/Berlin", "@every 30m", "2026-03-29T01:45:00+01:00", "29 03:15 +0200, 29 03:45 +0200"},
		{"Europe/Berlin", "0 30 2 29 3 *", "2026-03-28T12:00:00+01:00", "29 03:00 +0200"},
		// On 2026-10-25 from 03:00 back to 02:00.
		{"Europe/Berlin", "0 30 2 * * *", "2026-10-24T12:00:00+02:00", "25 02:30 +0200, 26 02:30 +0100"},
		{"Europe/Berlin", "0 30 2 * * *", "2026-10-25T02:10:00+01:00", "26 02:30 +0100"}, // the second time round
		{"Europe/Berlin", "0 0 2 * * *", "2026-10-25T01:59:59+02:00", "25 02:00 +0200, 26 02:00 +0100"},
		{"Europe/Berlin", "0 0 3 * * *", "2026-10-25T02:30:00+02:00", "25 03:00 +0100, 26 03:00 +0100"},
		{"Europe/Berlin", "0 0 */2 * * *", "2026-10-25T00:00:00+02:00", "25 02:00 +0200, 25 04:00 +0100"},
		{"Europe/Berlin", "0 */30 1-3 * * *", "2026-10-25T01:00:00+02:00", "25 01:30 +0200, 25 02:00 +0200, 25 02:30 +0200, 25 03:00 +0100, 25 03:30 +0100"},
		{"Europe/Berlin", "*/15 * * * *", "2026-10-25T02:40:00+02:00", "25 02:45 +0200, 25 02:00 +0100, 25 02:15 +0100, 25 02:30 +0100"},
		{"Europe/Berlin", "@hourly", "2026-10-25T01:30:00+02:00", "25 02:00 +0200, 25 02:00 +0100, 25 03:00 +0100"},
		{"Europe/Berlin", "@every 30m", "2026-10-25T02:45:00+02:00", "25 02:15 +0100, 25 02:45 +0100"},
		// New York: on 2026-03-08 from 02:00 to 03:00, on 2026-11-01 from 02:00 back to 01:00.
		{"America/New_York", "0 30 2 * * *", "2026-03-07T12:00:00-05:00", "08 03:00 -0400, 09 02:30 -0400"},
		{"America/New_York", "*/15 * * * *", "2026-03-08T01:40:00-05:00", "08 01:45 -0500, 08 03:00 -0400"},
		{"America/New_York", "0 30 1 * * *", "2026-10-31T12:00:00-04:00", "01 01:30 -0400, 02 01:30 -0500"},
		{"America/New_York", "0 0 1 * * *", "2026-11-01T00:59:59-04:00", "01 01:00 -0400, 02 01:00 -0500"},
		{"America/New_York", "*/15 * * * *", "2026-11-01T01:40:00-04:00", "01 01:45 -0400, 01 01:00 -0500"},
		{"America/New_York", "@daily", "2026-10-31T12:00:00-04:00", "01 00:00 -0400, 02 00:00 -0500"},
		// Lord Howe, by half an hour: on 2026-10-04 from 02:00 to 02:30, on 2026-04-05 from 02:00 back to 01:30.
		{"Australia/Lord_Howe", "0 15 2 * * *", "2026-10-03T12:00:00+10:30", "04 02:30 +1100, 05 02:15 +1100"},
		{"Australia/Lord_Howe", "0 30 2 * * *", "2026-10-03T12:00:00+10:30", "04 02:30 +1100, 05 02:30 +1100"},
		{"Australia/Lord_Howe", "*/15 * * * *", "2026-10-04T01:40:00+10:30", "04 01:45 +1030, 04 02:30 +1100"},
		{"Australia/Lord_Howe", "@hourly", "2026-10-04T01:00:00+10:30", "04 03:00 +1100, 04 04:00 +1100"},
		{"Australia/Lord_Howe", "0 45 1 * * *", "2026-04-04T12:00:00+11:00", "05 01:45 +1100, 06 01:45 +1030"},
		{"Australia/Lord_Howe", "*/15 * * * *", "2026-04-05T01:40:00+11:00", "05 01:45 +1100, 05 01:30 +1030, 05 01:45 +1030, 05 02:00 +1030"},
		// Cairo skips midnight on 2026-04-24; Samoa skipped the whole of 2011-12-30.
		{"Africa/Cairo", "@daily", "2026-04-23T12:00:00+02:00", "24 01:00 +0300, 25 00:00 +0300"},
		{"Pacific/Apia", "0 30 2 * * *", "2011-12-29T12:00:00-10:00", "31 00:00 +1400, 31 02:30 +1400"},
	} {
		s, err := schedule.Parse(c.expr, "shop/db")
		if err != nil {
			t.Errorf("%q: %v", c.expr, err)
			continue
		}
		at, err := time.Parse(time.RFC3339, c.from)
		if err != nil {
			t.Fatal(err)
		}
		at = at.In(zone(t, c.zone))
		if at.Format(time.RFC3339) != c.from {
			t.Errorf("%s is no time in %s", c.from, c.zone)
		}
		var got []string
		for range strings.Split(c.want, ", ") {
			at = s.Next(at)
			got = append(got, at.Format(layout))
		}
		if got := strings.Join(got, ", "); got != c.want {
			t.Errorf("%q in %s after %s:\n got %s\nwant %s", c.expr, c.zone, c.from, got, c.want)
		}
	}
}

// A year of daily runs has exactly one on each day, in whatever zone and at whatever hour.
func TestEveryDay(t *testing.T) {
	for _, name := range []string{"UTC", "Europe/Paris", "America/New_York", "Africa/Cairo", "Australia/Lord_Howe", "America/St_Johns"} {
		loc := zone(t, name)
		for _, expr := range []string{"0 0 0 * * *", "0 30 0 * * *", "0 15 1 * * *", "0 0 2 * * *", "0 45 2 * * *", "0 0 3 * * *"} {
			s, err := schedule.Parse(expr, "shop/db")
			if err != nil {
				t.Fatal(err)
			}
			days, runs := map[string]bool{}, 0
			end := time.Date(2027, 1, 1, 0, 0, 0, 0, loc)
			for at := s.Next(time.Date(2026, 1, 1, 0, 0, 0, 0, loc).Add(-1)); at.Before(end); at = s.Next(at) {
				days[at.Format(time.DateOnly)] = true
				runs++
			}
			if len(days) != 365 || runs != 365 {
				t.Errorf("%s, %q: %d runs on %d days", name, expr, runs, len(days))
			}
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for _, c := range []struct {
		expr, msg, hint string
		field           int
	}{
		{"", "empty", "@daily", 0},
		{"   ", "empty", "@daily", 0},
		{"0", "1 fields", "@daily", 0},
		{"* * * *", "4 fields", "second minute hour", 0},
		{"0 0 0 * * * 2026", "7 fields", "second minute hour", 0},
		{"61 0 0 * * *", "field 1 (second)", "0 to 59", 1},
		{"0 60 0 * * *", "field 2 (minute)", "0 to 59", 2},
		{"60 0 * * *", "field 1 (minute)", "0 to 59", 1},
		{"0 0 24 * * *", "field 3 (hour)", "0 to 23", 3},
		{"0 0 0 32 * *", "field 4 (day of month)", "1 to 31", 4},
		{"0 0 0 * 13 *", "field 5 (month)", "1 to 12", 5},
		{"0 0 0 * * 7", "field 6 (day of week)", "0 (Sunday)", 6},
		{"0 0 * * FUNDAY", "field 5 (day of week)", "SUN to SAT", 5},
		{"0 0 5-3 * * *", "field 3 (hour)", "hours", 3},
		{"0 */0 * * * *", "field 2 (minute)", "minutes", 2},
		{"0 -1 * * * *", "field 2 (minute)", "minutes", 2},
		{"@fortnightly", "@fortnightly", "@daily", 0},
		{"@every day", "day", "@daily", 0},
		{"TZ=Europe/Paris 0 0 0 * * *", "time zone", "TZ", 0},
		{"CRON_TZ=UTC", "time zone", "TZ", 0},
		{"0 0 0 30 2 *", "no such day", "month has", 0},
	} {
		_, err := schedule.Parse(c.expr, "shop/db")
		var e *schedule.Error
		if !errors.As(err, &e) {
			t.Errorf("%q: got %v", c.expr, err)
			continue
		}
		if !strings.Contains(err.Error(), c.msg) || !strings.Contains(e.Hint(), c.hint) || e.Field != c.field {
			t.Errorf("%q: error %q, hint %q, field %d, want %q, %q, %d", c.expr, err, e.Hint(), e.Field, c.msg, c.hint, c.field)
		}
	}
}
