package daemon

import (
	"context"
	"fmt"
	"time"

	"github.com/purser-backup/purser/internal/bug"
	"github.com/purser-backup/purser/internal/notify"
)

const (
	monitorPause = time.Minute
	// patience is how long something may be wrong before people are told: a
	// manual run that is under way, an Engine that is made anew.
	patience = 15 * time.Minute
)

// monitor looks for what no run can tell of, since none is made.
type monitor struct {
	*Daemon
	missed time.Time // when a run was due while no daemon was there
}

// newMonitor looks at what the last daemon has left.
func (d *Daemon) newMonitor() (*monitor, error) {
	m := &monitor{Daemon: d}
	h, err := d.state.loadHistory()
	if err != nil || h.LastRun == nil {
		return m, err
	}
	due := d.cfg.Schedule.Next(h.LastRun.Started.In(d.now().Location()))
	if !due.IsZero() && h.LastRun.Ended.Before(due) && due.Add(monitorPause).Before(d.now()) {
		m.missed = due
	}
	return m, nil
}

// watch works until ctx is cancelled.
func (m *monitor) watch(ctx context.Context) {
	if !m.missed.IsZero() {
		m.notices.raise(ctx, m.missedAlert())
	}
	for sleep(ctx, monitorPause) {
		if err := bug.Guard(func() error { return m.check(ctx) })(); err != nil {
			m.log.Warn("the daemon can't look after itself", "error", err, stackOf(err))
		}
	}
}

func (m *monitor) missedAlert() Alert {
	return Alert{
		Kind: kindMissed, Severity: notify.Incomplete, Subject: "a backup was missed",
		Text: fmt.Sprintf("The run that was due at %s was not made: the daemon did not run. It is made up for now.", m.missed.Format(time.RFC3339)),
	}
}

// check looks once.
func (m *monitor) check(ctx context.Context) error {
	h, err := m.state.loadHistory()
	if err != nil {
		return err
	}
	beat, err := m.state.loadHeartbeat()
	if err != nil {
		return err
	}
	running, err := m.state.running()
	if err != nil {
		return err
	}
	now := m.now()
	if stale := judge(m.cfg.Schedule, m.cfg.Splay, &h, beat, running, now); stale != nil {
		m.notices.raise(ctx, Alert{
			Kind: kindStale, Severity: notify.Failure, Subject: "no good backup for too long",
			Text: upperFirst(oneLine(stale)) + ".",
		})
	} else {
		m.settle(ctx, kindStale)
	}
	if last := h.LastRun; last != nil && last.Result == Complete && last.Started.After(m.missed) {
		m.settle(ctx, kindMissed)
	}
	m.checkLate(ctx, &h, beat, running, now)
	if err := m.checkEngine(ctx, now); err != nil {
		return err
	}
	m.notices.flush(ctx)
	return nil
}

// checkLate looks for a run that is due and does not begin, since another
// process holds the lock.
func (m *monitor) checkLate(ctx context.Context, h *history, beat heartbeat, running *journal, now time.Time) {
	late := !beat.Next.IsZero() && beat.Next.Add(patience).Before(now) && (h.LastRun == nil || h.LastRun.Started.Before(beat.Next))
	if running != nil && running.Command == commandRun {
		late = false
	}
	if !late {
		m.settle(ctx, kindLock)
		return
	}
	m.notices.raise(ctx, Alert{
		Kind: kindLock, Severity: notify.Incomplete, Subject: "a due backup can't begin",
		Text: fmt.Sprintf("The run that was due at %s waits for another purser that is at work on %s.", beat.Next.Format(time.RFC3339), m.cfg.ArchiveDir),
	})
}

// checkEngine tells of an Engine that is away for a while.
func (m *monitor) checkEngine(ctx context.Context, now time.Time) error {
	if !m.cfg.ModuleDatabase {
		return nil
	}
	v, err := m.state.loadView()
	if err != nil {
		return err
	}
	if v.Lost.IsZero() {
		m.settle(ctx, kindEngine)
	} else if v.Lost.Add(patience).Before(now) {
		m.notices.raise(ctx, Alert{
			Kind: kindEngine, Severity: notify.Incomplete, Subject: "Docker can't be reached",
			Text: fmt.Sprintf("Docker can't be reached since %s: %s", v.Lost.Format(time.RFC3339), v.Error), Hints: v.Hints,
		})
	}
	return nil
}
