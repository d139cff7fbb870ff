package daemon

import (
	"slices"
	"time"

	"github.com/purser-backup/purser/internal/schedule"
)

// due leaves out the services whose own schedule doesn't ask for a dump now,
// and in a partial run those without one. A person who starts a run wants
// everything.
func (r *run) due(services []Found) []Found {
	if r.options.wantsAll() {
		return services
	}
	return slices.DeleteFunc(services, func(s Found) bool {
		if s.Schedule == "" {
			return r.options.Partial
		}
		due := r.history.isDue(s, r.record.Started.In(r.now().Location()))
		if !due {
			r.log.Debug("service is not due", "service", s.ID, "schedule", s.Schedule)
		}
		return !due
	})
}

// isDue reports whether the own schedule of a service has come due since its
// last dump was begun. A failed dump stays due: the next run tries it again,
// whatever that is for.
func (h *history) isDue(s Found, now time.Time) bool {
	plan, err := schedule.Parse(s.Schedule, s.ID)
	if err != nil {
		return true // discovery has told of it
	}
	for _, known := range h.Services {
		if known.ID != s.ID || known.LastGood.IsZero() || known.Error != "" {
			continue
		}
		next := plan.Next(earlier(known.LastTried, now).In(now.Location()))
		return !next.IsZero() && !next.After(now)
	}
	return true
}

// nextOfServices is the first time after t at which a service that runs is due
// by a schedule of its own, zero if there is none.
func (d *Daemon) nextOfServices(t time.Time) time.Time {
	v, err := d.state.loadView()
	if err != nil {
		d.log.Warn("services with a schedule of their own wait for the next run of all", "error", err)
		return time.Time{}
	}
	var first time.Time
	for _, s := range v.Services {
		if s.Schedule == "" || s.Action == ActionNone || s.Action == ActionSkip {
			continue
		}
		plan, err := schedule.Parse(s.Schedule, s.ID)
		if err != nil {
			continue // discovery has told of it
		}
		if next := plan.Next(t.In(d.now().Location())); !next.IsZero() && (first.IsZero() || next.Before(first)) {
			first = next
		}
	}
	return first
}
