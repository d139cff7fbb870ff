package schedule

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestLastDay(t *testing.T) {
	const layout = "2006-01-02T15:04:05Z07:00"
	for _, c := range []struct{ days, id, zone, now, want string }{
		{"sunday", idA, "UTC", "2024-05-14T10:30:15Z", "2024-05-12T00:00:00Z"},
		{"sunday", idA, "UTC", "2024-05-12T00:00:00Z", "2024-05-12T00:00:00Z"},
		{"sunday", idA, "UTC", "2024-05-11T23:59:59Z", "2024-05-05T00:00:00Z"},
		{"Sunday , wednesday", idA, "UTC", "2024-05-10T10:00:00Z", "2024-05-08T00:00:00Z"},
		{"1st", idA, "UTC", "2024-05-14T10:30:15Z", "2024-05-01T00:00:00Z"},
		{"1st, 15th", idA, "UTC", "2024-05-14T10:30:15Z", "2024-05-01T00:00:00Z"},
		{"1st, 15th", idA, "UTC", "2024-05-15T10:30:15Z", "2024-05-15T00:00:00Z"},
		{"28th", idA, "UTC", "2024-03-01T00:00:00Z", "2024-02-28T00:00:00Z"},
		{"H", idA, "UTC", "2024-05-14T10:30:15Z", "2024-05-11T00:00:00Z"},
		{"weekly", idB, "UTC", "2024-05-14T10:30:15Z", "2024-05-13T00:00:00Z"},
		{"monthly", idA, "UTC", "2024-05-14T10:30:15Z", "2024-04-28T00:00:00Z"},
		{"monthly", idB, "UTC", "2024-05-14T10:30:15Z", "2024-05-02T00:00:00Z"},
		// The day is the user's: in Paris it is Sunday already, in New York not yet.
		{"sunday", idA, "Europe/Paris", "2024-05-11T23:00:00Z", "2024-05-12T00:00:00+02:00"},
		{"sunday", idA, "America/New_York", "2024-05-12T02:00:00Z", "2024-05-05T00:00:00-04:00"},
		// On this day Cairo's clocks skip the first hour.
		{"friday", idA, "Africa/Cairo", "2026-04-24T10:00:00Z", "2026-04-24T01:00:00+03:00"},
	} {
		loc, err := time.LoadLocation(c.zone)
		if err != nil {
			t.Fatal(err)
		}
		now, err := time.Parse(layout, c.now)
		if err != nil {
			t.Fatal(err)
		}
		d, err := ParseDays(c.days, c.id)
		if err != nil {
			t.Error(err)
			continue
		}
		if got := d.Last(now.In(loc)).Format(layout); got != c.want {
			t.Errorf("%q in %s at %s: %s, want %s", c.days, c.zone, c.now, got, c.want)
		}
	}
	if got := (Days{}).Last(time.Now()); !got.IsZero() {
		t.Errorf("no days: %v", got)
	}
}

func TestParseDaysRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"":                "at character 1: unknown word",
		"daily":           `at character 1: unknown word "daily"`,
		"sunday, someday": `at character 9: unknown word "someday"`,
		"1":               `at character 1: unknown word "1"`,
		"29th":            "at character 1: not every month has this day",
		"0th":             "at character 1: not every month has this day",
		"sunday,":         "at character 8: unknown word",
	} {
		_, err := ParseDays(text, idA)
		var e *Error
		if !errors.As(err, &e) || !strings.Contains(err.Error(), want) || e.Hint() == "" {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}
