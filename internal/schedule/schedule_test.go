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
		// Paris: on 2026-03-29 the clock goes from 02:00 to 03:00.
		{"0 30 2 * * *", "Europe/Paris", "2026-03-28 02:30:00 +0100", "2026-03-29 03:30:00 +0200"},
		{"0 30 2 * * *", "Europe/Paris", "2026-03-29 03:30:00 +0200", "2026-03-30 02:30:00 +0200"},
		{"0 0 2 * * *", "Europe/Paris", "2026-03-29 01:59:59 +0100", "2026-03-29 03:00:00 +0200"},
		{"0 0 * * * *", "Europe/Paris", "2026-03-29 01:00:00 +0100", "2026-03-29 03:00:00 +0200"},
		{"0 30 3 * * *", "Europe/Paris", "2026-03-28 12:00:00 +0100", "2026-03-29 03:30:00 +0200"},
		// New York: on 2026-03-08 from 02:00 to 03:00.
		{"0 30 2 * * *", "America/New_York", "2026-03-07 12:00:00 -0500", "2026-03-08 03:30:00 -0400"},
		// Cairo skips midnight: on 2026-04-24 from 00:00 to 01:00.
		{"@daily", "Africa/Cairo", "2026-04-23 12:00:00 +0200", "2026-04-24 01:00:00 +0300"},
		{"@daily", "Africa/Cairo", "2026-04-24 01:00:00 +0300", "2026-04-25 00:00:00 +0300"},
		// Paris: on 2026-10-25 the hour from 02:00 comes twice.
		{"0 0 4 * * *", "Europe/Paris", "2026-10-25 02:30:00 +0200", "2026-10-25 04:00:00 +0100"},
		{"0 0 * * * *", "Europe/Paris", "2026-10-25 02:00:00 +0200", "2026-10-25 02:00:00 +0100"},
	} {
		s, err := schedule.Parse(c.expr)
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

// A year of daily runs has one on each day, in whatever zone and at whatever hour.
func TestEveryDay(t *testing.T) {
	for _, name := range []string{"UTC", "Europe/Paris", "America/New_York", "Africa/Cairo", "Australia/Lord_Howe", "America/St_Johns"} {
		loc := zone(t, name)
		for _, expr := range []string{"0 0 0 * * *", "0 30 0 * * *", "0 15 1 * * *", "0 0 2 * * *", "0 45 2 * * *", "0 0 3 * * *"} {
			s, err := schedule.Parse(expr)
			if err != nil {
				t.Fatal(err)
			}
			days := map[string]bool{}
			end := time.Date(2027, 1, 1, 0, 0, 0, 0, loc)
			for at := s.Next(time.Date(2026, 1, 1, 0, 0, 0, 0, loc).Add(-1)); at.Before(end); at = s.Next(at) {
				days[at.Format(time.DateOnly)] = true
			}
			if len(days) != 365 {
				t.Errorf("%s, %q: runs on %d days", name, expr, len(days))
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
		{"daily", "1 fields", "@daily", 0},
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
		_, err := schedule.Parse(c.expr)
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
