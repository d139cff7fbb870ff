package daemon

import (
	"fmt"
	"slices"
	"time"

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
	Services     []ServiceRecord `json:"services"`
	Wrong        []string        `json:"wrong"` // what is wrong, worst first
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
		LastRun: h.LastRun, LastBackup: h.LastBackup,
		Services: append([]ServiceRecord{}, h.Services...),
	}
	if alive {
		status.NextRun = beat.Next.In(now.Location())
	}
	if running != nil {
		status.Running = &Activity{Trigger: running.Trigger, Started: running.Started, Phase: running.Phase}
	}
	if h.LastComplete != nil {
		status.LastComplete = &h.LastComplete.Started
	}
	status.Wrong = wrong(cfg, &h, alive)
	dead, err := s.dead()
	if err != nil {
		return Status{}, err
	}
	if dead != nil {
		status.Wrong = append(status.Wrong, fmt.Sprintf("a %s died in the phase %s: the next one clears up after it", dead.Command, dead.Phase))
	}
	if alive {
		if err := judge(cfg.Schedule, &h, beat, running, now); err != nil {
			status.Wrong = append([]string{err.Error()}, status.Wrong...)
		}
	}
	return status, nil
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
