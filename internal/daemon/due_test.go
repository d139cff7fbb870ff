package daemon

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/purser-backup/purser/internal/config"
)

// B4: whoever asks for what is due may ask as often as he likes.
func TestRunOfWhatIsDue(t *testing.T) {
	for _, c := range []struct {
		name string
		env  []string
		want string // of runs after so many minutes
	}{
		{"profiles", []string{"BACKUP_PROFILES=[often]\nschedule: @every 1h\n[seldom]\nschedule: @every 3h"},
			"0 often seldom, 10 -, 59 -, 60 often, 61 -, 119 -, 120 often, 180 often seldom, 181 -"},
		{"one profile", []string{"BACKUP_PROFILES=[often]\nschedule: @every 1h"}, "0 often, 59 -, 60 often"},
	} {
		b := newBench(t, append(c.env, "BACKUP_MODULE_DATABASE=false")...)
		start := time.Date(2026, 5, 20, 0, 0, 0, 0, time.UTC)
		for _, step := range strings.Split(c.want, ", ") {
			var minutes int
			if _, err := fmt.Sscan(step, &minutes); err != nil {
				t.Fatal(err)
			}
			// Each look at the clock takes a second, and the first is not the run's.
			b.clock = start.Add(time.Duration(minutes)*time.Minute + time.Duration(minutes)*time.Second)
			got := fmt.Sprint(minutes, " -")
			record, err := b.Run(t.Context(), RunOptions{Trigger: ByCommand, Due: true})
			if err == nil {
				got = strings.TrimSuffix(got, "-") + names(record)
			} else if !errors.Is(err, ErrNotDue) {
				t.Fatalf("%s: %v", c.name, err)
			}
			if got != step {
				t.Errorf("%s: %q, want %q", c.name, got, step)
			}
		}
	}
}

// Without profiles it is the one schedule that counts, and a failure is tried again.
func TestRunWhenItIsDue(t *testing.T) {
	b := newBench(t, "BACKUP_CRON_SCHEDULE=0 0 * * * *")
	due := RunOptions{Trigger: ByCommand, Due: true}
	step := func(hour, minute int, want Result) {
		t.Helper()
		b.clock = time.Date(2026, 5, 20, hour, minute, 0, 0, time.UTC)
		record, err := b.Run(t.Context(), due)
		var got Result
		if record != nil {
			got = record.Result
		} else if !errors.Is(err, ErrNotDue) {
			t.Fatal(err)
		}
		if got != want {
			t.Errorf("at %d:%02d: %q (%v), want %q", hour, minute, got, err, want)
		}
	}
	step(0, 30, Complete)
	step(0, 40, "")
	b.engine.down = errors.New("no Engine")
	step(1, 5, Failed)
	step(1, 15, Failed)
	b.engine.down = nil
	step(1, 25, Complete)
	step(1, 55, "")
	step(2, 0, Complete)
	lock, err := b.state.lockRun()
	b.must(t, err)
	defer lock.unlock()
	step(3, 0, "") // somebody is at it
}

// D4, T19: a year of profiles, in zones whose clocks are changed at different
// hours. Each has its turns, and no run is for nothing.
func TestYearOfProfiles(t *testing.T) {
	for _, zone := range []string{"Europe/Paris", "America/New_York"} {
		loc, err := time.LoadLocation(zone)
		if err != nil {
			t.Fatal(err)
		}
		for _, instance := range []string{"a", "shop-db"} {
			cfg, err := config.Load([]string{"BACKUP_RETENTION=hourly;48, daily;30, weekly;52, monthly;12", "BACKUP_INSTANCE=" + instance}, nil, "")
			if err != nil {
				t.Fatal(err)
			}
			h, served := &history{}, map[string]int{}
			end := time.Date(2025, 1, 1, 0, 0, 0, 0, loc)
			last := time.Date(2024, 1, 1, 0, 0, 0, 0, loc).Add(-time.Second)
			for _, p := range cfg.Profiles {
				h.profile(p.Name).LastServed = last
			}
			runs := 0
			for now := cfg.Schedule.Next(last); now.Before(end); now = cfg.Schedule.Next(now) {
				runs++
				any := false
				for _, p := range cfg.Profiles {
					if h.isProfileDue(p, now.Add(time.Millisecond)) {
						h.profile(p.Name).LastServed, any = now.Add(time.Millisecond), true
						served[p.Name]++
					}
				}
				if !any {
					t.Fatalf("%s, %s: at %s nothing is due", zone, instance, now)
				}
			}
			// What the clock skips in spring may give a run of its own.
			if served["hourly"] != 366*24 || served["daily"] != 366 || served["weekly"]/2 != 26 || served["monthly"] != 12 || runs > 366*24+1 {
				t.Errorf("%s, %s: %d runs served %v", zone, instance, runs, served)
			}
		}
	}
}
