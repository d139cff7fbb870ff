package retention

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func at(t *testing.T, s string) time.Time {
	t.Helper()
	for _, layout := range []string{"2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02"} {
		if got, err := time.Parse(layout, s); err == nil {
			return got
		}
	}
	t.Fatalf("%q is no time", s)
	return time.Time{}
}

func policy(t testing.TB, text string) Policy {
	t.Helper()
	p, err := Parse(text)
	if err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return p
}

// days gives one point a day at 03:00, both days included.
func days(t *testing.T, from, to string) []time.Time {
	t.Helper()
	var list []time.Time
	for d := at(t, from+" 03:00"); !d.After(at(t, to+" 03:00")); d = d.AddDate(0, 0, 1) {
		list = append(list, d)
	}
	return list
}

func selected(p Policy, points []time.Time, now time.Time, layout string) string {
	var list []string
	for i, reason := range p.Select(points, now) {
		if reason != "" {
			list = append(list, points[i].Format(layout))
		}
	}
	return strings.Join(list, " ")
}

// span writes a list of days of May 2024 and April.
func span(t *testing.T, text string) string {
	t.Helper()
	var list []string
	for _, part := range strings.Fields(text) {
		from, to, ok := strings.Cut(part, "..")
		if !ok {
			to = from
		}
		for _, d := range days(t, "2024-"+from, "2024-"+to) {
			list = append(list, d.Format("01-02"))
		}
	}
	return strings.Join(list, " ")
}

// T22: Turku's language on one snapshot a day at 03:00, from 1 April to 15 May
// 2024, a Wednesday.
func TestTurkuRetention(t *testing.T) {
	const wednesday = "2024-05-15 03:05"
	for _, c := range []struct{ policy, now, last, want string }{
		{"last 5 days, earliest of month", wednesday, "05-15", "05-01 05-11..05-15"},
		{"last 5 days", "2024-05-15 03:00:00", "05-15", "05-10..05-15"},
		{"last 5 days", "2024-05-15 03:01", "05-15", "05-11..05-15"},
		{"earliest of month", wednesday, "05-15", "05-01 05-15"},
		{"earliest of 2 months", wednesday, "05-15", "04-01 05-15"},
		{"earliest of 3 months", wednesday, "05-15", "04-01 05-15"},
		{"earliest of week", wednesday, "05-15", "05-12 05-15"},
		{"earliest of 2 weeks", wednesday, "05-15", "05-05 05-15"},
		{"earliest of fortnight", wednesday, "05-15", "05-05 05-15"},
		{"earliest of 7 days", wednesday, "05-15", "05-09 05-15"},
		{"last 10 snapshots, earliest of 2 weeks", wednesday, "05-15", "05-05 05-06..05-15"},
		{"last 3 snapshots, earliest of week, earliest of month", wednesday, "05-15", "05-01 05-12..05-15"},
		{"last 5 days, earliest of month", "2024-05-01 03:05", "05-01", "04-27..05-01"},
		{"last 5 days, earliest of month", "2024-05-01 02:00", "04-30", "04-26..04-30"},
		{"Last 5 days", wednesday, "05-15", "05-11..05-15"},
		{" LAST  5 Days ,Earliest of  Month", wednesday, "05-15", "05-01 05-11..05-15"},
		// J6: so many copies, by order of time.
		{"last 2 snapshots", wednesday, "05-15", "05-14..05-15"},
		{"last 100 snapshots", wednesday, "05-15", "04-01..05-15"},
	} {
		if got, want := selected(policy(t, c.policy), days(t, "2024-04-01", "2024-"+c.last), at(t, c.now), "01-02"), span(t, c.want); got != want {
			t.Errorf("%q at %s:\n got %s\nwant %s", c.policy, c.now, got, want)
		}
	}
}

func TestTurkuRetentionOfOtherPoints(t *testing.T) {
	two := []time.Time{at(t, "2024-01-01 03:00"), at(t, "2024-02-01 03:00")}
	p := policy(t, "last 5 days")
	if got := selected(p, two, at(t, "2024-05-15 03:05"), "01-02"); got != "01-01 02-01" {
		t.Errorf("nothing is selected, and %s are kept", got)
	}
	for _, reason := range p.Select(two, at(t, "2024-05-15 03:05")) {
		if reason != nothingSelected {
			t.Errorf("reason %q", reason)
		}
	}
	week := []time.Time{at(t, "2024-05-11 23:59"), at(t, "2024-05-12 00:00"), at(t, "2024-05-13 10:00")}
	if got := selected(policy(t, "earliest of week"), week, at(t, "2024-05-15 03:05"), "02 15:04"); got != "12 00:00 13 10:00" {
		t.Errorf("earliest of week keeps %s", got)
	}
	if got := policy(t, "earliest of week").Select(nil, at(t, "2024-05-15")); len(got) != 0 {
		t.Errorf("of nothing %q is kept", got)
	}
}

// B6: a profile's point expires by its age.
func TestProfileExpires(t *testing.T) {
	now := at(t, "2024-05-15 03:00")
	for _, c := range []struct {
		profile, created string
		expired          bool
	}{
		{"daily;30", "2024-04-15 03:00:00", true}, {"daily;30", "2024-04-15 03:00:01", false},
		{"hourly;48", "2024-05-13 03:00:00", true}, {"hourly;48", "2024-05-13 03:00:01", false},
		{"weekly;52", "2023-05-17 03:00:00", true}, {"weekly;52", "2023-05-17 03:00:01", false},
		{"monthly;12", "2023-05-21 03:00:00", true}, {"monthly;12", "2023-05-21 03:00:01", false},
	} {
		reasons := policy(t, c.profile).Select([]time.Time{at(t, c.created), now}, now)
		if expired := reasons[0] == ""; expired != c.expired {
			t.Errorf("%s of %s: expired %v", c.profile, c.created, expired)
		}
	}
}

// B6: what is left of profiles. Unlike with backurne nothing is left to nothing.
func TestProfiles(t *testing.T) {
	now := at(t, "2024-05-15 03:00")
	if got := selected(policy(t, "daily;3"), days(t, "2024-05-11", "2024-05-15"), now, "02"); got != "13 14 15" {
		t.Errorf("daily;3 keeps %s", got)
	}
	if got := selected(policy(t, "daily;3"), days(t, "2024-05-01", "2024-05-02"), now, "02"); got != "01 02" {
		t.Errorf("daily;3 of what is no longer backed up keeps %s", got)
	}
	two := []time.Time{at(t, "2024-05-01 03:00"), at(t, "2024-05-01 04:00")}
	if got := selected(policy(t, "daily;30,hourly;2"), two, now, "15"); got != "03 04" {
		t.Errorf("daily;30,hourly;2 keeps %s", got)
	}
	// B2: the policy that backurne's documents give, on hourly points.
	var hours []time.Time
	for h := at(t, "2024-03-01 00:10"); !h.After(now); h = h.Add(time.Hour) {
		hours = append(hours, h)
	}
	kept := strings.Fields(selected(policy(t, "daily;30,hourly;48"), hours, now, "01-02T15"))
	// 48 hours, and the first of each day from 16 April to 13 May; 13 May's is older than 48 hours.
	if len(kept) != 48+28 || kept[0] != "04-16T00" || kept[27] != "05-13T00" || kept[28] != "05-13T03" || kept[len(kept)-1] != "05-15T02" {
		t.Errorf("daily;30,hourly;48 keeps %d: %s", len(kept), kept)
	}
}

func TestGrandfatherFatherSon(t *testing.T) {
	points := days(t, "2021-01-01", "2024-05-15")
	got := selected(policy(t, "daily 3, weekly 3, monthly 3, yearly 3"), points, at(t, "2024-05-15 03:05"), time.DateOnly)
	// Weeks end on Saturday; the newest of a period counts, also of the current one.
	if want := "2022-12-31 2023-12-31 2024-03-31 2024-04-30 2024-05-04 2024-05-11 2024-05-13 2024-05-14 2024-05-15"; got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	// A period without a point doesn't count.
	gap := slices.Concat(days(t, "2024-01-01", "2024-01-03"), days(t, "2024-05-14", "2024-05-15"))
	if got := selected(policy(t, "daily 4"), gap, at(t, "2024-05-15 03:05"), "01-02"); got != "01-02 01-03 05-14 05-15" {
		t.Errorf("with a gap: %s", got)
	}
}

// Days are those of the user's clock, also where it is changed.
func TestDaysAreLocal(t *testing.T) {
	loc, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		t.Fatal(err)
	}
	// 23:30 UTC of 30 March is 00:30 of the 31st, a Sunday of 23 hours, in Paris.
	points := []time.Time{at(t, "2024-03-30 22:30"), at(t, "2024-03-30 23:30"), at(t, "2024-03-31 21:30"), at(t, "2024-03-31 22:30")}
	now := at(t, "2024-03-31 23:00").In(loc)
	for text, want := range map[string]string{
		"earliest of week":   "30 23:30 31 22:30",
		"earliest of day":    "31 22:30",
		"earliest of 2 days": "30 23:30 31 22:30",
		"earliest of month":  "31 22:30",
		"daily 3":            "30 22:30 31 21:30 31 22:30",
		"hourly 3":           "30 23:30 31 21:30 31 22:30",
	} {
		if got := selected(policy(t, text), points, now, "02 15:04"); got != want {
			t.Errorf("%q keeps %s, want %s", text, got, want)
		}
	}
	// In autumn one hour comes twice and is two.
	twice := []time.Time{at(t, "2024-10-27 00:30"), at(t, "2024-10-27 01:30")}
	if got := selected(policy(t, "hourly 2"), twice, at(t, "2024-10-27 02:00").In(loc), "15:04"); got != "00:30 01:30" {
		t.Errorf("hourly in autumn: %s", got)
	}
}

// T23: fulls on 1, 8 and 15 May, increments on the other days.
func TestClosure(t *testing.T) {
	points := days(t, "2024-05-01", "2024-05-15")
	reasons := policy(t, "last 5 days, earliest of month").Select(points, at(t, "2024-05-15 03:05"))
	otherwise := slices.Repeat([]string{"no rule selects it"}, len(points))
	var got []string
	for _, chain := range [][2]int{{0, 7}, {7, 14}, {14, 15}} {
		for i, d := range Close(reasons[chain[0]:chain[1]], otherwise[chain[0]:chain[1]]) {
			word := "delete"
			switch {
			case d.Needed:
				word = "needed"
			case d.Keep:
				word = "keep"
			}
			got = append(got, fmt.Sprintf("%s %s: %s", points[chain[0]+i].Format("02"), word, d.Reason))
		}
	}
	want := []string{"01 keep: it is the earliest of the month"}
	for d := 2; d <= 7; d++ {
		want = append(want, fmt.Sprintf("%02d delete: no rule selects it", d))
	}
	for d := 8; d <= 10; d++ {
		want = append(want, fmt.Sprintf("%02d needed: a kept set builds on it", d))
	}
	for d := 11; d <= 15; d++ {
		want = append(want, fmt.Sprintf("%02d keep: it is of the last 5 days", d))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestNewestStay(t *testing.T) {
	for n, want := range map[int]int{0: 1, 1: 1, 3: 3, 9: 5} {
		kept := 0
		for i, reason := range Newest(5, n) {
			if reason != "" {
				kept++
			} else if i >= 5-want {
				t.Errorf("%d newest: point %d goes", n, i)
			}
		}
		if kept != want {
			t.Errorf("%d newest: %d stay, want %d", n, kept, want)
		}
	}
	if got := Newest(0, 1); len(got) != 0 {
		t.Errorf("of nothing: %q", got)
	}
}

func TestHolds(t *testing.T) {
	points := days(t, "2024-05-01", "2024-05-05")
	for text, want := range map[string]int{
		"2024-05-03T03:00:00Z": 2, "20240503T030000Z": 2, "2024-05-03": 1, "2024-05-03T02:59:59Z": 1,
		"2024-05-03T05:00:00": 2, "2024-05-03T04:59:59": 1, "2024-05-03T05:00:00+02:00": 2,
		"2024-04-30": -1, "2030-01-01": 4,
	} {
		held, err := ParseHolds(text, time.FixedZone("", 2*60*60))
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if got := Held(points, held[0]); got != want {
			t.Errorf("%q holds point %d, want %d", text, got, want)
		}
	}
	if held, err := ParseHolds("2024-05-03, 2024-05-04", time.UTC); err != nil || len(held) != 2 {
		t.Errorf("two holds: %v, %v", held, err)
	}
}

// What is not understood is refused, with its place.
func TestParseRefuses(t *testing.T) {
	holds := func(text string) error {
		_, err := ParseHolds(text, time.UTC)
		return err
	}
	rules := func(text string) error {
		_, err := Parse(text)
		return err
	}
	for _, c := range []struct {
		parse      func(string) error
		text, want string
	}{
		{rules, "last 0 snapshots", `at character 1: "last 0 snapshots" would keep nothing`},
		{rules, "foo", `at character 1: "foo" is no rule`},
		{rules, "last 2 weeks", `at character 1: "last 2 weeks" is no rule`},
		{rules, "last 5 days, last -1 days", `at character 14: "last -1 days" is no rule`},
		{rules, "last 5 days,  earliest of yaer", `at character 15: "earliest of yaer" is no rule`},
		{rules, "last 5 daysies", `at character 1: "last 5 daysies" is no rule`},
		{rules, "", `at character 1: there is no rule`},
		{rules, "daily 7,, weekly 4", `at character 9: there is no rule`},
		{rules, "daily 7, daily 14", `at character 10: daily is given twice`},
		{rules, "daily;30,hourly;48,daily;365", `at character 20: daily; is given twice`},
		{rules, "last 3 days, last 3 days", `at character 14: last 3 days is given twice`},
		{rules, "daily 7, daly 14", `at character 10: unknown word "daly"`},
		{rules, "backup;daily;30", `at character 1: "backup;daily;30" is no rule`},
		{rules, "daily;30;2", `at character 1: "daily;30;2" is no rule`},
		{rules, "yearly;3", `at character 1: unknown profile "yearly"`},
		{rules, "daily;0", `at character 1: "daily;0" would keep nothing`},
		{rules, "earliest of 0 weeks", `at character 1: "earliest of 0 weeks" would keep nothing`},
		{rules, "last 99999999999999999999 days", `at character 1: 99999999999999999999 is too much`},
		{rules, "last 100001 days", `at character 1: 100001 is too much`},
		{holds, "2024-05-03, soon", `at character 13: "soon" is no time`},
		{holds, "2024-13-03", `at character 1: "2024-13-03" is no time`},
		{holds, "2024-05-03,", `at character 12: "" is no time`},
	} {
		err := c.parse(c.text)
		var e *Error
		if !errors.As(err, &e) || err.Error() != c.want || e.Hint() == "" {
			t.Errorf("%q: %v, want %q", c.text, err, c.want)
		}
	}
}
