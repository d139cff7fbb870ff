package daemon

import (
	"slices"
	"strings"
	"time"

	"github.com/purser-backup/purser/engine"
)

// Trigger says who started a run.
type Trigger string

// What starts a run.
const (
	BySchedule Trigger = "schedule"
	ByCommand  Trigger = "command"
)

// Result is how a run ended.
type Result string

// The results of a run.
const (
	Complete    Result = "complete"
	Incomplete  Result = "incomplete"  // backed up, but something is missing from it, or pruning failed
	Failed      Result = "failed"      // nothing was backed up
	Interrupted Result = "interrupted" // cancelled, or the process died
)

// Run is the record of one run.
type Run struct {
	Trigger  Trigger       `json:"trigger"`
	Started  time.Time     `json:"started"`
	Ended    time.Time     `json:"ended"`
	Result   Result        `json:"result"`
	Errors   []string      `json:"errors"`   // why it isn't complete
	Problems []string      `json:"problems"` // what else the user should know
	Services []ServiceDump `json:"services"`
	Backup   *Backup       `json:"backup"` // null if nothing was backed up
	Prune    *Pruning      `json:"prune"`  // null if the run did not come to it, or it failed
}

// Pruning is what the retention settings deleted after a backup.
type Pruning struct {
	Sets    int   `json:"sets"`
	Objects int   `json:"objects"`
	Bytes   int64 `json:"bytes"`
}

// Outcome is what became of one service in a run.
type Outcome string

// The outcomes for a service.
const (
	Dumped        Outcome = "dumped"
	DumpFailed    Outcome = "failed"
	DumpCancelled Outcome = "cancelled" // with the whole run
)

// ServiceDump is the dump of one service in a run.
type ServiceDump struct {
	ID      string    `json:"id"` // STACK/SERVICE, or the label backup.id
	Recipe  string    `json:"recipe"`
	Outcome Outcome   `json:"outcome"`
	Certain bool      `json:"certain"` // false: the recipe is a guess from the image's name
	Started time.Time `json:"started"`
	Ended   time.Time `json:"ended"`
	Files   int       `json:"files"`
	Bytes   int64     `json:"bytes"`
	Error   string    `json:"error,omitempty"`
	Warning string    `json:"warning,omitempty"` // about a dump that is whole

	err error
}

// Backup is what one backup of the tree wrote.
type Backup struct {
	Kind          string    `json:"kind"`          // full, incremental, or unchanged if nothing had to be written
	Time          time.Time `json:"time,omitzero"` // of the set; absent if unchanged
	Ended         time.Time `json:"ended"`
	Volumes       int       `json:"volumes"`
	Bytes         int64     `json:"bytes"` // of the set on the target
	Encrypted     bool      `json:"encrypted"`
	Files         int       `json:"files"`
	New           int       `json:"new"`
	Changed       int       `json:"changed"`
	Deleted       int       `json:"deleted"`
	SourceBytes   int64     `json:"source_bytes"`
	UploadedBytes int64     `json:"uploaded_bytes"`
	Unreadable    []string  `json:"unreadable"`
}

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
	Services     []ServiceRecord `json:"services"`
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

// lastBytes is the size of the service's last good dump, 0 if there is none.
func (h *history) lastBytes(id string) int64 {
	for _, s := range h.Services {
		if s.ID == id {
			return s.Bytes
		}
	}
	return 0
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
