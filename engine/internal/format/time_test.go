package format_test

import (
	"errors"
	"math"
	"testing"
	"time"
	_ "time/tzdata"

	"github.com/purser-backup/purser/engine/internal/format"
)

func TestParseTime(t *testing.T) {
	newYork, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2023, 7, 20, 12, 0, 0, 5, newYork)
	utc := func(y int, mo time.Month, d, h, m, s int) time.Time { return time.Date(y, mo, d, h, m, s, 0, time.UTC) }
	for s, want := range map[string]time.Time{
		"now":                       now,
		"0":                         time.Unix(0, 0),
		"1700000000":                time.Unix(1700000000, 0),
		"20020426":                  time.Unix(20020426, 0),
		"20231114T221320Z":          utc(2023, 11, 14, 22, 13, 20),
		"2023-11-14T22:13:20Z":      utc(2023, 11, 14, 22, 13, 20),
		"2023-11-14T22:13:20+05:30": utc(2023, 11, 14, 16, 43, 20),
		"2023-11-14T22:13:20-05:00": utc(2023, 11, 15, 3, 13, 20),
		"2023-01-14T22:13:20":       utc(2023, 1, 15, 3, 13, 20),
		"2023-07-14T22:13:20":       utc(2023, 7, 15, 3, 13, 20), // standard time in summer
		"3D":                        now.Add(-72 * time.Hour),
		"1D1D":                      now.Add(-48 * time.Hour),
		"2m":                        now.Add(-2 * time.Minute),
		"2M":                        now.Add(-60 * 24 * time.Hour),
		"2002-4-26":                 utc(2002, 4, 26, 5, 0, 0),
		"2100-01-01":                utc(2100, 1, 1, 5, 0, 0),
		"2002/04/26":                utc(2002, 4, 26, 5, 0, 0),
		"4-26-2002":                 utc(2002, 4, 26, 5, 0, 0),
		"04/26/2002":                utc(2002, 4, 26, 5, 0, 0),
		"20020426Z":                 utc(2002, 4, 26, 5, 0, 0),
	} {
		got, err := format.ParseTime(s, now)
		if err != nil || !got.Equal(want) {
			t.Errorf("ParseTime(%q) = %v, %v; want %v", s, got, err, want)
		}
	}
	for _, s := range []string{
		"", "yesterday", "7d", "D", "-1", "1.5D", "D1", "1D ", " 1D", "1D2", "2023-13-01", "2023-02-30", "1900-01-01", "10000-01-01",
		"2023-11-14T22:13", "2023-11-14 22:13:20", "2023-11-14T25:13:20", "20231314T221320Z", "99999999999999999999", "999999Y", "Now",
	} {
		got, err := format.ParseTime(s, now)
		var te *format.TimeError
		if !errors.As(err, &te) || te.Hint() == "" || te.Value != s {
			t.Errorf("ParseTime(%q) = %v, %v", s, got, err)
		}
	}
}

// A zone south of the equator has its standard time in July.
func TestStandardTimeInTheSouth(t *testing.T) {
	sydney, err := time.LoadLocation("Australia/Sydney")
	if err != nil {
		t.Fatal(err)
	}
	got, err := format.ParseTime("2023-01-10T10:00:00", time.Date(2023, 1, 20, 0, 0, 0, 0, sydney))
	if want := time.Date(2023, 1, 10, 0, 0, 0, 0, time.UTC); err != nil || !got.Equal(want) {
		t.Errorf("%v, %v; want %v", got, err, want)
	}
}

func TestParseInterval(t *testing.T) {
	const day = 24 * time.Hour
	for s, want := range map[string]time.Duration{
		"7D": 7 * day, "1D12h": 36 * time.Hour, "2W": 14 * day, "1M": 30 * day, "1Y": 365 * day, "90s": 90 * time.Second, "0D": 0, "1m1m": 2 * time.Minute,
		"9223372036s": 9223372036 * time.Second,
	} {
		if got, err := format.ParseInterval(s); err != nil || got != want {
			t.Errorf("ParseInterval(%q) = %v, %v; want %v", s, got, err, want)
		}
	}
	for _, s := range []string{"", "7", "7d", "D", "-7D", "7D-", "7 D", "9223372037s", "293Y", "1Y9223372036s", "99999999999999999999s", "٣D"} {
		var te *format.TimeError
		if got, err := format.ParseInterval(s); !errors.As(err, &te) || te.Hint() == "" {
			t.Errorf("ParseInterval(%q) = %v, %v", s, got, err)
		}
	}
}

func FuzzParseTime(f *testing.F) {
	for _, s := range []string{"now", "1700000000", "20231114T221320Z", "2023-07-14T22:13:20+05:30", "1D12h", "4/26/2002", "20020426Z"} {
		f.Add(s)
	}
	f.Fuzz(checkTime)
}

func checkTime(t *testing.T, s string) {
	t.Helper()
	now := time.Unix(1700000000, 0).UTC()
	got, err := format.ParseTime(s, now)
	if err != nil {
		return
	}
	// Every time has a form of its own that means the same.
	if again, err := format.ParseTime(got.Format("2006-01-02T15:04:05Z07:00"), now); got.Year() >= 1901 && got.Year() <= 9999 && (err != nil || again.Unix() != got.Unix()) {
		t.Errorf("%q is %v, which is read as %v, %v", s, got, again, err)
	}
}

func FuzzParseInterval(f *testing.F) {
	for _, s := range []string{"7D", "1D12h", "3s", "1Y2M3W4D5h6m7s", "00001D", "292Y"} {
		f.Add(s)
	}
	f.Fuzz(checkInterval)
}

// checkInterval holds that the parts of an interval add up.
func checkInterval(t *testing.T, s string) {
	t.Helper()
	d, err := format.ParseInterval(s)
	if err != nil {
		return
	}
	if twice, err := format.ParseInterval(s + s); d < 0 || err == nil && twice != 2*d || err != nil && d <= math.MaxInt64/2 {
		t.Errorf("%q is %v, and twice %v, %v", s, d, twice, err)
	}
}
