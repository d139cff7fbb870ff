package daemon

import (
	"slices"
	"strings"
	"time"

	"github.com/purser-backup/purser/engine"
	"github.com/purser-backup/purser/internal/api"
)

// The record of a run is a wire type too.
type (
	Trigger     = api.Trigger
	Result      = api.Result
	Run         = api.Run
	Pruning     = api.Pruning
	Outcome     = api.Outcome
	ServiceDump = api.ServiceDump
	Backup      = api.Backup
	ProfileRun  = api.ProfileRun
)

// The values of these types.
const (
	BySchedule    = api.BySchedule
	ByCommand     = api.ByCommand
	Complete      = api.Complete
	Incomplete    = api.Incomplete
	Failed        = api.Failed
	Interrupted   = api.Interrupted
	Dumped        = api.Dumped
	DumpFailed    = api.DumpFailed
	DumpCancelled = api.DumpCancelled
)

func newBackup(r engine.BackupResult, ended time.Time) *Backup {
	b := &Backup{
		Kind: "incremental", Time: r.Set.Time, Ended: ended,
		Volumes: r.Set.Volumes, Bytes: r.Set.Size, Encrypted: r.Set.Encrypted,
		Files: r.Files, New: r.New, Changed: r.Changed, Deleted: r.Deleted,
		SourceBytes: r.SourceBytes, UploadedBytes: r.UploadedBytes,
		Unreadable: append([]string{}, r.Unreadable...),
	}
	switch {
	case r.Unchanged:
		b.Kind, b.Time = "unchanged", time.Time{}
	case r.Set.Full():
		b.Kind = "full"
	}
	return b
}

// history is what is known of the past, over all runs.
type history struct {
	Version      int             `json:"version"`
	Instance     string          `json:"instance"`
	LastRun      *Run            `json:"last_run"`
	LastComplete *Run            `json:"last_complete_run"`
	LastBackup   *Backup         `json:"last_backup"`
	LastWhole    time.Time       `json:"last_whole_run,omitzero"` // start of the last run that was not partial
	Kept         *api.Kept       `json:"kept"`                    // by the last run that counted
	Targets      []api.Target    `json:"targets,omitempty"`       // each of several, by the last run that came to them
	Services     []ServiceRecord `json:"services"`
	Profiles     []ProfileRecord `json:"profiles,omitempty"`
}

// lastWhole is the start of the last run that was not partial.
func (h *history) lastWhole() time.Time {
	if h.LastWhole.IsZero() && h.LastRun != nil && !h.LastRun.Partial { // of an older purser
		return h.LastRun.Started
	}
	return h.LastWhole
}

// ServiceRecord is what is known of one service that was dumped, or should
// have been.
type ServiceRecord struct {
	ID        string    `json:"id"`
	Recipe    string    `json:"recipe"`
	LastGood  time.Time `json:"last_good_dump,omitzero"` // end of the last dump that was complete
	LastTried time.Time `json:"last_tried,omitzero"`
	Bytes     int64     `json:"bytes"` // of the last good dump
	Error     string    `json:"error,omitempty"`
	GoneSince time.Time `json:"gone_since,omitzero"` // when the service was first missed
	// LastSet is the newest set that holds a good dump of the service: the last
	// one, unless that has not been backed up yet. Retention keeps it.
	LastSet time.Time `json:"last_good_set,omitzero"`
}

// service returns the record of a service; a new one is added.
func (h *history) service(id string) *ServiceRecord {
	i, found := slices.BinarySearchFunc(h.Services, id, func(s ServiceRecord, id string) int {
		return strings.Compare(s.ID, id)
	})
	if !found {
		h.Services = slices.Insert(h.Services, i, ServiceRecord{ID: id})
	}
	return &h.Services[i]
}

// hasSucceeded reports whether the service was ever dumped.
func (h *history) hasSucceeded(id string) bool {
	for _, s := range h.Services {
		if s.ID == id {
			return !s.LastGood.IsZero()
		}
	}
	return false
}

// note takes over the dumps of a run.
func (h *history) note(dumps []ServiceDump) {
	for _, d := range dumps {
		if d.Outcome == DumpCancelled {
			continue
		}
		s := h.service(d.ID)
		s.Recipe, s.LastTried, s.Error, s.GoneSince = d.Recipe, d.Started, d.Error, time.Time{}
		if d.Outcome == Dumped {
			s.LastGood, s.Bytes = d.Ended, d.Bytes
		}
	}
}

// noteGone marks the services that a discovery of everything no longer found
// and returns them. One that was never dumped is forgotten.
func (h *history) noteGone(found map[string]bool, now time.Time) []ServiceRecord {
	h.Services = slices.DeleteFunc(h.Services, func(s ServiceRecord) bool {
		return !found[s.ID] && s.LastGood.IsZero()
	})
	var gone []ServiceRecord
	for i := range h.Services {
		s := &h.Services[i]
		if found[s.ID] {
			s.GoneSince = time.Time{}
			continue
		}
		if s.GoneSince.IsZero() {
			s.GoneSince, s.Error = now, ""
		}
		gone = append(gone, *s)
	}
	return gone
}

// forgive clears the error of a service that is no longer to be dumped.
func (h *history) forgive(id string) {
	for i := range h.Services {
		if h.Services[i].ID == id {
			h.Services[i].Error = ""
		}
	}
}

// lastSize is the size of the last good dump of a service, 0 if there is none.
func (h *history) lastSize(id string) int64 {
	for _, s := range h.Services {
		if s.ID == id {
			return s.Bytes
		}
	}
	return 0
}
