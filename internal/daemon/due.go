package daemon

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/purser-backup/purser/internal/config"
)

// ErrNotDue is returned where only what is due was asked for, and nothing is.
var ErrNotDue = errors.New("nothing is due")

// checkDue refuses a run that is to do what is due where nothing is. Whoever
// asks may so ask as often as he likes.
func (d *Daemon) checkDue(o RunOptions) error {
	if !o.Due || o.Force {
		return nil
	}
	h, err := d.state.loadHistory()
	if err != nil {
		return err
	}
	now := d.now()
	next := d.nextDue(&h, o.Profile, now)
	if !next.After(now) {
		return nil
	}
	return fmt.Errorf("%w before %s", ErrNotDue, next.Format(time.RFC3339))
}

// nextDue is when the next run comes, of a profile if one is named. A run that
// failed or was interrupted is due again at once, and so is the first of all.
func (d *Daemon) nextDue(h *history, profile string, now time.Time) time.Time {
	if len(d.cfg.Profiles) == 0 {
		last := h.lastWhole()
		if last.IsZero() || h.LastRun != nil && !h.LastRun.Partial && slices.Contains([]Result{Failed, Interrupted}, h.LastRun.Result) {
			return now
		}
		return d.cfg.Schedule.Next(earlier(last, now).In(now.Location()))
	}
	var first time.Time
	for _, p := range d.cfg.Profiles {
		if profile != "" && !strings.EqualFold(p.Name, profile) {
			continue
		}
		if next := h.nextOf(p, now); first.IsZero() || next.Before(first) {
			first = next
		}
	}
	return first
}

// nextOf is when a profile comes next; one that was never served is due now.
func (h *history) nextOf(p config.Profile, now time.Time) time.Time {
	last := h.profile(p.Name).LastServed
	if last.IsZero() {
		return now
	}
	return p.Schedule.Next(earlier(last, now).In(now.Location()))
}
