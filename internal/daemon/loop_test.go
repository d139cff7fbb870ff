package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/purser-backup/purser/internal/schedule"
)

// rig is a loop in a bubble of fake time, whose wall clock can be set.
type rig struct {
	*loop
	offset atomic.Int64 // of the wall clock, in nanoseconds
	zone   *time.Location
	starts []string
	took   time.Duration // how long each run takes
	splay  time.Duration
	own    schedule.Schedule // of a service
	errs   []error           // results of the runs, in order; then nil
	told   []string
	log    strings.Builder
}

func newRig(t *testing.T, expr, zone, start string) *rig {
	t.Helper()
	plan, err := schedule.Parse(expr, "")
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{}
	if r.zone, err = time.LoadLocation(zone); err != nil {
		t.Fatal(err)
	}
	r.set(r.parse(t, start))
	r.loop = &loop{
		schedule: plan, now: r.now, delay: func() (time.Duration, error) { return r.splay, nil },
		log: slog.New(slog.NewTextHandler(&r.log, &slog.HandlerOptions{ReplaceAttr: withoutTime})),
		services: func(t time.Time) time.Time {
			if r.own == nil {
				return time.Time{}
			}
			return r.own.Next(t.In(r.zone))
		},
		run: func(ctx context.Context, partial bool) error {
			start := r.now().Format("01-02 15:04:05 -07")
			if partial {
				start += " partial"
			}
			r.starts = append(r.starts, start)
			sleep(ctx, r.took)
			if len(r.errs) == 0 {
				return ctx.Err()
			}
			err := r.errs[0]
			r.errs = r.errs[1:]
			return err
		},
		report:  func(err error) { r.told = append(r.told, err.Error()) },
		planned: func(time.Time) error { return nil },
	}
	return r
}

func withoutTime(_ []string, a slog.Attr) slog.Attr {
	if a.Key == slog.TimeKey {
		return slog.Attr{}
	}
	return a
}

func (r *rig) parse(t *testing.T, s string) time.Time {
	t.Helper()
	at, err := time.ParseInLocation("2006-01-02 15:04:05", s, r.zone)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func (r *rig) now() time.Time {
	return time.Now().Add(time.Duration(r.offset.Load())).Round(0).In(r.zone)
}

func (r *rig) set(now time.Time) { r.offset.Store(int64(time.Until(now))) }

// serveFor lets the loop work for d and then cancels it.
func (r *rig) serveFor(t *testing.T, d time.Duration, meanwhile func()) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	done := make(chan error)
	go func() { done <- r.serve(ctx) }()
	if meanwhile != nil {
		meanwhile()
	}
	if err := <-done; err != nil {
		t.Errorf("serve: %v", err)
	}
}

func TestLoopStartsRunsWhenDue(t *testing.T) {
	const day = 24 * time.Hour
	for _, test := range []struct {
		name, expr, zone, start string
		last                    string // start of the last run
		again                   bool
		took, splay, total      time.Duration
		want                    []string
	}{
		{name: "first start runs at once", expr: "0 0 0 * * *", zone: "UTC", start: "2026-05-20 10:00:00", total: 2 * day,
			want: []string{"05-20 10:00:00 +00", "05-21 00:00:00 +00", "05-22 00:00:00 +00"}},
		{name: "nothing missed", expr: "0 0 * * *", zone: "UTC", start: "2026-05-20 10:00:00", last: "2026-05-20 00:00:00", total: day,
			want: []string{"05-21 00:00:00 +00"}},
		{name: "several missed, one made up for", expr: "@daily", zone: "UTC", start: "2026-05-20 10:00:00", last: "2026-05-16 00:00:00", total: day,
			want: []string{"05-20 10:00:00 +00", "05-21 00:00:00 +00"}},
		{name: "interrupted run starts again", expr: "@daily", zone: "UTC", start: "2026-05-20 10:00:00", last: "2026-05-20 00:00:00", again: true, total: day,
			want: []string{"05-20 10:00:00 +00", "05-21 00:00:00 +00"}},
		{name: "run longer than its interval does not overlap", expr: "0 * * * * *", zone: "UTC", start: "2026-05-20 10:00:00", took: 150 * time.Second, total: 8 * time.Minute,
			want: []string{"05-20 10:00:00 +00", "05-20 10:02:30 +00", "05-20 10:05:00 +00", "05-20 10:07:30 +00"}},
		{name: "clocks go forward over the due time", expr: "0 30 2 * * *", zone: "Europe/Berlin", start: "2026-03-28 12:00:00", last: "2026-03-28 02:30:00", total: 3 * day,
			want: []string{"03-29 03:00:00 +02", "03-30 02:30:00 +02", "03-31 02:30:00 +02"}},
		{name: "down while the clocks went forward over the due time", expr: "0 30 2 * * *", zone: "Europe/Berlin", start: "2026-03-29 03:20:00", last: "2026-03-28 02:30:00", total: day,
			want: []string{"03-29 03:20:00 +02", "03-30 02:30:00 +02"}},
		{name: "the run of the gap is not made up for twice", expr: "0 30 2 * * *", zone: "America/New_York", start: "2026-03-08 03:10:00", last: "2026-03-08 03:00:00", total: day,
			want: []string{"03-09 02:30:00 -04"}},
		{name: "clocks go back over the due time", expr: "0 30 2 * * *", zone: "Europe/Berlin", start: "2026-10-24 12:00:00", last: "2026-10-24 02:30:00", total: 2 * day,
			want: []string{"10-25 02:30:00 +02", "10-26 02:30:00 +01"}},
		{name: "started anew in the hour that comes twice", expr: "0 30 1 * * *", zone: "America/New_York", start: "2026-11-01 03:00:00", last: "2026-11-01 01:30:00", total: day,
			want: []string{"11-02 01:30:00 -05"}},
		{name: "a quarter of an hour through the change", expr: "*/15 * * * *", zone: "America/New_York", start: "2026-11-01 00:50:00", last: "2026-11-01 00:45:00", total: 90 * time.Minute,
			want: []string{"11-01 01:00:00 -04", "11-01 01:15:00 -04", "11-01 01:30:00 -04", "11-01 01:45:00 -04", "11-01 01:00:00 -05", "11-01 01:15:00 -05"}},
		{name: "a run that spans the gap", expr: "0 30 2 * * *", zone: "Europe/Berlin", start: "2026-03-28 12:00:00", last: "2026-03-28 02:30:00", took: 30 * time.Hour, total: 3 * day,
			want: []string{"03-29 03:00:00 +02", "03-30 09:00:00 +02"}},
		{name: "midnight in New York through the change", expr: "0 0 0 * * *", zone: "America/New_York", start: "2026-10-31 12:00:00", last: "2026-10-31 00:00:00", total: 3 * day,
			want: []string{"11-01 00:00:00 -04", "11-02 00:00:00 -05", "11-03 00:00:00 -05"}},
		{name: "runs longer than their interval in the hour that comes twice", expr: "@hourly", zone: "America/New_York", start: "2026-11-01 00:50:00", last: "2026-11-01 00:00:00", took: 90 * time.Minute, total: 4 * time.Hour,
			want: []string{"11-01 01:00:00 -04", "11-01 01:30:00 -05", "11-01 03:00:00 -05"}},
		{name: "runs longer than their interval over the hour that isn't there", expr: "@hourly", zone: "Europe/Berlin", start: "2026-03-29 00:50:00", last: "2026-03-29 00:00:00", took: 90 * time.Minute, total: 4 * time.Hour,
			want: []string{"03-29 01:00:00 +01", "03-29 03:30:00 +02", "03-29 05:00:00 +02"}},
		{name: "put off by the splay", expr: "@daily", zone: "UTC", start: "2026-05-20 10:00:00", last: "2026-05-20 00:00:00", splay: 5 * time.Minute, total: 2 * day,
			want: []string{"05-21 00:05:00 +00", "05-22 00:05:00 +00"}},
		{name: "a missed run is put off too, the first and an interrupted one aren't", expr: "@daily", zone: "UTC", start: "2026-05-20 10:00:00", last: "2026-05-16 00:00:00", splay: 5 * time.Minute, total: day,
			want: []string{"05-20 10:05:00 +00", "05-21 00:05:00 +00"}},
		{name: "first start with a splay", expr: "@daily", zone: "UTC", start: "2026-05-20 10:00:00", splay: 5 * time.Minute, total: day,
			want: []string{"05-20 10:00:00 +00", "05-21 00:05:00 +00"}},
		{name: "last run in the future, after the clock was set back", expr: "@daily", zone: "UTC", start: "2026-05-10 10:00:00", last: "2026-05-20 00:00:00", total: day,
			want: []string{"05-11 00:00:00 +00"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, test.expr, test.zone, test.start)
				r.took, r.splay, r.again = test.took, test.splay, test.again
				if test.last != "" {
					r.last = r.parse(t, test.last)
				}
				r.serveFor(t, test.total, nil)
				if diff := cmp.Diff(test.want, r.starts); diff != "" {
					t.Errorf("starts (-want +got):\n%s", diff)
				}
			})
		})
	}
}

func TestLoopFollowsAClockThatIsSet(t *testing.T) {
	for _, test := range []struct {
		name  string
		to    string // what the clock is set to at 10:00:30 on 20 May
		total time.Duration
		want  []string
	}{
		{"forward over a due time", "2026-05-21 00:00:10", time.Hour, []string{"05-21 00:00:40 +00"}},
		{"forward over several due times", "2026-05-24 09:00:00", time.Hour, []string{"05-24 09:00:30 +00"}},
		{"forward to just before a due time", "2026-05-20 23:59:00", time.Hour, []string{"05-21 00:00:00 +00"}},
		{"forward by years", "2036-01-01 12:00:00", time.Hour, []string{"01-01 12:00:30 +00"}},
		{"back by ten days", "2026-05-10 23:00:00", 3 * time.Hour, []string{"05-11 00:00:00 +00"}},
		{"back by years", "1970-01-01 00:00:00", 25 * time.Hour, []string{"01-02 00:00:00 +00"}},
		{"back by an hour", "2026-05-20 09:00:00", 14 * time.Hour, nil},
		{"back by a few seconds just after a run", "2026-05-20 10:00:25", 2 * time.Hour, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, "@daily", "UTC", "2026-05-20 10:00:00")
				r.last = r.now()
				r.serveFor(t, test.total, func() {
					time.Sleep(30 * time.Second)
					r.set(r.parse(t, test.to))
				})
				if diff := cmp.Diff(test.want, r.starts); diff != "" {
					t.Errorf("starts (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// The clock is set half an hour after a run of ninety minutes has begun.
func TestLoopFollowsAClockThatIsSetDuringARun(t *testing.T) {
	for _, test := range []struct {
		name, to string
		want     []string // after the first run
	}{
		{"not set", "2026-05-20 10:30:00", []string{"05-20 11:30:00 +00", "05-20 13:00:00 +00"}},
		{"back by an hour", "2026-05-20 09:30:00", []string{"05-20 11:00:00 +00", "05-20 12:30:00 +00"}},
		{"back by a week", "2026-05-13 10:30:00", []string{"05-13 12:00:00 +00", "05-13 13:30:00 +00"}},
		{"forward by a week", "2026-05-27 10:30:00", []string{"05-27 11:30:00 +00", "05-27 13:00:00 +00"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, "@hourly", "UTC", "2026-05-20 10:00:00")
				r.took = 90 * time.Minute
				r.serveFor(t, 4*time.Hour, func() {
					time.Sleep(30 * time.Minute)
					r.set(r.parse(t, test.to))
				})
				if diff := cmp.Diff(append([]string{"05-20 10:00:00 +00"}, test.want...), r.starts); diff != "" {
					t.Errorf("starts (-want +got):\n%s", diff)
				}
			})
		})
	}
}

func TestLoopGoesOnAfterAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "@hourly", "UTC", "2026-05-20 10:30:00")
		r.errs = []error{errors.New("no Docker"), fmt.Errorf("%w: run.lock", ErrLocked)}
		r.serveFor(t, time.Hour, nil)
		want := []string{"05-20 10:30:00 +00", "05-20 11:00:00 +00", "05-20 11:01:00 +00"}
		if diff := cmp.Diff(want, r.starts); diff != "" {
			t.Errorf("starts (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]string{"no Docker"}, r.told); diff != "" {
			t.Errorf("reported (-want +got):\n%s", diff)
		}
		const log = `level=INFO msg="no run yet: the first one starts now"
level=INFO msg="next run" at=2026-05-20T11:00:00.000Z in=30m0s
level=WARN msg="run put off: another purser is at work" retry_in=1m0s
level=INFO msg="a run was missed: it starts now" was_due=2026-05-20T11:00:00.000Z
level=INFO msg="next run" at=2026-05-20T12:00:00.000Z in=59m0s
level=INFO msg="daemon stopped"
`
		if diff := cmp.Diff(log, r.log.String()); diff != "" {
			t.Errorf("log (-want +got):\n%s", diff)
		}
	})
}

func TestLoopStopsCleanly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "@daily", "UTC", "2026-05-20 10:00:00")
		r.took = time.Hour // ends at once when cancelled
		began := time.Now()
		r.serveFor(t, time.Minute, nil)
		if took := time.Since(began); took != time.Minute {
			t.Errorf("the loop stopped after %v", took)
		}
		if len(r.told) > 0 {
			t.Errorf("a cancelled run was reported: %v", r.told)
		}
	})
}

func TestLoopGivesUpOnARunThatDoesNotStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "@daily", "UTC", "2026-05-20 10:00:00")
		r.loop.run = func(context.Context, bool) error { time.Sleep(time.Hour); return nil }
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		began := time.Now()
		err := r.serve(ctx)
		if !errors.Is(err, errNotStopped) {
			t.Errorf("got error %v", err)
		}
		if took := time.Since(began); took != time.Minute+stopGrace {
			t.Errorf("the loop gave up after %v", took)
		}
		time.Sleep(time.Hour) // the bubble must not end before the run
	})
}

func TestLoopRefusesAScheduleThatNeverComesDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "0 0 0 * * *", "UTC", "2026-05-20 10:00:00")
		r.last, r.loop.schedule = r.now(), never{}
		err := r.serve(t.Context())
		if err == nil || err.Error() != "the schedule never comes due after 2026-05-20T10:00:00Z" {
			t.Errorf("got error %v", err)
		}
	})
}

type never struct{}

func (never) Next(time.Time) time.Time { return time.Time{} }

// The delay is spread over all of BACKUP_SPLAY, and never longer.
func TestSplayIsSpread(t *testing.T) {
	b := newBench(t, "BACKUP_SPLAY=10m")
	var most time.Duration
	quarters := map[time.Duration]bool{}
	for range 200 {
		got, err := b.delay()
		b.must(t, err)
		if got < 0 || got > 10*time.Minute {
			t.Fatalf("delay of %s", got)
		}
		quarters[min(got/(150*time.Second), 3)] = true
		most = max(most, got)
	}
	if len(quarters) != 4 || most == 0 {
		t.Errorf("quarters of the splay that were hit: %v", quarters)
	}
	b.opt.Rand = strings.NewReader("")
	if _, err := b.delay(); err == nil {
		t.Error("no randomness, and no error")
	}
}
