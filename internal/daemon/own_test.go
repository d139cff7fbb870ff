package daemon

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/purser-backup/purser/internal/schedule"
)

// A service with a schedule of its own brings runs between those of all.
func TestLoopWakesForServices(t *testing.T) {
	for _, test := range []struct {
		name, start, last, lastAny string
		own                        string
		took, total                time.Duration
		want                       string
	}{
		{name: "between", start: "2026-05-20 20:30:00", last: "2026-05-20 00:00:00", lastAny: "2026-05-20 20:00:00", own: "@every 2h", total: 6 * time.Hour,
			want: "05-20 22:00:00 +00 partial, 05-21 00:00:00 +00, 05-21 02:00:00 +00 partial"},
		{name: "missed", start: "2026-05-20 10:00:00", last: "2026-05-20 00:00:00", lastAny: "2026-05-20 04:00:00", own: "0 0 6,18 * * *", total: 9 * time.Hour,
			want: "05-20 10:00:00 +00 partial, 05-20 18:00:00 +00 partial"},
		{name: "missed with the run of all", start: "2026-05-20 10:00:00", last: "2026-05-19 00:00:00", lastAny: "2026-05-19 18:00:00", own: "0 0 6,18 * * *", total: 7 * time.Hour,
			want: "05-20 10:00:00 +00"},
		{name: "none before the first run of all", start: "2026-05-20 10:00:00", own: "@hourly", total: 90 * time.Minute,
			want: "05-20 10:00:00 +00, 05-20 11:00:00 +00 partial"},
		{name: "a run longer than the interval", start: "2026-05-20 10:00:00", last: "2026-05-20 00:00:00", lastAny: "2026-05-20 09:59:00", own: "0 */10 * * * *", took: 25 * time.Minute, total: time.Hour,
			want: "05-20 10:00:00 +00 partial, 05-20 10:25:00 +00 partial, 05-20 10:50:00 +00 partial"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, "@daily", "UTC", test.start)
				var err error
				if r.own, err = schedule.Parse(test.own, "a/b"); err != nil {
					t.Fatal(err)
				}
				r.took = test.took
				if test.last != "" {
					r.last, r.lastAny = r.parse(t, test.last), r.parse(t, test.lastAny)
				}
				r.serveFor(t, test.total, nil)
				if diff := cmp.Diff(test.want, strings.Join(r.starts, ", ")); diff != "" {
					t.Errorf("starts (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// A label that comes while the loop sleeps is noticed.
func TestLoopNoticesANewSchedule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "@daily", "UTC", "2026-05-20 10:30:00")
		r.last, r.lastAny = r.parse(t, "2026-05-20 00:00:00"), r.parse(t, "2026-05-20 00:00:00")
		hourly, err := schedule.Parse("@hourly", "a/b")
		if err != nil {
			t.Fatal(err)
		}
		services := func(after time.Time) time.Time {
			if r.now().Before(r.parse(t, "2026-05-20 15:30:00")) {
				return time.Time{}
			}
			return hourly.Next(later(after, r.parse(t, "2026-05-20 15:30:00")))
		}
		r.services = services
		r.serveFor(t, 6*time.Hour, nil)
		if got := strings.Join(r.starts, ", "); got != "05-20 16:00:00 +00 partial" {
			t.Errorf("starts: %s", got)
		}
	})
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// scheduled makes a run as the loop would, and names what it dumped.
func (b *bench) scheduled(t *testing.T, partial bool) string {
	t.Helper()
	run, err := b.Run(t.Context(), RunOptions{Trigger: BySchedule, Partial: partial})
	if run == nil {
		t.Fatal(err)
	}
	var names []string
	for _, s := range run.Services {
		names = append(names, s.ID+" "+string(s.Outcome))
	}
	if run.Backup == nil {
		t.Error("the tree was not backed up")
	}
	return strings.Join(names, ", ")
}

func TestServicesWithASchedule(t *testing.T) {
	b := newBench(t)
	own := container("own", "store")
	own.Labels = map[string]string{"backup.schedule": "0 0 */6 * * *"}
	b.engine.list = append(b.engine.list, container("all", "store"), own)
	b.clock = time.Date(2026, 5, 20, 0, 0, 0, 0, time.UTC)
	const both, all, one = "_/all dumped, _/own dumped", "_/all dumped", "_/own dumped"
	step := func(hours int, partial bool, want string) {
		t.Helper()
		b.clock = time.Date(2026, 5, 20, hours, 0, 0, 0, time.UTC)
		if got := b.scheduled(t, partial); got != want {
			t.Errorf("at %d hours, partial %v: %q, want %q", hours, partial, got, want)
		}
	}
	step(0, false, both) // the first time
	step(3, false, all)  // not due
	step(3, true, "")
	step(6, true, one)
	step(7, true, "")
	b.engine.fail = map[string]string{"_/own": "access denied"}
	step(12, true, "_/own failed")
	step(13, true, "_/own failed") // it stays due
	b.engine.fail = nil
	step(14, false, both)
	step(15, true, "")
	if record := b.run(t, Complete); len(record.Services) != 2 {
		t.Errorf("a person's run has dumped %+v", record.Services)
	}
	own.Labels["backup.schedule"] = "sunday, 0200-0200"
	b.clock = time.Date(2026, 5, 20, 16, 0, 0, 0, time.UTC)
	record := b.run(t, Incomplete, "_/own: label backup.schedule: ", "the window has no length")
	if len(record.Services) != 2 {
		t.Errorf("with a bad label it has dumped %+v", record.Services)
	}
}

// Partial runs are good ones, but health and the next run of all go by whole ones.
func TestPartialRunsAreNoWholeOnes(t *testing.T) {
	b := newBench(t)
	b.clock = time.Date(2026, 5, 20, 0, 0, 0, 0, time.UTC)
	b.scheduled(t, false)
	b.clock = time.Date(2026, 5, 20, 6, 0, 0, 0, time.UTC)
	b.scheduled(t, true)
	h, err := b.state.loadHistory()
	b.must(t, err)
	if h.LastRun.Result != Complete || !h.LastRun.Partial || h.LastRun.Started.Hour() != 6 || h.LastComplete.Started.Hour() != 0 || h.lastWhole().Hour() != 0 {
		t.Errorf("history: %+v", h)
	}
	l, err := b.newLoop(nil)
	b.must(t, err)
	if l.last.Hour() != 0 || l.lastAny.Hour() != 6 {
		t.Errorf("the loop goes on from %s and %s", l.last, l.lastAny)
	}
	h.LastWhole, h.LastRun.Partial = time.Time{}, false // as an older purser wrote it
	if h.lastWhole().Hour() != 6 {
		t.Errorf("the last whole run of an old state began at %s", h.lastWhole())
	}
}

// What the daemon sees on Docker says when to wake.
func TestNextOfServices(t *testing.T) {
	b := newBench(t)
	at := time.Date(2026, 5, 20, 10, 0, 0, 0, time.UTC)
	if got := b.nextOfServices(at); !got.IsZero() {
		t.Errorf("nothing seen yet: %s", got)
	}
	b.must(t, b.state.create())
	b.must(t, b.state.saveView(view{Services: []Seen{
		{ID: "a/none", Action: ActionNone, Schedule: "0 0 11 * * *"},
		{ID: "a/plain", Action: ActionDump},
		{ID: "a/two", Action: ActionGuess, Schedule: "0 0 14 * * *"},
		{ID: "a/one", Action: ActionDump, Schedule: "0 0 13 * * *"},
		{ID: "a/bad", Action: ActionDump, Schedule: "soon"},
	}}))
	if got := b.nextOfServices(at); got.Hour() != 13 || got.Day() != 20 {
		t.Errorf("next: %s", got)
	}
	if got := b.nextOfServices(at.Add(3 * time.Hour)); got.Hour() != 14 {
		t.Errorf("next: %s", got)
	}
}
