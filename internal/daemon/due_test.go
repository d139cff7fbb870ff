package daemon

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
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
