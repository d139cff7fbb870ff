package daemon

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/purser-backup/purser/internal/api"
	"github.com/purser-backup/purser/internal/config"
)

// Status is what `purser status` shows. It comes from the state files alone:
// neither the target nor Docker is asked.
type Status struct {
	Instance     string          `json:"instance"`
	Daemon       bool            `json:"daemon_running"`
	Schedule     string          `json:"schedule"`
	NextRun      time.Time       `json:"next_run,omitzero"` // zero unless the daemon runs
	Running      *Activity       `json:"running"`           // null if no run is under way
	LastRun      *Run            `json:"last_run"`
	LastComplete *time.Time      `json:"last_complete_run"` // when the last complete run began
	LastBackup   *Backup         `json:"last_backup"`
	Targets      []api.Target    `json:"targets,omitempty"` // each of several, by the last run that came to them
	Docker       *Watch          `json:"docker"`            // null unless the daemon watches it
	Services     []ServiceStatus `json:"services"`
	Profiles     []ProfileStatus `json:"profiles,omitempty"`
	Notices      []NoticeFailure `json:"notifications"` // ways to tell people that don't work
	Wrong        []string        `json:"wrong"`         // what is wrong, worst first

	lastGood time.Time // end of the last complete run
	kept     *api.Kept // by the last run that counted
}

// Watch is how the daemon sees Docker.
type Watch struct {
	Seen  time.Time `json:"seen"`                // when the services were last listed
	Lost  time.Time `json:"lost_since,omitzero"` // since when it can't be reached
	Error string    `json:"error,omitempty"`     // why
}

// State is how a service fares.
type State string

// The states of a service, worst first.
const (
	StateFailed    State = "failed"      // its last dump failed
	StateDown      State = "not running" // was dumped, and does not run now
	StateGone      State = "gone"        // and the last run missed it already
	StateWaiting   State = "waiting"     // for its first dump
	StateUncovered State = "not covered" // no recipe is for it
	StateSkipped   State = "skipped"     // its labels say so
	StateGood      State = "good"
)

// ServiceStatus is what is known of a service. What it is now comes from the
// daemon's watch, and is empty where there is none.
type ServiceStatus struct {
	ServiceRecord
	State  State  `json:"state"`
	Image  string `json:"image,omitempty"`
	Action Action `json:"action,omitempty"` // of the next run
	Reason string `json:"reason,omitempty"`
}

// Activity is the run that is under way.
type Activity struct {
	Trigger Trigger   `json:"trigger"`
	Started time.Time `json:"started"`
	Phase   Phase     `json:"phase"`
}

// ReadStatus reads the state below cfg.ArchiveDir.
func ReadStatus(cfg *config.Config, now time.Time) (Status, error) {
	s := newState(cfg.ArchiveDir)
	h, err := s.loadHistory()
	if err != nil {
		return Status{}, err
	}
	beat, err := s.loadHeartbeat()
	if err != nil {
		return Status{}, err
	}
	alive, err := isLocked(s.daemonLock())
	if err != nil {
		return Status{}, err
	}
	running, err := s.running()
	if err != nil {
		return Status{}, err
	}
	status := Status{
		Instance: h.Instance, Daemon: alive, Schedule: cfg.CronSchedule,
		LastRun: h.LastRun, LastBackup: h.LastBackup, Targets: h.Targets,
	}
	if alive {
		status.NextRun = beat.Next.In(now.Location())
	}
	seen, err := s.watched(cfg, alive)
	if err != nil {
		return Status{}, err
	}
	status.Services = services(&h, seen)
	status.Profiles = profiles(cfg, &h, alive, now)
	if running != nil {
		status.Running = &Activity{Trigger: running.Trigger, Started: running.Started, Phase: running.Phase}
	}
	if h.LastComplete != nil {
		status.LastComplete, status.lastGood = &h.LastComplete.Started, h.LastComplete.Ended
	}
	status.kept = h.Kept
	status.Wrong = wrong(cfg, &h, alive)
	status.add(seen)
	dead, err := s.dead()
	if err != nil {
		return Status{}, err
	}
	if dead != nil {
		status.Wrong = append(status.Wrong, fmt.Sprintf("a %s died in the phase %s: the next one clears up after it", dead.Command, dead.Phase))
	}
	if alive {
		if err := judge(cfg.Schedule, cfg.Splay, &h, beat, running, now); err != nil {
			status.Wrong = append([]string{err.Error()}, status.Wrong...)
		}
	}
	told, err := s.loadTold()
	if err != nil {
		return Status{}, err
	}
	status.addTold(&told)
	status.scrub(cfg)
	return status, nil
}

// scrub takes secrets out of the errors of others.
func (s *Status) scrub(cfg *config.Config) {
	for i, text := range s.Wrong {
		s.Wrong[i] = cfg.Scrub(text)
	}
	if s.Docker != nil {
		s.Docker.Error = cfg.Scrub(s.Docker.Error)
	}
}

// addTold tells of what nothing else in a status tells of.
func (s *Status) addTold(t *told) {
	for _, a := range t.Alerts {
		switch a.Kind {
		case kindLock, kindNothing, kindMissed, kindFull:
			s.Wrong = append(s.Wrong, a.Subject+": "+a.Text)
		}
	}
	s.Notices = append([]NoticeFailure{}, t.Failures...)
	for _, f := range t.Failures {
		s.Wrong = append(s.Wrong, fmt.Sprintf("%s: nothing gets through since %s: %s", f.Service, f.Since.Format(time.RFC3339), f.Error))
	}
}

// add tells what is wrong by the watch.
func (s *Status) add(seen *view) {
	if seen != nil {
		s.Docker = &Watch{Seen: seen.Seen, Lost: seen.Lost, Error: seen.Error}
		if !seen.Lost.IsZero() {
			s.Wrong = append(s.Wrong, fmt.Sprintf("Docker can't be reached since %s: %s", seen.Lost.Format(time.RFC3339), seen.Error))
		}
	}
	for _, service := range s.Services {
		if service.State == StateDown {
			s.Wrong = append(s.Wrong, service.ID+": stopped, and can't be dumped until it runs again")
		}
	}
}

// watched returns the view of the daemon that runs, nil if there is none.
func (s state) watched(cfg *config.Config, alive bool) (*view, error) {
	if !alive || !cfg.ModuleDatabase {
		return nil, nil
	}
	v, err := s.loadView()
	if err != nil || v.Version == 0 {
		return nil, err
	}
	return &v, nil
}

// services joins what is known of the past with what is seen now.
func services(h *history, now *view) []ServiceStatus {
	list := []ServiceStatus{}
	for _, r := range h.Services {
		s := ServiceStatus{ServiceRecord: r}
		if now != nil {
			s.see(now.service(r.ID))
		}
		s.State = s.judge(now)
		list = append(list, s)
	}
	if now == nil {
		return list
	}
	for i := range now.Services {
		seen := &now.Services[i]
		if slices.ContainsFunc(h.Services, func(r ServiceRecord) bool { return r.ID == seen.ID }) {
			continue
		}
		s := ServiceStatus{ServiceRecord: ServiceRecord{ID: seen.ID, Recipe: seen.Recipe}}
		s.see(seen)
		s.State = s.judge(now)
		list = append(list, s)
	}
	slices.SortFunc(list, func(a, b ServiceStatus) int { return strings.Compare(a.ID, b.ID) })
	return list
}

func (s *ServiceStatus) see(seen *Seen) {
	if seen != nil {
		s.Image, s.Action, s.Reason = seen.Image, seen.Action, seen.Reason
	}
}

// judge finds the state of a service. A view that is out of date says nothing
// of who runs.
func (s *ServiceStatus) judge(now *view) State {
	watched := now != nil && now.Lost.IsZero()
	switch {
	case s.Action == ActionSkip:
		return StateSkipped
	case s.Action == ActionNone:
		return StateUncovered
	case s.Error != "" || s.Action == ActionFail:
		return StateFailed
	case !s.GoneSince.IsZero() && s.Action == "":
		return StateGone
	case watched && s.Action == "":
		return StateDown
	case s.LastGood.IsZero():
		return StateWaiting
	}
	return StateGood
}

// wrong lists what a person should look after.
func wrong(cfg *config.Config, h *history, alive bool) []string {
	list := []string{}
	if !alive {
		list = append(list, "the daemon is not running")
	}
	if h.LastRun == nil {
		return append(list, "no run yet")
	}
	last := h.LastRun
	if last.Result != Complete {
		list = append(list, fmt.Sprintf("the last run is %s", last.Result))
	}
	for _, e := range last.Errors {
		// A service's own error follows, and may be older than this run.
		if !slices.ContainsFunc(h.Services, func(s ServiceRecord) bool { return s.Error == e }) {
			list = append(list, e)
		}
	}
	list = append(list, last.Problems...)
	for _, s := range h.Services {
		switch {
		case s.Error != "":
			list = append(list, s.Error) // it names the service
		case !s.GoneSince.IsZero():
			list = append(list, fmt.Sprintf("%s: gone since %s, its last dump is kept until %s", s.ID,
				s.GoneSince.Format(time.RFC3339), s.staleFrom(cfg.StaleAfter).Format(time.RFC3339)))
		}
	}
	return list
}
