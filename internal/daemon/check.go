package daemon

import (
	"fmt"
	"strings"
	"time"

	"github.com/purser-backup/purser/internal/config"
	"github.com/purser-backup/purser/internal/schedule"
)

// Verdict is what `purser check` tells a monitoring system.
type Verdict struct {
	Services int    `json:"services"` // that are to be backed up
	Failing  int    `json:"failing"`  // of them
	Sick     []Sick `json:"sick"`     // what is wrong, services and others
}

// Sick is something that is not backed up as it should be.
type Sick struct {
	Subject string `json:"subject"` // a service, "daemon", "backup", "profile NAME" or "run"
	Message string `json:"message"`
}

// Check judges how old everything may be by the schedules. It reads the state
// files only and is quick.
func Check(cfg *config.Config, now time.Time) (Verdict, error) {
	s := newState(cfg.ArchiveDir)
	h, err := s.loadHistory()
	if err != nil {
		return Verdict{}, err
	}
	beat, err := s.loadHeartbeat()
	if err != nil {
		return Verdict{}, err
	}
	alive, err := isLocked(s.daemonLock())
	if err != nil {
		return Verdict{}, err
	}
	seen, err := s.watched(cfg, alive)
	if err != nil {
		return Verdict{}, err
	}
	c := checker{cfg: cfg, h: &h, now: now, first: beat.First}
	c.others(alive)
	for _, service := range services(&h, seen) {
		c.service(service, seen)
	}
	if c.verdict.Sick == nil {
		c.verdict.Sick = []Sick{}
	}
	return c.verdict, nil
}

type checker struct {
	cfg     *config.Config
	h       *history
	now     time.Time
	first   time.Time // start of the first daemon
	verdict Verdict
}

func (c *checker) sick(subject, format string, args ...any) {
	c.verdict.Sick = append(c.verdict.Sick, Sick{subject, fmt.Sprintf(format, args...)})
}

func (c *checker) at(t time.Time) string { return t.In(c.now.Location()).Format(time.RFC3339) }

// others judges what is no service.
func (c *checker) others(alive bool) {
	if !alive {
		c.sick("daemon", "it is not running")
	}
	since, what := c.first, "there is none yet"
	if b := c.h.LastBackup; b != nil {
		since, what = b.Ended, "the last one is of "+c.at(b.Ended)
	}
	if c.late(c.cfg.Schedule, since) {
		c.sick("backup", "%s", what)
	}
	c.profiles()
	last := c.h.LastRun
	if last == nil || last.Result == Complete || last.Result == Interrupted {
		return
	}
	var errs []string
	for _, e := range last.Errors {
		if !c.ofService(e) {
			errs = append(errs, e)
		}
	}
	if len(errs) > 0 {
		c.sick("run", "the last one is %s: %s", last.Result, strings.Join(errs, "; "))
	}
}

// profiles judges each by its own schedule.
func (c *checker) profiles() {
	for _, p := range c.cfg.Profiles {
		since, what := c.first, "there is no backup yet"
		if b := c.h.profile(p.Name).LastBackup; b != nil {
			since, what = b.Ended, "its last backup is of "+c.at(b.Ended)
		}
		if c.late(p.Schedule, since) {
			c.sick("profile "+p.Name, "%s", what)
		}
	}
}

// ofService reports whether an error is told with the service that it is of.
func (c *checker) ofService(e string) bool {
	for _, s := range c.h.Services {
		if s.Error == e {
			return true
		}
	}
	return false
}

// service judges one that is to be backed up. One that is gone fades away.
func (c *checker) service(s ServiceStatus, seen *view) {
	switch s.State {
	case StateSkipped, StateUncovered, StateGone:
		return
	}
	c.verdict.Services++
	plan := c.cfg.Schedule
	since := c.backedUp(&s.ServiceRecord)
	if seen != nil {
		if now := seen.service(s.ID); now != nil {
			if own, err := schedule.Parse(now.Schedule, s.ID); now.Schedule != "" && err == nil {
				plan = own
			}
			if since.IsZero() {
				since = now.Since
			}
		}
	}
	switch {
	case s.Error != "":
		c.sick(s.ID, "its last dump failed: %s", s.Error)
	case s.State == StateFailed:
		c.sick(s.ID, "it can't be dumped: %s", s.Reason)
	case !c.late(plan, since):
		return
	case s.LastGood.IsZero():
		c.sick(s.ID, "it was never dumped")
	default:
		c.sick(s.ID, "its newest backup is of %s", c.at(since))
	}
	c.verdict.Failing++
}

// backedUp is the time of the newest dump of a service that a backup holds, zero
// if there is none.
func (c *checker) backedUp(s *ServiceRecord) time.Time {
	if b := c.h.LastBackup; b != nil && !b.Ended.Before(s.LastGood) {
		return s.LastGood
	}
	return s.LastSet
}

// late reports whether what was last done at the given time is overdue: a
// quarter of the interval has passed since it was due again, and the time that
// a run takes.
func (c *checker) late(plan schedule.Schedule, since time.Time) bool {
	if since.IsZero() {
		since = c.first
	}
	if since.IsZero() {
		return false // purser has just been put up
	}
	due := plan.Next(since.In(c.now.Location()))
	if due.IsZero() {
		return false
	}
	limit := due
	if after := plan.Next(due); !after.IsZero() {
		limit = due.Add(after.Sub(due) / 4)
	}
	if last := c.h.LastRun; last != nil {
		limit = limit.Add(max(0, last.Ended.Sub(last.Started)))
	}
	return c.now.After(limit.Add(c.cfg.Splay))
}
