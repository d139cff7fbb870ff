package schedule

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

// Two identities, whose CRC-32 are 4192485135 and 1290221185.
const (
	idA = "9bef0a75-5a9b-43f7-a66a-7e8c6d7ad91d"
	idB = "00000000-0000-4000-8000-000000000001"
)

func parsed(t *testing.T, expr, id string) Schedule {
	t.Helper()
	s, err := Parse(expr, id)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// T20: values that Turku's own tests have.
func TestHashAsTurku(t *testing.T) {
	for id, want := range map[string]int{"hello": 71, "\x01\x02\x03": 26, "": 1} {
		if got := hashOf(id).between(1, 100); got != want {
			t.Errorf("%q: %d, want %d", id, got, want)
		}
	}
}

// T19, T21: each word and each form of H, for two identities.
func TestTurkuFrequencies(t *testing.T) {
	base := time.Date(2024, 5, 14, 10, 30, 15, 0, time.UTC) // a Tuesday
	for _, c := range []struct{ expr, a, b string }{
		{"hourly", "05-14 11:15:15", "05-14 11:25:25"},
		{"daily", "05-15 03:12:15", "05-15 02:46:25"},
		{"daily, 0200-0500", "05-15 02:22:58", "05-15 04:35:32"},
		{"daily, 2200-0400", "05-15 01:17:28", "05-15 02:10:56"}, // of the 14th
		{"weekly", "05-18 03:12:15", "05-20 02:46:25"},
		{"tuesday", "05-21 03:12:15", "05-21 02:46:25"},
		{"tuesday, 0200-0500", "05-21 02:22:58", "05-21 04:35:32"},
		{"tuesday, 0200", "05-21 02:00:00", "05-21 02:00:00"},
		{"sunday", "05-19 03:12:15", "05-19 02:46:25"},
		{"monthly", "05-28 03:12:15", "06-02 02:46:25"},
		{"cron H H * * *", "05-15 07:15:15", "05-15 00:25:25"},
		{"cron H H(8-16) * * *", "05-14 15:15:15", "05-14 14:25:25"},
		{"cron H/15 * * * *", "05-14 10:45:15", "05-14 10:31:25"},
		{"cron H(0-29)/10 * * * *", "05-14 11:03:15", "05-14 11:00:25"},
		{"cron H H * * H", "05-19 07:15:15", "05-19 00:25:25"},
		{"cron 42 8 * * *", "05-15 08:42:15", "05-15 08:42:25"},
		// Ours: the same in other words.
		{"Daily", "05-15 03:12:15", "05-15 02:46:25"},
		{" TUESDAY ,0200 - 0500 ", "05-21 02:22:58", "05-21 04:35:32"},
		{"H H * * *", "05-15 07:15:15", "05-15 00:25:25"},
		{"h h * * *", "05-15 07:15:15", "05-15 00:25:25"},
		{"H H H * * *", "05-15 07:15:15", "05-15 00:25:25"},
		{"0 H H * * *", "05-15 07:15:00", "05-15 00:25:00"},
		{"cron @daily", "05-15 07:15:15", "05-15 00:25:25"},
		{"cron @hourly", "05-14 11:15:15", "05-14 11:25:25"},
		{"H(0-9),H(30-39) 8 * * *", "05-15 08:05:15", "05-15 08:05:25"},
		{"tuesday, 2200-0400", "05-15 01:17:28", "05-15 02:10:56"}, // this Tuesday's window has yet to open
	} {
		for _, id := range []struct{ id, want string }{{idA, c.a}, {idB, c.b}} {
			if got := parsed(t, c.expr, id.id).Next(base).Format("01-02 15:04:05"); got != id.want {
				t.Errorf("%q for %s: %s, want %s", c.expr, id.id, got, id.want)
			}
		}
	}
}

// T19: what happens if a schedule is asked every five minutes, and each backup
// takes three.
func TestTurkuSimulations(t *testing.T) {
	start := time.Date(2024, 5, 14, 10, 30, 15, 0, time.UTC)
	for _, c := range []struct {
		expr       string
		days, runs int
	}{
		{"hourly", 2, 48},
		{"daily", 28, 28},
		{"daily, 0200-0500", 28, 28},
		{"daily, 2200-0400", 28, 28},
		{"tuesday", 28, 4},
		{"tuesday, 0200-0500", 28, 4},
		{"weekly", 28, 4},
		{"monthly", 300, 10},
		{"cron H H * * *", 28, 28},
		{"cron H H H * *", 300, 10},
		{"sunday", 28, 4},
		{"tuesday, 0200", 28, 4},
		{"cron H H(8-16) * * *", 28, 28},
		{"cron H/15 * * * *", 2, 191}, // the last one comes when the two days are over
		{"cron H(0-29)/10 * * * *", 2, 144},
		{"cron H H * * H", 28, 4},
		{"cron 42 8 * * *", 28, 28},
	} {
		s := parsed(t, c.expr, idA)
		runs, due := 0, s.Next(start)
		for now := start; now.Before(start.AddDate(0, 0, c.days)); now = now.Add(5 * time.Minute) {
			if !now.Before(due) {
				runs++
				due = s.Next(now.Add(3 * time.Minute))
			}
		}
		if runs != c.runs {
			t.Errorf("%q: %d runs in %d days, want %d", c.expr, runs, c.days, c.runs)
		}
	}
}

// Of 300 days of a monthly schedule no month is left out, whoever asks.
func TestMonthlySkipsNoMonth(t *testing.T) {
	for _, id := range []string{idA, idB, "shop/db", "_/mail"} {
		s := parsed(t, "monthly", id)
		at, months := time.Date(2023, 12, 31, 23, 59, 59, 0, time.UTC), []time.Month{}
		for range 12 {
			at = s.Next(at)
			months = append(months, at.Month())
		}
		if !slices.IsSorted(months) || len(slices.Compact(months)) != 12 {
			t.Errorf("%s: %v", id, months)
		}
	}
}

// D4: words keep to the clock on the wall, also in the nights in which that is
// changed.
func TestWordsOverClockChanges(t *testing.T) {
	const layout = "02 15:04:05 -0700"
	for _, c := range []struct{ zone, expr, from, want string }{
		// On 2024-03-31 from 02:00 to 03:00, on 2024-10-27 from 03:00 back to 02:00.
		{"Europe/Paris", "daily, 0200-0300", "2024-03-30T12:00:00+01:00", "31 03:00:00 +0200, 01 02:48:00 +0200"},
		{"Europe/Paris", "daily, 0200-0500", "2024-03-30T12:00:00+01:00", "31 03:00:00 +0200, 01 02:22:58 +0200"},
		{"Europe/Paris", "sunday, 2200-0400", "2024-03-30T12:00:00+01:00", "01 01:17:28 +0200, 08 01:17:28 +0200"},
		{"Europe/Paris", "daily, 0200-0500", "2024-10-26T12:00:00+02:00", "27 02:22:58 +0200, 28 02:22:58 +0100"},
		{"Europe/Paris", "hourly", "2024-10-27T01:30:00+02:00", "27 02:15:15 +0200, 27 02:15:15 +0100, 27 03:15:15 +0100"},
		// On 2024-03-10 from 02:00 to 03:00, on 2024-11-03 from 02:00 back to 01:00.
		{"America/New_York", "daily, 0200-0300", "2024-03-09T12:00:00-05:00", "10 03:00:00 -0400, 11 02:48:00 -0400"},
		{"America/New_York", "daily, 2200-0400", "2024-11-02T12:00:00-04:00", "03 01:17:28 -0400, 04 01:17:28 -0500"},
	} {
		loc, err := time.LoadLocation(c.zone)
		if err != nil {
			t.Fatal(err)
		}
		at, err := time.Parse(time.RFC3339, c.from)
		if err != nil {
			t.Fatal(err)
		}
		at = at.In(loc)
		var got []string
		for range strings.Split(c.want, ", ") {
			at = parsed(t, c.expr, idA).Next(at)
			got = append(got, at.Format(layout))
		}
		if got := strings.Join(got, ", "); got != c.want {
			t.Errorf("%q in %s after %s:\n got %s\nwant %s", c.expr, c.zone, c.from, got, c.want)
		}
	}
}

// A year of each word has one run on each day, week or month that it means,
// in zones whose clocks are changed at different hours.
func TestYearOfWords(t *testing.T) {
	for _, name := range []string{"Europe/Paris", "America/New_York"} {
		loc, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		for expr, want := range map[string]int{
			"daily": 366, "daily, 0100-0300": 366, "daily, 0200": 366, "friday": 52, "monthly": 12, "cron H H * * *": 366,
		} {
			for _, id := range []string{idA, idB} {
				runs, end := 0, time.Date(2025, 1, 1, 0, 0, 0, 0, loc)
				s := parsed(t, expr, id)
				for at := s.Next(time.Date(2024, 1, 1, 0, 0, 0, 0, loc).Add(-1)); at.Before(end); at = s.Next(at) {
					runs++
				}
				if runs != want {
					t.Errorf("%q in %s for %s: %d runs in 2024, want %d", expr, name, id, runs, want)
				}
			}
		}
	}
}

// A step of H loses no turn, whoever asks.
func TestHashedStepsAreWhole(t *testing.T) {
	for n := range 200 {
		s := parsed(t, "H/15 * * * *", strings.Repeat("x", n))
		at := time.Date(2024, 5, 14, 0, 0, 0, -1, time.UTC)
		for i := range 96 {
			if at = s.Next(at); at.Day() != 14 {
				t.Fatalf("only %d turns in a day", i)
			}
		}
	}
}

// Each bad word is refused, with its place.
func TestParseRefusesWords(t *testing.T) {
	for _, c := range []struct{ expr, msg, hint string }{
		{"Tuesdya", `at character 1: unknown word "tuesdya"`, "sunday"},
		{"fortnightly, 0200-0500", `at character 1: unknown word "fortnightly"`, "monthly"},
		{"daily 0200-0500", `unknown word "daily 0200-0500"`, "daily, 2200-0400"},
		{"daily, 2:00-5:00", `at character 8: "2:00-5:00" is no window`, "HHMM-HHMM"},
		{"daily,", `at character 7: "" is no window`, "HHMM"},
		{"daily, 0200-0500 x", `at character 8: "0200-0500 x" is no window`, "HHMM"},
		{"daily, 0200-0200", "at character 8: the window has no length", "HHMM"},
		{"daily, 0200-2460", "at character 13: there is no time 2460", "HHMM"},
		{"daily, 0260", "at character 8: there is no time 0260", "HHMM"},
		{"hourly, 0200-0500", "at character 7: hourly takes no window", "H 8-17"},
		{"cron", "cron has 0 fields", "cron H H * * *"},
		{"cron 0 0 0 * * *", "cron has 6 fields", "cron H H * * *"},
		{"cron H 24 * * *", "field 2 (hour)", "hours"},
		{"cron H(50-70) * * * *", `field 1 (minute): "H(50-70)": the range`, "H(8-16)"},
		{"cron @fortnightly", `at character 6: unknown name "@fortnightly"`, "@daily"},
		{"H(9-5) * * * *", `field 1 (minute): "H(9-5)": the range`, "H(8-16)"},
		{"H H/0 * * *", `field 2 (hour): "H/0": the step`, "H/15"},
		{"H H/25 * * *", `field 2 (hour): "H/25": the step`, "H/15"},
		{"0 H 24 * * *", "field 3 (hour)", "hours"},
		{"R 3 * * *", `field 1 (minute): "R": a random time`, "H(8-16)"},
		{"H * * * H(0-8)", `field 5 (day of week): "H(0-8)": the range`, "bounds"},
		{"H H( * * *", "field 2 (hour)", "hours"},
	} {
		_, err := Parse(c.expr, idA)
		var e *Error
		if !errors.As(err, &e) {
			t.Errorf("%q: got %v", c.expr, err)
			continue
		}
		if !strings.Contains(err.Error(), c.msg) || !strings.Contains(e.Hint(), c.hint) {
			t.Errorf("%q: error %q, hint %q, want %q, %q", c.expr, err, e.Hint(), c.msg, c.hint)
		}
	}
}
