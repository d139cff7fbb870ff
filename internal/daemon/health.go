package daemon

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/purser-backup/purser/internal/config"
	"github.com/purser-backup/purser/internal/schedule"
)

const (
	// maxGrace bounds the time that a run may take beyond the second due time.
	maxGrace = time.Hour
	minGrace = 30 * time.Second
	// maxRun is how long a run that is under way puts a bad verdict off: a
	// first upload may take days, and whoever restarts an unhealthy container
	// would never let it end.
	maxRun = 72 * time.Hour
)

// Health returns nil if the daemon runs and its runs are good. An incomplete
// run is not a good one. It reads the state files only and is quick.
func Health(cfg *config.Config, now time.Time) error {
	s := newState(cfg.ArchiveDir)
	alive, err := isLocked(s.daemonLock())
	if err != nil {
		return err
	}
	if !alive {
		return withHint(errors.New("the daemon is not running"),
			"start it with `purser daemon`, on the same BACKUP_ARCHIVE_DIR")
	}
	h, err := s.loadHistory()
	if err != nil {
		return err
	}
	beat, err := s.loadHeartbeat()
	if err != nil {
		return err
	}
	running, err := s.running()
	if err != nil {
		return err
	}
	return judge(cfg.Schedule, cfg.Splay, &h, beat, running, now)
}

// running returns the journal of the run that is under way, nil if none is.
func (s state) running() (*journal, error) {
	busy, err := isLocked(s.runLock())
	if err != nil || !busy {
		return nil, err
	}
	j, found, err := s.loadJournal()
	if err != nil || !found {
		return nil, err
	}
	return &j, nil
}

// dead returns the journal of a run that died, nil if none did.
func (s state) dead() (*journal, error) {
	if busy, err := isLocked(s.runLock()); err != nil || busy {
		return nil, err
	}
	j, found, err := s.loadJournal()
	if err != nil || !found {
		return nil, err
	}
	// It may be that of a run that has just begun.
	if busy, err := isLocked(s.runLock()); err != nil || busy {
		return nil, err
	}
	return &j, nil
}

// judge finds the daemon unhealthy once two due times have passed, and some
// grace, since the last complete run began.
func judge(plan schedule.Schedule, splay time.Duration, h *history, beat heartbeat, running *journal, now time.Time) error {
	since, what := beat.First, "no run has been complete yet"
	if last := h.LastComplete; last != nil {
		since, what = last.Started, "no run has been complete since "+last.Started.In(now.Location()).Format(time.RFC3339)
	}
	limit := unhealthyFrom(plan, h, since.In(now.Location()))
	if !limit.IsZero() {
		limit = limit.Add(splay)
	}
	if limit.IsZero() || now.Before(limit) {
		return nil
	}
	if running != nil && running.Started.Before(limit) && now.Before(running.Started.Add(maxRun)) {
		return nil
	}
	if last := h.LastRun; last != nil && len(last.Errors) > 0 {
		what = fmt.Sprintf("%s; the last one: %s", what, strings.Join(last.Errors, "; "))
	}
	return withHint(errors.New(what), "`purser status` shows what is wrong, `purser run` tries again")
}

// unhealthyFrom is the second due time after since, plus the grace: half the
// interval, within bounds, and the time that the last run took.
func unhealthyFrom(plan schedule.Schedule, h *history, since time.Time) time.Time {
	first := plan.Next(since)
	if first.IsZero() {
		return first
	}
	second := plan.Next(first)
	if second.IsZero() {
		return second
	}
	grace := max(minGrace, min(maxGrace, second.Sub(first)/2))
	if h.LastRun != nil {
		grace += max(0, h.LastRun.Ended.Sub(h.LastRun.Started))
	}
	return second.Add(grace)
}
