package daemon

import (
	"time"

	"github.com/purser-backup/purser/internal/api"
	"github.com/purser-backup/purser/internal/config"
)

// ProfileStatus is what `purser status` shows of a profile.
type ProfileStatus struct {
	Profile    string    `json:"profile"`
	Schedule   string    `json:"schedule"`
	LastBackup *Backup   `json:"last_backup"`
	Next       time.Time `json:"next_run,omitzero"` // zero unless the daemon runs
	Kept       *api.Kept `json:"kept"`
}

// profiles tells how each profile fares. One that is late is due now.
func profiles(cfg *config.Config, h *history, alive bool, now time.Time) []ProfileStatus {
	var list []ProfileStatus
	for _, p := range cfg.Profiles {
		known := h.profile(p.Name)
		one := ProfileStatus{Profile: p.Name, Schedule: p.CronSchedule, LastBackup: known.LastBackup, Kept: known.Kept}
		if alive {
			one.Next = h.nextOf(p, now)
		}
		list = append(list, one)
	}
	return list
}
