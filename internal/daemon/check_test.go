package daemon

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/purser-backup/purser/internal/config"
	"github.com/purser-backup/purser/internal/schedule"
)

// T15, E2, E9: bounds are on the healthy side. Times are since midnight of the
// 20th, where everything was good.
func TestCheck(t *testing.T) {
	start := time.Date(2026, 5, 20, 0, 0, 0, 0, time.UTC)
	good := func(id string) ServiceRecord { return ServiceRecord{ID: id, LastGood: start, LastSet: start} }
	runs := func(id string) Seen { return Seen{ID: id, Action: ActionDump, Since: start} }
	const day = 30 * time.Hour // an interval and a quarter
	for _, test := range []struct {
		name, schedule string
		after          time.Duration
		history        func(*history)
		seen           func(*view)
		stopped        bool
		want           []string
	}{
		{name: "all good", after: time.Hour},
		{name: "daily, 30 hours", after: day},
		{name: "daily, 30 hours and a second", after: day + time.Second,
			want: []string{"backup: the last one is of 2026-05-20T00:00:00Z", "a/one: its newest backup is of 2026-05-20T00:00:00Z", "a/two: its newest backup is of 2026-05-20T00:00:00Z"}},
		{name: "hourly, an hour and a quarter", schedule: "@hourly", after: 75 * time.Minute},
		{name: "hourly, and a second", schedule: "@hourly", after: 75*time.Minute + time.Second,
			want: []string{"backup: the last one is of 2026-05-20T00:00:00Z", "a/one: its newest backup is of 2026-05-20T00:00:00Z", "a/two: its newest backup is of 2026-05-20T00:00:00Z"}},
		{name: "the time that a run takes", after: day + 20*time.Minute, history: func(h *history) { h.LastRun.Ended = start.Add(20 * time.Minute) }},
		{name: "a failed dump, at once", after: time.Minute, history: func(h *history) { h.service("a/one").Error = "dump of a/one: exit status 2" },
			want: []string{"a/one: its last dump failed: dump of a/one: exit status 2"}},
		{name: "a failed run, at once", after: time.Minute, history: func(h *history) {
			h.LastRun = &Run{Started: start, Ended: start, Result: Failed, Errors: []string{"no space left"}}
		}, want: []string{"run: the last one is failed: no space left"}},
		{name: "what a service's own line says is not said twice", after: time.Minute, history: func(h *history) {
			h.LastRun = &Run{Started: start, Ended: start, Result: Incomplete, Errors: []string{"dump of a/one: exit status 2"}}
			h.service("a/one").Error = "dump of a/one: exit status 2"
		}, want: []string{"a/one: its last dump failed: dump of a/one: exit status 2"}},
		{name: "an interrupted run is made up for", after: time.Minute, history: func(h *history) { h.LastRun = &Run{Started: start, Ended: start, Result: Interrupted} }},
		{name: "dumped, and not backed up", after: day + time.Hour, history: func(h *history) {
			h.service("a/one").LastGood, h.service("a/two").LastGood = start.Add(24*time.Hour), start.Add(24*time.Hour)
		}, want: []string{"backup: the last one is of 2026-05-20T00:00:00Z", "a/one: its newest backup is of 2026-05-20T00:00:00Z", "a/two: its newest backup is of 2026-05-20T00:00:00Z"}},
		{name: "unchanged since its set", after: 3 * 24 * time.Hour, history: func(h *history) {
			h.LastBackup.Ended = start.Add(3 * 24 * time.Hour)
			h.service("a/one").LastGood, h.service("a/two").LastGood = start.Add(3*24*time.Hour), start.Add(3*24*time.Hour)
		}},
		{name: "its own schedule", after: 76 * time.Minute, seen: func(v *view) { v.Services[0].Schedule = "@hourly" },
			want: []string{"a/one: its newest backup is of 2026-05-20T00:00:00Z"}},
		{name: "its own weekly one", after: day + time.Hour, history: func(h *history) { h.LastBackup.Ended = start.Add(24 * time.Hour) },
			seen: func(v *view) { v.Services[0].Schedule, v.Services[1].Schedule = "wednesday, 0000", "@weekly" }},
		{name: "new, and never dumped", after: time.Hour, seen: func(v *view) { v.Services = append(v.Services, runs("a/zebra")) }},
		{name: "long there, and never dumped", after: day + time.Second, history: func(h *history) {
			h.LastBackup.Ended = start.Add(24 * time.Hour)
			h.Services = nil
		}, seen: func(v *view) { v.Services = v.Services[:1] }, want: []string{"a/one: it was never dumped"}},
		{name: "skipped, not covered or gone", after: day + time.Second, history: func(h *history) {
			h.LastBackup.Ended = start.Add(24 * time.Hour)
			h.Services = append(h.Services, ServiceRecord{ID: "a/gone", LastGood: start, GoneSince: start})
		}, seen: func(v *view) {
			v.Services[0].Action, v.Services[1].Action = ActionSkip, ActionNone
		}},
		{name: "stopped a while ago", after: day + time.Second, history: func(h *history) { h.LastBackup.Ended = start.Add(24 * time.Hour) },
			seen: func(v *view) { v.Services = v.Services[:0] },
			want: []string{"a/one: its newest backup is of 2026-05-20T00:00:00Z", "a/two: its newest backup is of 2026-05-20T00:00:00Z"}},
		{name: "no daemon", after: time.Hour, stopped: true, want: []string{"daemon: it is not running"}},
		{name: "just put up", after: time.Minute, history: func(h *history) { *h = history{} }, seen: func(v *view) { v.Services = nil }},
		{name: "put up long ago, and nothing done", after: day + time.Second, history: func(h *history) { *h = history{} }, seen: func(v *view) { v.Services = nil },
			want: []string{"backup: there is none yet"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := history{LastRun: &Run{Started: start, Ended: start, Result: Complete}, LastBackup: &Backup{Ended: start}, Services: []ServiceRecord{good("a/one"), good("a/two")}}
			v := view{Seen: start, Services: []Seen{runs("a/one"), runs("a/two")}}
			if test.history != nil {
				test.history(&h)
			}
			if test.seen != nil {
				test.seen(&v)
			}
			if test.schedule == "" {
				test.schedule = "@daily"
			}
			got := checked(t, test.schedule, h, v, start, start.Add(test.after), test.stopped)
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("sick (-want +got):\n%s", diff)
			}
		})
	}
}

// checked puts the states on disk, with or without a daemon's lock, and checks.
func checked(t *testing.T, expr string, h history, v view, first, now time.Time, stopped bool) []string {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	s := newState(t.TempDir())
	must(s.create())
	must(s.saveHistory(h))
	must(s.saveView(v))
	must(s.saveHeartbeat(heartbeat{First: first}))
	if !stopped {
		lock, err := lockFile(s.daemonLock())
		must(err)
		defer lock.unlock()
	}
	plan, err := schedule.Parse(expr, "")
	must(err)
	verdict, err := Check(&config.Config{ArchiveDir: strings.TrimSuffix(s.dir, "/state"), ModuleDatabase: true, Schedule: plan}, now)
	must(err)
	var list []string
	failing := 0
	for _, s := range verdict.Sick {
		list = append(list, fmt.Sprintf("%s: %s", s.Subject, s.Message))
		if strings.Contains(s.Subject, "/") {
			failing++
		}
	}
	if failing != verdict.Failing || failing > verdict.Services {
		t.Errorf("%d of %d services fail, and %q", verdict.Failing, verdict.Services, list)
	}
	return list
}
