package daemon

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/purser-backup/purser/internal/atomicfile"
)

// stateVersion is the version of all state files. It grows when a file's
// meaning changes, so that an older purser refuses what it would misread.
const stateVersion = 1

// state is the directory of purser's own facts. Reading needs no lock: every
// file is replaced as a whole.
type state struct{ dir string }

func newState(archiveDir string) state { return state{filepath.Join(archiveDir, "state")} }

func (s state) create() error {
	if err := atomicfile.MkdirAll(s.dir, 0o700); err != nil {
		return withHint(fmt.Errorf("create the state directory: %w", err),
			"purser keeps its state in BACKUP_ARCHIVE_DIR: mount a writable volume there")
	}
	return nil
}

func (s state) daemonLock() string { return filepath.Join(s.dir, "daemon.lock") }
func (s state) runLock() string    { return filepath.Join(s.dir, "run.lock") }

// lockRun keeps out other runs, dumps and backups on this archive directory.
func (s state) lockRun() (*fileLock, error) {
	lock, err := lockFile(s.runLock())
	if errors.Is(err, ErrLocked) {
		return nil, withHint(err, "wait for it to end, `purser status` shows it; the lock ends with its process")
	}
	return lock, err
}

// Phase is how far a run has come.
type Phase string

// The commands that a journal can be of.
const (
	commandRun    = "run"
	commandDump   = "dump"
	commandBackup = "backup"
	commandLoad   = "load"
	commandRecipe = "recipe test"
	commandDrill  = "drill"
)

// The phases of a run, in order.
const (
	PhaseExport   Phase = "export"
	PhaseDiscover Phase = "discover"
	PhaseDump     Phase = "dump"
	PhaseBackup   Phase = "backup"
	PhasePrune    Phase = "prune"
	PhaseLoad     Phase = "load"   // of the commands load and drill alone
	PhaseRecipe   Phase = "recipe" // of the command recipe test alone
)

// journal is what a run has begun: written before it does it, removed at its
// end. One that is found at a start was left by a run that died.
type journal struct {
	Version  int       `json:"version"`
	Command  string    `json:"command"` // run, dump, backup, load, drill or recipe test
	Instance string    `json:"instance"`
	Trigger  Trigger   `json:"trigger"`
	Started  time.Time `json:"started"`
	Phase    Phase     `json:"phase"`
	Since    time.Time `json:"since"`   // start of the phase
	Created  []string  `json:"created"` // names of containers that the run made, or was about to
}

func (s state) journalPath() string { return filepath.Join(s.dir, "run.json") }

func (s state) loadJournal() (journal, bool, error) {
	var j journal
	found, err := load(s.journalPath(), &j)
	return j, found, err
}

func (s state) saveJournal(j journal) error {
	j.Version = stateVersion
	return save(s.journalPath(), j)
}

func (s state) removeJournal() error {
	if err := os.Remove(s.journalPath()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove the run's journal: %w", err)
	}
	return atomicfile.SyncDir(s.dir)
}

// heartbeat is what the daemon tells about itself.
type heartbeat struct {
	Version int       `json:"version"`
	First   time.Time `json:"first_start"` // of all daemons on this directory
	Started time.Time `json:"started"`
	Next    time.Time `json:"next_run"`
}

func (s state) heartbeatPath() string { return filepath.Join(s.dir, "daemon.json") }

func (s state) loadHeartbeat() (heartbeat, error) {
	var h heartbeat
	_, err := load(s.heartbeatPath(), &h)
	return h, err
}

func (s state) saveHeartbeat(h heartbeat) error {
	h.Version = stateVersion
	return save(s.heartbeatPath(), h)
}

func (s state) historyPath() string { return filepath.Join(s.dir, "last-run.json") }

func (s state) loadHistory() (history, error) {
	var h history
	_, err := load(s.historyPath(), &h)
	return h, err
}

func (s state) saveHistory(h history) error {
	h.Version = stateVersion
	return save(s.historyPath(), h)
}

// load reads a state file into v. A file of another version is refused, one
// that isn't there leaves v as it is.
func load(path string, v any) (found bool, err error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read state: %w", err)
	}
	// The version first: the rest may not even decode.
	var head struct{ Version int }
	if err := json.Unmarshal(b, &head); err != nil {
		return false, badState(path, err)
	}
	if head.Version != stateVersion {
		return false, badState(path, fmt.Errorf("version %d is unknown to this purser", head.Version))
	}
	if err := json.Unmarshal(b, v); err != nil {
		return false, badState(path, err)
	}
	return true, nil
}

func badState(path string, err error) error {
	return withHint(fmt.Errorf("read state %s: %w", path, err),
		"use the purser that wrote it, or remove the file: backups don't depend on it, only what `purser status` knows")
}

func save(path string, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("encode state %s: %w", path, err)
	}
	return atomicfile.WriteFile(path, append(b, '\n'), 0o600)
}
