package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/purser-backup/purser/internal/bug"
	"github.com/purser-backup/purser/internal/schedule"
)

const (
	// clockCheck is how long the loop sleeps at most before it looks at the
	// clock again: a clock that was set, or a machine that was suspended, is
	// noticed within it.
	clockCheck = time.Minute
	// lockedRetry is the pause before a due run is tried again while another
	// purser holds the lock.
	lockedRetry = time.Minute
	// noGoRetry is the pause before whoever said no is asked again.
	noGoRetry = 5 * time.Minute
	// stopGrace is how long a cancelled run may take to clean up. Docker waits
	// ten seconds by default before it kills.
	stopGrace = 7 * time.Second
)

// loop starts runs when they are due, one at a time.
type loop struct {
	schedule schedule.Schedule
	delay    func() (time.Duration, error) // how long a scheduled run is put off, so that not all hosts begin at once
	now      func() time.Time
	log      *slog.Logger
	last     time.Time // start of the last whole run, zero if there was none
	lastAny  time.Time // start of the last run, be it partial
	again    bool      // the last run was interrupted and is to be made up for
	whole    time.Time // when the next whole run is due
	// services gives the next due time of services with a schedule of their own
	// after a time, zero if there is none.
	services func(time.Time) time.Time
	run      func(ctx context.Context, partial bool) error // returns an error that wraps ErrLocked or ErrNoGo if it couldn't start
	report   func(error)                                   // is told of every run that was not good
	planned  func(time.Time) error                         // is told when the next run is due
}

// serve runs until ctx is cancelled, which is no error, or until there is no
// next run. A run that was missed, the first one included, starts at once; of
// several missed ones only one is made up for.
func (l *loop) serve(ctx context.Context) error {
	for ctx.Err() == nil {
		due, err := l.plan()
		if err != nil {
			return err
		}
		if !l.wait(ctx, due) {
			break
		}
		started := l.now()
		partial := started.Before(l.whole)
		err = l.supervise(ctx, partial)
		switch {
		case errors.Is(err, errNotStopped):
			return err
		case errors.Is(err, ErrLocked):
			l.log.Warn("run put off: another purser is at work", "retry_in", lockedRetry)
			sleep(ctx, lockedRetry)
			continue
		case errors.Is(err, ErrNoGo) && ctx.Err() == nil:
			l.log.Warn("run put off", "why", err, "retry_in", noGoRetry)
			sleep(ctx, noGoRetry)
			continue
		case err != nil && ctx.Err() == nil:
			l.report(err)
		}
		l.lastAny = started
		if !partial {
			l.last, l.again = started, false
		}
		// The next run may be a day away. What pools hold outlives one collection.
		runtime.GC()
		debug.FreeOSMemory()
	}
	l.log.Info("daemon stopped")
	return nil
}

// plan says when the next run is due.
func (l *loop) plan() (time.Time, error) {
	now := l.now()
	due := now
	switch {
	case l.last.IsZero():
		l.log.Info("no run yet: the first one starts now")
	case l.again:
		l.log.Info("the last run was interrupted: it starts again now")
	default:
		var err error
		if due, err = l.planScheduled(now); err != nil {
			return due, err
		}
	}
	l.whole = due
	if at := l.nextOfServices(now); !at.IsZero() && at.Before(due) {
		due = at
		l.log.Info("next run, of services with a schedule of their own", "at", due)
	}
	return due, l.planned(due)
}

// nextOfServices is when services with a schedule of their own are due, zero if
// never. Before the first run of all there is none.
func (l *loop) nextOfServices(now time.Time) time.Time {
	if l.lastAny.IsZero() {
		return time.Time{}
	}
	return l.services(earlier(l.lastAny, now))
}

// planScheduled finds the next due time of the schedule, and the delay from
// there on.
func (l *loop) planScheduled(now time.Time) (time.Time, error) {
	slot := l.next(earlier(l.last, now))
	if slot.IsZero() {
		return slot, fmt.Errorf("the schedule never comes due after %s", now.Format(time.RFC3339))
	}
	delay, err := l.delay()
	if err != nil {
		return slot, fmt.Errorf("choose a random delay: %w", err)
	}
	due := slot.Add(delay)
	switch {
	case due.After(now):
		l.log.Info("next run", "at", due, "in", due.Sub(now).Round(time.Second))
	case delay > 0: // missed, perhaps with those of many hosts
		due = now.Add(delay)
		l.log.Info("a run was missed: it starts soon", "was_due", slot, "at", due)
	default:
		l.log.Info("a run was missed: it starts now", "was_due", slot)
	}
	return due, nil
}

// next asks the schedule in the clock's own time zone.
func (l *loop) next(t time.Time) time.Time { return l.schedule.Next(t.In(l.now().Location())) }

// wait returns true when due has come and false when ctx was cancelled first.
// Where the clock was set back, it takes the earlier due time that results.
func (l *loop) wait(ctx context.Context, due time.Time) bool {
	for ctx.Err() == nil {
		now := l.now()
		if left := due.Sub(now); left <= 0 {
			return true
		} else if !sleep(ctx, min(left, clockCheck)) {
			return false
		}
		// A step of less than clockCheck must not repeat the run just done.
		if now = l.now(); now.Add(clockCheck).Before(l.last) {
			if again := l.next(now); !again.IsZero() && again.Before(due) {
				l.log.Warn("the clock was set back", "next_run", again)
				due, l.whole = again, again
			}
		}
		// A service may have come, or got another schedule.
		if at := l.nextOfServices(now); !at.IsZero() && at.Before(due) {
			l.log.Info("next run, of services with a schedule of their own", "at", at)
			due = at
			if err := l.planned(due); err != nil {
				l.log.Warn("the time of the next run can't be saved, `purser status` is out of date", "error", err)
			}
		}
	}
	return false
}

var errNotStopped = errors.New("the run did not stop in time")

// supervise makes one run. After a cancellation the run gets stopGrace to clean
// up; then the loop gives up on it, so that the process ends before it is killed.
func (l *loop) supervise(ctx context.Context, partial bool) error {
	done := make(chan error, 1)
	go func() { done <- bug.Guard(func() error { return l.run(ctx, partial) })() }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	l.log.Info("stopping: the run is cancelled")
	timer := time.NewTimer(stopGrace)
	defer timer.Stop()
	select {
	case err := <-done:
		return err
	case <-timer.C:
		return errNotStopped
	}
}

// sleep waits for d and reports whether it wasn't cancelled.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
