package retention

import (
	"errors"
	"testing"
	"time"
)

// B2, B6: a profile by itself keeps each of its points until that is so old.
func TestProfilesApart(t *testing.T) {
	list, err := Profiles(" Daily;30 , hourly ; 48")
	if err != nil || len(list) != 2 || list[0].Name != "daily" || list[1].Name != "hourly" || list[0].Policy.String() != "Daily;30" {
		t.Fatalf("profiles: %+v, %v", list, err)
	}
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
		list, err := Profiles(c.profile)
		if err != nil || len(list) != 1 {
			t.Fatalf("%q: %+v, %v", c.profile, list, err)
		}
		reasons := list[0].Policy.Select([]time.Time{at(t, c.created), now}, now)
		if expired := reasons[0] == ""; expired != c.expired {
			t.Errorf("%s of %s: expired %v", c.profile, c.created, expired)
		}
	}
	// The second point of a day is one as well.
	two := []time.Time{at(t, "2024-05-12 03:00"), at(t, "2024-05-14 03:00"), at(t, "2024-05-14 15:00"), at(t, "2024-05-15 02:00")}
	if list, err = Profiles("daily;3"); err != nil {
		t.Fatal(err)
	}
	if got := selected(list[0].Policy, two, now, "02 15"); got != "14 03 14 15 15 02" {
		t.Errorf("daily;3 keeps %s", got)
	}
	for _, reason := range list[0].Policy.Select(two, now)[1:] {
		if reason != "it is younger than 3 days" {
			t.Errorf("reason %q", reason)
		}
	}
}

// Three years of each profile by itself, with a set at each of its turns and a
// full one each week: all that is promised is there, and no more than a chain
// behind it.
func TestThreeYearsOfProfiles(t *testing.T) {
	loc, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		t.Fatal(err)
	}
	list, err := Profiles("hourly;48, daily;30, weekly;52, monthly;12")
	if err != nil {
		t.Fatal(err)
	}
	const week = 7 * 24 * time.Hour
	for _, p := range list {
		t.Run(p.Name, func(t *testing.T) {
			t.Parallel()
			r := p.Policy.rules[0].(aged)
			every := r.unit.length()
			promised := time.Duration(r.n) * every
			h := &history{t: t, policy: p.Policy}
			start := time.Date(2021, 1, 3, 3, 0, 0, 0, loc)
			turn := 0
			for now := start; now.Before(start.AddDate(3, 0, 0)); now = now.Add(every) {
				turn++
				h.sets = append(h.sets, set{now, now.Sub(start)%week < every})
				h.prune(now)
				oldest := now.Sub(h.sets[0].time)
				if want := min(turn, r.n); len(h.sets) < want {
					t.Fatalf("at %s: %d sets, want %d", now, len(h.sets), want)
				}
				if oldest > promised+week+every {
					t.Fatalf("at %s: a set is %s old", now, oldest)
				}
			}
		})
	}
}

func TestNoProfiles(t *testing.T) {
	if list, err := Profiles("last 5 days, daily 7"); err != nil || len(list) != 0 {
		t.Errorf("rules: %+v, %v", list, err)
	}
	for text, want := range map[string]string{
		"daily;30, last 5 days":    `at character 11: a rule can't stand beside profiles`,
		"daily 7,hourly;48":        `at character 1: a rule can't stand beside profiles`,
		"daily;30,hourly;48, foo":  `at character 21: "foo" is no rule`,
		"daily;30, daily;365":      `at character 11: daily; is given twice`,
		"daily;30,backup;hourly;4": `at character 10: "backup;hourly;4" is no rule`,
	} {
		_, err := Profiles(text)
		var e *Error
		if !errors.As(err, &e) || err.Error() != want || e.Hint() == "" {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}
